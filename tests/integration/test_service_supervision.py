"""`signals up`: one service per home, reachable, kept alive, ended whole. With real Dagster processes."""

import http.client
import json
import os
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.cli.readiness import ask, ask_api
from pipeline.cli.service import AlreadyRunningError, RunningService, running, stop_service
from pipeline.cli.supervision import marked
from pipeline.storage.server import status, stop
from tests.support.processes import kill, python, until
from tests.support.real_data import ROOT

LOCATION = """
import time
import dagster as dg

@dg.asset
def quick() -> None: ...

@dg.asset
def slow() -> None:
    time.sleep(60)

defs = dg.Definitions(assets=[quick, slow], executor=dg.in_process_executor)
"""
WRONG_SETTINGS = """
from pipeline.domain.errors import ConfigurationError

try:
    int("1x")
except ValueError as error:
    raise ConfigurationError("signals.toml:2: market.timeframes must be known, was 1x") from error
"""
SERVE = """
    import functools, sys
    from pathlib import Path
    from pipeline.cli import readiness
    from pipeline.cli.service import serve
    from pipeline.domain.errors import OperatorError
    from pipeline.storage.server import embedded_server, ensure_running
    home, port = Path(sys.argv[1]), int(sys.argv[2])
    readiness.RETRY_S = readiness.WATCH_EVERY_S = 1.0
    try:
        with embedded_server(home) as address:
            code = serve(
                home, address, port=port, api_port=port, code="location", say=print,
                on_ready=lambda service, work: print("ready", service.url, (work.heartbeat_at - service.since).days),
                keep_database=functools.partial(ensure_running, home, address),
            )
        sys.exit(code)
    except OperatorError as error:
        print(type(error).__name__, error)
        sys.exit(4)
"""


class Served:
    """A home whose service runs in a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home = folder / "home"
        self.code = folder / "location.py"
        self.port = port
        self.settings = folder / "signals.toml"
        self.environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
            "PYTHONUNBUFFERED": "1",
            "SIGNALS_CONFIG": str(self.settings),
        }
        self.code.write_text(LOCATION)
        self.settings.touch()
        self.start()

    def start(self, until: str = r"ready http") -> None:
        """Bring it up and wait until it says what it should."""
        self.lines: list[str] = []
        self.process = python(SERVE, self.home, self.port, env=self.environment)
        self.until_said(until)

    def until_said(self, pattern: str) -> re.Match[str]:
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"never said {pattern}: {self.lines}")

    @property
    def service(self) -> RunningService:
        found = running(self.home)
        assert found is not None
        return found

    def children(self) -> dict[str, psutil.Process]:
        found = {}
        for process in psutil.Process(self.service.pid).children():
            for name in ("code-server", "dagster-webserver", "dagster-daemon", "bin/signals"):
                if any(word.endswith(name) for word in process.cmdline()):
                    found[name] = process
        return found

    def loaders(self) -> set[psutil.Process]:
        """The processes that have the code."""
        children = self.children()["code-server"].children()
        return {each for each in children if each.status() != psutil.STATUS_ZOMBIE and "grpc" in each.cmdline()}

    def api_works(self) -> bool:
        return ask_api(self.service.api_url) == "ok"

    def marks(self) -> set[str]:
        return set(json.loads((self.home / "service.json").read_text())["marks"])

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """The answer's data; ``None`` if Dagster could not find them out."""
        host, port = self.service.url.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=120)
        connection.request(
            "POST",
            "/graphql",
            json.dumps({"query": query, "variables": variables}),
            {"Content-Type": "application/json"},
        )
        answer = json.load(connection.getresponse())
        connection.close()
        return answer["data"]

    def load_error(self) -> str | None:
        """Why the code is not loaded, as the UI has it."""
        question = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {"
        found = self.graphql(f"{question} ... on PythonError {{ message }} }} }} }} }} }}")
        (entry,) = found["workspaceOrError"]["locationEntries"]
        error: str | None = entry["locationOrLoadError"].get("message")
        return error

    def launch(self, asset: str) -> str:
        """The id of a new run; tries again while Dagster's pool holds connections to a killed server."""
        until(lambda: "run" in self._launch(asset))
        return self.launched["run"]["runId"]

    def _launch(self, asset: str) -> dict[str, Any]:
        selector = {
            "repositoryLocationName": "location",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
        }
        answer = self.graphql(
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p)"
            " { ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }",
            p={"selector": selector, "runConfigData": {}},
        )
        self.launched: dict[str, Any] = answer["launchRun"] if answer else {}
        return self.launched

    def status_of(self, run: str) -> str:
        return self.graphql("query($i: ID!) { runOrError(runId: $i) { ... on Run { status } } }", i=run)["runOrError"][
            "status"
        ]

    def end(self) -> None:
        if self.process.poll() is None:
            stop_service(self.home)
        self.process.communicate(timeout=120)
        stop(self.home)


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory, taken_port: int) -> Iterator[Served]:
    service = Served(tmp_path_factory.mktemp("served"), taken_port)
    yield service
    service.end()


@pytest.fixture
def served(one_home: Served) -> Served:
    """The same service for every test, brought up again if a test has ended it."""
    if one_home.process.poll() is not None:
        one_home.start()
    return one_home


# While it runs


def test_a_taken_port_is_said_and_the_next_one_serves(served, taken_port):
    assert any(f"port {taken_port} is taken" in line for line in served.lines)
    assert any(f"port {taken_port} is taken; the API will answer on port" in line for line in served.lines)
    ui, api = (int(url.rsplit(":", 1)[1]) for url in (served.service.url, served.service.api_url))
    assert taken_port < ui < api


def test_ready_means_that_the_code_is_loaded_and_that_the_scheduler_of_this_service_lives(served):
    assert any(re.fullmatch(rf"ready {re.escape(served.service.url)} 0\n", line) for line in served.lines)
    assert served.load_error() is None


def test_a_run_launched_in_the_ui_succeeds(served):
    run = served.launch("quick")

    until(lambda: served.status_of(run) in ("SUCCESS", "FAILURE"), timeout_s=120)
    assert served.status_of(run) == "SUCCESS"


def test_a_second_one_says_what_runs_and_where(served):
    with python(SERVE, served.home, 3000, env=served.environment) as second:
        said, _ = second.communicate(timeout=120)

    assert second.returncode == 4
    assert said.startswith("AlreadyRunningError")
    assert f"at {served.service.url}, pid {served.service.pid}" in said
    assert "`signals down` stops it" in said
    assert issubclass(AlreadyRunningError, Exception)


def test_a_killed_child_is_started_again(served):
    before = served.children()["dagster-daemon"]
    kill(before.pid)

    served.until_said(r"daemon ended with exit code -9; starting it again")
    until(lambda: served.children().get("dagster-daemon", before) != before)


def test_a_killed_api_whose_settings_are_wrong_by_now_leaves_the_rest_alone_and_comes_back_once_they_are_mended(served):
    until(served.api_works)
    url, log = served.service.api_url, served.home / "logs" / "api.log"
    served.settings.write_text("[market]\nsource = 3\n")
    kill(served.children()["bin/signals"].pid)

    served.until_said(r"api ended with exit code -9; the rest goes on, and it is started again")
    until(lambda: "signals.toml:2: market.source must be" in log.read_text())
    assert not served.api_works()
    work = ask(served.service.url)
    assert work is not None
    assert work.is_loaded

    served.settings.write_text("")
    until(served.api_works)
    assert served.service.api_url == url


def test_the_killed_process_that_has_the_code_is_brought_back(served):
    loaders = served.loaders()  # two while the code is loaded anew
    assert loaders
    for loader in loaders:
        kill(loader.pid)

    until(lambda: served.loaders() - loaders, timeout_s=120)
    until(lambda: served.load_error() is None, timeout_s=120)
    run = served.launch("quick")
    until(lambda: served.status_of(run) == "SUCCESS", timeout_s=120)


def test_a_killed_database_server_comes_back_under_the_running_service(served):
    port = status(served.home).port
    kill(status(served.home).pid)

    served.until_said(r"database server had ended; it runs again")
    assert status(served.home).port == port
    until(lambda: served.graphql("{ runsOrError { ... on Runs { results { status } } } }"))
    until(served.api_works)


# How it ends


def test_kill_9_of_the_supervisor_ends_its_children_and_the_next_one_ends_what_is_left(served):
    run = served.launch("slow")  # its process is no child of the supervisor's: it goes on
    until(lambda: served.status_of(run) == "STARTED", timeout_s=120)
    children, marks = served.children(), served.marks()
    kill(served.service.pid)
    served.process.communicate(timeout=60)
    psutil.wait_procs(children.values(), timeout=60)
    assert not any(child.is_running() for child in children.values())
    assert running(served.home) is None
    assert marked(marks)

    served.start()

    assert not marked(marks)
    assert served.status_of(run) == "FAILURE"


def test_term_ends_everything_within_ten_seconds_also_what_works(served):
    run = served.launch("slow")
    until(lambda: served.status_of(run) == "STARTED", timeout_s=120)
    marks, began = served.marks(), time.monotonic()

    served.process.send_signal(signal.SIGTERM)

    assert served.process.wait(timeout=15) == 0
    assert time.monotonic() - began < 10
    assert not marked(marks)
    assert running(served.home) is None
    assert not status(served.home).running
    served.process.communicate()


# Code that does not load


def test_code_that_does_not_load_is_told_with_its_error_and_served_until_it_is_mended(one_home):
    served = one_home
    if served.process.poll() is None:
        stop_service(served.home)
        served.process.communicate(timeout=120)
    served.code.write_text(LOCATION + "def strategy(:\n")
    served.start(until=r"once that is mended, it is loaded within 1 s, or by Reload in the UI at http")

    told = "".join(served.lines)
    assert "the code does not load, so that no schedule runs and nothing can be started:\n" in told
    assert f'File "{served.code}", line {len(LOCATION.splitlines()) + 1}' in told
    assert "SyntaxError: invalid syntax" in told
    assert "ready" not in told
    assert "DagsterUserCodeLoadError" in (served.load_error() or "")

    served.code.write_text(LOCATION + "nothing = unknown\n")
    assert served.until_said(r"NameError: name 'unknown' is not defined")
    served.code.write_text(LOCATION)
    served.until_said(r"ready http")
    assert served.load_error() is None


@pytest.mark.long
def test_code_that_is_broken_and_reloaded_while_it_runs_is_told_and_so_is_its_recovery(served):
    served.code.write_text("raise ValueError('the window must be positive')")
    served.graphql("mutation { reloadWorkspace { __typename } }")

    assert served.until_said(r"the code does not load")
    assert served.until_said(rf'File "{re.escape(str(served.code))}", line 1')
    assert served.until_said(r"ValueError: the window must be positive")
    served.code.write_text(WRONG_SETTINGS)
    assert served.until_said(r"^  ConfigurationError: signals.toml:2: market.timeframes must be known, was 1x\n$")
    served.code.write_text(LOCATION)
    assert served.until_said(r"the code is loaded again")
    assert served.load_error() is None


def test_a_service_that_never_ran_cannot_be_stopped(tmp_path):
    assert running(tmp_path) is None
    assert not stop_service(tmp_path)
    assert list(tmp_path.iterdir()) == []
