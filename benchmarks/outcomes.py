"""What became of signals: judging a hundred thousand, and a month's report over a million."""

import time
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.measurement import Figures, median_seconds, peak_memory, processor_seconds
from benchmarks.stored_market import EXCHANGE, TIMEFRAME, close_of, opened, settle
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.judging import judge_live
from pipeline.outcomes.rules import EXPIRY, OutcomeRules
from pipeline.performance.report import Window
from pipeline.reporting import report
from pipeline.settings import load_settings
from pipeline.storage.accounts import HOUSE
from pipeline.storage.database import Database

MONTH = timedelta(days=30)
LAST_BARS = 30  # of each series without a signal, so that every horizon is over
# A BUY and a SELL at each of the closes asked for, with barriers 1 % off.
SIGNALS = sa.text("""INSERT INTO trading_signals (id, symbol, signal_type, strategy, strength, confidence, source,
  description, entry_price, target_prices, stop_loss_price, timeframe, created_at, expires_at, status, metadata,
  signal_key, series_id, exchange, candle_close_at, origin, scope, profile, revision, configuration_hash, rank_score,
  base_confidence, agreement_boost, is_conflicting)
SELECT gen_random_uuid(), s.symbol, k.kind::signal_type_enum, 'SMA_CROSSOVER', 0.7, 0.65, 'technical', 'a cross',
  p.close, jsonb_build_object('tp1', p.close * (1 + k.side * 0.01), 'tp2', p.close * (1 + k.side * 0.02),
    'tp3', p.close * (1 + k.side * 0.03)), p.close * (1 - k.side * 0.01), s.timeframe, p.close_at,
  p.close_at + interval '1 hour', 'EXPIRED', '{"component_signals": 1, "sources": ["technical"], "raw_data": {}}',
  gen_random_uuid(), s.series_id, s.exchange, p.close_at, 'live', 'default', 'house', 1, '0123456789abcdef', 0.665,
  0.65, 0, false
FROM asked p JOIN series s USING (series_id) CROSS JOIN (VALUES ('BUY', 1), ('SELL', -1)) k (kind, side)
ORDER BY p.close_at, s.symbol""")


def judging(home: Path, name: str, n_signals: int, n_bars: int) -> Figures:
    """Case: outcomes of live signals at three horizons, none of which is stored yet; then of none that are new."""
    with opened(home, name) as database:
        stored = _store_signals(database, n_signals, n_bars)
        as_of = close_of(n_bars)
        before, started = processor_seconds(home), time.perf_counter()
        judged = judge_live(database, OutcomeRules(), DEFAULT_SCOPE, as_of)
        seconds = time.perf_counter() - started
        used = processor_seconds(home)
        again_s = median_seconds(lambda: judge_live(database, OutcomeRules(), DEFAULT_SCOPE, as_of))
    return {
        "seconds": seconds,
        "python_s": used[0] - before[0],
        "server_s": used[1] - before[1],
        "signals": stored,
        "rows": judged.written,
        "again_s": again_s,
        "peak": peak_memory(),
    }


def month(home: Path, name: str, n_signals: int) -> Figures:
    """Case: the report of the last 30 days over so many signals and their outcomes."""
    with opened(home, name) as database:
        _store_month(database, n_signals)
        window = Window(
            close_of(0), close_of(0) + MONTH, Origin.LIVE.value, DEFAULT_SCOPE, EXPIRY, "30d", profile=HOUSE
        )
        settings = load_settings()
        before = processor_seconds(home)
        told = report(database, settings, window)
        used = processor_seconds(home)
        seconds = median_seconds(lambda: report(database, settings, window))
    return {
        "seconds": seconds,
        "python_s": used[0] - before[0],
        "server_s": used[1] - before[1],
        "signals": int(told.overall["signals"]),
        "peak": peak_memory(),
    }


def _store_signals(database: Database, n_signals: int, n_bars: int) -> int:
    """Signals on as many bars of each series as it takes, oldest first."""
    with database.begin() as conn:
        conn.execute(
            sa.text(
                """CREATE TEMPORARY TABLE asked ON COMMIT DROP AS
SELECT series_id, close_at, close FROM candles JOIN series USING (series_id)
WHERE exchange = :exchange AND close_at <= :until ORDER BY close_at, symbol LIMIT :n"""
            ),
            {"exchange": EXCHANGE, "until": close_of(n_bars - LAST_BARS), "n": n_signals // 2},
        )
        stored = conn.execute(SIGNALS).rowcount
    settle(database)
    return int(stored)


def _store_month(database: Database, n_signals: int) -> None:
    """Signals of every hour of a month, spread over the series, each with an outcome that chance has made."""
    closes = int(MONTH / TIMEFRAME.duration)
    with database.begin() as conn:
        conn.execute(sa.text("SELECT setseed(0.5)"))
        n_series = conn.scalar(sa.text("SELECT count(*) FROM series WHERE exchange = :e"), {"e": EXCHANGE}) or 1
        given = {
            "exchange": EXCHANGE,
            "first": close_of(0),
            "closes": closes,
            "copies": -(-n_signals // (2 * n_series * closes)),
            "advices": n_signals // 2,
            "rules": OutcomeRules().name,
            "random_rules": f"{OutcomeRules().name} stop=1.5atr",
        }
        conn.execute(
            sa.text(
                """CREATE TEMPORARY TABLE asked ON COMMIT DROP AS
SELECT series_id, CAST(:first AS timestamptz) + n * interval '1 hour' AS close_at, 100.0::float8 AS close
FROM series CROSS JOIN generate_series(0, :closes - 1) n CROSS JOIN generate_series(1, :copies) g
WHERE exchange = :exchange ORDER BY g, n % 24, n, series_id LIMIT :advices"""
            ),
            given,
        )
        conn.execute(SIGNALS)
        conn.execute(
            sa.text(
                """INSERT INTO signal_outcomes (signal_id, horizon, series_id, candle_close_at, signal_type, strategy,
  strategies, source_group, confidence, origin, scope, profile, entry_at, entry_price, exit_at, exit_price, exit_reason,
  bars_held, resolved_at, gross_return, net_return, r_multiple, mfe, mae, ladder_return, long_return, targets_reached,
  is_ambiguous, rules)
SELECT id, 'expiry', series_id, candle_close_at, signal_type, strategy, ARRAY[strategy], source_group,
  0.5 + 0.4 * random(), origin, scope, profile, created_at, 100, expires_at, 100 + r.x, 'horizon', 1, expires_at,
  r.x / 100, r.x / 100 - 0.0024, r.x / 2, 0.01, -0.01, r.x / 100, r.x / 100, 0, false, :rules
FROM trading_signals CROSS JOIN LATERAL (SELECT random() + 0 * entry_price - 0.5 AS x) r"""
            ),
            given,
        )
        conn.execute(
            sa.text(
                """INSERT INTO random_entries
SELECT series_id, d, kind::signal_type_enum, 'expiry', :random_rules, 24, 8, -0.0024, -0.0024, d + interval '9 days'
FROM series CROSS JOIN (VALUES ('BUY'), ('SELL')) k (kind)
CROSS JOIN generate_series(date_trunc('day', CAST(:first AS timestamptz)),
  CAST(:first AS timestamptz) + interval '30 days', interval '1 day') d
WHERE exchange = :exchange"""
            ),
            given,
        )
    settle(database)
