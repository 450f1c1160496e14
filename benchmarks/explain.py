"""Why a bar has a signal or none: one explanation in a warm process, beside a bare read of the rows it starts from."""

import statistics
import time
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measurement import Figures, peak_memory
from benchmarks.stored_market import EXCHANGE, HISTORY_BARS, TIMEFRAME, close_of, opened, symbols_of
from pipeline.domain.universe import SeriesKey
from pipeline.explaining import explain_bar
from pipeline.generation import LOOKBACK_BARS
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from tests.support.chain import FAR_FUTURE, FILES

ASKED = 200
WARM_UP = 10  # explanations before the first that counts


def explanations(home: Path, name: str, n_symbols: int, first_tick: int, n_ticks: int) -> Figures:
    """Case: explain live bars that ticks have judged, half with candidates and half without.

    The bare read is what nobody could save: the bar's own rows, and the indicators that its strategies look back on.
    """
    settings = load_settings(FILES)
    with opened(home, name) as database:
        closes = [close_of(HISTORY_BARS + first_tick + number) for number in range(n_ticks)]
        bars = _asked(database, symbols_of(n_symbols), closes)
        ours, bare, outcomes, differences = [], [], set(), 0
        for number, (symbol, close_at) in enumerate(bars):
            key = SeriesKey(EXCHANGE, symbol, TIMEFRAME)
            started = time.perf_counter()
            found = explain_bar(database, settings, key, as_of=FAR_FUTURE, at=close_at)
            explained = time.perf_counter()
            _read(database, key, close_at)
            read = time.perf_counter()
            outcomes.add(found.findings.outcome)
            differences += len(found.findings.differences)
            if number >= WARM_UP:
                ours.append(explained - started)
                bare.append(read - explained)
    return {
        "p95_s": _p95(ours),
        "median_s": statistics.median(ours),
        "read_s": statistics.median(bare),
        "outcomes": sorted(outcomes),
        "differences": differences,
        "asked": len(ours),
        "peak": peak_memory(),
    }


def _asked(database: Database, symbols: list[str], closes: list[datetime]) -> list[tuple[str, datetime]]:
    """Bars with and without a candidate by turns, of many series."""
    x = tables.candidate_signals.c
    with database.begin() as conn:
        query = sa.select(x.symbol, x.candle_close_at).distinct().order_by(x.candle_close_at, x.symbol)
        spoken = [(symbol, close_at) for symbol, close_at in conn.execute(query) if close_at in closes]
    quiet = sorted({(symbol, close_at) for close_at in closes for symbol in symbols} - set(spoken))
    half = (ASKED + WARM_UP) // 2
    turns = zip(_spread(spoken, half), _spread(quiet, half), strict=False)
    return [bar for pair in turns for bar in pair]


def _spread(bars: list[tuple[str, datetime]], n_wanted: int) -> list[tuple[str, datetime]]:
    return bars[:: max(1, len(bars) // n_wanted)][:n_wanted]


def _read(database: Database, key: SeriesKey, close_at: datetime) -> None:
    s, i = tables.series.c, tables.indicators
    last_open = close_at - TIMEFRAME.duration
    first_open = last_open - LOOKBACK_BARS * TIMEFRAME.duration
    with database.begin() as conn:
        series_id = conn.scalar(sa.select(s.series_id).where(s.exchange == key.exchange, s.symbol == key.symbol))
        conn.execute(sa.select(i).where(i.c.series_id == series_id, i.c.open_at.between(first_open, last_open))).all()
        for table in (tables.candidate_signals, tables.risk_decisions):
            conn.execute(
                sa.select(table).where(table.c.series_id == series_id, table.c.candle_close_at == close_at)
            ).all()


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]
