"""`signals up` as a person runs it: a home of its own, its service until a test ends it, and what its UI answers."""

import http.client
import json
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from pipeline.cli.service import RunningService, running
from pipeline.domain.signal import Origin
from pipeline.run_tags import pass_tags, range_tags
from pipeline.storage.server import status, stop
from tests.support.commands import environment, signals, signals_started
from tests.support.processes import until

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
    """A home, and the `signals up` that serves it; ``variables`` are its settings."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder, self.home, self.port = folder, folder / "home", free_port()
        self.env = environment(self.home, **{"SIGNALS_API__PORT": str(free_port()), **variables})
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

    @property
    def service(self) -> RunningService:
        found = running(self.home)
        assert found is not None
        return found

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
        selection = [name for name, group in GROUPS.items() if group not in ("models", "reports", "text")]
        return self._launched("__ASSET_JOB", dict(tags), selection)

    def catch_up(self, first: datetime, last: datetime) -> str:
        """The id of a live run over days off, as the schedule starts it."""
        return self._launched("generate_signals", pass_tags(last, Origin.LIVE) | range_tags(first, last))

    def _launched(self, job: str, tags: Mapping[str, str], assets: Sequence[str] | None = None) -> str:
        selector: dict[str, Any] = {**LOCATION, "jobName": job}
        if assets is not None:
            selector["assetSelection"] = [{"path": [name]} for name in assets]
        parameters = {
            "selector": selector,
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
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
