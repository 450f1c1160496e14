"""Dagster's part of a home: the checkout's dagster.yaml makes a working instance on our server."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from pipeline.cli.dagster_home import dagster_environment, prepare_dagster
from pipeline.cli.service import CODE
from pipeline.domain.errors import ConfigurationError
from pipeline.storage.address import DatabaseAddress
from tests.support.postgres import drop_database
from tests.support.processes import output, python
from tests.support.real_data import ROOT

INSPECT = """
    import dagster as dg

    @dg.asset
    def one() -> None: ...

    with dg.DagsterInstance.get() as instance:
        queue = instance.get_concurrency_config().run_queue_config
        print(type(instance.run_coordinator).__name__, type(instance.run_storage).__name__)
        print(instance.run_coordinator.dequeue_interval_seconds, queue.max_concurrent_runs)
        print(instance.run_monitoring_enabled, instance.nux_enabled, instance.telemetry_enabled)
        print(dg.materialize([one], instance=instance).success, len(instance.get_runs()))
"""


@pytest.fixture(scope="module")
def environment(postgres_server: DatabaseAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What `dagster_environment` gives for a server whose Dagster database does not exist yet."""
    yield dagster_environment(tmp_path_factory.mktemp("dagster") / "home", postgres_server)
    drop_database(postgres_server.with_database("dagster"))


@pytest.fixture(scope="module")
def prepared(environment: dict[str, str]) -> list[str]:
    """What two processes were told that prepared at once."""
    drop_database(DatabaseAddress.parse(environment["SIGNALS_DAGSTER_URL"]))
    prepare = "import os; from pipeline.cli.dagster_home import *; print(prepare_dagster(os.environ))"
    both = [python(prepare, env={**os.environ, **environment, "PYTHONPATH": str(ROOT)}) for _ in range(2)]
    return [process.communicate(timeout=60)[0].strip() for process in both]


def test_of_processes_that_prepare_at_once_one_makes_the_tables(prepared):
    assert sorted(prepared) == ["False", "True"]


def test_the_checkouts_settings_make_an_instance_that_queues_and_stores_in_postgresql(prepared, environment, tmp_path):
    said = output(
        INSPECT,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )

    assert said.splitlines() == [
        "QueuedRunCoordinator PostgresRunStorage",
        "1 4",
        "True False False",
        "True 1",
    ]
    assert (Path(environment["DAGSTER_HOME"]) / "files").exists()


def test_tables_are_not_looked_at_again_until_they_are_gone(prepared, environment):
    assert not prepare_dagster(environment)

    address = DatabaseAddress.parse(environment["SIGNALS_DAGSTER_URL"])
    drop_database(address)

    assert prepare_dagster(environment)
    with psycopg.connect(address.libpq) as conn:
        assert conn.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def test_each_reader_gets_the_address_as_it_can_read_it(environment):
    assert environment["SIGNALS_DATABASE_URL"].startswith("postgresql://")
    assert environment["SIGNALS_DAGSTER_URL"].startswith("postgresql+psycopg2://")


def test_up_serves_the_code_that_dagsters_own_commands_load():
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text())

    assert workspace == {"load_from": [{"python_module": CODE}]}


def test_changed_settings_reach_the_home_at_the_next_start(postgres_server, tmp_path):
    copy = tmp_path / "home" / "dagster" / "dagster.yaml"
    dagster_environment(tmp_path / "home", postgres_server)
    copy.write_text("telemetry: {enabled: true}\n")

    dagster_environment(tmp_path / "home", postgres_server)

    assert copy.read_text() == (ROOT / "dagster.yaml").read_text()


def test_a_dotenv_file_that_dagster_would_prefer_is_refused(postgres_server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("SIGNALS_SYMBOLS=BTC/USDT\n")
    dagster_environment(tmp_path / "home", postgres_server)
    (tmp_path / ".env").write_text("SIGNALS_DATABASE_URL=postgresql://elsewhere/signals\n")

    with pytest.raises(ConfigurationError, match=r"SIGNALS_DATABASE_URL must not be set in .*\.env"):
        dagster_environment(tmp_path / "home", postgres_server)


def test_a_home_that_cannot_be_made_is_refused_with_its_path(postgres_server, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="SIGNALS_HOME must be a folder"):
        dagster_environment(tmp_path / "file" / "home", postgres_server)
