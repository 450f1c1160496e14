"""Candle files: what a person has on disk, turned into raw rows of one series.

Which table a file holds is read in `resources.candle_formats`, what its columns mean in
`resources.candle_columns`; here is decided which series they belong to. Judging rows is the work of
`pipeline.market.cleaning`.
"""

import re
from datetime import timedelta
from pathlib import Path

import pandas as pd

from pipeline.contracts.candles import KEY, PRICES, VALUES
from pipeline.domain.errors import DataContractError, UnreadableFileError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import EXCHANGE_PATTERN, base_of, parse_symbol
from pipeline.market.cleaning import Cleaned
from resources.candle_columns import (
    SYMBOLS,
    TIMEFRAMES,
    check_columns,
    one_value,
    plain_name,
    price,
    times,
    volume,
)
from resources.candle_formats import read_table
from resources.candle_names import refuse_other_candles, symbol_of, timeframe_called, timeframe_of

ENOUGH_SPACINGS = 3  # fewer say little: two rows may be a gap apart
COMMON_SHARE = 0.1  # of the spacings that must be one bar, where bars without trades are left out


def read_candle_file(
    path: Path, exchange: str, timeframe: Timeframe | None = None, symbol: str | None = None
) -> pd.DataFrame:
    """The raw rows of one file, which holds one series.

    Parameters
    ----------
    path : Path
        Parquet, feather, CSV (any usual separator), freqtrade's JSON, Binance's klines; plain, zipped or
        gzipped.
    exchange : str
        Where the candles were traded, as ccxt writes it.
    timeframe, symbol : optional
        Where they are not given: a column of the file, else the names of the file and of its folders.

    Returns
    -------
    DataFrame of shape (n_rows, 9)
        exchange, symbol, timeframe, open_at, open, high, low, close, volume, in the file's order. Values are
        as the file has them, CSV as text; ``open_at`` is UTC, or objects where some cannot be read.

    Raises
    ------
    UnreadableFileError
        The file is not one series of candles; the message names the file, what was found and what to do.
    DataContractError
        The exchange or the symbol that was given is malformed.
    """
    if not re.fullmatch(EXCHANGE_PATTERN, exchange):
        raise DataContractError(f"exchange must be lower case like binance, was {exchange!r}")
    given_symbol = None if symbol is None else parse_symbol(symbol)
    try:
        return _raw_rows(path, exchange, timeframe, given_symbol)
    except UnreadableFileError as problem:
        raise UnreadableFileError(f"{path}: {problem}") from problem


def check_something_is_left(path: Path, cleaned: Cleaned) -> None:
    """Refuse a file of which cleaning has left no candle: its rows share a fault, so the file has it."""
    if cleaned.candles.empty and len(cleaned.refused):
        counts = cleaned.refused["reason"].value_counts()
        reasons = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        raise UnreadableFileError(
            f"{path}: must hold at least one valid candle, all {len(cleaned.refused)} rows were refused "
            f"({reasons}); docs/market-data.md explains the reasons"
        )


def _raw_rows(path: Path, exchange: str, timeframe: Timeframe | None, symbol: str | None) -> pd.DataFrame:
    refuse_other_candles(path)
    table = read_table(path)
    if table.empty:
        raise UnreadableFileError("has columns but no rows")
    table.columns = pd.Index([plain_name(name) for name in table.columns])
    check_columns(table)
    symbol = _symbol(path, table, symbol)
    timeframe = _timeframe(path, table, timeframe)
    values = {name: price(table, name) for name in PRICES} | {"volume": volume(table, base_of(symbol))}
    written, read = times(table)
    _check_spacing(read, timeframe)
    is_read = read.notna()
    open_at = read if is_read.all() else read.astype(object).where(is_read, written.astype(object))
    key = {"exchange": exchange, "symbol": symbol, "timeframe": str(timeframe)}
    return pd.DataFrame({**key, "open_at": open_at, **values}, columns=[*KEY, *VALUES])


def _symbol(path: Path, table: pd.DataFrame, given: str | None) -> str:
    written = one_value(table, SYMBOLS)
    try:
        inside = None if written is None else parse_symbol(written)
    except DataContractError as problem:
        raise UnreadableFileError(str(problem)) from problem
    if given and inside and given != inside:
        raise UnreadableFileError(f"symbol must be {given} as asked for, was {inside} in the file")
    symbol = given or inside or symbol_of(path)
    if symbol is None:
        raise UnreadableFileError("must name its symbol, does not; call it like BTC_USDT-1h.csv")
    return symbol


def _timeframe(path: Path, table: pd.DataFrame, given: Timeframe | None) -> Timeframe:
    written = one_value(table, TIMEFRAMES)
    inside = None if written is None else timeframe_called(written)
    if written is not None and inside is None:
        known = " ".join(Timeframe)
        raise UnreadableFileError(f"timeframe must be one of {known}, was {written!r} in the file")
    if given and inside and given is not inside:
        raise UnreadableFileError(f"timeframe must be {given} as asked for, was {inside} in the file")
    timeframe = given or inside or timeframe_of(path)
    if timeframe is None:
        raise UnreadableFileError("must name its timeframe, does not; pass --timeframe, or call it BTCUSDT-1h")
    return timeframe


def _check_spacing(open_at: pd.Series, timeframe: Timeframe) -> None:
    """Refuse a timeframe that the rows contradict; a candle under the wrong one would look right for ever."""
    spacings = open_at.drop_duplicates().sort_values().diff().dropna()
    if spacings.empty:
        return
    usual: timedelta = spacings.mode().iloc[0]
    is_sparse = len(spacings) < ENOUGH_SPACINGS or (spacings == timeframe.duration).mean() >= COMMON_SHARE
    if usual == timeframe.duration or (usual > timeframe.duration and is_sparse):
        return
    seconds = usual.total_seconds()
    rows = next((str(known) for known in Timeframe if known.seconds == seconds), f"{seconds:g} s")
    raise UnreadableFileError(f"timeframe must be that of its rows, which are {rows} apart, was {timeframe}")
