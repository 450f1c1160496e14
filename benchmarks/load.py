"""`python -m benchmarks.load`: what routes and views take with a million signals stored, at one client and at many.

`signals api` runs as it always does, clients in a process beside it; the machine's cores are shared by them and the
database server. Each figure is the best of several rounds: what else runs can only make one worse.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from benchmarks import report
from benchmarks.load_market import SYMBOLS, prepare
from benchmarks.load_questions import Question, routes, views
from benchmarks.measurement import ROOT, clean_environment
from benchmarks.stored_market import EXCHANGE, opened, symbols_of
from pipeline.storage import server
from pipeline.storage.server import DATABASE, embedded_server

WARM_UP_S = 0.7
UNLIMITED = {f"SIGNALS_API__{scope}_PER_MINUTE": "0" for scope in ("READ", "GENERATE", "EXECUTE")}
API = "from pipeline.cli import main; main()"
START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """What some clients were answered within some seconds."""

    taken_ms: Mapping[float, float]  # share of the answers: the time in which it came
    answers: int
    seconds: float
    used: tuple[float, float, float]  # processors kept busy by the API, the database, the clients

    @property
    def p95_ms(self) -> float:
        """The time in which 95 % of the answers came."""
        return self.taken_ms[0.95]

    def __str__(self) -> str:
        times = " ".join(f"p{round(100 * share)} {taken:.1f}" for share, taken in self.taken_ms.items())
        api, database, clients = self.used
        return f"{times} ms; {self.answers / self.seconds:,.0f}/s; {api:.2f} + {database:.2f} + {clients:.2f}"


def main() -> int:
    """Prepare the database, measure what is asked for, print it and renew the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.load", description=__doc__)
    parser.add_argument("--home", type=Path, default=ROOT / "build" / "load", help="keeps the database between runs")
    parser.add_argument("--signals", type=int, default=1_000_000)
    parser.add_argument("--candles", type=int, default=10_000_000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best is told")
    parser.add_argument("--only", help="questions whose name has this in it; the page stays as it is")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with us
    asked.home.mkdir(parents=True, exist_ok=True)
    with embedded_server(asked.home) as address:
        began = time.monotonic()
        with opened(asked.home, DATABASE) as database:
            if prepare(database, asked.signals, asked.candles):
                print(f"made the database in {time.monotonic() - began:.0f} s", flush=True)
        with opened(asked.home, DATABASE) as database, database.begin() as conn:
            sql = views(conn)
            size = conn.scalar(sa.text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
        print(f"{asked.signals:,} signals, {asked.candles:,} candles, {size}; {report.machine()}", flush=True)
        tables = {}
        with serving(asked.home) as (port, api):
            tables["load"] = rows_of(routes(port), asked, {"port": port}, api)
        tables["load of views"] = rows_of(sql, asked, {"database": address.libpq}, None)
    for name, rows in tables.items():
        print(f"\n{report.table(rows)}")
        if asked.only is None:
            report.renew(name, rows)
    return 0


@contextmanager
def serving(home: Path) -> Iterator[tuple[int, psutil.Process]]:
    """`signals api` over the home's database; the port that it answers on, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    settings = {
        "SIGNALS_HOME": str(home),
        "SIGNALS_MARKET__SOURCE": "live",
        "SIGNALS_MARKET__EXCHANGE": EXCHANGE,
        "SIGNALS_MARKET__SYMBOLS": ",".join(symbols_of(SYMBOLS)),
    }
    with (
        (home / "api.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", API, "api", "--port", str(port)],
            cwd=home,
            env={**clean_environment(), **settings, **UNLIMITED},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            if not process.stdout.readline().startswith("REST API"):
                raise RuntimeError(f"`signals api` must start, did not:\n{(home / 'api.log').read_text()}")
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def rows_of(
    questions: Sequence[Question], asked: argparse.Namespace, where: dict[str, Any], api: psutil.Process | None
) -> list[report.Row]:
    """A row for each question and number of clients."""
    rows = []
    for question in questions:
        if asked.only is not None and asked.only not in question.name:
            continue
        for n_clients in (counts := question.clients or asked.clients):
            told = {**where, **question.asked, "clients": n_clients, "seconds": asked.seconds, "warm_up_s": WARM_UP_S}
            best = min((_round(told, asked.home, api) for _ in range(asked.rounds)), key=lambda each: each.p95_ms)
            is_judged = n_clients == max(counts)
            row = report.Row(
                what=f"{question.name}, {n_clients} client{'s' if n_clients > 1 else ''}",
                measured=str(best),
                budget=f"p95 <= {question.budget_ms:g} ms" if is_judged else "",
                is_met=best.p95_ms <= question.budget_ms if is_judged else None,
            )
            print("  ".join(filter(None, row.cells)), f" load {os.getloadavg()[0]:.1f}", flush=True)
            rows.append(row)
    return rows


def _round(told: dict[str, Any], home: Path, api: psutil.Process | None) -> Round:
    """Let clients ask; processor time counts from when all is warm."""
    words = [sys.executable, "-m", "benchmarks.load_client"]
    with subprocess.Popen(
        words, cwd=ROOT, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as clients:
        assert clients.stdin is not None
        assert clients.stdout is not None
        clients.stdin.write(json.dumps(told))
        clients.stdin.close()
        if clients.stdout.readline() != "warm\n":
            raise RuntimeError(f"the clients must be answered, were not; asked was {told}")
        before = _used(api), _used(psutil.Process(server.status(home).pid))
        found = json.loads(clients.stdout.readline())
        after = _used(api), _used(psutil.Process(server.status(home).pid))
    seconds = found["seconds"]
    servers = [(now - then) / seconds for now, then in zip(after, before, strict=True)]
    taken_ms = {float(share): taken for share, taken in found["taken_ms"].items()}
    return Round(taken_ms, found["answers"], seconds, (servers[0], servers[1], found["used_s"] / seconds))


def _used(process: psutil.Process | None) -> float:
    """Processor time of a process and of all that it started, also of those that have ended."""
    if process is None:
        return 0.0
    total = float(sum(process.cpu_times()[:4]))
    for child in process.children(recursive=True):
        try:
            total += float(sum(child.cpu_times()[:2]))
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    sys.exit(main())
