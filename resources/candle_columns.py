"""Columns: which column of a table holds what, by the names that people, tools and exchanges give them.

Add a name here when it means one thing only. A price column under a wrong name would look right for ever, so
that what is doubtful is refused with the names that were found.
"""

import re

import pandas as pd

from pipeline.contracts.candles import PRICES
from pipeline.domain.errors import UnreadableFileError
from resources.candle_times import instants, is_time_of_day

# Lower case, words joined by _; the first that is there and can be read counts. Numbers come first, since a
# date beside them may be a local one; the last two are the index of a DataFrame.
TIMES = (
    "open_at", "open_time", "opentime", "timestamp", "ts", "unix", "unix_timestamp", "epoch", "t",
    "datetime", "date_time", "date", "time", "start", "start_time", "candle_begin_time", "index", "",
)  # fmt: skip
PRICE_NAMES = {name: (name, f"{name}_price", f"price_{name}", name[0]) for name in PRICES}
VOLUMES = ("volume", "vol", "v", "base_volume", "volume_base", "volumefrom")
NEEDED = {"time": TIMES, **PRICE_NAMES}
SYMBOLS = ("symbol", "ticker", "pair", "instrument")
TIMEFRAMES = ("timeframe", "interval", "tf")


def plain_name(name: object) -> str:
    """A column's name as our lists have it: ``Volume (BTC)`` is ``volume_btc``."""
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


def check_columns(table: pd.DataFrame) -> None:
    """Refuse a table without a time, a price or a volume."""
    missing = [what for what, names in NEEDED.items() if not set(names) & set(table.columns)]
    if not any(name in VOLUMES or name.startswith("volume") for name in table.columns):
        missing.append("volume")
    if missing:
        wanted = ", ".join([*NEEDED, "volume"])
        there = ", ".join(name for name in table.columns if name)
        raise UnreadableFileError(f"must have the columns {wanted}, lacks {', '.join(missing)} (has {there})")


def price(table: pd.DataFrame, what: str) -> pd.Series:
    """The column of ``open``, ``high``, ``low`` or ``close``, as the file has it."""
    name = _column(table, PRICE_NAMES[what])
    assert name is not None  # check_columns saw it
    return _numbers(table, name)


def volume(table: pd.DataFrame, base: str) -> pd.Series:
    """The column of the volume in the base currency, as the file has it.

    Which one that is depends on the symbol: of ``Volume BTC`` and ``Volume USDT``, the first for BTC/USDT.
    """
    name = _column(table, (*VOLUMES, f"volume_{base.lower()}"))
    if name is None:
        others = ", ".join(column for column in table.columns if column.startswith("volume"))
        raise UnreadableFileError(f"must have the volume in {base}, has {others}; call the right column volume")
    return _numbers(table, name)


def times(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The column of times as the file has it, and as instants (NaT where they cannot be read)."""
    if {"date", "time"} <= set(table.columns) and is_time_of_day(table["time"]):
        together = table["date"].astype("str") + " " + table["time"].astype("str")
        return together, instants(together)
    problems = []
    for name in TIMES:
        if _column(table, (name,)) is None:
            continue
        try:
            return table[name], instants(table[name])
        except UnreadableFileError as problem:
            problems.append(problem)
    raise problems[0]


def one_value(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """The one value of a column that says which series it is; None without such a column."""
    name = _column(table, names)
    if name is None:
        return None
    texts = table[name].dropna().astype("str").str.strip()
    found = list(texts[texts.str.lower() != name].unique())  # a header in the middle is no value
    if len(found) > 1:
        raise UnreadableFileError(
            f"must hold one {names[0]}, holds {len(found)} ({', '.join(found[:3])}); write a file for each"
        )
    return found[0] if found else None


def _column(table: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """The first of some names that the table has; it must not have it twice."""
    name = next((name for name in names if name in table.columns), None)
    if name is not None and (count := int((table.columns == name).sum())) > 1:
        raise UnreadableFileError(f"must have each column once, has {name} {count} times; delete the others")
    return name


def _numbers(table: pd.DataFrame, name: str) -> pd.Series:
    """A column of which at least one value is a number; single bad values are for cleaning to refuse."""
    column = table[name]
    if column.isna().all() or pd.to_numeric(column, errors="coerce").notna().any():
        return column
    raise UnreadableFileError(
        f"column {name} must hold numbers like 42283.58, holds {column.dropna().iloc[0]!r}; "
        "write them with a point, and nothing between the thousands"
    )
