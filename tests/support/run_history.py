"""Runs of small assets in a real Dagster on PostgreSQL, made as old as a test wants them; and all that they leave."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.instance import InstanceRef
from psycopg import sql

from pipeline.storage.address import DatabaseAddress
from tests.support.postgres import drop_database, fresh_database

DAYS = dg.DailyPartitionsDefinition(start_date="2026-01-01")
JOBS = ("daily_job", "whole_job")


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("contract", asset="prices")])
def prices(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Stands for the chain: partitioned, checked, with output."""
    print("prices of", context.partition_key)
    if "fails" in context.run.tags:
        raise dg.Failure("as asked")
    return dg.MaterializeResult(
        metadata={"rows": 1}, check_results=[dg.AssetCheckResult(passed=True, check_name="contract")]
    )


@dg.asset(partitions_def=DAYS, deps=[prices])
def advice() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 2})


@dg.asset
def pictures() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3})


DEFS = dg.Definitions(
    assets=[prices, advice, pictures],
    jobs=[
        dg.define_asset_job("daily_job", selection=["prices", "advice"]),
        dg.define_asset_job("whole_job", selection=["pictures"]),
    ],
    executor=dg.in_process_executor,
)


class RunHistory:
    """An instance of Dagster with a database and a folder of its own."""

    def __init__(self, instance: dg.DagsterInstance, address: DatabaseAddress, files: Path) -> None:
        self.instance = instance
        self.address = address
        self.files = files

    def run(
        self,
        made_at: datetime,
        partition: str | None,
        *,
        tags: dict[str, str] | None = None,
        assets: list[str] | None = None,
    ) -> str:
        """Run the job of the days, or without a day the other one, as if it had been made at an instant."""
        job = DEFS.resolve_job_def("daily_job" if partition else "whole_job")
        result = job.execute_in_process(
            instance=self.instance,
            partition_key=partition,
            tags=tags,
            raise_on_error=False,
            asset_selection=None if assets is None else [dg.AssetKey(name) for name in assets],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        self.date(result.run_id, made_at)
        return result.run_id

    def date(self, run_id: str, made_at: datetime) -> None:
        """Say that a run was made at an instant."""
        with psycopg.connect(self.address.libpq, autocommit=True) as conn:
            conn.execute(
                "UPDATE runs SET create_timestamp = %s::timestamptz AT TIME ZONE 'UTC' WHERE run_id = %s",
                [made_at, run_id],
            )

    def run_ids(self) -> set[str]:
        return {run.run_id for run in self.instance.get_runs()}

    def materialized(self) -> dict[str, set[str]]:
        """The partitions of each asset that Dagster counts as materialized; of one without, whether it is."""
        instance = self.instance
        found = {key: instance.get_materialized_partitions(dg.AssetKey(key)) for key in ("prices", "advice")}
        whole = instance.get_latest_materialization_event(dg.AssetKey("pictures"))
        return {**found, "pictures": {whole.run_id} if whole else set()}

    def counts(self) -> dict[str, int]:
        """Rows of every table of Dagster's database."""
        with psycopg.connect(self.address.libpq, autocommit=True) as conn:
            names = conn.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            counted = {}
            for (name,) in names:
                row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
                assert row is not None
                counted[name] = row[0]
        return counted

    def leftovers(self) -> list[str]:
        """Rows, by table, and files of runs that are not there."""
        with psycopg.connect(self.address.libpq, autocommit=True) as conn:
            columns = conn.execute(
                """SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name IN ('run_id', 'last_run_id') AND table_name <> 'runs'"""
            ).fetchall()
            found = []
            for table, column in columns:
                statement = sql.SQL("SELECT count(*) FROM {t} WHERE {c} <> '' AND {c} NOT IN (SELECT run_id FROM runs)")
                row = conn.execute(statement.format(t=sql.Identifier(table), c=sql.Identifier(column))).fetchone()
                assert row is not None
                found += [f"{table}.{column}"] * row[0]
            tagged = conn.execute(
                "SELECT count(*) FROM asset_event_tags WHERE event_id NOT IN (SELECT id FROM event_logs)"
            ).fetchone()
            assert tagged is not None
        found += ["asset_event_tags"] * tagged[0]
        kept = self.run_ids()
        return found + sorted(p.name for p in self.files.iterdir() if p.name != "storage" and p.name not in kept)


@contextmanager
def a_run_history(address: DatabaseAddress, folder: Path) -> Iterator[RunHistory]:
    """Dagster as dagster.yaml sets it up, on an empty database."""
    files = folder / "files"
    files.mkdir(parents=True)
    settings = {
        "storage": {"postgres": {"postgres_url": address.dagster}},
        "local_artifact_storage": {
            "module": "dagster.core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": str(files)},
        },
        "compute_logs": {
            "module": "dagster.core.storage.local_compute_log_manager",
            "class": "LocalComputeLogManager",
            "config": {"base_dir": str(files)},
        },
        "telemetry": {"enabled": False},
    }
    (folder / "dagster.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
        yield RunHistory(instance, address, files)


@pytest.fixture(scope="session")
def dagster_template(postgres_server: DatabaseAddress, tmp_path_factory: pytest.TempPathFactory) -> DatabaseAddress:
    """An empty database with Dagster's tables, to copy: making them takes seconds."""
    address = fresh_database(postgres_server)
    with a_run_history(address, tmp_path_factory.mktemp("template")) as made:
        made.instance.get_runs()
    return address


@pytest.fixture
def history(
    postgres_server: DatabaseAddress, dagster_template: DatabaseAddress, tmp_path: Path
) -> Iterator[RunHistory]:
    """A Dagster of the test's own, without any run."""
    address = fresh_database(postgres_server, dagster_template)
    with a_run_history(address, tmp_path) as made:
        # Otherwise each event opens a connection of its own.
        made.instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=-1, max_overflow=20)
        yield made
    drop_database(address)
