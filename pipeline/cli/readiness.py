"""Whether the service does its work: what its web server says about the code, the scheduler and the next run, and
what its REST API says of itself.

Ask either of them something else here. Keeping its processes alive is told in `pipeline.cli.supervision`; a process
that lives says nothing about whether the code that it is to run can be loaded.
"""

import http.client
import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pipeline.domain import errors
from pipeline.run_tags import CHAIN_JOB, CHAIN_SCHEDULE
from pipeline.storage.log_files import last_lines

ASK_EVERY_S = 0.5  # until it works
WATCH_EVERY_S = 5.0  # from then on
ASK_TIMEOUT_S = 10.0
RETRY_S = 30.0  # what does not load is loaded again so often, which takes seconds of a processor
UNREACHABLE = "DagsterUserCodeUnreachableError"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked for, not bound, where ours answers

QUESTION = """{
  workspaceOrError {
    ... on PythonError { ...reason }
    ... on Workspace { locationEntries { locationOrLoadError {
      ... on PythonError { ...reason }
      ... on RepositoryLocation { repositories { schedules {
        name scheduleState { status } futureTicks(limit: 1) { results { timestamp } }
      } } }
    } } }
  }
  runsOrError(filter: {pipelineName: "CHAIN_JOB"}, limit: 1) { ... on Runs { results { status creationTime } } }
  instance { daemonHealth { daemonStatus(daemonType: "SCHEDULER") { lastHeartbeatTime } } }
}
fragment reason on PythonError {
  message className stack errorChain { error { message className stack } }
}""".replace("CHAIN_JOB", CHAIN_JOB)
RELOAD = "mutation { reloadWorkspace { __typename } }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the chain, whoever started it."""

    status: str  # Dagster's word for it: QUEUED, STARTED, SUCCESS, FAILURE, ...
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the web server said about the service's work at one moment."""

    is_loaded: bool  # the code
    error: str = ""  # why it is not; empty while it is being loaded, or while its process is being started
    heartbeat_at: datetime | None = None  # when the scheduler last said that it lives, maybe of an earlier service
    last_run: Run | None = None
    next_run_at: datetime | None = None  # of the chain, if its schedule is switched on


def ask(url: str) -> Work | None:
    """What the web server at ``url`` says; ``None`` while nobody answers, or while its database does not."""
    try:
        answer = _post(url, QUESTION, ASK_TIMEOUT_S)["data"]
        found = answer["workspaceOrError"]
        locations = [entry["locationOrLoadError"] for entry in found.get("locationEntries", [found])]
        runs = answer["runsOrError"]["results"]
        heartbeat = answer["instance"]["daemonHealth"]["daemonStatus"]["lastHeartbeatTime"]
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    failed = [location for location in locations if location and "errorChain" in location]
    return Work(
        is_loaded=all(locations) and not failed,
        error="\n".join(_explained(error) for error in failed if error["className"] != UNREACHABLE),
        heartbeat_at=None if heartbeat is None else _instant(heartbeat),
        last_run=next((_run(run) for run in runs), None),
        next_run_at=min(_next_ticks(locations), default=None),
    )


def ask_api(url: str) -> str:
    """``ok`` if the REST API at ``url`` works; else what it says is wrong, or that nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        answer = json.load(connection.getresponse())
        said = answer["status"] if answer["success"] else answer["error"]["message"]
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return "does not answer"
    finally:
        connection.close()
    return str(said)


@dataclass(slots=True)
class Watch:
    """Asks the web server again and again, and tells each change; `run` is for a thread of its own."""

    url: str
    since: datetime  # of the service: an older heartbeat is an earlier scheduler's
    on_ready: Callable[[Work], None]  # once, when the code is loaded and the scheduler lives
    say: Callable[[str], None]
    is_ready: bool = field(init=False, default=False)
    error: str = field(init=False, default="")  # why the code does not load, as it was told

    def run(self, ended: threading.Event) -> None:
        """Ask until ``ended``, and meanwhile have code that does not load loaded again."""
        retry_at = time.monotonic() + RETRY_S
        while not ended.wait(WATCH_EVERY_S if self.is_ready or self.error else ASK_EVERY_S):
            if (work := ask(self.url)) is None:
                continue
            self._tell(work)
            if not work.is_loaded and time.monotonic() >= retry_at:
                _reload(self.url)
            if work.is_loaded or time.monotonic() >= retry_at:
                retry_at = time.monotonic() + RETRY_S

    def _tell(self, work: Work) -> None:
        if work.error and work.error != self.error:
            self.error = work.error
            self.say(
                f"the code does not load, so that no schedule runs and nothing can be started:\n{work.error}\n"
                f"once that is mended, it is loaded within {RETRY_S:.0f} s, or by Reload in the UI at {self.url}"
            )
        if not work.is_loaded:
            return
        if self.is_ready and self.error:
            self.say("the code is loaded again")
        if not self.is_ready and work.heartbeat_at is not None and work.heartbeat_at >= self.since:
            self.is_ready = True
            self.on_ready(work)
        self.error = ""


def _reload(url: str) -> None:
    with suppress(OSError, http.client.HTTPException, ValueError):
        _post(url, RELOAD, RETRY_S)


def _post(url: str, query: str, timeout_s: float) -> dict[str, Any]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection = http.client.HTTPConnection(EVERYWHERE.get(host, host), parts.port, timeout=timeout_s)
    try:
        connection.request("POST", "/graphql", json.dumps({"query": query}), {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.load(connection.getresponse())
    finally:
        connection.close()
    return answer


def _next_ticks(locations: list[dict[str, Any] | None]) -> list[datetime]:
    repositories = [r for location in locations if location for r in location.get("repositories", [])]
    return [
        _instant(tick["timestamp"])
        for repository in repositories
        for schedule in repository["schedules"]
        if schedule["name"] == CHAIN_SCHEDULE and schedule["scheduleState"]["status"] == "RUNNING"
        for tick in schedule["futureTicks"]["results"]
    ]


def _explained(error: dict[str, Any]) -> str:
    """The first error of ours, which say what to do, or the one at the bottom with its place in the code."""
    chain = [error, *(link["error"] for link in error["errorChain"])]
    ours = next((link for link in chain if hasattr(errors, link["className"] or "")), None)
    cause = ours or chain[-1]
    message = re.sub(r"^[\w.]*\.(?=\w+(: |$))", "", cause["message"].strip())
    is_placed = ours is not None or 'File "' in message or not cause["stack"]
    return last_lines(message if is_placed else f"{cause['stack'][-1].rstrip()}\n{message}")


def _run(answer: dict[str, Any]) -> Run:
    return Run(status=answer["status"], created_at=_instant(answer["creationTime"]))


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
