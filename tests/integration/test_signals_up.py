"""`signals up` on a fresh home: the chain in Dagster's UI, ticking by itself, whatever is killed. Nothing is replaced.

The tests share one service and follow each other: the scheduled run is waited for while others work.
"""

import http.client
import json
import re
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from pipeline.cli.service import running
from pipeline.cli.supervision import marked
from pipeline.storage.server import status, stop
from tests.support.commands import COMMAND, environment, signals, signals_started
from tests.support.processes import kill, until
from tests.support.real_data import ROOT

GROUPS = {
    "candles": "market",
    "indicators": "indicators",
    "price_levels": "indicators",
    "chart_patterns": "indicators",
    "market_conditions": "indicators",
    "model_features": "indicators",
    **dict.fromkeys(("direction_model", "price_range_model", "anomaly_model"), "models"),
    **dict.fromkeys(("direction_predictions", "price_range_predictions", "anomaly_scores"), "predictions"),
    **dict.fromkeys(("news_articles", "tweets", "reddit_posts", "repository_activity", "document_sentiment"), "text"),
    "symbol_sentiment": "sentiment",
    **dict.fromkeys(("technical_signals", "ml_signals", "sentiment_signals"), "signals"),
    **dict.fromkeys(("risk_filtered_signals", "trading_signals"), "signals"),
    "expired_signals": "lifecycle",
    "signal_outcomes": "lifecycle",
    "confidence_calibrations": "reports",
    "signal_performance": "reports",
    "signal_charts": "reports",
}
MARKET = {
    "SIGNALS_MARKET__TIMEFRAMES": "1m",
    "SIGNALS_MARKET__SYMBOLS": "BTC/USDT,ETH/USDT",
    "SIGNALS_STRATEGIES__SMA_CROSSOVER__TRIGGER": "level",  # advice at every close, so that every tick makes rows
}
DONE = ("SUCCESS", "FAILURE", "CANCELED")
LOCATION = {"repositoryLocationName": "pipeline.definitions", "repositoryName": "__repository__"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port: int = trial.getsockname()[1]
        return port


def graphql(port: int, query: str, **variables: object) -> dict[str, Any]:
    """The answer's data; raises while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        body = json.dumps({"query": query, "variables": variables})
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        data: dict[str, Any] = json.load(connection.getresponse())["data"]
    finally:
        connection.close()
    return data


def groups_of(port: int) -> dict[str, str]:
    nodes = graphql(port, "{ assetNodes { groupName assetKey { path } } }")["assetNodes"]
    return {node["assetKey"]["path"][0]: node["groupName"] for node in nodes}


def answers(question: Callable[[], object]) -> bool:
    """Whether what is asked answers by now."""
    try:
        return bool(question())
    except (AssertionError, TypeError, ValueError, OSError, http.client.HTTPException, psycopg.OperationalError):
        return False


class Up:
    """A home, and the `signals up` that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.port = folder, folder / "home", free_port()
        self.env = environment(self.home, **MARKET)
        self.start()

    def start(self) -> None:
        self.process = signals_started("up", "--port", self.port, env=self.env, folder=self.folder)
        self.said = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if line.startswith("stop with"):
                return
        raise AssertionError(f"never ready: {self.said}")

    def exit_code(self) -> int:
        """Of the service, once it has ended."""
        self.process.communicate(timeout=60)
        return self.process.returncode

    def signals(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return signals(*arguments, env=self.env, folder=self.folder)

    def marks(self) -> set[str]:
        return set(json.loads((self.home / "service.json").read_text())["marks"])

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        address = status(self.home).address
        assert address is not None
        with psycopg.connect(address.libpq) as conn:
            return conn.execute(statement).fetchall()

    def materialize(self, first: datetime, last: datetime | None = None) -> str:
        """The id of a run of all assets of the chain over one day or a range, started as the UI's button does."""
        day, until_day = f"{first:%Y-%m-%d}", f"{last or first:%Y-%m-%d}"
        tags = (
            [("dagster/partition", day)]
            if last is None
            else [("dagster/asset_partition_range_start", day), ("dagster/asset_partition_range_end", until_day)]
        )
        selection = [{"path": [name]} for name, group in GROUPS.items() if group not in ("models", "reports", "text")]
        parameters = {
            "selector": {**LOCATION, "jobName": "__ASSET_JOB", "assetSelection": selection},
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags]},
        }
        answer = graphql(
            self.port,
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p)"
            " { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
            p=parameters,
        )["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        run: str = answer["run"]["runId"]
        return run

    def status_of(self, run: str) -> str:
        found = graphql(self.port, "query($i: ID!) { runOrError(runId: $i) { ... on Run { status } } }", i=run)
        state: str = found["runOrError"]["status"]
        return state

    def wait_for(self, run: str, timeout_s: float = 240.0) -> str:
        until(lambda: self.status_of(run) in DONE, timeout_s)
        return self.status_of(run)

    def scheduled_runs(self) -> list[dict[str, Any]]:
        """Newest first, their tags as a dict."""
        found = graphql(
            self.port,
            '{ runsOrError(filter: {tags: [{key: "dagster/schedule_name", value: "signals_at_every_close"}]})'
            " { ... on Runs { results { status tags { key value } } } } }",
        )["runsOrError"]["results"]
        return [{"status": r["status"], **{tag["key"]: tag["value"] for tag in r["tags"]}} for r in found]

    def end(self) -> None:
        if self.process.poll() is None:
            self.signals("down")
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.process.communicate(timeout=120)
        stop(self.home)


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("up"))
    yield up
    up.end()


@pytest.fixture
def up(one_home: Up) -> Up:
    """The same service for every test, started again if a test has ended it."""
    if one_home.process.poll() is not None:
        one_home.start()
    return one_home


def yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


# While it runs


def test_the_ui_shows_every_asset_in_its_group_and_the_schedule_running(up):
    schedules = graphql(
        up.port,
        "query($r: RepositorySelector!) { schedulesOrError(repositorySelector: $r)"
        " { ... on Schedules { results { name cronSchedule scheduleState { status } } } } }",
        r=LOCATION,
    )["schedulesOrError"]["results"]

    assert f"Dagster UI  http://127.0.0.1:{up.port}\n" in up.said
    assert groups_of(up.port) == GROUPS
    assert {each["name"]: each["cronSchedule"] for each in schedules} == {
        "charts_every_hour": "3 * * * *",
        "expiry_every_five_minutes": "*/5 * * * *",
        "outcomes_every_hour": "6 * * * *",
        "reports_every_day": "9 0 * * *",
        "signals_at_every_close": "* * * * *",
        "texts_every_quarter": "13,28,43,58 * * * *",
        "retention_every_day": "20 2 * * *",
        "training_every_week": "30 0 * * 1",
    }
    assert {each["scheduleState"]["status"] for each in schedules} == {"RUNNING"}


def test_materialize_in_the_ui_makes_a_day_of_replay_rows(up):
    run = up.materialize(yesterday())

    assert up.wait_for(run) == "SUCCESS"
    assert up.rows("SELECT DISTINCT origin FROM trading_signals WHERE created_at < current_date") == [("replay",)]


def test_a_scheduled_run_succeeds_by_itself_and_its_rows_are_live(up):
    until(lambda: any(run["status"] in DONE for run in up.scheduled_runs()), timeout_s=240)
    tick = up.scheduled_runs()[-1]

    assert tick["status"] == "SUCCESS"
    assert tick["signals/origin"] == "live"
    as_of = datetime.fromisoformat(tick["signals/as_of"])
    assert as_of.second == as_of.microsecond == 0
    closes = {close for (close,) in up.rows("SELECT candle_close_at FROM candidate_signals WHERE origin = 'live'")}
    assert as_of in closes
    assert min(closes) == as_of  # the first run processes the newest close only


def test_a_second_one_says_what_runs_and_leaves_it_alone(up):
    second = up.signals("up")

    assert second.returncode == 1
    assert second.stdout == ""
    assert re.fullmatch(
        rf"error: `signals up` runs already at http://127\.0\.0\.1:{up.port}, pid {up.process.pid}, since "
        r"[-0-9]+ [0-9:]+ UTC; `signals down` stops it\n",
        second.stderr,
    )
    assert up.process.poll() is None


def test_status_tells_what_runs_and_what_is_stored(up):
    told = up.signals("status", "--json")
    shown = up.signals("status")

    facts = json.loads(told.stdout)
    assert facts["service"] == f"http://127.0.0.1:{up.port}"
    assert facts["schedules"] == "running"
    assert facts["last_run"] in ("QUEUED", "STARTING", "STARTED", *DONE)
    next_run = datetime.fromisoformat(facts["next_run"])
    assert timedelta(0) < next_run - datetime.now(UTC) <= timedelta(minutes=1)
    assert facts["database"] == f"embedded, port {status(up.home).port}"
    assert facts["series"] == 2
    assert facts["trading_signals"] > 0
    assert facts["newest_live_close"]
    assert told.returncode == shown.returncode == 0
    assert told.stderr == shown.stderr == ""
    assert f"http://127.0.0.1:{up.port}" in shown.stdout


def test_up_says_when_the_schedules_run_next(up):
    assert re.search(r"^next run    \d{4}-\d\d-\d\d \d\d:\d\d UTC$", up.said, re.MULTILINE)


# Whatever is killed


@pytest.mark.long
def test_kill_9_of_the_database_during_a_run_loses_nothing_that_was_stored(up):
    before = up.rows("SELECT id, recorded_at FROM trading_signals WHERE created_at < current_date ORDER BY id")
    run = up.materialize(yesterday() - timedelta(days=5), yesterday())
    until(lambda: up.status_of(run) == "STARTED", timeout_s=120)
    kill(status(up.home).pid or 0)
    until(lambda: answers(lambda: up.rows("SELECT 1")))

    assert set(before) <= set(up.rows("SELECT id, recorded_at FROM trading_signals"))
    runs: list[str] = []  # Dagster's pool may still hold connections to the killed server
    until(lambda: answers(lambda: runs.append(up.materialize(yesterday())) or runs))
    assert up.wait_for(runs[0]) == "SUCCESS"


def test_kill_9_of_signals_up_during_a_run_leaves_a_home_that_starts_and_works_again(up):
    run = up.materialize(yesterday() - timedelta(days=10), yesterday())
    until(lambda: up.status_of(run) == "STARTED", timeout_s=120)
    marks = up.marks()
    kill(up.process.pid)
    up.process.communicate(timeout=60)
    before = up.rows("SELECT count(*) FROM trading_signals WHERE origin = 'live'")

    up.start()

    assert not marked(marks)
    assert up.rows("SELECT count(*) FROM trading_signals WHERE origin = 'live'") >= before
    assert up.status_of(run) in DONE
    assert up.wait_for(up.materialize(yesterday())) == "SUCCESS"


# How it ends


def test_term_ends_every_process_within_ten_seconds_and_the_database_with_them(up):
    run = up.materialize(yesterday() - timedelta(days=15), yesterday())
    until(lambda: up.status_of(run) == "STARTED", timeout_s=120)
    marks, children = up.marks(), psutil.Process(up.process.pid).children(recursive=True)
    began = time.monotonic()

    up.process.send_signal(signal.SIGTERM)

    assert up.exit_code() == 0
    assert time.monotonic() - began < 10
    assert not marked(marks)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not status(up.home).running


def test_down_from_elsewhere_ends_a_service_with_its_database(up):
    marks = up.marks()

    down = up.signals("down")

    assert down.returncode == 0
    assert down.stdout.startswith("stopped the service")
    assert up.exit_code() == 0
    assert not marked(marks)
    assert running(up.home) is None
    assert not status(up.home).running
    assert up.signals("down").stdout == "nothing was running\n"


# Dagster's own commands


@pytest.mark.long
def test_dagster_dev_works_by_itself_after_up_prepare(one_home):
    if one_home.process.poll() is None:
        one_home.signals("down")
    port, scripts = free_port(), sysconfig.get_path("scripts")
    command = " ".join(f"'{word}'" for word in COMMAND)
    script = (
        f'signals() {{ {command} "$@"; }}; set -e; printed="$(signals up --prepare)"; eval "$printed"; '
        f"exec '{scripts}/dagster' dev -w '{ROOT}/workspace.yaml' -p {port}"
    )
    log = one_home.folder / "dev.log"
    with log.open("wb") as out:
        dev = subprocess.Popen(
            ["/bin/sh", "-c", script], env=one_home.env, cwd=one_home.folder, stdout=out, stderr=out, process_group=0
        )
    try:
        until(lambda: dev.poll() is not None or answers(lambda: groups_of(port)), timeout_s=180)

        assert dev.poll() is None, log.read_text()
        assert groups_of(port) == GROUPS, log.read_text()
    finally:
        family = [psutil.Process(dev.pid), *psutil.Process(dev.pid).children(recursive=True)] if not dev.poll() else []
        dev.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(family, timeout=15)
        for process in alive:
            process.kill()
        dev.wait(timeout=15)
        down = one_home.signals("down")
    assert not alive
    assert down.stdout == "stopped the database\n"
    assert not status(one_home.home).running


# A home that cannot be used


@pytest.mark.parametrize("command", ["up", "down", "status", "list"])
@pytest.mark.parametrize(("place", "reason"), [("file", "Not a directory"), ("file/home", "Not a directory")])
def test_a_home_that_is_no_folder_is_refused_by_every_command(tmp_path, command, place, reason):
    (tmp_path / "file").touch()
    home = tmp_path / place

    refused = signals(command, env=environment(home), folder=tmp_path)

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr == f"error: SIGNALS_HOME must be a folder that you may write to, was {home}: {reason}\n"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a file system that refuses folders to root")
def test_status_refuses_a_home_that_nobody_can_make_and_makes_none_that_could_be_made(tmp_path):
    refused = signals("status", env=environment(Path("/proc/home")), folder=tmp_path)
    fresh = signals("status", env=environment(tmp_path / "home"), folder=tmp_path)

    assert refused.returncode == 2
    assert refused.stderr.startswith("error: SIGNALS_HOME must be a folder that you may write to, was /proc/home: ")
    assert fresh.returncode == 0
    assert list(tmp_path.iterdir()) == []
