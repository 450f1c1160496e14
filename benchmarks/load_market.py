"""A database that has grown for years, made by SQL in minutes: what `benchmarks.load` asks of.

Signals are those of a year of hourly closes, spread over all series, the newest ones ACTIVE; candles go back as far as
their number asks. Values are made up, sizes are real: metadata has every indicator, as a stored signal's has. Views say
`now()`, so that all of it ends at the hour in which it was made; what ends is made anew when it has become too old.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from benchmarks.stored_market import EXCHANGE, settle
from pipeline.indicators.structure import BAR_COLUMNS
from pipeline.outcomes.rules import OutcomeRules
from pipeline.storage.database import Database

SYMBOLS = 500
YEAR_BARS = 8_760
DERIVED_BARS = 300  # newest bars of each series that have indicators and the like
ACTIVE_CLOSES, ACTIVE_SIGNALS = 4, 400  # signals stand for so many hours
FRESH = timedelta(hours=1)  # after which some of the ACTIVE ones may have expired


def prepare(database: Database, n_signals: int, n_candles: int) -> bool:
    """Fill the database, or make anew what has become too old; False where it is as it should be."""
    newest = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    given = {
        "exchange": EXCHANGE,
        "newest": newest,
        "bars": n_candles // SYMBOLS,
        "derived": min(DERIVED_BARS, n_candles // SYMBOLS),
        "signals": n_signals,
        "active": ACTIVE_SIGNALS,
        "active_closes": ACTIVE_CLOSES,
        "year": YEAR_BARS,
        "symbols": SYMBOLS,
        "columns": list(BAR_COLUMNS),
        "rules": OutcomeRules().name,
    }
    has_candles = _stored(database, "candles") == given["bars"] * SYMBOLS
    is_whole = _stored(database, LAST) > 0 and _stored(database, "trading_signals") == n_signals
    if has_candles and is_whole and _is_fresh(database):
        return False
    emptied = [name for name in FILLED if name not in MARKET or not has_candles]
    _run(database, f"TRUNCATE {', '.join(emptied)} RESTART IDENTITY CASCADE")
    for name in emptied:
        for statement in FILLED[name]:
            _run(database, statement, given)
    settle(database)
    return True


def _run(database: Database, statement: str, given: dict[str, object] | None = None) -> None:
    with database.begin() as conn:
        conn.execute(sa.text("SET LOCAL synchronous_commit = off"))
        conn.execute(sa.text("SET LOCAL work_mem = '256MB'"))
        conn.execute(sa.text("SELECT setseed(0.5)"))
        question = sa.text(statement)
        conn.execute(question, {name: (given or {})[name] for name in question.compile().params})


def _stored(database: Database, table: str) -> int:
    with database.begin() as conn:
        return conn.scalar(sa.text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608 - our own names


def _is_fresh(database: Database) -> bool:
    with database.begin() as conn:
        newest = conn.scalar(sa.text("SELECT max(created_at) FROM trading_signals"))
    return newest is not None and datetime.now(UTC) - newest < FRESH


_SERIES = """
INSERT INTO series (exchange, symbol, timeframe, bar_seconds, listed_at)
SELECT :exchange, 'C' || lpad(n::text, 4, '0') || '/USDT', '1h', 3600,
  CAST(:newest AS timestamptz) - :bars * interval '1 hour'
FROM generate_series(0, 499) n"""

_CANDLES = """
INSERT INTO candles (series_id, open_at, close_at, open, high, low, close, volume)
SELECT s.series_id, b.at, b.at + interval '1 hour', p.open, p.open * 1.004, p.open * 0.996,
  p.open * (1 + 0.003 * sin(b.n)), 1000 + 500 * cos(b.n * s.series_id)
FROM series s
CROSS JOIN (SELECT n, CAST(:newest AS timestamptz) - n * interval '1 hour' AS at FROM generate_series(1, :bars) n) b
CROSS JOIN LATERAL (SELECT 100 + s.series_id + 40 * sin(b.n / 300.0 + s.series_id) AS open) p"""

_PER_BAR = """INSERT INTO {table} (series_id, open_at, close_at, {columns})
SELECT series_id, open_at, close_at, {values} FROM candles
WHERE close_at > CAST(:newest AS timestamptz) - :derived * interval '1 hour'"""

_INDICATORS = _PER_BAR.format(
    table="indicators",
    columns=", ".join(BAR_COLUMNS),
    values=", ".join(f"close + {place} / 7.0" for place in range(len(BAR_COLUMNS))),
)
_CONDITIONS = _PER_BAR.format(
    table="market_conditions",
    columns="atr_ratio, atr_ratio_p95, atr_ratio_median, atr_ratio_bars, is_volatile, filled_share",
    values="0.01, 0.03, 0.012, 500, false, 0",
)
_DIRECTIONS = _PER_BAR.format(
    table="direction_predictions",
    columns="model_id, raw_probability, probability",
    values="'00000000-0000-0000-0000-000000000001'::uuid, 0.5 + 0.4 * sin(close), 0.5 + 0.3 * sin(close)",
)
_RANGES = _PER_BAR.format(
    table="price_range_predictions",
    columns="model_id, high_q10, high_q50, high_q90, low_q10, low_q50, low_q90",
    values="'00000000-0000-0000-0000-000000000002'::uuid, 0.001, 0.004, 0.01, -0.01, -0.004, -0.001",
)
_ANOMALIES = _PER_BAR.format(
    table="anomaly_scores",
    columns="model_id, score, is_anomaly, is_ignored",
    values="'00000000-0000-0000-0000-000000000003'::uuid, 0.4, false, false",
)
_LEVELS = """
INSERT INTO price_levels (series_id, pivot_at, kind, known_at, event, role, price, touches, strength, first_touch_at,
  last_touch_at, expires_at)
SELECT series_id, open_at, 'high', close_at + interval '3 hours', 'formed', 'resistance', high, 1, 0.5, open_at,
  open_at, close_at + interval '503 hours'
FROM candles
WHERE close_at > CAST(:newest AS timestamptz) - :derived * interval '1 hour'
  AND close_at <= CAST(:newest AS timestamptz) - interval '3 hours' AND extract(hour FROM open_at)::int % 4 = 0"""
_PATTERNS = """
INSERT INTO chart_patterns (series_id, completed_at, pattern, direction, first_at, last_at, anchors, boundaries,
  break_price, close, height, target, atr)
SELECT series_id, close_at, 'double_top', -1, close_at - interval '30 hours', close_at - interval '3 hours',
  '[{"at": "2026-01-01T00:00:00Z", "price": 100, "role": "top"}]', '[]', low, close, 2, close, 1
FROM candles
WHERE close_at > CAST(:newest AS timestamptz) - :derived * interval '1 hour' AND extract(hour FROM open_at) = 7"""
_PASSES = """
INSERT INTO live_passes (run_id, series_id, after, until, stored_at)
SELECT md5(close_at::text), series_id, open_at, close_at, close_at + interval '7 seconds' FROM candles
WHERE close_at > CAST(:newest AS timestamptz) - :derived * interval '1 hour'"""

# The newest ones are spread over the last closes, the others over the year; each close has a series once at most.
_SIGNALS = """
INSERT INTO trading_signals (id, symbol, signal_type, strategy, strength, confidence, source, description, entry_price,
  target_prices, stop_loss_price, timeframe, created_at, expires_at, status, executed_at, execution_price, profit_loss,
  metadata, signal_key, series_id, exchange, candle_close_at, origin, scope, profile, revision, configuration_hash,
  rank_score, base_confidence, agreement_boost, is_conflicting, calibrated_confidence, uncalibrated_because)
SELECT gen_random_uuid(), s.symbol, k.kind::signal_type_enum,
  CASE k.source WHEN 'technical, ml_model' THEN 'MULTI_STRATEGY' WHEN 'ml_model' THEN 'ML_PREDICTION'
    WHEN 'sentiment' THEN 'SENTIMENT_ANALYSIS' ELSE 'SMA_CROSSOVER' END,
  k.strength, k.confidence, k.source,
  'SMA 20 crossed above SMA 50; ML model predicts upward movement with 0.75 confidence', k.price,
  CASE WHEN k.kind <> 'ALERT' THEN
    jsonb_build_object('tp1', k.price * 1.01, 'tp2', k.price * 1.02, 'tp3', k.price * 1.03) END,
  CASE WHEN k.kind <> 'ALERT' THEN k.price * 0.99 END,
  '1h', g.at, g.at + :active_closes * interval '1 hour', k.status::signal_status_enum,
  CASE k.status WHEN 'EXECUTED' THEN g.at + interval '20 minutes' END,
  CASE k.status WHEN 'EXECUTED' THEN k.price * k.move END,
  CASE k.status WHEN 'EXECUTED' THEN (k.move - 1) * CASE k.kind WHEN 'BUY' THEN 1 ELSE -1 END END,
  m.metadata, gen_random_uuid(), s.series_id, s.exchange, g.at, k.origin,
  CASE k.origin WHEN 'live' THEN 'default' ELSE 'year' END, 'house', 1, '0123456789abcdef',
  0.7 * k.confidence + 0.3 * k.strength, k.confidence, 0, false,
  CASE WHEN k.x >= 0.2 THEN k.confidence - 0.1 END, CASE WHEN k.x < 0.2 THEN 'insufficient_outcomes(12<100)' END
FROM (
  SELECT n, CAST(:newest AS timestamptz) - interval '1 hour' *
    CASE WHEN n < :active THEN n * CAST(:active_closes AS integer) / CAST(:active AS integer)
    ELSE :active_closes + n::bigint * CAST(:year - :active_closes AS integer) / CAST(:signals AS integer) END AS at
  FROM generate_series(CAST(:signals AS integer) - 1, 0, -1) n
) g
JOIN series s ON s.series_id = 1 + (g.n * 7::bigint) % CAST(:symbols AS integer)
CROSS JOIN LATERAL (SELECT random() + 0 * g.n AS x, random() AS y, random() AS z) r
CROSS JOIN LATERAL (
  SELECT r.x, 0.5 + 0.4 * r.x AS strength, 0.5 + 0.45 * r.y AS confidence, 100.0 + s.series_id AS price,
    0.98 + 0.04 * r.z AS move,
    CASE WHEN r.z < 0.05 THEN 'ALERT' WHEN r.z < 0.55 THEN 'BUY' ELSE 'SELL' END AS kind,
    CASE WHEN r.y < 0.7 THEN 'technical' WHEN r.y < 0.8 THEN 'ml_model' WHEN r.y < 0.85 THEN 'sentiment'
      ELSE 'technical, ml_model' END AS source,
    CASE WHEN g.n >= :active AND r.x < 0.15 THEN 'replay' ELSE 'live' END AS origin,
    CASE WHEN g.n < :active THEN 'ACTIVE' WHEN r.x > 0.97 THEN 'INVALIDATED'
      WHEN r.x > 0.87 AND r.z >= 0.05 THEN 'EXECUTED' ELSE 'EXPIRED' END AS status
) k
JOIN (
  SELECT t, jsonb_build_object('component_signals', 2, 'sources', '["technical", "ml_model"]'::jsonb,
    'components', '[{"strategy": "SMA_CROSSOVER", "source": "technical", "strength": 0.7, "confidence": 0.65},
      {"strategy": "ML_PREDICTION", "source": "ml_model", "strength": 0.75, "confidence": 0.75}]'::jsonb,
    'raw_data', jsonb_build_object('technical_indicators',
        (SELECT jsonb_object_agg(c, 100 + random() * t) FROM unnest(CAST(:columns AS text[])) c),
      'ml_prediction', 0.5 + random() / 2, 'price_range', NULL,
      'sentiment', '{"overall": 0.31, "news": 0.4, "social": 0.2, "github": 0.1}'::jsonb)) AS metadata
  FROM generate_series(0, 199) t
) m ON m.t = g.n % 200"""

_EVENTS = """
INSERT INTO signal_events (signal_id, from_status, to_status, effective_at, actor, reason)
SELECT id, 'ACTIVE', status, coalesce(executed_at, expires_at),
  CASE status WHEN 'EXECUTED' THEN 'api' ELSE 'pipeline' END,
  CASE status WHEN 'INVALIDATED' THEN 'data_revision' END
FROM trading_signals WHERE status <> 'ACTIVE' ORDER BY created_at"""

_OUTCOMES = """
INSERT INTO signal_outcomes (signal_id, horizon, series_id, candle_close_at, signal_type, strategy, strategies,
  source_group, confidence, origin, scope, profile, entry_at, entry_price, exit_at, exit_price, exit_reason, bars_held,
  resolved_at, gross_return, net_return, r_multiple, mfe, mae, ladder_return, long_return, targets_reached,
  is_ambiguous, rules, calibrated_confidence)
SELECT t.id, h.name, t.series_id, t.candle_close_at, t.signal_type, t.strategy, ARRAY[t.strategy], t.source_group,
  t.confidence, t.origin, t.scope, t.profile, t.created_at, t.entry_price, t.expires_at, t.entry_price * (1 + r.x),
  'horizon', 4, t.expires_at, r.x, r.x - 0.0024, r.x / 0.01, 0.01, -0.01, r.x, r.x, 0, false, :rules,
  t.calibrated_confidence
FROM trading_signals t CROSS JOIN (VALUES ('expiry'), ('4_bars'), ('24_bars')) h (name)
CROSS JOIN LATERAL (SELECT 0.04 * (random() + 0 * t.strength - 0.5) AS x) r
WHERE t.status <> 'ACTIVE' AND t.signal_type <> 'ALERT' ORDER BY t.created_at"""

_CANDIDATES = """
INSERT INTO candidate_signals (series_id, candle_close_at, strategy, signal_type, origin, scope, exchange, symbol,
  timeframe, source, strength, confidence, description, inputs, configuration_hash, created_at)
SELECT series_id, candle_close_at, CASE strategy WHEN 'MULTI_STRATEGY' THEN 'SMA_CROSSOVER' ELSE strategy END,
  signal_type, origin, scope, exchange, symbol, timeframe, split_part(source, ',', 1), strength, confidence,
  description, '{"sma_20": 101.5, "sma_50": 100.7, "sma_20_before": 100.1, "sma_50_before": 100.6}',
  configuration_hash, created_at
FROM trading_signals WHERE created_at > CAST(:newest AS timestamptz) - interval '90 days'
ORDER BY created_at"""

_DECISIONS = """
INSERT INTO risk_decisions (series_id, candle_close_at, strategy, signal_type, origin, scope, profile, exchange, symbol,
  timeframe, is_kept, reasons, expires_at, configuration_hash, created_at)
SELECT series_id, candle_close_at, strategy, signal_type, origin, scope, 'house', exchange, symbol, timeframe,
  strength > 0.6, CASE WHEN strength > 0.6 THEN '{}' ELSE '{low_confidence}'::text[] END,
  created_at + interval '4 hours', configuration_hash, created_at
FROM candidate_signals ORDER BY created_at"""

_REPORTS = """
INSERT INTO signal_performance (exchange, origin, scope, timeframe, horizon, as_of, started_at, total_signals,
  executed_signals, expired_signals, execution_rate, profitable_signals, losing_signals, breakeven_signals, win_rate,
  avg_profit_loss, by_source, outcomes, pending, wins, hit_rate, hit_low, hit_high, mean_return, figures, reliability)
SELECT :exchange, 'live', 'default', w.name, 'expiry', a.at, a.at - w.length, 2700, 270, 2430, 0.1, 140, 130, 0, 0.52,
  0.001, '{"technical": {"total": 1900, "executed": 190, "expired": 1710, "avg_profit_loss": 0.001, "win_rate": 0.5}}',
  2600, 12, 1200, 0.46, 0.44, 0.48, -0.0004, f.figures, '[]'
FROM (VALUES ('24h', interval '1 day', 1), ('7d', interval '7 days', 24), ('30d', interval '30 days', 24))
  w (name, length, every)
CROSS JOIN LATERAL (
  SELECT CAST(:newest AS timestamptz) - n * w.every * interval '1 hour' AS at FROM generate_series(0, 8759 / w.every) n
) a
CROSS JOIN (
  SELECT jsonb_build_object('symbol', jsonb_agg(g.told), 'component', jsonb_agg(g.told) FILTER (WHERE g.n <= 13))
    AS figures
  FROM (
    SELECT n, jsonb_build_object('group', 'G' || n, 'signals', 6 * n, 'outcomes', 5 * n, 'entered', 5 * n,
      'wins', 2 * n, 'hit_rate', 0.4, 'mean_return', random(), 'profit_factor', random(), 'p_value', random()) AS told
    FROM generate_series(1, 60) n
  ) g
) f"""

_CALIBRATIONS = """
INSERT INTO confidence_calibrations (origin, scope, fitted_as_of, exchange, timeframe, profile, source_group, strategy,
  confidence_class, outcomes, wins, kind_outcomes, stated, calibrated)
SELECT 'live', 'default', date_trunc('day', CAST(:newest AS timestamptz), 'UTC') - d * interval '1 day', :exchange,
  k.timeframe, k.profile, k.source_group, k.strategy, c, 500, 210, 5000, c / 20.0, 0.42
FROM generate_series(0, 364) d CROSS JOIN generate_series(10, 18) c
CROSS JOIN (
  SELECT DISTINCT timeframe, profile, source_group, strategy FROM trading_signals
  WHERE created_at > CAST(:newest AS timestamptz) - interval '7 days'
) k"""

_STATES = """
INSERT INTO source_health (source, subject, series_id, status, as_of)
SELECT 'candles', exchange || ' ' || symbol || ' ' || timeframe, series_id, 'OK', :newest FROM series"""
_WATERMARKS = """
INSERT INTO watermarks (asset, series_id, processed_to, reached, started_after)
SELECT a, series_id, :newest, :newest, listed_at FROM series CROSS JOIN unnest('{trading_signals,candles}'::text[]) a"""

# Table -> what fills it, in an order in which each finds what it reads.
FILLED: dict[str, tuple[str, ...]] = {
    "series": (_SERIES,),
    "candles": (_CANDLES,),
    "indicators": (_INDICATORS,),
    "market_conditions": (_CONDITIONS,),
    "direction_predictions": (_DIRECTIONS,),
    "price_range_predictions": (_RANGES,),
    "anomaly_scores": (_ANOMALIES,),
    "price_levels": (_LEVELS,),
    "chart_patterns": (_PATTERNS,),
    "live_passes": (_PASSES,),
    "trading_signals": (_SIGNALS,),
    "signal_events": (_EVENTS,),
    "signal_outcomes": (_OUTCOMES,),
    "candidate_signals": (_CANDIDATES,),
    "risk_decisions": (_DECISIONS,),
    "signal_performance": (_REPORTS,),
    "confidence_calibrations": (_CALIBRATIONS,),
    "source_health": (_STATES,),
    "watermarks": (_WATERMARKS,),
}
LAST = next(reversed(FILLED))  # has rows where nothing was broken off
MARKET = frozenset({"series", "candles"})  # keep their age: making them takes longest, and no answer says how old
