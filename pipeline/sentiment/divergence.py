"""Divergence: the news and the talk point opposite ways, which neither of them tells alone."""

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def divergence(news: Numbers, social: Numbers, threshold: float) -> npt.NDArray[np.int8]:
    """1 where the news are above ``threshold`` and the talk below minus it, -1 the other way round, else 0.

    Parameters
    ----------
    news, social : arrays of one shape
        Scores, -1 to 1. Where either is NaN nothing diverges: what is not said contradicts nobody.
    """
    up = (news > threshold) & (social < -threshold)
    down = (news < -threshold) & (social > threshold)
    return up.astype(np.int8) - down.astype(np.int8)
