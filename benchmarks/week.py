"""`python -m benchmarks.week`: a simulated week of the chain through Dagster, and what it leaves on disk day by day.

Each tick is the chain of the real job, live, as of its simulated close, on an embedded server of a temporary home; each
full hour outcomes, calibrations and the report of 24 hours follow, at midnight those of 7 and 30 days. One process runs
them as fast as they go. Dagster dates a run by the wall clock, so that each is dated back to its close, as its printed
output is; `retention` runs at each day's end as of that instant, and forgets after a day what it otherwise forgets
after three or more. The week is lived through twice, with retention and without, each in a process of its own.
"""

import argparse
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from benchmarks.measurement import ROOT, clean_environment
from pipeline.domain.signal import Origin
from pipeline.run_tags import AS_OF, CHAIN_JOB, CHAIN_SCHEDULE, RETENTION_JOB, pass_tags
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.server import DAGSTER_DATABASE

if TYPE_CHECKING:
    import dagster as dg

START = datetime(2026, 3, 2, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
SYMBOLS = 50
FULL_DAY = 288  # ticks of 5 minutes
BAR = 40  # characters of the longest bar of the chart
SETTINGS = {
    "SIGNALS_MARKET__SYMBOLS": ",".join(f"C{number:03d}/USDT" for number in range(SYMBOLS)),
    "SIGNALS_MARKET__TIMEFRAMES": "5m",
    "SIGNALS_RETENTION__SCHEDULED_RUNS_DAYS": "1",
    "SIGNALS_RETENTION__RUNS_DAYS": "1",
    "SIGNALS_RETENTION__LOG_DAYS": "1",
}
COUNTED = ("runs", "event_logs", "asset_check_executions", "asset_event_tags", "run_tags", "snapshots")


@dataclass(frozen=True, slots=True)
class Day:
    """What is stored at the end of a simulated day."""

    day: int
    signals_mb: float
    dagster_mb: float
    output_files: int  # what runs printed
    rows: Mapping[str, int]  # by table of Dagster's
    seconds_of_ticks: float
    seconds_of_retention: float


def main() -> int:
    """Live through the week, with and without retention, and print both."""
    parser = argparse.ArgumentParser(prog="benchmarks.week", description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--ticks-per-day", type=int, default=FULL_DAY, help="fewer make days of fewer, longer ticks")
    parser.add_argument("--variant", choices=("with", "without"), help="one of the two alone, in this process")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the database server ends with us
    if FULL_DAY % asked.ticks_per_day:
        parser.error(f"ticks per day must divide {FULL_DAY}, were {asked.ticks_per_day}")
    if asked.variant:
        with TemporaryDirectory(prefix="signals-week-") as home:
            days = [asdict(day) for day in live(Path(home), asked.days, asked.ticks_per_day, asked.variant == "with")]
        print(json.dumps(days))
        return 0
    for variant in ("without", "with"):
        words = [sys.executable, "-m", "benchmarks.week", "--variant", variant]
        words += ["--days", str(asked.days), "--ticks-per-day", str(asked.ticks_per_day)]
        done = subprocess.run(words, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, text=True, check=True)
        print(f"\n{variant} retention\n{table([Day(**day) for day in json.loads(done.stdout.splitlines()[-1])])}")
    return 0


def live(home: Path, days: int, ticks_per_day: int, is_forgetting: bool) -> Iterator[Day]:
    """Each day's end."""
    os.environ.update({**SETTINGS, "SIGNALS_HOME": str(home)})
    from pipeline.cli.session import open_database
    from pipeline.jobs import CHAIN, judge_signals
    from pipeline.settings import load_settings

    settings = load_settings()
    logging.disable(logging.CRITICAL)
    with open_database(settings) as database, recording_instance(home, database.address) as instance:
        records = database.address.with_database(DAGSTER_DATABASE)
        for day in range(days):
            began = time.monotonic()
            for number in range(ticks_per_day):
                close = START + day * ONE_DAY + number * (ONE_DAY / ticks_per_day)
                tags = {**pass_tags(close, Origin.LIVE), "dagster/schedule_name": CHAIN_SCHEDULE}
                _date(records, home, _run(instance, CHAIN_JOB, tags, f"{close:%Y-%m-%d}", assets=CHAIN), close)
                for windows in _judged(close):
                    tags["dagster/schedule_name"] = "outcomes_every_hour"
                    run = _run(instance, judge_signals.name, tags, f"{close:%Y-%m-%d}", windows=windows)
                    _date(records, home, run, close)
            ticked, ended_at = time.monotonic(), START + (day + 1) * ONE_DAY - timedelta(minutes=1)
            if is_forgetting:
                tags = {AS_OF: ended_at.isoformat(), "dagster/schedule_name": "retention_every_day"}
                _date(records, home, _run(instance, RETENTION_JOB, tags), ended_at)
            end = _end_of(day + 1, database.address, records, home, ticked - began, time.monotonic() - ticked)
            print(line(end), file=sys.stderr, flush=True)
            yield end


@contextmanager
def recording_instance(home: Path, address: DatabaseAddress) -> Iterator["dg.DagsterInstance"]:
    """Dagster as the service runs it, which keeps what runs print."""
    from pipeline.cli.dagster_home import dagster_environment, prepare_dagster

    variables = dagster_environment(home, address)
    prepare_dagster(variables)
    os.environ.update(variables)
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=-1, max_overflow=20)
        yield instance


def _judged(close: datetime) -> list[list[str]]:
    """The windows of the reports that are made soon after a close."""
    if close.minute:
        return []
    return [["24h"]] if close.hour else [["24h"], ["7d", "30d"]]


def _run(
    instance: "dg.DagsterInstance",
    job: str,
    tags: Mapping[str, str],
    day: str | None = None,
    *,
    assets: Sequence[str] = (),
    windows: Sequence[str] = (),
) -> str:
    """Run a job in this process, or some of its assets; the run's id."""
    import dagster as dg

    from pipeline.definitions import defs

    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if windows:
        config["ops"] = {"signal_performance": {"config": {"windows": list(windows)}}}
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        tags=dict(tags),
        partition_key=day,
        run_config=config,
        asset_selection=[dg.AssetKey(name) for name in assets] or None,
    )
    return result.run_id


def _date(records: DatabaseAddress, home: Path, run_id: str, made_at: datetime) -> None:
    """Let a run, and what it printed, be as old as its close."""
    with psycopg.connect(records.libpq, autocommit=True) as conn:
        conn.execute(
            "UPDATE runs SET create_timestamp = %s::timestamptz AT TIME ZONE 'UTC' WHERE run_id = %s",
            [made_at, run_id],
        )
    os.utime(home / "dagster" / "files" / run_id, (made_at.timestamp(), made_at.timestamp()))


def _end_of(
    day: int, signals: DatabaseAddress, records: DatabaseAddress, home: Path, of_ticks: float, of_retention: float
) -> Day:
    with psycopg.connect(records.libpq, autocommit=True) as conn:
        rows = {name: _first(conn, sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))) for name in COUNTED}
        sizes = [
            _first(conn, sql.SQL("SELECT pg_database_size({})").format(sql.Literal(address.database))) / 1e6
            for address in (signals, records)
        ]
    files = sum(len(names) for _, _, names in os.walk(home / "dagster" / "files"))
    return Day(day, sizes[0], sizes[1], files, rows, of_ticks, of_retention)


def _first(conn: psycopg.Connection[Any], statement: sql.Composed) -> int:
    row = conn.execute(statement).fetchone()
    return 0 if row is None else int(row[0])


def line(day: Day) -> str:
    """A day as a row of the table."""
    counts = (f"{day.rows[name]:,}" for name in COUNTED)
    seconds = (f"{day.seconds_of_ticks:.0f}", f"{day.seconds_of_retention:.1f}")
    cells = (str(day.day), f"{day.signals_mb:.1f}", f"{day.dagster_mb:.1f}", f"{day.output_files:,}", *counts, *seconds)
    return f"| {' | '.join(cells)} |"


def table(days: list[Day]) -> str:
    """The days as a table of Markdown, and Dagster's database as a chart of bars."""
    names = ("day", "signals MB", "Dagster MB", "files of output", *COUNTED, "ticks s", "retention s")
    head = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    largest = max(day.dagster_mb for day in days)
    chart = [f"{day.day:>3} {'#' * round(BAR * day.dagster_mb / largest)} {day.dagster_mb:.0f} MB" for day in days]
    return "\n".join([*head, *map(line, days), "", "Dagster's database", *chart])


if __name__ == "__main__":
    sys.exit(main())
