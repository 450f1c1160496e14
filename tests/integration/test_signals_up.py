"""`signals up` on a fresh home: the chain in Dagster's UI, ticking by itself, whatever is killed. Nothing is replaced.

The tests share one service and follow each other: the scheduled run is waited for while others work.
"""

import json
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from pipeline.cli.readiness import ask_api
from pipeline.cli.service import running
from pipeline.cli.supervision import marked
from pipeline.storage.server import status
from tests.support.api import SIGNALS
from tests.support.commands import COMMAND, environment, signals
from tests.support.processes import kill, until
from tests.support.real_data import ROOT
from tests.support.signals_up import DONE, GROUPS, LOCATION, Up, answers, free_port, graphql, groups_of

MARKET = {
    "SIGNALS_MARKET__TIMEFRAMES": "1m",
    "SIGNALS_MARKET__SYMBOLS": "BTC/USDT,ETH/USDT",
    "SIGNALS_STRATEGIES__SMA_CROSSOVER__TRIGGER": "level",  # advice at every close, so that every tick makes rows
}


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    up = Up(tmp_path_factory.mktemp("up"), **MARKET)
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
    assert re.search(
        rf"^REST API    {up.service.api_url} \((its pages are at /docs|does not answer yet)\)$", up.said, re.M
    )
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


def test_the_api_beside_the_ui_answers_with_the_signals_of_the_scheduled_run(up):
    with httpx.Client(base_url=up.service.api_url) as client:
        assert client.get("/health").json()["newest_closes"][0]["timeframe"] == "1m"
        (found,) = up.rows(
            "SELECT id, created_at FROM trading_signals WHERE origin = 'live' ORDER BY created_at LIMIT 1"
        )
        told = client.get(f"{SIGNALS}/{found[0]}").json()["signal"]
    assert datetime.fromisoformat(told["created_at"]) == found[1]


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
    assert (facts["api"], facts["api_health"]) == (up.service.api_url, "ok")
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
    assert up.service.api_url in shown.stdout


def test_up_says_when_the_schedules_run_next(up):
    assert re.search(r"^next run    \d{4}-\d\d-\d\d \d\d:\d\d UTC$", up.said, re.MULTILINE)


# Whatever is killed


@pytest.mark.long
def test_kill_9_of_the_database_during_a_run_loses_nothing_that_was_stored(up):
    assert up.wait_for(up.materialize(yesterday())) == "SUCCESS"
    before = up.rows("SELECT id, recorded_at FROM trading_signals WHERE created_at < current_date ORDER BY id")
    explanation = f"{up.service.api_url}{SIGNALS}/{before[0][0]}/explain"
    assert httpx.get(explanation, timeout=60).status_code == 200
    run = up.materialize(yesterday() - timedelta(days=5), yesterday())
    until(lambda: up.status_of(run) == "STARTED", timeout_s=120)
    kill(status(up.home).pid or 0)
    until(lambda: answers(lambda: up.rows("SELECT 1")))

    assert httpx.get(explanation, timeout=60).status_code == 200  # the first request of all
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
    marks, api = up.marks(), up.service.api_url

    down = up.signals("down")

    assert down.returncode == 0
    assert down.stdout.startswith("stopped the service")
    assert up.exit_code() == 0
    assert not marked(marks)
    assert ask_api(api) == "does not answer"
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
