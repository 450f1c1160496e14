"""The end of signals: a sweep over a hundred thousand that are past, and what a tick looks up of those that stand."""

import statistics
import time
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measurement import Figures, median_seconds, peak_memory, processor_seconds
from benchmarks.stored_market import EXCHANGE, TIMEFRAME, close_of, opened
from pipeline.settings_sections import LifecycleSettings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.endings import find_endings
from pipeline.storage.transitions import expire

REPEATS = 3
FOUND_BARS = 3  # closes of which signals stand at a tick
LIFE = timedelta(hours=FOUND_BARS)


def sweeps(home: Path, name: str, n_signals: int, n_bars: int) -> Figures:
    """Case: expire signals of many series with their events, over and over beside the ones that ended before.

    By turns the same change of status without triggers: what the table alone asks for. Then what a tick adds for stops
    and opposites: a BUY and a SELL of each series at each of the last closes.
    """
    with opened(home, name) as database:
        seconds, bare, python_s, server_s = [], [], 0.0, 0.0
        with database.begin() as conn:
            n_series = conn.scalar(sa.select(sa.func.count()).select_from(tables.series)) or 0
        n_closes = -(-n_signals // (2 * n_series))
        for _ in range(REPEATS):
            store_standing(database, n_closes, n_bars)
            before, started = processor_seconds(home), time.perf_counter()
            with database.begin() as conn:
                expired = int(expire(conn, close_of(n_bars) + LIFE)["signals"].sum())
            seconds.append(time.perf_counter() - started)
            used = processor_seconds(home)
            python_s, server_s = used[0] - before[0], used[1] - before[1]
            store_standing(database, n_closes, n_bars)
            bare.append(_bare_seconds(database, close_of(n_bars) + LIFE))
        with database.begin() as conn:
            events = conn.scalar(sa.select(sa.func.count()).select_from(tables.signal_events))
        store_standing(database, FOUND_BARS, n_bars)
        chosen = LifecycleSettings(opposite_policy="invalidate_weaker")
        with database.begin() as conn:
            look_up_s = median_seconds(lambda: find_endings(conn, close_of(n_bars - 1), chosen))
    return {
        "seconds": statistics.median(seconds),
        "bare_s": statistics.median(bare),
        "python_s": python_s,
        "server_s": server_s,
        "expired": expired,
        "events": events,
        "standing": 2 * FOUND_BARS * n_series,
        "look_up_s": look_up_s,
        "peak": peak_memory(),
    }


def _bare_seconds(database: Database, as_of: datetime) -> float:
    """Seconds of the change of status alone: no rule is asked, and neither an event nor a change is written."""
    t = tables.trading_signals
    started = time.perf_counter()
    with database.begin() as conn:
        conn.execute(sa.text("SET LOCAL session_replication_role = replica"))
        conn.execute(sa.update(t).where(t.c.status == "ACTIVE", t.c.expires_at <= as_of).values(status="EXPIRED"))
    return time.perf_counter() - started


def store_standing(database: Database, n_closes: int, n_bars: int) -> None:
    """A BUY and a SELL of each series at each of the closes before the last, ACTIVE, with a stop that holds."""
    with database.begin() as conn:
        conn.execute(
            sa.text(
                """INSERT INTO trading_signals (id, symbol, signal_type, strategy, strength, confidence, source,
  description, entry_price, target_prices, stop_loss_price, timeframe, created_at, expires_at, metadata, signal_key,
  series_id, exchange, candle_close_at, origin, scope, profile, revision, configuration_hash, rank_score,
  base_confidence, agreement_boost, is_conflicting)
SELECT gen_random_uuid(), s.symbol, k.kind::signal_type_enum, 'SMA_CROSSOVER', 0.7, 0.65, 'technical',
  'SMA 20 crossed above SMA 50', 100, '{"tp1": 102, "tp2": 104, "tp3": 106}', k.stop, s.timeframe, c.at, c.at + :life,
  '{"component_signals": 1, "sources": ["technical"], "raw_data": {}}', gen_random_uuid(), s.series_id, s.exchange,
  c.at, 'live', 'default', 'house', 1, '0123456789abcdef', 0.665, 0.65, 0, false
FROM series s
CROSS JOIN (VALUES ('BUY', 1e-6), ('SELL', 1e12)) k (kind, stop)
CROSS JOIN (SELECT CAST(:last AS timestamptz) - g * CAST(:bar AS interval) AS at FROM generate_series(1, :closes) g) c
WHERE s.exchange = :exchange ORDER BY c.at, s.symbol"""
            ),
            {
                "life": LIFE,
                "last": close_of(n_bars - 1),
                "bar": TIMEFRAME.duration,
                "closes": n_closes,
                "exchange": EXCHANGE,
            },
        )
