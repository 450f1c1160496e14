"""Calibrations in and out: outcomes that fits are made of, the fits of each day, and what signals are given by them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import sqlalchemy as sa

from pipeline.domain.signal import Origin
from pipeline.outcomes.rules import EXPIRY
from pipeline.performance.calibration import KIND, CalibrationRules, calibrate, fitted_at
from pipeline.storage import tables
from pipeline.storage.bulk import affected, bulk_insert, bulk_upsert, copy_to_staging, typed
from pipeline.storage.candidates import Occasion
from pipeline.storage.database import Database

GIVEN = ["calibrated_confidence", "uncalibrated_because"]


def read_resolved(
    database: Database, origin: Origin, scope: str, instants: Sequence[datetime], window: timedelta
) -> pd.DataFrame:
    """The outcomes at the signals' expiry that fits as of ``instants`` know of; those that were entered.

    Columns `KIND`, confidence, is_win (float) and resolved_at.
    """
    return database.frame(
        sa.text(
            """SELECT s.exchange, s.timeframe, o.profile, o.source_group, o.strategy, o.confidence,
  (o.net_return > 0)::int::float8 AS is_win, o.resolved_at
FROM signal_outcomes o JOIN series s USING (series_id)
WHERE o.origin = :origin AND o.scope = :scope AND o.horizon = :horizon AND o.net_return IS NOT NULL
  AND o.resolved_at > :after AND o.resolved_at <= :until AND o.candle_close_at < :until"""
        ).bindparams(
            origin=origin.value,
            scope=scope,
            horizon=EXPIRY,
            after=min(instants) - window,
            until=max(instants),
        )
    )


def lock_fits(conn: sa.Connection, scope: str) -> None:
    """Let no other transaction fit in a scope until this one ends."""
    conn.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtext('confidence_calibrations'), hashtext(:scope))"), {"scope": scope}
    )


def live_closes_to(conn: sa.Connection) -> datetime | None:
    """The newest close of the shortest timeframe that live runs have processed; None before the first run."""
    close: datetime | None = conn.scalar(
        sa.text(
            """SELECT max(w.processed_to) FROM watermarks w JOIN series s USING (series_id)
WHERE w.asset = 'trading_signals' GROUP BY s.bar_seconds ORDER BY s.bar_seconds LIMIT 1"""
        )
    )
    return close


def has_fit(conn: sa.Connection, origin: Origin, scope: str, fitted_as_of: datetime) -> bool:
    """Whether anything was fitted as of an instant."""
    query = sa.text(
        """SELECT EXISTS (SELECT FROM confidence_calibrations
WHERE origin = :origin AND scope = :scope AND fitted_as_of = :fitted_as_of)"""
    )
    return bool(conn.scalar(query, {"origin": origin.value, "scope": scope, "fitted_as_of": fitted_as_of}))


def store_fits(
    conn: sa.Connection, origin: Origin, scope: str, instants: Sequence[datetime], fits: pd.DataFrame
) -> int:
    """Store fits as of ``instants``; those of a replay become these. Returns how many rows are new or changed."""
    table = tables.confidence_calibrations
    rows = typed(table, fits.assign(origin=origin.value, scope=scope))
    if origin is Origin.LIVE:
        return bulk_insert(conn, table, rows)
    written = bulk_upsert(conn, table, rows)  # which leaves the rows staged, if there are any
    key = " AND ".join(f"n.{name} = c.{name}" for name in ("fitted_as_of", *KIND, "confidence_class"))
    stands = "false" if rows.empty else f"EXISTS (SELECT FROM staging_{table.name} n WHERE {key})"
    removed = affected(
        conn,
        sa.text(
            f"""DELETE FROM {table.name} c
WHERE origin = :origin AND scope = :scope AND fitted_as_of = ANY(:instants) AND NOT {stands}"""
        ).bindparams(origin=origin.value, scope=scope, instants=list(instants)),
    )
    return written + removed


def read_fits(conn: sa.Connection, origin: Origin, scope: str, first: datetime, last: datetime) -> pd.DataFrame:
    """The fits of a scope as of instants from ``first`` to ``last``, both inclusive, as `calibrate` takes them."""
    columns = ["fitted_as_of", *KIND, "confidence_class", "kind_outcomes", "stated", "calibrated"]
    found = conn.execute(
        sa.text(
            f"""SELECT {", ".join(columns)} FROM confidence_calibrations
WHERE origin = :origin AND scope = :scope AND fitted_as_of BETWEEN :first AND :last
ORDER BY fitted_as_of, {", ".join(KIND)}, confidence_class"""
        ),
        {"origin": origin.value, "scope": scope, "first": first, "last": last},
    )
    rows = pd.DataFrame(found.all(), columns=columns)
    return typed(tables.confidence_calibrations, rows)


def newest_fits(conn: sa.Connection, origin: Origin, scope: str, at: datetime, window: timedelta) -> pd.DataFrame:
    """The newest fits that were made as of ``at`` or before it, but within ``window``; none if there are none."""
    newest = conn.scalar(
        sa.text(
            """SELECT max(fitted_as_of) FROM confidence_calibrations
WHERE origin = :origin AND scope = :scope AND fitted_as_of > :after AND fitted_as_of <= :at"""
        ),
        {"origin": origin.value, "scope": scope, "after": at - window, "at": at},
    )
    return read_fits(conn, origin, scope, newest or at, newest or at)


def with_calibration(
    conn: sa.Connection, rows: pd.DataFrame, occasion: Occasion, rules: CalibrationRules
) -> pd.DataFrame:
    """Rows of `trading_signals` about to be stored, with `GIVEN` by the newest fit that is effective at each close.

    Where newer fits are missing, as after days off, older ones serve, as long as outcomes that old would count.
    """
    if rows.empty:
        return rows.assign(calibrated_confidence=np.empty(0), uncalibrated_because=np.empty(0, dtype=object))
    effective = rows["candle_close_at"].map(fitted_at)
    sources = rows["source"]
    asked = rows.assign(
        source_group=sources.mask(sources.str.contains(","), "multi"),
        fitted_as_of=effective,
    )
    fits = []
    for at in effective.unique():
        known = newest_fits(conn, occasion.origin, occasion.scope, at, rules.window)
        fits.append(known.assign(fitted_as_of=at))
    given = calibrate(asked, pd.concat(fits), rules)
    return rows.assign(**{name: given[name] for name in GIVEN})


def recalibrate(
    conn: sa.Connection,
    database: Database,
    scope: str,
    after: datetime,
    until: datetime,
    fits: pd.DataFrame,
    rules: CalibrationRules,
) -> int:
    """Give a replay's signals with ``after < close <= until`` what ``fits`` say; returns how many are changed.

    Their outcomes are told it too.
    """
    signals = database.frame(
        sa.text(
            """SELECT id::text AS id, exchange, timeframe, profile, source_group, strategy,
  signal_type::text AS signal_type, confidence, candle_close_at, origin, scope,
  calibrated_confidence AS had, uncalibrated_because AS had_because
FROM trading_signals
WHERE origin = 'replay' AND scope = :scope AND candle_close_at > :after AND candle_close_at <= :until"""
        ).bindparams(scope=scope, after=after, until=until)
    )
    if signals.empty:
        return 0
    closes = signals["candle_close_at"]
    effective = closes.drop_duplicates().set_axis(closes.drop_duplicates()).map(fitted_at)
    given = calibrate(signals.assign(fitted_as_of=closes.map(effective)), fits, rules)
    same = given["calibrated_confidence"].eq(signals["had"]) | (
        given["calibrated_confidence"].isna() & given["uncalibrated_because"].eq(signals["had_because"])
    )
    changed = pd.concat([signals[["id"]], given], axis=1)[~same]
    if changed.empty:
        return 0
    staging = copy_to_staging(conn, tables.trading_signals, changed)
    conn.execute(
        sa.text(
            f"""UPDATE trading_signals t SET calibrated_confidence = n.calibrated_confidence,
  uncalibrated_because = n.uncalibrated_because
FROM {staging.name} n WHERE t.id = n.id::uuid"""
        )
    )
    conn.execute(
        sa.text(
            f"""UPDATE signal_outcomes o SET calibrated_confidence = n.calibrated_confidence
FROM {staging.name} n
WHERE o.signal_id = n.id::uuid AND o.calibrated_confidence IS DISTINCT FROM n.calibrated_confidence"""
        )
    )
    return len(changed)
