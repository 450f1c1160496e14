"""What a report is made from, executed signals and outcomes as columns of codes and numbers; and reports themselves."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.contracts.performance import SignalPerformance
from pipeline.contracts.validation import hold_to
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.performance.executed import Count
from pipeline.performance.ranking import Codes
from pipeline.performance.report import Labels, Outcomes, Window, confidence_labels
from pipeline.performance.statistics import Sample
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_upsert, typed
from pipeline.storage.database import Database

SEPARATOR = "\x1f"  # between the texts that are read as one
N_TEXTS = 5  # source, strategy, reason, exit reason, and the strategies behind it
NUMBERS = ("confidence", "net_return", "r_multiple", "ladder_return", "long_return")


def executed_counts(conn: sa.Connection, window: Window, seen_by: UUID | None = None) -> list[Count]:
    """Signals of the window by source: how many there are, were executed, have expired.

    ``seen_by`` leaves out what that user may not see; None counts every signal.
    """
    is_executed = f"status = '{SignalStatus.EXECUTED}'"
    query = sa.text(
        f"""SELECT source_group, signal_type = 'ALERT' AS is_alert, count(*) AS stored,
  count(*) FILTER (WHERE {is_executed}) AS executed,
  count(*) FILTER (WHERE status = '{SignalStatus.EXPIRED}') AS expired,
  count(profit_loss) FILTER (WHERE {is_executed}) AS known,
  count(*) FILTER (WHERE {is_executed} AND profit_loss > 0) AS profitable,
  count(*) FILTER (WHERE {is_executed} AND profit_loss <= 0) AS losing,
  count(*) FILTER (WHERE {is_executed} AND profit_loss = 0) AS breakeven,
  coalesce(sum(profit_loss) FILTER (WHERE {is_executed}), 0) AS profit_loss
FROM trading_signals
WHERE origin = :origin AND scope = :scope AND candle_close_at >= :start AND candle_close_at <= :until
  AND (CAST(:exchange AS text) IS NULL OR exchange = :exchange)
  AND (CAST(:profile AS text) IS NULL OR profile = :profile)
  AND (CAST(:seen_by AS uuid) IS NULL OR user_id IS NULL OR user_id = :seen_by)
GROUP BY 1, 2"""
    )
    return [Count(*row) for row in conn.execute(query, {**_values(window), "seen_by": seen_by})]


def read_outcomes(
    database: Database,
    window: Window,
    bars: int | Mapping[Timeframe, int],
    random_of: "Mapping[tuple[int, bool], float]",
    *,
    dropped: bool = False,
) -> Outcomes:
    """The outcomes of a window at its horizon; with ``dropped`` those of the advice that risk let nothing of pass.

    Parameters
    ----------
    bars
        The horizon in bars, or, where it is the signals' life, by timeframe.
    random_of
        Series id, and whether it is a BUY -> mean net return of an entry at random.
    """
    about, calibrated = ("source_group", "strategy", "''", "exit_reason"), "calibrated_confidence"
    if dropped:
        about = ("'dropped'", "strategies[1]", "array_to_string(reasons, ', ')", "exit_reason")
        calibrated = "NULL::float8 AS calibrated_confidence"
    query = sa.text(
        f"""SELECT 2 * series_id + (signal_type = 'BUY')::int AS entry, candle_close_at,
  {f" || '{SEPARATOR}' || ".join((*about, _COMPONENTS))} AS texts, {", ".join((*NUMBERS, calibrated))}
FROM {"dropped_outcomes" if dropped else "signal_outcomes"}
WHERE {_KNOWN}"""
    )
    halves = [query.bindparams(**_values(half), **_known_values(half)) for half in _halves(window)]
    table = pa.concat_tables(database.tables(halves))
    with database.begin() as conn:
        series = {
            row.series_id: row for row in conn.execute(sa.text("SELECT series_id, symbol, timeframe FROM series"))
        }
    return _outcomes(table, window, series, bars, random_of)


def _halves(window: Window) -> tuple[Window, Window]:
    """A window in two, of which each is read by a connection of its own."""
    middle = window.start + (window.end - window.start) / 2
    return replace(window, end=middle), replace(window, start=middle + timedelta.resolution)


_COMPONENTS = """CASE WHEN cardinality(strategies) = 1 THEN strategies[1]
  ELSE array_to_string(strategies, ',') END"""  # which of one takes a tenth of the time


def _values(window: Window) -> dict[str, object]:
    return {
        "origin": window.origin,
        "scope": window.scope,
        "start": window.start,
        "until": window.end,
        "exchange": window.exchange,
        "profile": window.profile,
    }


# Outcomes at the window's horizon, as far as they were known.
_KNOWN = """origin = :origin AND scope = :scope AND horizon = :horizon
  AND candle_close_at >= :start AND candle_close_at <= :until AND resolved_at <= :known_at
  AND (CAST(:profile AS text) IS NULL OR profile = :profile)
  AND (CAST(:exchange AS text) IS NULL OR series_id IN (SELECT series_id FROM series WHERE exchange = :exchange))"""


def _known_values(window: Window) -> dict[str, object]:
    return {"horizon": window.horizon, "known_at": window.known_at or datetime.max.replace(tzinfo=UTC)}


def _outcomes(
    table: pa.Table,
    window: Window,
    series: Mapping[int, "sa.Row[tuple[object, ...]]"],
    bars: int | Mapping[Timeframe, int],
    random_of: Mapping[tuple[int, bool], float],
) -> Outcomes:
    entry, entries = _encoded(table["entry"])
    side = np.array([number % 2 for number in entries], dtype=np.float64)
    of_entry = [series[number // 2] for number in entries]
    expected = np.array([random_of.get((number // 2, number % 2 == 1), np.nan) for number in entries])
    timeframes = [Timeframe(each.timeframe) for each in of_entry]
    horizon_bars = np.array([bars if isinstance(bars, int) else bars.get(t, 1) for t in timeframes], dtype=np.float64)
    numbers = {name: table[name].to_numpy(zero_copy_only=False).astype(np.float64, copy=False) for name in NUMBERS}
    sample = Sample(
        side=(2.0 * side - 1.0)[entry],
        **numbers,
        random_return=expected[entry],
        bars=horizon_bars[entry],
        closes=_closes(table),
        start=window.start,
        end=window.end,
        horizon=max(
            (t.duration * int(count) for t, count in zip(timeframes, horizon_bars, strict=True)), default=timedelta(0)
        ),
    )
    place, texts = _encoded(table["texts"])
    parts = [text.split(SEPARATOR) for text in texts]
    source, strategy, reason, exit_reason, components = ([part[n] for part in parts] for n in range(N_TEXTS))
    groupings = {
        "source": _named(place, source),
        "strategy": _named(place, strategy),
        "symbol": _named(entry, [each.symbol for each in of_entry]),
        "timeframe": _named(entry, [str(t) for t in timeframes]),
        "confidence": confidence_labels(sample.confidence),
        "signal_type": Labels(("SELL", "BUY"), side.astype(np.int32)[entry]),
        "exit_reason": _named(place, exit_reason),
        "reason": _named(place, reason),
    }
    calibrated = table["calibrated_confidence"].to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return Outcomes(sample, groupings, _components(place, [text.split(",") for text in components]), calibrated)


def _closes(table: pa.Table) -> npt.NDArray[np.datetime64]:
    closes: npt.NDArray[np.datetime64] = (
        table["candle_close_at"].cast(pa.timestamp("us")).to_numpy(zero_copy_only=False)
    )
    return closes


def _encoded(column: pa.ChunkedArray) -> tuple[Codes, list[Any]]:
    """A column as codes of the values that occur in it."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    codes: Codes = encoded.indices.to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_pylist()


def _named(places: Codes, names: Sequence[str]) -> Labels:
    """Codes of names that may repeat, as codes of names in order."""
    ordered = sorted(set(names))
    position = {name: place for place, name in enumerate(ordered)}
    return Labels(tuple(ordered), np.array([position[name] for name in names], dtype=np.int32)[places])


def _components(places: Codes, names: Sequence[Sequence[str]]) -> tuple[Labels, npt.NDArray[np.int64]]:
    """One code for each of the names that each row has, and that row."""
    sizes = np.array([len(some) for some in names], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    rows = np.repeat(np.arange(len(places)), sizes[places])
    ends = np.cumsum(sizes[places])
    within = np.arange(len(rows)) - (ends - sizes[places])[rows]
    flat = [name for some in names for name in some]
    return _named(starts[places][rows] + within, flat), rows


def newest_report(conn: sa.Connection, window: Window) -> RowMapping | None:
    """The newest stored report of a window's label, exchange, origin, scope and horizon up to its end, without figures.

    None if there is none: one look at the index, however many there are.
    """
    table, t = tables.signal_performance, tables.signal_performance.c
    columns = [column for column in t if not isinstance(column.type, JSONB)]
    query = (
        sa.select(*columns)
        .where(t.exchange == window.exchange, t.origin == window.origin, t.scope == window.scope)
        .where(t.timeframe == window.label, t.horizon == window.horizon, t.as_of <= window.end)
        .order_by(t.as_of.desc())
        .limit(1)
    )
    return conn.execute(query.select_from(table)).mappings().one_or_none()


def store_performance(conn: sa.Connection, reports: Sequence[Mapping[str, Any]]) -> int:
    """Keep reports (`performance.payload`), in place of earlier ones of the same window and instant."""
    table = tables.signal_performance
    names = [column.name for column in table.columns if column.name != "recorded_at"]
    rows = pd.DataFrame(
        [
            {
                name: json.dumps(report[name]) if isinstance(table.c[name].type, JSONB) else report[name]
                for name in names
            }
            for report in reports
        ],
        columns=names,
    )
    return bulk_upsert(conn, table, hold_to(SignalPerformance, typed(table, rows)))
