"""Kept pictures; the database's constraints hold the same."""

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT

PNG_BEGINS = b"\x89PNG\r\n\x1a\n"


class SignalCharts(pa.DataFrameModel):
    """Pictures of the strongest active signals, the strongest first."""

    signal_id: Series[Any] = pa.Field(unique=True)
    place: Series[int] = pa.Field(ge=1, unique=True)
    caption: Series[str] = pa.Field(str_length={"min_value": 1})
    until: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    drawn_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    png: Series[Any]

    class Config:
        """Surprises are refused and nothing is coerced."""

        strict = True

    @pa.check("png", name="is_png")
    def is_a_picture(cls, png: "pd.Series[Any]") -> "pd.Series[bool]":  # noqa: N805
        """It begins as a PNG does."""
        return png.map(lambda content: content.startswith(PNG_BEGINS)).astype(bool)
