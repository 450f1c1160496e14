"""What is stored about one bar, for who asks why: its rows, the settings of the time, and what else its close held.

Every read goes by a key or an index, whatever the database holds. What the rows mean is `pipeline.explain`'s.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin, Signal, SignalType, Source
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explain.explanation import State
from pipeline.generation import BarKey
from pipeline.indicators.catalogue import WARM_UP_BARS
from pipeline.models.price_range import RANGES
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.exposure import Pending
from pipeline.storage import tables
from pipeline.storage.candidates import pending_of
from pipeline.storage.endings import FREES_EXPOSURE
from pipeline.storage.health import series_states
from pipeline.storage.history import Series, bar_index
from pipeline.storage.queries import signals_with_ends
from pipeline.strategies.columns import PREDICTION, PREDICTIONS
from pipeline.strategies.registry import STRATEGIES

CANDLE = ("open", "high", "low", "close", "volume")
SAID = (*PREDICTIONS, *RANGES)  # what models said of a bar
CONDITIONS = ("atr_ratio", "atr_ratio_p95", "atr_ratio_median", "atr_ratio_bars", "is_volatile", "filled_share")
_KEYS = frozenset({"series_id", "open_at", "close_at"})
INDICATOR_COLUMNS = tuple(c.name for c in tables.indicators.c if c.name not in _KEYS)


class StoredSeries(NamedTuple):
    """A series and how far it reaches."""

    series: Series
    first_open: datetime | None  # None before there is a candle
    delisted_at: datetime | None
    dirty_from: datetime | None  # open from which on derived rows are older than their candles


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBars:
    """The newest bars up to one, as they are stored."""

    columns: Block  # `CANDLE` and `INDICATOR_COLUMNS`, shape (n_bars, 1), oldest first; NaN where unknown or not read
    is_complete: bool  # whether each bar has its row of indicators, and the last one its market conditions
    candle: RowMapping  # of the last bar, with is_filled, `CONDITIONS`, block_reason and `SAID`

    def said(self) -> Block:
        """What models said of the last bar, in the columns of the bars."""
        like = self.columns["close"]
        found = {}
        for name in SAID:
            values = np.full(like.shape, np.nan)
            values[-1] = np.nan if self.candle[name] is None else float(self.candle[name])
            found[PREDICTION + name if name in PREDICTIONS else name] = pd.DataFrame(
                values, index=like.index, columns=like.columns
            )
        return found | {"probability_up": found[PREDICTION + "probability_up"]}


class BarRows(NamedTuple):
    """The rows of one bar, of every occasion."""

    candidates: Sequence[RowMapping]
    decisions: Sequence[RowMapping]
    signals: Sequence[RowMapping]


def find_series(conn: sa.Connection, key: SeriesKey) -> StoredSeries | None:
    """The series of that name, None if it is not stored."""
    s = tables.series.c
    row = conn.execute(
        sa.select(s.series_id, s.listed_at, s.delisted_at, s.dirty_from).where(
            s.exchange == key.exchange, s.symbol == key.symbol, s.timeframe == key.timeframe.value
        )
    ).one_or_none()
    return None if row is None else StoredSeries(Series(key, row.series_id), *row[1:])


def newest_close(conn: sa.Connection, series: Series, until: datetime) -> datetime | None:
    """The newest close at or before an instant."""
    c = tables.candles.c
    return conn.scalar(
        sa.select(c.close_at)
        .where(c.series_id == series.series_id, c.open_at < until, c.close_at <= until)
        .order_by(c.open_at.desc())
        .limit(1)
    )


def read_bars_before(
    conn: sa.Connection, stored: StoredSeries, close_at: datetime, depths: Mapping[str, int]
) -> StoredBars:
    """The bar of a close with all that is stored about it, and of each column in ``depths`` so many bars before it.

    Not all columns as far as the deepest: most of what that reads nobody looks at.
    """
    timeframe, number = stored.series.key.timeframe, stored.series.series_id
    last_open = close_at - timeframe.duration
    names_by_depth: defaultdict[int, list[str]] = defaultdict(list)
    for name in (*CANDLE, *INDICATOR_COLUMNS):
        names_by_depth[depths.get(name, 0)].append(name)
    first_open = last_open - max(names_by_depth) * timeframe.duration
    if stored.first_open is not None:
        first_open = max(first_open, stored.first_open)
    index = bar_index(timeframe, first_open, last_open)
    symbols = pd.Index([stored.series.key.symbol])
    columns: Block = {}
    for depth, names in names_by_depth.items():
        values = np.full((len(names), len(index)), np.nan)
        rows = conn.execute(_columns_query(number, names, last_open - depth * timeframe.duration, last_open)).all()
        found = np.array([row[1:] for row in rows], dtype=np.float64)
        values[:, [timeframe.position(row[0]) - timeframe.position(first_open) for row in rows]] = found.T
        for name, column in zip(names, values, strict=True):
            columns[name] = pd.DataFrame(column[:, np.newaxis], index=index, columns=symbols, copy=False)
    i = tables.indicators.c
    n_computed = conn.scalar(
        sa.select(sa.func.count()).where(i.series_id == number, i.open_at.between(first_open, last_open))
    )
    candle = conn.execute(_candle_query(number, last_open)).mappings().one()
    return StoredBars(
        columns=columns,
        is_complete=candle["conditions_at"] is not None and n_computed == len(index),
        candle=candle,
    )


def _columns_query(
    series_id: int, names: Sequence[str], first_open: datetime, last_open: datetime
) -> sa.Select[tuple[Any, ...]]:
    """Open and columns of candles and indicators, oldest first."""
    c, i = tables.candles.c, tables.indicators.c
    chosen = [c[name] if name in CANDLE else i[name] for name in names]
    query = sa.select(c.open_at, *chosen).where(c.series_id == series_id, c.open_at.between(first_open, last_open))
    if not set(names) <= set(CANDLE):
        query = query.outerjoin_from(
            tables.candles, tables.indicators, sa.and_(i.series_id == c.series_id, i.open_at == c.open_at)
        )
    return query.order_by(c.open_at)


def _candle_query(series_id: int, open_at: datetime) -> sa.Select[tuple[Any, ...]]:
    c, m = tables.candles.c, tables.market_conditions.c
    d, r, a = tables.direction_predictions.c, tables.price_range_predictions.c, tables.anomaly_scores.c
    query = sa.select(
        *(c[name] for name in (*CANDLE, "is_filled")),
        *(m[name] for name in (*CONDITIONS, "block_reason")),
        m.open_at.label("conditions_at"),
        d.probability.label("probability_up"),
        *(r[name] for name in RANGES),
        a.score.label("anomaly_score"),
        sa.cast(a.is_anomaly & ~a.is_ignored, sa.Integer).label("is_anomaly"),
    ).select_from(tables.candles)
    for table in (
        tables.market_conditions,
        tables.direction_predictions,
        tables.price_range_predictions,
        tables.anomaly_scores,
    ):
        query = query.outerjoin(table, sa.and_(table.c.series_id == c.series_id, table.c.open_at == c.open_at))
    return query.where(c.series_id == series_id, c.open_at == open_at)


def read_bar_rows(conn: sa.Connection, series: Series, close_at: datetime) -> BarRows:
    """Candidates, decisions and signals of one bar, of every origin, scope and profile; newest revisions last."""
    t = tables.trading_signals.c

    def of_bar(table: sa.Table) -> sa.Select[tuple[Any, ...]]:
        return sa.select(table).where(table.c.series_id == series.series_id, table.c.candle_close_at == close_at)

    signals = signals_with_ends().where(
        t.series_id == series.series_id,
        t.symbol == series.key.symbol,  # of which there is an index
        t.created_at == close_at,
    )
    return BarRows(
        conn.execute(of_bar(tables.candidate_signals)).mappings().all(),
        conn.execute(of_bar(tables.risk_decisions)).mappings().all(),
        conn.execute(signals.order_by(t.revision)).mappings().all(),
    )


def check_scope(conn: sa.Connection, scope: str) -> None:
    """Refuse the name of a replay that there is not, and say which there are."""
    if scope != DEFAULT_SCOPE and not has_rows(conn, scope):
        known = ", ".join(scopes(conn)) or "none"
        raise DataContractError(f"scope must be one that has rows ({known}), was {scope}")


def has_rows(conn: sa.Connection, scope: str) -> bool:
    """Whether a candidate is stored under a scope."""
    x = tables.candidate_signals.c
    some = sa.select(x.series_id).where(x.origin.in_([each.value for each in Origin]), x.scope == scope).limit(1)
    return conn.scalar(some) is not None


def scopes(conn: sa.Connection) -> list[str]:
    """Every scope that has candidates, by name."""
    x = tables.candidate_signals.c
    return list(conn.scalars(sa.select(x.scope).distinct().order_by(x.scope)))


def live_pass_at(conn: sa.Connection, series: Series, close_at: datetime) -> datetime | None:
    """When the live run that processed a close first was stored; None if none has."""
    p = tables.live_passes.c
    return conn.scalar(
        sa.select(p.stored_at)
        .where(p.series_id == series.series_id, p.until >= close_at, p.after < close_at)
        .order_by(p.until)
        .limit(1)
    )


def read_close(
    conn: sa.Connection, series: Series, close_at: datetime, origin: Origin, scope: str
) -> tuple[list[Signal], dict[BarKey, MarketConditions]]:
    """The candidates of other series of the exchange at a close, and their bars' conditions.

    What the risk stage judges together: of a live close only the series that the same run processed, since one whose
    candle came late was judged by itself. Without descriptions and inputs, which decide nothing.
    `candidates.read_candidates` gives those of any spans; for a single close the index on it is a hundred times faster.
    """
    rows = conn.execute(
        _AT_CLOSE,
        {
            "origin": origin.value,
            "scope": scope,
            "close_at": close_at,
            "exchange": series.key.exchange,
            "series_id": series.series_id,
        },
    )
    signals, conditions = [], {}
    for symbol, timeframe, strategy, kind, source, strength, confidence, *market in rows.all():
        key = SeriesKey(series.key.exchange, symbol, Timeframe(timeframe))
        signals.append(
            Signal(
                series=key,
                signal_type=SignalType(kind),
                strategy=strategy,
                source=Source(source),
                strength=strength,
                confidence=confidence,
                created_at=close_at,
                description="",
            )
        )
        volatile, ratio, p95, median, bars, block_reason, is_filled, is_anomalous = market
        conditions[key, close_at] = MarketConditions(
            is_volatile=volatile,
            atr_ratio=ratio,
            threshold=p95,
            median_ratio=median,
            bars=bars or 0,
            is_anomalous=is_anomalous,
            is_filled=is_filled,
            block_reason=block_reason,
        )
    return signals, conditions


def other_sources(candidates: Iterable[Mapping[str, Any]], key: SeriesKey) -> list[Signal]:
    """Stored candidates of sources that no strategy here makes: they are judged as they are."""
    judged = {strategy.source for strategy in STRATEGIES.values()}
    return [
        Signal(
            series=key,
            signal_type=SignalType(row["signal_type"]),
            strategy=row["strategy"],
            source=Source(row["source"]),
            strength=row["strength"],
            confidence=row["confidence"],
            created_at=row["candle_close_at"],
            description=row["description"],
            inputs=row["inputs"],
        )
        for row in candidates
        if row["source"] not in judged and row["superseded_at"] is None
    ]


def market_of(row: RowMapping) -> MarketConditions:
    """What the filters know about a bar, of a row with `CONDITIONS`, block_reason and is_filled."""
    return MarketConditions(
        is_volatile=row["is_volatile"],
        atr_ratio=row["atr_ratio"],
        threshold=row["atr_ratio_p95"],
        median_ratio=row["atr_ratio_median"],
        bars=row["atr_ratio_bars"] or 0,
        is_anomalous=row["is_anomaly"] == 1,
        is_filled=row["is_filled"],
        block_reason=row["block_reason"],
    )


def pending_at(
    conn: sa.Connection, close_at: datetime, origin: Origin, scope: str, profile: str, longest: timedelta
) -> list[Pending]:
    """The BUY groups kept at earlier closes that may tie up money at a close; ``longest`` is how long any stands.

    Those of `candidates.read_pending` that count at one close, found without reading all decisions before it.
    """
    rows = conn.execute(
        _PENDING,
        {
            "origin": origin.value,
            "scope": scope,
            "profile": profile,
            "close_at": close_at,
            "since": close_at - longest,
        },
    )
    return pending_of(rows)


def stored_timeframes(conn: sa.Connection) -> list[Timeframe]:
    """The timeframes that any series has."""
    return [Timeframe(name) for name in conn.scalars(sa.select(tables.series.c.timeframe).distinct())]


_AT_CLOSE = sa.text(
    """WITH mine AS (
  SELECT run_id FROM live_passes WHERE series_id = :series_id AND until >= :close_at AND after < :close_at
  ORDER BY until LIMIT 1)
SELECT x.symbol, x.timeframe, x.strategy, x.signal_type, x.source, x.strength, x.confidence,
  m.is_volatile, m.atr_ratio, m.atr_ratio_p95, m.atr_ratio_median, m.atr_ratio_bars, m.block_reason, c.is_filled,
  coalesce(a.is_anomaly AND NOT a.is_ignored, false)
FROM candidate_signals x
JOIN series s ON s.series_id = x.series_id
JOIN LATERAL (SELECT k.open_at, k.is_filled FROM candles k WHERE k.series_id = x.series_id
  AND k.open_at = x.candle_close_at - make_interval(secs => s.bar_seconds) OFFSET 0) c ON true
LEFT JOIN LATERAL (SELECT * FROM market_conditions k WHERE k.series_id = x.series_id
  AND k.open_at = c.open_at OFFSET 0) m ON true
LEFT JOIN anomaly_scores a ON a.series_id = x.series_id AND a.open_at = c.open_at
WHERE x.origin = :origin AND x.scope = :scope AND x.candle_close_at = :close_at AND x.exchange = :exchange
  AND x.series_id <> :series_id AND x.superseded_at IS NULL
  AND (:origin <> 'live' OR NOT EXISTS (SELECT FROM mine) OR EXISTS (
    SELECT FROM live_passes p JOIN mine USING (run_id)
    WHERE p.series_id = x.series_id AND p.until >= :close_at AND p.after < :close_at))
ORDER BY x.symbol, x.timeframe, x.strategy, x.signal_type"""
)
_PENDING = sa.text(
    f"""SELECT d.symbol, d.timeframe, d.candle_close_at, max(d.exposure_weight) AS weight, d.expires_at,
  min(e.effective_at) AS ended_at
FROM risk_decisions d
LEFT JOIN trading_signals t ON t.symbol = d.symbol AND t.created_at = d.candle_close_at AND t.series_id = d.series_id
  AND t.signal_type = d.signal_type AND t.origin = d.origin AND t.scope = d.scope AND t.profile = d.profile
LEFT JOIN signal_events e ON e.signal_id = t.id AND {FREES_EXPOSURE}
WHERE d.is_kept AND d.signal_type = 'BUY' AND d.origin = :origin AND d.scope = :scope AND d.profile = :profile
  AND d.candle_close_at >= :since AND d.candle_close_at < :close_at AND d.expires_at > :close_at
GROUP BY d.series_id, d.symbol, d.timeframe, d.candle_close_at, d.expires_at
ORDER BY d.candle_close_at, d.symbol"""
)


def _recorded_health(conn: sa.Connection, series: Series) -> RowMapping | None:
    """The newest state that a run recorded of a series: status, reason, as_of; None if no run has."""
    h = tables.source_health.c
    query = sa.select(h.status, h.reason, h.as_of).where(h.source == "candles", h.subject == str(series.key))
    return conn.execute(query).mappings().one_or_none()


def series_state_at(conn: sa.Connection, series: Series, as_of: datetime) -> State:
    """The state of a series as of an instant, and what a run recorded last."""
    found = series_states(conn, [series], as_of, WARM_UP_BARS)[series.key]
    recorded = _recorded_health(conn, series)
    return State(
        as_of=as_of,
        status=found.status.value,
        reason=found.reason,
        recorded_status=None if recorded is None else recorded["status"],
        recorded_reason=None if recorded is None else recorded["reason"],
        recorded_as_of=None if recorded is None else recorded["as_of"],
    )
