"""Scoring: how positive, neutral and negative a text is, as three probabilities.

The default scorer is here; `pipeline.sentiment.transformer` has the optional one. Both are pure: the same text gives
the same bits, whatever is scored beside it. Which of them a setting means is `pipeline.sentiment.scorers`' business.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.domain.document import TextSource
from pipeline.domain.errors import DataContractError
from pipeline.sentiment.lexicon import Lexicon, toned
from pipeline.sentiment.linear import LinearModel, Weights
from pipeline.sentiment.signs import signs, talk_share
from pipeline.sentiment.wording import FILLERS, terms, words

LABELS = ("positive", "neutral", "negative")  # the order of columns
UNDECIDED = (0.0, 1.0, 0.0)  # of a text that says nothing

Probabilities = npt.NDArray[np.float64]


class Scorer(Protocol):
    """Whatever makes probabilities of texts."""

    @property
    def name(self) -> str:
        """What `document_sentiment.scorer` holds; another one whenever the same text could be scored otherwise."""
        ...

    def score(self, texts: Sequence[str], sources: Sequence[TextSource | None] | None = None) -> Probabilities:
        """Probabilities of `LABELS`, of shape (n_texts, 3), rows of 1 together; a text that says nothing is neutral.

        Parameters
        ----------
        sources
            Where each text is from, as many as texts; None, of one text or of all, where nobody knows.

        Raises
        ------
        DataContractError
            There are not as many sources as texts.
        """
        ...


class DefaultScorer:
    """A linear model over the words of a text, and over what two lexicons say of them."""

    def __init__(self, name: str, weights: Weights, market: Lexicon, social: Lexicon) -> None:
        self.name = name
        self._model, self._market, self._social = LinearModel(weights), market, social

    def score(self, texts: Sequence[str], sources: Sequence[TextSource | None] | None = None) -> Probabilities:
        """See `Scorer.score`. On Reddit people talk; where no source is given, the style says whether they do."""
        rows = np.empty((len(texts), 3), dtype=np.float64)
        for row, (text, source) in enumerate(with_sources(texts, sources)):
            rows[row] = self._row(text, source)
        return rows

    def _row(self, text: str, source: TextSource | None) -> tuple[float, float, float]:
        found = words(text)
        if FILLERS.issuperset(found):
            return UNDECIDED
        talk = talk_share(text, found) if source is None else float(source is TextSource.REDDIT)
        toned_words = toned(found, self._market, self._social)
        return self._model.probabilities(terms(found, toned_words), signs(found, self._market, self._social, talk))


def with_sources(
    texts: Sequence[str], sources: Sequence[TextSource | None] | None
) -> Sequence[tuple[str, TextSource | None]]:
    """Each text with its source, None for all where none are given."""
    if sources is not None and len(sources) != len(texts):
        raise DataContractError(f"sources must be as many as texts, were {len(sources)} for {len(texts)}")
    given: Sequence[TextSource | None] = [None] * len(texts) if sources is None else sources
    return list(zip(texts, given, strict=True))


def labels_of(probabilities: Probabilities) -> list[str]:
    """The likeliest label of each row; of equal ones the first of `LABELS`."""
    return [LABELS[place] for place in np.argmax(probabilities, axis=1)]
