"""Lexicons: words with a value by themselves, good or bad, and what they add up to in a text.

Two of them: VADER's, which knows social language, and our own of markets and crypto, `weights/lexicon.txt`. VADER's own
rules are not run: a linear model over the sums does better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.errors import DataContractError
from pipeline.sentiment.wording import BAD, GOOD, NEGATIONS, SCOPE_ENDS, SCOPE_WORDS

OWN = Path(__file__).parent / "weights" / "lexicon.txt"
STRONGEST = 4.0  # on both sides, as in VADER
FLIP = 0.74  # what a negation leaves of a value, on the other side; after Hutto and Gilbert (2014)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Values of words and phrases, -4 to 4."""

    values: Mapping[str, float]
    begins: frozenset[str]  # first words of phrases
    longest: int  # words of the longest phrase

    @classmethod
    def of(cls, values: Mapping[str, float]) -> "Lexicon":
        """A lexicon of these values; phrases are words with a space between."""
        phrases = [phrase.split(" ") for phrase in values if " " in phrase]
        return cls(values, frozenset(each[0] for each in phrases), max(map(len, phrases), default=1))


def own_lexicon(path: Path = OWN) -> Lexicon:
    """Our lexicon of markets and crypto.

    Raises
    ------
    DataContractError
        A line cannot be read, a value is out of range, or a phrase stands there with two values.
    """
    values: dict[str, float] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line or line.startswith("#"):
            continue
        head, _, phrases = line.partition("\t")
        try:
            value = float(head)
        except ValueError:
            raise DataContractError(f"{path.name}:{number} must begin with a value, was {head!r}") from None
        if not 0.0 < abs(value) <= STRONGEST:
            raise DataContractError(f"{path.name}:{number} must have a value of up to {STRONGEST:g}, was {value:g}")
        for phrase in map(str.strip, phrases.split(",")):
            if values.setdefault(phrase, value) != value or not phrase:
                raise DataContractError(f"{path.name}:{number} must give {phrase!r} one value, it has another before")
    return Lexicon.of(values)


def social_lexicon() -> Lexicon:
    """VADER's, word by word."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return Lexicon.of({word: float(value) for word, value in SentimentIntensityAnalyzer().lexicon.items()})


def toned(found: Sequence[str], market: Lexicon, social: Lexicon) -> list[str]:
    """The words of a text with `GOOD` or `BAD` in place of those that a lexicon knows, ours first."""
    said = []
    for word in found:
        value = market.values.get(word)
        if value is None:
            value = social.values.get(word)
        said.append(word if value is None else GOOD if value > 0.0 else BAD)
    return said


def sums(found: Sequence[str], lexicon: Lexicon) -> tuple[float, float]:
    """How much good and how much bad the words of a text say, both at least 0.

    A phrase counts in place of its words, the longest first. A negation turns what follows within its reach.

    Parameters
    ----------
    found
        As `wording.words` gives them.
    """
    good = bad = 0.0
    place, reach, n = 0, 0, len(found)
    values, begins, longest = lexicon.values, lexicon.begins, lexicon.longest
    while place < n:
        word = found[place]
        value, length = values.get(word), 1
        if word in begins:
            for tried in range(min(longest, n - place), 1, -1):
                phrase = values.get(" ".join(found[place : place + tried]))
                if phrase is not None:
                    value, length = phrase, tried
                    break
        if value is not None:
            if reach:
                value *= -FLIP
            if value > 0.0:
                good += value
            else:
                bad -= value
        if word in NEGATIONS and length == 1:
            reach = SCOPE_WORDS
        elif word in SCOPE_ENDS:
            reach = 0
        elif reach:
            reach -= 1
        place += length
    return good, bad
