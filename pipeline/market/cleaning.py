"""Cleaning: which of the rows that a source handed over are candles, and why the others are not.

Add a rule here when a single row, or its copies, show that something is wrong. What takes several bars to see
(gaps, jumps, staleness) is the business of `pipeline.market.health`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.contracts.candles import KEY, PRICES, VALUES
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import check_aware
from pipeline.domain.timeframe import BITCOIN_GENESIS, EPOCH, Timeframe
from pipeline.domain.universe import EXCHANGE_PATTERN, SYMBOL_PATTERN
from pipeline.market.coercion import instants, json_safe, numbers, plain_text
from pipeline.market.reasons import REASONS

RAW = [*KEY, *VALUES]  # what a source hands over, of any type
REFUSED = ["exchange", "symbol", "timeframe", "open_at", "reason", "row"]

MICROSECOND = timedelta(microseconds=1)
MINUTE_US = timedelta(minutes=1) // MICROSECOND
GENESIS_US = (BITCOIN_GENESIS - EPOCH) // MICROSECOND
LAST_YEAR_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND  # no datetime is later
NO_TIME = np.iinfo(np.int64).min  # how numpy writes NaT

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What came of raw rows: every row is in `candles`, merged into one of them, or in `refused`."""

    candles: pd.DataFrame  # obeys contracts.candles.Candles; by series, oldest first
    refused: pd.DataFrame  # exchange, symbol, timeframe, open_at (NaT if unreadable), reason, row; as they came
    merged: int  # bars of which copies with different values came
    out_of_order: int  # rows that came after a later bar of their series


@dataclass(frozen=True, slots=True)
class _Names:
    """One column of names: per row the rank of its name, and the names by rank."""

    ranks: Integers  # -1 where there is no name
    names: list[str]

    @classmethod
    def of(cls, column: pd.Series) -> "_Names":
        codes, uniques = pd.factorize(column)
        texts = [str(value) for value in uniques]
        names = sorted(set(texts))
        rank_of_code = np.array([names.index(text) for text in texts] + [-1], dtype=np.int64)
        return cls(rank_of_code[codes], names)

    def where(self, is_valid: Iterable[bool]) -> Flags:
        """Per row, whether its name is among the valid ones."""
        return np.array([*is_valid, False], dtype=bool)[self.ranks]

    def column(self, rows: Integers) -> pd.api.extensions.ExtensionArray:
        """The names of some rows, every one of which has one."""
        return pd.array(self.names, dtype="str").take(self.ranks[rows])


def clean(raw: pd.DataFrame, now: datetime) -> Cleaned:
    """Split what a source handed over into candles and refused rows.

    A bar that is not closed at ``now`` is refused as well: the clock decides whether a bar is closed, since
    some exchanges return the open one and some do not. Copies of a bar are merged (first open, highest high,
    lowest low, last close, largest volume) instead of keeping one of them: pages overlap, and each copy may
    have seen trades that the other has not.

    Parameters
    ----------
    raw : DataFrame of shape (n_rows, 9 or more)
        Columns exchange, symbol, timeframe, open_at, open, high, low, close, volume, in any order and of any
        type; more columns are ignored. Rows in any order. Times are aware instants, ISO 8601 text with an
        offset, or milliseconds since 1970.
    now : datetime
        Aware. With live data the wall clock less the grace, otherwise the run's ``as_of``.

    Returns
    -------
    Cleaned
        A refused row carries the first reason of `pipeline.market.reasons` that applies, its ``open_at`` (NaT
        where it cannot be read), and the row as it came, safe to store as JSON.

    Raises
    ------
    DataContractError
        A column is missing, or ``now`` has no time zone.
    """
    check_aware("now", now)
    if missing := [name for name in RAW if name not in raw.columns]:
        raise DataContractError(f"raw candles must have the columns {' '.join(RAW)}, lacked {' '.join(missing)}")

    series = {name: _Names.of(raw[name]) for name in ("exchange", "symbol", "timeframe")}
    open_us, is_unreadable, is_naive = instants(raw["open_at"])
    read = {name: numbers(raw[name]) for name in VALUES}
    values = {name: column for name, (column, _) in read.items()}

    reasons = _Reasons(len(raw))
    reasons.give("malformed_series", ~_is_wellformed(series))
    reasons.give("unreadable_time", is_unreadable)
    reasons.give("naive_time", is_naive)
    _judge_times(reasons, open_us, series["timeframe"], (now - EPOCH) // MICROSECOND)
    reasons.give("unreadable_number", np.logical_or.reduce([flags for _, flags in read.values()]))
    _judge_values(reasons, values)

    kept = np.flatnonzero(reasons.codes < 0)
    candles, merged, out_of_order = _merge(series, open_us, values, kept)
    return Cleaned(candles, _refused(raw, open_us, is_unreadable | is_naive, reasons), merged, out_of_order)


class _Reasons:
    """The first reason that was given to each row."""

    def __init__(self, n_rows: int) -> None:
        self.words = list(REASONS)
        self.codes = np.full(n_rows, -1, dtype=np.int8)

    def give(self, word: str, flags: Flags) -> None:
        self.codes[flags & (self.codes < 0)] = self.words.index(word)


def _is_wellformed(series: dict[str, _Names]) -> Flags:
    exchange, symbol, timeframe = series["exchange"], series["symbol"], series["timeframe"]
    is_exchange = exchange.where(re.fullmatch(EXCHANGE_PATTERN, name) is not None for name in exchange.names)
    is_symbol = symbol.where(re.fullmatch(SYMBOL_PATTERN, name) is not None for name in symbol.names)
    return is_exchange & is_symbol & timeframe.where(name in set(Timeframe) for name in timeframe.names)


def _judge_times(reasons: _Reasons, open_us: Integers, timeframe: _Names, now_us: int) -> None:
    """Range, grid and close, for each row by its own timeframe."""
    known = [Timeframe(name) if name in set(Timeframe) else Timeframe.M1 for name in timeframe.names]
    durations = np.array([tf.duration // MICROSECOND for tf in known] + [MINUTE_US], dtype=np.int64)
    origins = np.array([(tf.origin - EPOCH) // MICROSECOND for tf in known] + [0], dtype=np.int64)
    duration, origin = durations[timeframe.ranks], origins[timeframe.ranks]
    reasons.give("time_out_of_range", (open_us < GENESIS_US) | (open_us > now_us + duration))
    reasons.give("off_grid", (open_us - origin) % duration != 0)
    reasons.give("not_closed", open_us > now_us - duration)


def _judge_values(reasons: _Reasons, values: Columns) -> None:
    with np.errstate(invalid="ignore"):
        highest = np.maximum.reduce([values[name] for name in PRICES])
        lowest = np.minimum.reduce([values[name] for name in PRICES])
        reasons.give("not_finite", ~np.logical_and.reduce([np.isfinite(values[name]) for name in VALUES]))
        reasons.give("non_positive_price", lowest <= 0)
        reasons.give("negative_volume", values["volume"] < 0)
        reasons.give("broken_range", (values["high"] < highest) | (values["low"] > lowest))


def _merge(
    series: dict[str, _Names], open_us: Integers, values: Columns, kept: Integers
) -> tuple[pd.DataFrame, int, int]:
    """The kept rows as candles, one per series and bar; the bars with conflicting copies; the late rows."""
    series_of_row = np.zeros(len(kept), dtype=np.int64)
    for names in series.values():
        series_of_row = series_of_row * len(names.names) + names.ranks[kept]
    bar = series_of_row << 32 | open_us[kept] // MINUTE_US  # one integer that sorts by series, then by time

    by_series = bar[np.argsort(series_of_row, kind="stable")]
    out_of_order = int((by_series < np.maximum.accumulate(by_series)).sum()) if len(kept) else 0

    by_bar = np.argsort(bar, kind="stable")  # stable: copies stay in the order in which they came
    rows, bar = kept[by_bar], bar[by_bar]
    first = np.flatnonzero(np.diff(bar, prepend=-1))
    last = np.append(first[1:], len(bar)) - 1
    columns = {name: values[name][rows] for name in VALUES}
    merged = 0
    if len(first) < len(rows):
        highest = {name: np.maximum.reduceat(column, first) for name, column in columns.items()}
        lowest = {name: np.minimum.reduceat(column, first) for name, column in columns.items()}
        merged = int(np.logical_or.reduce([highest[name] != lowest[name] for name in VALUES]).sum())
        columns = {
            "open": columns["open"][first],
            "high": highest["high"],
            "low": lowest["low"],
            "close": columns["close"][last],
            "volume": highest["volume"],
        }
    rows = rows[first]
    key = {name: names.column(rows) for name, names in series.items()}
    return pd.DataFrame({**key, "open_at": _utc(open_us[rows]), **columns}), merged, out_of_order


def _refused(raw: pd.DataFrame, open_us: Integers, has_no_time: Flags, reasons: _Reasons) -> pd.DataFrame:
    """One row for each row that is refused, as it came."""
    rows = np.flatnonzero(reasons.codes >= 0)
    bad = raw[RAW].iloc[rows]
    is_shown = ~has_no_time[rows] & (open_us[rows] >= 0) & (open_us[rows] < LAST_YEAR_US)
    as_they_came = [json_safe(dict(zip(RAW, row, strict=True))) for row in bad.itertuples(index=False)]
    return pd.DataFrame(
        {
            **{name: pd.array([plain_text(value) for value in bad[name]], dtype="str") for name in KEY[:3]},
            "open_at": _utc(np.where(is_shown, open_us[rows], NO_TIME)),
            "reason": pd.array([reasons.words[code] for code in reasons.codes[rows]], dtype="str"),
            "row": np.array(as_they_came, dtype=object),
        },
        columns=REFUSED,
    )


def _utc(microseconds: Integers) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(microseconds.astype(f"datetime64[{TIME_UNIT}]")).tz_localize("UTC")
