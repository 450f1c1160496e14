"""Fitting: weights of the default scorer from labelled texts, the same ones from the same texts.

It reads texts with the very functions that score them, so that what is learned is what will be seen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.sentiment.texts import REDDIT, Labelled
from pipeline.sentiment.lexicon import own_lexicon, social_lexicon, toned
from pipeline.sentiment.linear import BIAS, DECIMALS, Weights, term_rarity
from pipeline.sentiment.scoring import LABELS
from pipeline.sentiment.signs import NAMES, signs
from pipeline.sentiment.wording import terms, words

NEUTRAL = LABELS.index("neutral")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What is decided before anything is learned."""

    looseness: float = 10.0  # inverse of the penalty on weights
    least_texts: int = 2  # that have a term, for it to be kept
    least_texts_of_word: int = 4  # that have a single word: half of the rarer ones are names from headlines
    reddit_weight: float = 5.0  # of a Reddit text against one from X: there are thirty times fewer


def fit(sets: Sequence[Labelled], about: Mapping[str, str], recipe: Recipe = Recipe()) -> Weights:
    """Weights from these sets, by logistic regression over rare-weighted terms and signs.

    A text from Reddit is shown twice at half its weight, once as talk and once not: the scorer must be good too where
    nobody says where a text is from and its style does not tell.
    """
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    market, social = own_lexicon(), social_lexicon()
    shown: list[tuple[list[str], list[float], int, float]] = []
    counts: Counter[str] = Counter()
    for labelled in sets:
        for text, label in zip(labelled.texts, labelled.labels.tolist(), strict=True):
            found = words(text)
            its_terms = terms(found, toned(found, market, social))
            counts.update(its_terms)
            views = (1.0, 0.0) if labelled.name == REDDIT else (0.0,)
            weight = recipe.reddit_weight / len(views) if labelled.name == REDDIT else 1.0
            shown += [(its_terms, signs(found, market, social, talk), label, weight) for talk in views]
    n_texts = sum(len(labelled.texts) for labelled in sets)
    least = {True: recipe.least_texts_of_word, False: recipe.least_texts}
    kept = sorted(term for term, count in counts.items() if count >= least[" " not in term])
    place_of = {term: place for place, term in enumerate(kept)}
    rarity = np.array([term_rarity(counts[term], n_texts) for term in kept])
    design = hstack([_term_columns([row[0] for row in shown], place_of, rarity), csr_matrix([row[1] for row in shown])])
    with threadpool_limits(1):
        model = LogisticRegression(C=recipe.looseness, max_iter=1000, tol=1e-5)
        model.fit(design.tocsr(), [row[2] for row in shown], sample_weight=[row[3] for row in shown])
    outer = np.zeros((len(LABELS), design.shape[1] + 1))
    outer[model.classes_] = np.column_stack([model.coef_, model.intercept_])
    against_neutral = np.round(outer - outer[NEUTRAL], DECIMALS) + 0.0
    positive, _, negative = against_neutral.tolist()
    n_terms = len(kept)
    return Weights(
        about=about,
        n_texts=n_texts,
        signs={
            BIAS: (positive[-1], negative[-1]),
            **{name: (positive[n_terms + n], negative[n_terms + n]) for n, name in enumerate(NAMES)},
        },
        terms={term: (counts[term], positive[n], negative[n]) for n, term in enumerate(kept)},
    )


def _term_columns(rows: Sequence[Sequence[str]], place_of: Mapping[str, int], rarity: npt.NDArray[np.float64]) -> Any:
    """The terms of each text as a sparse row of length 1, over those that are kept."""
    from scipy.sparse import csr_matrix

    places, ends = [], [0]
    for row in rows:
        places += [place_of[term] for term in row if term in place_of]
        ends.append(len(places))
    values = rarity[places]
    squares = np.concatenate([[0.0], np.cumsum(values * values)])
    lengths = np.sqrt(np.maximum(np.diff(squares[ends]), 1e-12))
    values = values / np.repeat(lengths, np.diff(ends))
    return csr_matrix((values, places, ends), shape=(len(rows), len(place_of)))
