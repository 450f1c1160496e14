"""Stored columns as strategies name them: of the bar itself, of extra indicators, of other series beside it.

`extra.<name>` is one of `[indicators.*]`; `reference.<name>` is the reference symbol's on the same bar;
`higher.<name>` is the same symbol's on the newest bar of the higher timeframe that has closed by then;
`prediction.<name>` is what the champions of the close say of the bar, `sentiment.<name>` what texts say of its symbol.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.alignment import as_of_close, higher_opens, spread
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.extra_indicators import read_extra_block
from pipeline.storage.history import BlockRequest, SeriesGroup, bar_index, read_blocks
from pipeline.storage.predictions import prediction_requests
from pipeline.storage.sentiment import read_sentiment_columns
from pipeline.storage.universe import universe
from pipeline.strategies.columns import EXTRA, HIGHER, PREDICTION, READ_OFF_CANDLES, REFERENCE, SENTIMENT

SHALLOW = 8  # bars: columns that are read no deeper are read together, for a question costs more than some rows


def read_columns(
    database: Database,
    group: SeriesGroup,
    depths: Mapping[str, int],
    first_open: datetime,
    last_open: datetime,
    *,
    reference_symbol: str,
    higher: Timeframe | None,
) -> Block:
    """The columns named in ``depths`` for the bars from so many, or a few more, before ``first_open`` to ``last_open``.

    Each frame has the shape (n_bars of its own depth, n_symbols); NaN where there is no row, or no such series.
    """
    names_by_read: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    shallow = max((depth for depth in depths.values() if depth <= SHALLOW), default=0)
    for name, depth in depths.items():
        names_by_read[_prefix(name), max(depth, shallow)].append(name)
    columns: Block = {}
    of_bars: list[BlockRequest] = []
    for (prefix, depth), names in names_by_read.items():
        begin = first_open - depth * group.timeframe.duration
        plain = [name.removeprefix(prefix) for name in names]
        if prefix == PREDICTION:
            of_bars += prediction_requests(plain, begin, last_open)
            continue
        if not prefix:
            of_bars += _bar_requests(plain, begin, last_open)
            continue
        if prefix == EXTRA:
            found = read_extra_block(database, plain, group, begin, last_open)
        elif prefix == SENTIMENT:
            found = read_sentiment_columns(database, plain, group, begin, last_open)
        elif prefix == REFERENCE:
            found = _of_reference(database, group, plain, begin, last_open, reference_symbol)
        else:
            found = _of_higher(database, group, plain, begin, last_open, higher)
        columns |= {name: found[name.removeprefix(prefix)] for name in names}
    for request, block in zip(of_bars, read_blocks(database, group, of_bars), strict=True):
        prefix = PREDICTION if request.table not in (tables.candles, tables.indicators) else ""
        columns |= {prefix + name: frame for name, frame in block.items()}
    return columns


def group_of(database: Database, exchange: str, timeframe: Timeframe, symbols: Sequence[str]) -> SeriesGroup:
    """Those of the symbols that have candles of the timeframe."""
    with database.begin() as conn:
        series = universe(conn, exchange, symbols, [timeframe])
    return SeriesGroup(exchange, timeframe, tuple(series))


def _prefix(name: str) -> str:
    return next((prefix for prefix in (EXTRA, REFERENCE, HIGHER, PREDICTION, SENTIMENT) if name.startswith(prefix)), "")


def _bar_requests(names: Sequence[str], begin: datetime, end: datetime) -> list[BlockRequest]:
    by_table = (
        (table, [name for name in names if (name in READ_OFF_CANDLES) is is_candle])
        for table, is_candle in ((tables.candles, True), (tables.indicators, False))
    )
    return [BlockRequest(table, some, begin, end) for table, some in by_table if some]


def _of_bars(database: Database, group: SeriesGroup, names: Sequence[str], begin: datetime, end: datetime) -> Block:
    blocks = read_blocks(database, group, _bar_requests(names, begin, end))
    return {name: frame for block in blocks for name, frame in block.items()}


def _of_reference(
    database: Database, group: SeriesGroup, names: Sequence[str], begin: datetime, end: datetime, symbol: str
) -> Block:
    alone = group_of(database, group.exchange, group.timeframe, [symbol])
    opens, symbols = bar_index(group.timeframe, begin, end), pd.Index(group.symbols)
    found = _of_bars(database, alone, names, begin, end) if alone.series else {}
    return {name: spread(found.get(name, pd.DataFrame()), symbol, opens, symbols) for name in names}


def _of_higher(
    database: Database,
    group: SeriesGroup,
    names: Sequence[str],
    begin: datetime,
    end: datetime,
    higher: Timeframe | None,
) -> Block:
    opens, symbols = bar_index(group.timeframe, begin, end), pd.Index(group.symbols)
    above = None if higher is None else group_of(database, group.exchange, higher, group.symbols)
    if higher is None or above is None or not above.series:
        return {name: pd.DataFrame(float("nan"), index=opens, columns=symbols) for name in names}
    wanted = higher_opens(opens[[0, -1]], group.timeframe, higher)
    found = _of_bars(database, above, names, *(instant.to_pydatetime() for instant in wanted))
    return {name: as_of_close(found[name], opens, symbols, group.timeframe, higher) for name in names}
