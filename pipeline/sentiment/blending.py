"""Blending: the scored texts of a window make one score per source, and the sources' scores make the overall one.

A source that has nothing to say about an asset is left out, and the weights of the others count for more; it is never
taken for neutral. How sure that makes us is the coverage, which is kept beside the score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.document import TextSource

TEXTS = (TextSource.NEWS, TextSource.TWITTER, TextSource.REDDIT)  # the sources of texts, in the order of arrays here
SOCIAL = (TextSource.TWITTER, TextSource.REDDIT)  # development is no talk
DIGITS = 12  # of a weight
ROUNDING = 1e-9  # by which a sum of weights may miss what it is compared with
NEVER = np.iinfo(np.int64).max

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendRules:
    """What the settings say about blending."""

    weights: Mapping[TextSource, float] = field(
        default_factory=lambda: {
            TextSource.NEWS: 0.4,
            TextSource.TWITTER: 0.3,
            TextSource.REDDIT: 0.2,
            TextSource.GITHUB: 0.1,
        }
    )
    window: timedelta = timedelta(hours=24)  # a text counts while it is younger
    half_life: timedelta = timedelta(hours=6)  # of a text's weight
    prior: float = 5.0  # undecided texts that every source begins with
    # Texts by one author about one asset that count at once, the newest; a publisher's articles have one author.
    author_cap: Mapping[TextSource, int] = field(
        default_factory=lambda: {TextSource.NEWS: 12, TextSource.TWITTER: 3, TextSource.REDDIT: 3}
    )
    # Texts in just the same words that count at once, whoever writes them: what is copied is one opinion, or a few.
    words_cap: int = 3
    min_weight: float = 0.4  # of the sources that are there: with less there is no advice
    min_documents: int = 10  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Scored texts, one entry per text and asset; arrays of one length, by (published_at, document_id).

    Instants are microseconds since 1970. A text counts at closes from ``known_at`` on and before ``gone_at``, which is
    when it was edited or removed; `NEVER` for most.
    """

    document_id: npt.NDArray[np.object_]
    asset: Counts  # place among the assets that are asked about
    source: Counts  # place in `TEXTS`
    author: Counts  # the same number for the same author; negative where nobody knows
    words: Counts  # the same number for the same words
    published_at: Counts
    known_at: Counts
    gone_at: Counts
    compound: Numbers  # probability of positive less that of negative, -1 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The texts that count at each close; arrays of one length, by close, then as `Texts`."""

    text: Counts  # place in `Texts`
    close: Counts  # place among the closes
    weight: Numbers  # by age, 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """Scores per close and asset; NaN is unknown. ``n`` closes, ``m`` assets, sources in the order of `TextSource`."""

    closes: pd.DatetimeIndex  # n
    assets: tuple[str, ...]  # m
    scores: Numbers  # (n, m, 4), -1 to 1; NaN where the source has nothing about the asset
    counted: Counts  # (n, m, 3): texts behind each score of `TEXTS`
    capped: Counts  # (n, m, 3): texts left out because their author, or others in their words, had said enough
    evidence: Numbers  # (n, m, 3): what the texts of each source weigh together, whichever way they point
    overall: Numbers  # (n, m)
    social: Numbers  # (n, m)
    coverage: Numbers  # (n, m): weight of the sources that are there, 0 to 1
    pairs: Pairs
    rules: BlendRules

    @property
    def news(self) -> Numbers:
        """The score of the news, (n, m)."""
        return self.scores[:, :, 0]

    @property
    def is_covered(self) -> npt.NDArray[np.bool_]:
        """Where there is enough for an advice, (n, m)."""
        is_enough: npt.NDArray[np.bool_] = (self.coverage >= self.rules.min_weight - ROUNDING) & (
            self.counted.sum(axis=2) >= self.rules.min_documents
        )
        return is_enough


def blend(texts: Texts, activity: Numbers, closes: pd.DatetimeIndex, assets: Sequence[str], rules: BlendRules) -> Blend:
    """Scores of the assets at each of the closes, from what was published and known by then.

    A source's score is s = (P - N) / (P + N + prior), where P is the weighted sum of how positive its texts are, and N
    of how negative: a mean would say the same of one enthusiast as of a hundred, and of a hundred texts among which
    most are neutral nearly nothing.

    Parameters
    ----------
    activity : array of shape (n_closes, n_assets)
        Score of the development activity; NaN where none is known. See `activity.activity_scores`.
    closes
        Aware, increasing.
    """
    at = closes.as_unit(TIME_UNIT).asi8
    n, m = len(at), len(assets)
    pairs = _pairs(texts, at, rules)
    cells = _cells(texts, pairs, m)
    is_kept = _is_heard(texts, pairs, cells, rules)
    shape = (n, m, len(TEXTS))

    def summed(values: Numbers | None, where: npt.NDArray[np.bool_]) -> Numbers:
        weights = np.ones(len(cells)) if values is None else values
        total = np.bincount(cells[where], weights[where], minlength=n * m * len(TEXTS))
        return total.astype(np.float64, copy=False).reshape(shape)

    compound = texts.compound[pairs.text]
    positive = summed(pairs.weight * np.maximum(compound, 0.0), is_kept)
    negative = summed(pairs.weight * np.maximum(-compound, 0.0), is_kept)
    counted = summed(None, is_kept).astype(np.int64)
    evidence = positive + negative
    of_texts = np.where(counted > 0, (positive - negative) / (evidence + rules.prior), np.nan)
    scores = np.concatenate([of_texts, activity[:, :, np.newaxis]], axis=2)
    overall, coverage = weighted_mean(scores, [rules.weights[source] for source in TextSource])
    places = [list(TextSource).index(source) for source in SOCIAL]
    social, _ = weighted_mean(scores[:, :, places], [rules.weights[source] for source in SOCIAL])
    return Blend(
        closes=closes,
        assets=tuple(assets),
        scores=scores,
        counted=counted,
        capped=summed(None, ~is_kept).astype(np.int64),
        evidence=evidence,
        overall=overall,
        social=social,
        coverage=np.round(coverage, DIGITS),
        pairs=Pairs(text=pairs.text[is_kept], close=pairs.close[is_kept], weight=pairs.weight[is_kept]),
        rules=rules,
    )


def weighted_mean(scores: Numbers, weights: Sequence[float]) -> tuple[Numbers, Numbers]:
    """The mean over the last axis of what is known, and the weight of that; NaN and 0 where nothing is.

    Summed source by source, so that the same scores give the same bits whatever else is computed beside them.
    """
    total, weight = np.zeros(scores.shape[:-1]), np.zeros(scores.shape[:-1])
    for place, share in enumerate(weights):
        is_known = ~np.isnan(scores[..., place])
        total += np.where(is_known, share * scores[..., place], 0.0)
        weight += np.where(is_known, share, 0.0)
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0.0)
    return mean, weight


def _pairs(texts: Texts, at: Counts, rules: BlendRules) -> Pairs:
    """Every text with every close at which it is known, young enough and not gone."""
    window, half_life = (each // timedelta(microseconds=1) for each in (rules.window, rules.half_life))
    first = np.searchsorted(at, np.maximum(texts.published_at, texts.known_at), side="left")
    end = np.searchsorted(at, np.minimum(texts.published_at + window, texts.gone_at), side="left")
    lengths = np.maximum(end - first, 0)
    text = np.repeat(np.arange(len(first)), lengths)
    within = np.arange(len(text)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    close = np.repeat(first, lengths) + within
    order = np.lexsort((text, close))
    text, close = text[order], close[order]
    return Pairs(text=text, close=close, weight=np.exp2((texts.published_at[text] - at[close]) / half_life))


def _is_heard(texts: Texts, pairs: Pairs, cells: Counts, rules: BlendRules) -> npt.NDArray[np.bool_]:
    """Which pairs count: of each author, and of the same words, only the newest few per close, asset and source."""
    author, words = texts.author[pairs.text], texts.words[pairs.text]
    caps = np.array([rules.author_cap[source] for source in TEXTS])
    is_heard: npt.NDArray[np.bool_] = (_place(pairs, cells, author) < caps[cells % len(TEXTS)]) | (author < 0)
    return is_heard & (_place(pairs, cells, words) < rules.words_cap)


def _place(pairs: Pairs, cells: Counts, group: Counts) -> Counts:
    """Of each pair, how many newer ones of its cell are of the same group."""
    newest_first = np.lexsort((-pairs.text, group, cells))
    cells, group = cells[newest_first], group[newest_first]
    is_first = np.ones(len(cells), dtype=np.bool_)
    is_first[1:] = (cells[1:] != cells[:-1]) | (group[1:] != group[:-1])
    order = np.arange(len(cells))
    place = np.empty(len(cells), dtype=np.int64)
    place[newest_first] = order - np.maximum.accumulate(np.where(is_first, order, 0))
    return place


def _cells(texts: Texts, pairs: Pairs, m: int) -> Counts:
    cells: Counts = (pairs.close * m + texts.asset[pairs.text]) * len(TEXTS) + texts.source[pairs.text]
    return cells
