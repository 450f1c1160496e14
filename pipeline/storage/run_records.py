"""Rows of Dagster's database that Dagster itself never deletes, and has no call to delete.

`DagsterInstance.delete_run` deletes a run, its tags and its events; what its checks found stays, and so do backfills
and changes of freshness, which belong to no run. Whatever Dagster has a call for is done by `pipeline.retention`.
Each function takes a connection to Dagster's database. Its instants are without a zone, in UTC.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from pipeline.storage.address import DatabaseAddress

# A backfill in another state has work to do yet.
ENDED = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")
FRESHNESS = ("FRESHNESS_STATE_CHANGE", "FRESHNESS_STATE_EVALUATION")


class CheckNames(NamedTuple):
    """By which names executions of checks are stored: only with these does the index lead to a run's rows."""

    assets: list[str]
    checks: list[str]


@contextmanager
def run_records(url: str) -> Iterator[sa.Engine]:
    """Dagster's database, for a block; ``url`` is spelled as Dagster spells it."""
    engine = sa.create_engine(
        DatabaseAddress.parse(url).sqlalchemy,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10, "options": "-c timezone=UTC"},
    )
    try:
        yield engine
    finally:
        engine.dispose()


def check_names(conn: sa.Connection) -> CheckNames:
    """The assets and checks of which an execution is stored; reads the whole table, once a day."""
    found = conn.execute(sa.text("SELECT DISTINCT asset_key, check_name FROM asset_check_executions")).all()
    return CheckNames(sorted({row.asset_key for row in found}), sorted({row.check_name for row in found}))


def delete_checks(conn: sa.Connection, run_ids: Sequence[str], names: CheckNames) -> int:
    """Delete what the checks of some runs found; returns how many rows."""
    statement = sa.text(
        """DELETE FROM asset_check_executions
WHERE asset_key = ANY(:assets) AND check_name = ANY(:checks) AND run_id = ANY(:run_ids)"""
    )
    return conn.execute(statement, {**names._asdict(), "run_ids": list(run_ids)}).rowcount


def delete_freshness(conn: sa.Connection, before: datetime) -> int:
    """Delete old changes of freshness but for the newest one of each asset, which is its state."""
    statement = sa.text(
        """WITH newest AS (
  SELECT max(id) AS id FROM event_logs WHERE dagster_event_type = ANY(:types) GROUP BY dagster_event_type, asset_key
)
DELETE FROM event_logs WHERE dagster_event_type = ANY(:types)
AND timestamp < CAST(:before AS timestamptz) AT TIME ZONE 'UTC' AND id NOT IN (SELECT id FROM newest)"""
    )
    return conn.execute(statement, {"types": list(FRESHNESS), "before": before}).rowcount


def delete_backfills(conn: sa.Connection, before: datetime) -> int:
    """Delete backfills that have ended, were started long ago, and of which no run is kept."""
    statement = sa.text(
        """WITH gone AS (
  DELETE FROM bulk_actions b WHERE status = ANY(:ended)
  AND timestamp < CAST(:before AS timestamptz) AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT FROM runs r WHERE r.backfill_id = b.key) RETURNING key
), untagged AS (
  DELETE FROM backfill_tags t USING gone WHERE t.backfill_id = gone.key
)
SELECT count(*) FROM gone"""
    )
    return int(conn.scalar(statement, {"ended": list(ENDED), "before": before}) or 0)
