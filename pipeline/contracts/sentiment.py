"""What the tables of sentiment promise."""

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT
from pipeline.domain.universe import SYMBOL_PATTERN


def _score() -> Any:
    return pa.Field(ge=-1, le=1, nullable=True)


class DocumentSentiment(pa.DataFrameModel):
    """How positive each text is: three probabilities that add up to one."""

    document_id: Series[Any]
    positive: Series[float] = pa.Field(ge=0, le=1)
    neutral: Series[float] = pa.Field(ge=0, le=1)
    negative: Series[float] = pa.Field(ge=0, le=1)

    class Config:
        """Nothing else, and each text once."""

        strict = True
        unique = ["document_id"]

    @pa.dataframe_check(description="positive + neutral + negative == 1")
    def is_a_distribution(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """Up to rounding."""
        return (frame["positive"] + frame["neutral"] + frame["negative"] - 1.0).abs() < 1e-6


class SymbolSentiment(pa.DataFrameModel):
    """What the sources say of each symbol at each close."""

    symbol: Series[str] = pa.Field(str_matches=SYMBOL_PATTERN)
    close_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    is_simulated: Series[bool]
    overall_score: Series[float] = _score()
    news_score: Series[float] = _score()
    social_score: Series[float] = _score()
    twitter_score: Series[float] = _score()
    reddit_score: Series[float] = _score()
    github_score: Series[float] = _score()
    coverage: Series[float] = pa.Field(gt=0, le=1 + 1e-9)
    scorer: Series[str]

    class Config:
        """Counts and what moved a score are said by the table; each symbol and close once."""

        strict = False
        unique = ["symbol", "close_at", "is_simulated"]

    @pa.dataframe_check(description="there is an overall score where a source has something to say")
    def is_said(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """Coverage without a score would be a source that was counted and not heard."""
        return frame["overall_score"].notna()
