"""Values as sources write them, turned into numbers and instants, but only where nothing is lost.

Add a notation here when it can be read in one way only. What a value means (a price, a bar's open) is
judged in `pipeline.market.cleaning`.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.timeframe import EPOCH

EXACT_INTEGERS = 2**53  # float64 holds every integer up to here
FAR_AWAY_US = 2**62  # 146,000 years from 1970, in microseconds
LONGEST_TEXT = 200  # characters of a refused value that are kept

PLAIN_NUMBER = r"[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?"

MICROSECOND = timedelta(microseconds=1)


def numbers(column: pd.Series) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Read a column as float64.

    Text and `Decimal` become the nearest float64, as every exchange's own client reads them; an integer that
    float64 cannot hold is not a price, and a boolean is not a number.

    Returns
    -------
    values : float64 of shape (n_rows,)
        NaN where the value is missing or unreadable; infinities stay.
    is_unreadable : bool of shape (n_rows,)
        True where a value is there but is not a number, or would be changed by the conversion.
    """
    if types.is_bool_dtype(column.dtype):
        return np.full(len(column), np.nan), column.notna().to_numpy(dtype=bool)
    if types.is_float_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column), dtype=bool)
    if types.is_integer_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return values, np.abs(values) > EXACT_INTEGERS
    if isinstance(column.dtype, pd.StringDtype) and column.str.fullmatch(PLAIN_NUMBER).all():
        return column.to_numpy(dtype=object).astype(np.float64), np.zeros(len(column), dtype=bool)
    read = [_number(value) for value in column.to_numpy(dtype=object)]
    is_unreadable = np.fromiter((value is None for value in read), dtype=bool, count=len(read))
    return np.array(read, dtype=np.float64), is_unreadable


def _number(value: object) -> float | None:
    """A float64, NaN if there is no value, or None if it cannot be read without loss."""
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, str):
        return _number_of_text(value.strip())
    if isinstance(value, int | np.integer):
        return float(value) if abs(int(value)) <= EXACT_INTEGERS else None
    if isinstance(value, Decimal):
        return float(value) if not value.is_snan() else math.nan
    return math.nan if value is None or value is pd.NA or value is pd.NaT else None


def _number_of_text(text: str) -> float | None:
    if not text:
        return math.nan
    if "_" in text or not text.isascii():  # float() would read 1_000 and digits of other scripts
        return None
    try:
        return float(text)
    except ValueError:
        return None


def instants(column: pd.Series) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Read a column as microseconds since 1970, UTC.

    Numbers are milliseconds, which is what exchanges send. Seconds and microseconds are not guessed here:
    read as milliseconds they fall outside any plausible range, which is how they are found.

    Returns
    -------
    microseconds : int64 of shape (n_rows,)
        0 where the value is unreadable or naive.
    is_unreadable, is_naive : bool of shape (n_rows,)
        True where there is no instant, and where there is one without a time zone.
    """
    n_rows = len(column)
    nowhere = np.zeros(n_rows, dtype=bool)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        is_missing = column.isna().to_numpy(dtype=bool)
        microseconds = column.dt.tz_convert(None).to_numpy(dtype=f"datetime64[{TIME_UNIT}]").view(np.int64)
        return np.where(is_missing, 0, microseconds), is_missing, nowhere
    if types.is_datetime64_dtype(column.dtype):
        is_missing = column.isna().to_numpy(dtype=bool)
        return np.zeros(n_rows, dtype=np.int64), is_missing, ~is_missing
    read = [_instant(value) for value in column.to_numpy(dtype=object)]
    is_unreadable = np.fromiter((value is None for value in read), dtype=bool, count=n_rows)
    is_naive = np.fromiter((value is _NAIVE for value in read), dtype=bool, count=n_rows)
    microseconds = np.fromiter((value if isinstance(value, int) else 0 for value in read), np.int64, n_rows)
    return microseconds, is_unreadable, is_naive


class _Naive:
    """An instant whose time zone nobody wrote down."""


_NAIVE = _Naive()


def _instant(value: object) -> int | _Naive | None:
    """Microseconds since 1970, `_NAIVE`, or None if it is not an instant."""
    if isinstance(value, str):
        value = _instant_of_text(value.strip())
    if isinstance(value, datetime) and not pd.isna(value):
        return _NAIVE if value.tzinfo is None else (value - EPOCH) // MICROSECOND
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    if not math.isfinite(value) or value != int(value):
        return None
    return max(-FAR_AWAY_US, min(int(value) * 1000, FAR_AWAY_US))


def _instant_of_text(text: str) -> datetime | int | None:
    if text.isascii() and text.isdecimal():
        return int(text[:LONGEST_TEXT])
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def json_safe(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as PostgreSQL's JSONB takes it: no NaN, no infinity, no NUL, no type that JSON does not know."""
    return {str(name): _json_value(value) for name, value in row.items()}


def _json_value(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= EXACT_INTEGERS:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    return plain_text(value)


def plain_text(value: object) -> str:
    """Text that PostgreSQL stores: no NUL, no lone surrogate, not endless."""
    text = str(value)[:LONGEST_TEXT].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return text.encode("utf-8", "replace").decode("utf-8")
