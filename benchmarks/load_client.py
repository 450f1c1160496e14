"""`python -m benchmarks.load_client`: clients that ask as fast as they are answered, over HTTP or SQL.

Reads what to ask as JSON from its input and prints what came of it. A process of its own, so that its interpreter is
not the server's; connections stay open and answers are measured, not read, because whatever it does takes the machine
from those that it measures.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import psycopg
import uvloop

Ask = Callable[[int], Awaitable[None]]  # send the question of a number and wait for its answer
SHARES = (0.5, 0.95, 0.99)  # of the answers, whose times are told
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length: "


class UnexpectedAnswerError(Exception):
    """An answer without success: what follows would measure how fast errors are told."""


class HttpClient:
    """One connection that is kept, and its questions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes]) -> None:
        self._reader, self._writer, self._requests = reader, writer, requests

    async def ask(self, number: int) -> None:
        """Send a request and take its answer from the line."""
        self._writer.write(self._requests[number % len(self._requests)])
        head = await self._reader.readuntil(END_OF_HEAD)
        begin = head.index(LENGTH) + len(LENGTH)
        body = await self._reader.readexactly(int(head[begin : head.index(b"\r", begin)]))
        if not head.startswith(b"HTTP/1.1 200 "):
            raise UnexpectedAnswerError(f"{head.decode()}{body[:500].decode()}")


def request_of(asked: dict[str, Any]) -> bytes:
    """A request as bytes, of its method, path and, if it has one, body."""
    body = json.dumps(asked["body"]).encode() if "body" in asked else b""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{asked.get('method', 'GET')} {asked['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n{kind}\r\n".encode() + body


class SqlClient:
    """One connection, and its questions."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], queries: Sequence[bytes]) -> None:
        self._connection, self._queries = connection, queries

    async def ask(self, number: int) -> None:
        """Send a query and take its rows from the line, as the driver does before it makes Python objects of them."""
        await self._connection.execute(self._queries[number % len(self._queries)])


async def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Let ``clients`` ask for ``warm_up_s``, then for ``seconds``; in which time `SHARES` of the latter came."""
    clients = [await _connected(asked) for _ in range(asked["clients"])]
    numbers = count()
    taken: list[float] = []

    async def keep_asking(ask: Ask, until: float) -> None:
        while (began := time.perf_counter()) < until:
            await ask(next(numbers))
            taken.append(time.perf_counter() - began)

    async def all_ask(seconds: float) -> None:
        until = time.perf_counter() + seconds
        async with asyncio.TaskGroup() as tasks:
            for client in clients:
                tasks.create_task(keep_asking(client.ask, until))

    await all_ask(asked["warm_up_s"])
    taken.clear()
    print("warm", flush=True)
    began, used = time.perf_counter(), time.process_time()
    await all_ask(asked["seconds"])
    seconds, used_s = time.perf_counter() - began, time.process_time() - used
    taken.sort()
    return {
        "seconds": seconds,
        "used_s": used_s,
        "answers": len(taken),
        "taken_ms": {share: 1_000 * taken[min(len(taken) - 1, int(share * len(taken)))] for share in SHARES},
    }


async def _connected(asked: dict[str, Any]) -> HttpClient | SqlClient:
    if "queries" in asked:
        connection = await psycopg.AsyncConnection.connect(asked["database"], autocommit=True)
        return SqlClient(connection, [query.encode() for query in asked["queries"]])
    reader, writer = await asyncio.open_connection("127.0.0.1", asked["port"], limit=2**22)
    return HttpClient(reader, writer, [request_of(each) for each in asked["requests"]])


def main() -> int:
    """Measure what the input asks for."""
    print(json.dumps(uvloop.run(measured(json.load(sys.stdin)))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
