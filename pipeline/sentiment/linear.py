"""A linear model of texts: its weights, the file that keeps them, and what it makes of a text.

The file is text, one weight a line, so that a change of it can be reviewed: `# key: value` lines about where it comes
from, then signs (name, weight for positive, for negative), then terms (term, texts that have it, both weights). Weights
are against neutral, whose own are 0.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.errors import DataContractError
from pipeline.sentiment.signs import NAMES

WEIGHTS = Path(__file__).parent / "weights" / "default.tsv"
BIAS = "bias"
DECIMALS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What was learned. Pairs are for positive and for negative."""

    about: Mapping[str, str]  # where the weights come from
    n_texts: int  # that they were learned from
    signs: Mapping[str, tuple[float, float]]  # `bias` and those of `signs.NAMES`
    terms: Mapping[str, tuple[int, float, float]]  # texts that have the term, then the pair


class LinearModel:
    """Weights made ready for use."""

    def __init__(self, weights: Weights) -> None:
        if missing := {BIAS, *NAMES} ^ set(weights.signs):
            raise DataContractError(
                f"signs must be {BIAS} and those of pipeline.sentiment.signs, not {sorted(missing)}"
            )
        self._bias = weights.signs[BIAS]
        self._positive = tuple(weights.signs[name][0] for name in NAMES)
        self._negative = tuple(weights.signs[name][1] for name in NAMES)
        self._terms: dict[str, tuple[float, float, float]] = {}
        for term, (count, positive, negative) in weights.terms.items():
            rarity = term_rarity(count, weights.n_texts)
            self._terms[term] = (rarity * rarity, rarity * positive, rarity * negative)

    def probabilities(self, found: Sequence[str], values: Sequence[float]) -> tuple[float, float, float]:
        """Positive, neutral, negative, of 1 together, for a text of these terms and signs.

        Summed term by term in the text's order: the same text gives the same bits whatever is scored beside it.
        """
        squares = positive = negative = 0.0
        known = self._terms
        for term in found:
            entry = known.get(term)
            if entry is not None:
                squares += entry[0]
                positive += entry[1]
                negative += entry[2]
        if squares:
            length = math.sqrt(squares)
            positive /= length
            negative /= length
        positive += self._bias[0]
        negative += self._bias[1]
        for value, for_positive, for_negative in zip(values, self._positive, self._negative, strict=True):
            positive += value * for_positive
            negative += value * for_negative
        return softmax(positive, negative)


def term_rarity(count: int, n_texts: int) -> float:
    """What a term counts for that ``count`` of ``n_texts`` texts have: the fewer, the more."""
    return math.log((1 + n_texts) / (1 + count)) + 1.0


def softmax(positive: float, negative: float) -> tuple[float, float, float]:
    """Probabilities of positive, neutral, negative from what speaks for the outer two against neutral."""
    most = max(positive, negative, 0.0)
    parts = math.exp(positive - most), math.exp(-most), math.exp(negative - most)
    total = sum(parts)
    return parts[0] / total, parts[1] / total, parts[2] / total


def read_weights(path: Path = WEIGHTS) -> Weights:
    """Read what `write_weights` wrote.

    Raises
    ------
    DataContractError
        A line cannot be read.
    """
    about: dict[str, str] = {}
    signs: dict[str, tuple[float, float]] = {}
    terms: dict[str, tuple[int, float, float]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        cells = line.split("\t")
        try:
            if not line:
                continue
            if line.startswith("# "):
                key, _, value = line[2:].partition(": ")
                about[key] = value
            elif len(cells) == 3:
                signs[cells[0]] = (float(cells[1]), float(cells[2]))
            else:
                terms[cells[0]] = (int(cells[1]), float(cells[2]), float(cells[3]))
        except (IndexError, ValueError):
            raise DataContractError(f"{path.name}:{number} must be a sign or a term, was {line[:80]!r}") from None
    return Weights(about=about, n_texts=int(about.pop("texts", "0")), signs=signs, terms=terms)


def write_weights(weights: Weights, path: Path) -> None:
    """Write weights as text, rounded; the same weights give the same bytes."""
    lines = [f"# {key}: {value}" for key, value in {**weights.about, "texts": str(weights.n_texts)}.items()]
    lines += [f"{name}\t{_rounded(pair[0])}\t{_rounded(pair[1])}" for name, pair in weights.signs.items()]
    for term, (count, positive, negative) in sorted(weights.terms.items()):
        lines.append(f"{term}\t{count}\t{_rounded(positive)}\t{_rounded(negative)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rounded(weight: float) -> str:
    return f"{weight:.{DECIMALS}f}"
