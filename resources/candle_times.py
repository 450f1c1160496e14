"""The times in candle files: numbers and texts of many kinds, turned into instants or refused.

A kind belongs here when it can mean one instant only. Days before months or after them, seconds beside
milliseconds: what could be read in two ways is refused with what to write instead.
"""

import re
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from pandas.api import types

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.errors import UnreadableFileError
from pipeline.domain.timeframe import BITCOIN_GENESIS

EARLIEST = BITCOIN_GENESIS
LATEST = datetime(2100, 1, 1, tzinfo=UTC)

UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}  # in a second
READ_UNITS = ("milliseconds", "microseconds")

# Besides ISO 8601: CryptoDataDownload's older files (12-hour clock) and MetaTrader.
FORMATS = ("ISO8601", "%Y-%m-%d %I-%p", "%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M", "%Y.%m.%d")
TIME_OF_DAY = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")

NUMERIC_SHARE = 0.5  # of a column of text that must be numbers for the column to be numbers


def instants(column: pd.Series) -> pd.Series:
    """The column as instants in UTC.

    Text and dates without an offset are UTC, as every exchange and every tool that writes such files has it;
    offsets are converted. Numbers are milliseconds or microseconds since 1970, by their magnitude.

    Returns
    -------
    Series
        datetime64 in UTC, NaT where a value cannot be read.

    Raises
    ------
    UnreadableFileError
        No value can be read, they are of several units, of seconds or nanoseconds, or all lie outside
        2009 .. 2100.
    """
    if column.isna().all():
        raise UnreadableFileError("times must be given, the column is empty")
    if types.is_bool_dtype(column.dtype):
        raise UnreadableFileError(f"times must be dates or milliseconds since 1970, were {column.iloc[0]}")
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        read = column.dt.tz_convert("UTC")
    elif types.is_datetime64_dtype(column.dtype):
        read = column.dt.tz_localize("UTC")
    elif types.is_numeric_dtype(column.dtype):
        read = _epoch(column.astype(np.float64))
    else:
        numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
        read = _epoch(numbers) if numbers.notna().mean() >= NUMERIC_SHARE else _text(column)
    _check_range(read)
    return pd.Series(read.astype(f"datetime64[{TIME_UNIT}, UTC]"))


def is_time_of_day(column: pd.Series) -> bool:
    """Whether a column holds times like 13:00 that need the date beside them."""
    first = column.iloc[0]
    return isinstance(first, str) and TIME_OF_DAY.fullmatch(first.strip()) is not None


def _epoch(numbers: pd.Series) -> pd.Series:
    """Instants of numbers, NaT where they are no time; the unit is that of every plausible number."""
    found: dict[str, pd.Series] = {}
    for unit, per_second in UNITS.items():
        is_plausible = numbers.between(EARLIEST.timestamp() * per_second, LATEST.timestamp() * per_second)
        if is_plausible.any():
            found[unit] = is_plausible
    if not found:
        first = numbers.dropna().iloc[0]
        raise UnreadableFileError(f"times must be dates or milliseconds since 1970, were {first:.0f}")
    if len(found) > 1:
        where = ", ".join(f"{unit} in row {int(rows.argmax()) + 1}" for unit, rows in found.items())
        raise UnreadableFileError(f"times must be of one unit, were {where}; split the file")
    unit, is_plausible = found.popitem()
    if unit not in READ_UNITS:
        example = numbers[is_plausible].iloc[0]
        advice = "multiply them by 1000" if unit == "seconds" else "divide them by 1000000"
        raise UnreadableFileError(f"times must be milliseconds since 1970, were {unit} ({example:.0f}); {advice}")
    microseconds = numbers.where(is_plausible, 0.0) * (10**6 // UNITS[unit])
    return pd.to_datetime(microseconds.round().astype("int64"), unit="us", utc=True).where(is_plausible)


def _text(column: pd.Series) -> pd.Series:
    """Instants of texts and dates, NaT where they are no time."""
    texts = column.astype("str").str.strip()
    for form in FORMATS:
        read = pd.to_datetime(texts, format=form, utc=True, errors="coerce")
        if read.notna().any():
            return read
    raise UnreadableFileError(
        "times must be written like 2024-01-31 13:00 (year, month, day) or as milliseconds since 1970, "
        f"were {texts.dropna().iloc[0]!r}"
    )


def _check_range(read: pd.Series) -> None:
    if not read.between(pd.Timestamp(EARLIEST), pd.Timestamp(LATEST)).any():
        raise UnreadableFileError(
            f"times must lie between 2009 and now, the first was {read.dropna().min()} "
            "(seconds or microseconds read as another unit?)"
        )
