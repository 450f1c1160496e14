"""Movers: which texts made an overall score what it is."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.document import TextSource
from pipeline.sentiment.blending import DIGITS, TEXTS, Blend, Texts

SHOWN = 5  # per asset and close


def movers(blend: Blend, texts: Texts, closes: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The texts that moved the overall scores at some of the blend's closes most, strongest first.

    A text moves the overall score by its part of the sum that is divided: without it the divisor would be smaller
    too, so that these parts do not add up to the score of a world without them, but to the score itself.

    Returns
    -------
    DataFrame
        close and asset (places in the blend), document_id, part (of the overall score, -1 to 1); at most `SHOWN` rows
        per close and asset, neutral texts never.
    """
    is_asked = np.isin(blend.pairs.close, closes)
    text, close, weight = (each[is_asked] for each in (blend.pairs.text, blend.pairs.close, blend.pairs.weight))
    shares = np.array([blend.rules.weights[source] for source in TEXTS])
    asset, source = texts.asset[text], texts.source[text]
    divisor = blend.coverage[close, asset] * (blend.evidence[close, asset, source] + blend.rules.prior)
    part = shares[source] * weight * texts.compound[text] / divisor
    found = pd.DataFrame({"close": close, "asset": asset, "document_id": texts.document_id[text], "part": part})
    found = found[part != 0.0]
    order = np.lexsort((found["document_id"].astype(str), -found["part"].abs(), found["asset"], found["close"]))
    found = found.iloc[order]
    kept: pd.DataFrame = found[found.groupby(["close", "asset"]).cumcount() < SHOWN].reset_index(drop=True)
    return kept


def weights_used(blend: Blend, close: int, asset: int) -> dict[str, float]:
    """The weight of each source that had something to say, of 1 together, by name."""
    coverage = float(blend.coverage[close, asset])
    return {
        source.value: round(blend.rules.weights[source] / coverage, DIGITS)
        for place, source in enumerate(TextSource)
        if not np.isnan(blend.scores[close, asset, place])
    }
