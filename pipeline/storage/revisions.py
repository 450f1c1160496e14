"""After candles changed: from which close on the rows derived from them must be made anew, in every series.

A series' rows are derived from its own candles, from the reference symbol's on the same bars, and from the same
symbol's candles of the higher timeframe. For its own, only a candle that stood otherwise or lies before a stored one
counts: what comes after the newest was never used. To the others a candle that comes late is news as well, for they
were judged without it.
"""

import sqlalchemy as sa

from pipeline.domain.context import MarketContext

SIGNAL_ASSETS = ("predictions", "candidate_signals", "risk_decisions", "trading_signals", "signal_outcomes")


def mark_revised(conn: sa.Connection, context: MarketContext) -> None:
    """Mark what is derived from the candles of the temporary table ``touched``; see `candles.store_candles`.

    Indicators of a series' own candles and of the reference symbol's are redone from `series.dirty_from` on; what
    live runs decided, from the watermarks that are moved back.
    """
    conn.execute(sa.text("DROP TABLE IF EXISTS pg_temp.revised"))
    higher = context.higher_timeframes
    timeframes = {"lower": [str(each) for each in higher], "higher": [str(each) for each in higher.values()]}
    conn.execute(_REVISED, {"reference": context.reference_symbol, **timeframes})
    conn.execute(_MARK_DIRTY)
    conn.execute(_MOVE_WATERMARKS_BACK, {"assets": list(SIGNAL_ASSETS)})


_REVISED = sa.text("""
CREATE TEMPORARY TABLE revised ON COMMIT DROP AS
SELECT series_id, dirty_open AS after, true AS has_new_indicators FROM touched WHERE dirty_open IS NOT NULL
UNION ALL
SELECT r.series_id, t.news_open, true
FROM touched t JOIN series s USING (series_id) JOIN series r USING (exchange, timeframe)
WHERE t.news_open IS NOT NULL AND s.symbol = :reference AND r.series_id != s.series_id
UNION ALL
SELECT r.series_id, t.news_open + make_interval(secs => s.bar_seconds - r.bar_seconds), false
FROM unnest(CAST(:lower AS text[]), CAST(:higher AS text[])) AS h(lower, higher)
JOIN series s ON s.timeframe = h.higher
JOIN touched t USING (series_id)
JOIN series r ON r.exchange = s.exchange AND r.symbol = s.symbol AND r.timeframe = h.lower
WHERE t.news_open IS NOT NULL""")

_MARK_DIRTY = sa.text("""
UPDATE series s SET dirty_from = least(s.dirty_from, n.after)
FROM (SELECT series_id, min(after) AS after FROM revised WHERE has_new_indicators GROUP BY series_id) n
WHERE s.series_id = n.series_id AND (s.dirty_from IS NULL OR s.dirty_from > n.after)
  AND EXISTS (SELECT FROM indicators i WHERE i.series_id = n.series_id AND i.open_at >= n.after)""")

# Not before live runs began: history that is imported later is a backfill's work, no live run's.
_MOVE_WATERMARKS_BACK = sa.text("""
UPDATE watermarks w SET processed_to = greatest(n.after, w.started_after)
FROM (SELECT series_id, min(after) AS after FROM revised GROUP BY series_id) n
WHERE w.series_id = n.series_id AND w.asset = ANY(:assets) AND w.processed_to > greatest(n.after, w.started_after)""")
