"""What signals that are asked for are made from: the newest bars with stored indicators; and what came of them.

Every read goes by a key to the newest bars, whatever the database holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage import tables
from pipeline.storage.candidates import IN_SPANS, Occasion
from pipeline.storage.database import CHAIN_LOCK
from pipeline.storage.history import Series
from pipeline.storage.queries import best_first, signals_with_ends
from pipeline.storage.spans import Span, stage_spans

LONGEST_WAIT = "10s"  # for another request of the same scope


@dataclass(frozen=True, slots=True, kw_only=True)
class NewestBar:
    """The newest bar of a series that is ready to be judged, and what is known of it."""

    series: Series
    newest_close: datetime | None  # of its candles
    close_at: datetime | None  # of the bar; None where no indicators are stored
    is_filled: bool
    block_reason: str | None
    is_predicted: bool  # whether a model said where the next close is
    is_scored: bool  # whether a model said how unusual the bar is
    is_surveyed: bool  # whether texts were looked at
    silence: str | None  # why texts advise nothing
    dirty_from: datetime | None  # open from which on its indicators are older than its candles

    @property
    def span(self) -> Span | None:
        """The bar's close alone."""
        if self.close_at is None:
            return None
        return Span(self.series, self.close_at - self.series.key.timeframe.duration, self.close_at)


def hold_scope(conn: sa.Connection, scope: str) -> None:
    """Let one transaction at a time make rows of a scope; the others wait, but not for ever."""
    conn.execute(sa.text(f"SET LOCAL lock_timeout = '{LONGEST_WAIT}'"))
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(CHAIN_LOCK, sa.func.hashtext(scope))))


def series_asked(
    conn: sa.Connection, symbols: Sequence[str], timeframe: Timeframe, exchanges: Sequence[str]
) -> list[Series]:
    """The stored series of some symbols on some exchanges, by symbol and exchange."""
    s = tables.series.c
    query = (
        sa.select(s.series_id, s.exchange, s.symbol)
        .where(s.symbol.in_(symbols), s.timeframe == timeframe.value, s.exchange.in_(exchanges))
        .where(s.listed_at.is_not(None))
        .order_by(s.symbol, s.exchange)
    )
    return [Series(SeriesKey(row.exchange, row.symbol, timeframe), row.series_id) for row in conn.execute(query)]


def newest_bars(conn: sa.Connection, series: Sequence[Series], as_of: datetime) -> list[NewestBar]:
    """The newest bar of each series that closed by ``as_of`` and whose indicators are stored.

    While a live run is at the newest close, whose predictions follow its indicators, it is the close before.
    """
    rows = conn.execute(_NEWEST, {"ids": [each.series_id for each in series], "as_of": as_of}).mappings()
    found = {row["series_id"]: row for row in rows}
    return [NewestBar(series=each, **_without_id(found[each.series_id])) for each in series]


def _without_id(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "series_id"}


def has_candidates(conn: sa.Connection, spans: Sequence[Span], occasion: Occasion) -> bool:
    """Whether an occasion has candidates in the spans."""
    stage_spans(conn, spans)
    query = sa.text(
        f"""SELECT EXISTS (SELECT FROM candidate_signals x JOIN spans s ON {IN_SPANS}
WHERE x.origin = :origin AND x.scope = :scope)"""
    )
    return bool(conn.scalar(query, {"origin": occasion.origin.value, "scope": occasion.scope}))


def signals_of(conn: sa.Connection, spans: Sequence[Span], occasion: Occasion, profile: str) -> Sequence[RowMapping]:
    """An occasion's signals in the spans, of whatever status, as `signals_with_ends` has them; best first."""
    stage_spans(conn, spans)
    t = tables.trading_signals.c
    in_spans = sa.text(f"EXISTS (SELECT FROM spans s WHERE {IN_SPANS.replace('x.', 'trading_signals.')})")
    closes = [span.until for span in spans]
    query = signals_with_ends().where(
        t.origin == occasion.origin.value,
        t.scope == occasion.scope,
        t.profile == profile,
        t.candle_close_at.in_(closes),
        in_spans,
    )
    return conn.execute(query.order_by(*best_first())).mappings().all()


_NEWEST = sa.text(
    f"""WITH asked AS (
  SELECT s.series_id, s.exchange, s.symbol, s.bar_seconds, s.dirty_from, n.close_at AS newest_close,
    CASE WHEN w.processed_to >= m.close_at - make_interval(secs => s.bar_seconds) AND w.processed_to < m.close_at
      THEN w.processed_to ELSE m.close_at END AS close_at
  FROM series s
  LEFT JOIN LATERAL (SELECT c.close_at FROM candles c WHERE c.series_id = s.series_id AND c.open_at < :as_of
    AND c.close_at <= :as_of ORDER BY c.open_at DESC LIMIT 1) n ON true
  LEFT JOIN LATERAL (SELECT k.close_at FROM market_conditions k WHERE k.series_id = s.series_id AND k.open_at < :as_of
    AND k.close_at <= :as_of ORDER BY k.open_at DESC LIMIT 1) m ON true
  LEFT JOIN watermarks w ON w.asset = 'candidate_signals' AND w.series_id = s.series_id
  WHERE s.series_id = ANY(:ids)
), bars AS (
  SELECT *, close_at - make_interval(secs => bar_seconds) AS open_at FROM asked
)
SELECT b.series_id, b.newest_close, b.close_at, b.dirty_from, coalesce(c.is_filled, false) AS is_filled, m.block_reason,
  d.series_id IS NOT NULL AS is_predicted, a.series_id IS NOT NULL AS is_scored, f.symbol IS NOT NULL AS is_surveyed,
  f.silence
FROM bars b
LEFT JOIN candles c ON c.series_id = b.series_id AND c.open_at = b.open_at
LEFT JOIN market_conditions m ON m.series_id = b.series_id AND m.open_at = b.open_at
LEFT JOIN direction_predictions d ON d.series_id = b.series_id AND d.open_at = b.open_at
LEFT JOIN anomaly_scores a ON a.series_id = b.series_id AND a.open_at = b.open_at
LEFT JOIN symbol_sentiment f ON f.symbol = b.symbol AND f.close_at = b.close_at
  AND f.is_simulated = (b.exchange = '{SIMULATED_EXCHANGE}')"""
)
