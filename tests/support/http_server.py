"""A small HTTP/1.1 server in a thread of its own, which can also answer as no server should.

Only what the endpoints of exchanges and text sources need: plain requests, keep-alive, bodies of a known length. It
knows nothing of what it serves.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

HOST = "127.0.0.1"
METHODS = (b"GET", b"POST", b"PATCH", b"PUT")
JSON = "application/json;charset=UTF-8"
TLS_RECORD = b"\x16"  # what a client sends first that takes the server for an HTTPS one
CLIENT_IS_GONE = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, asyncio.CancelledError)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: closing sends RST instead of FIN


class Request(NamedTuple):
    """What a client asked for."""

    path: str
    params: dict[str, str]
    method: str = "GET"
    headers: Mapping[str, str] = MappingProxyType({})  # by lower-case name
    body: bytes = b""


class Ending(Enum):
    """What becomes of the connection."""

    KEEP = "answered, and kept for the next request"
    SILENCE = "no byte is ever sent"
    RESET = "half of the answer, then RST"
    NOISE = "the body alone, as if it were the answer, then closed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets, when, and whether whole."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    ending: Ending = Ending.KEEP

    def message(self) -> bytes:
        """The bytes of a whole answer."""
        lines = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class HttpServer:
    """Serves from `start` to `stop`; the handler runs in the server's thread, one request at a time."""

    def __init__(self, handle: Callable[[Request], Answer], port: int = 0) -> None:
        self.port = port  # 0 until `start` has found a free one
        self._handle = handle
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http-server", daemon=True)
        self._listener: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._mistakes: list[Exception] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self.accept()

    def stop(self) -> None:
        """Close everything and end the thread; raises what the handler raised, which clients saw as a 500."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._mistakes:
            raise ExceptionGroup("the server's own mistakes, none of its faults", self._mistakes)

    def accept(self) -> None:
        """Listen (again), on the same port."""
        self._run(self._open())

    def refuse(self) -> None:
        """Stop listening and cut every connection: the next one is refused."""
        self._run(self._close())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30.0)

    async def _open(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._connected, HOST, self.port, backlog=1024)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        for task, writer in list(self._connections.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._listener is not None:
            await self._listener.wait_closed()
            self._listener = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            with contextlib.suppress(*CLIENT_IS_GONE):
                await self._converse(reader, writer)
        finally:
            del self._connections[task]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other until one side has enough."""
        while True:
            first = await reader.readexactly(1)
            head = b"" if first == TLS_RECORD else first + await reader.readuntil(b"\r\n\r\n")
            method, _, rest = head.partition(b" ")
            if method not in METHODS or not rest.startswith(b"/"):
                writer.write(Answer(b"only plain HTTP", 400, "text/plain").message())
                return
            headers = _headers(head)
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            answer = self._answer(method.decode(), rest.split(b" ", 1)[0].decode("latin-1"), headers, body)
            await asyncio.sleep(answer.delay_s)
            if answer.ending is not Ending.KEEP:
                await _misbehave(answer, reader, writer)
                return
            writer.write(answer.message())
            await writer.drain()

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        url = urlsplit(target)
        try:
            return self._handle(Request(url.path, dict(parse_qsl(url.query)), method, headers, body))
        except Exception as error:
            self._mistakes.append(error)
            return Answer(repr(error).encode(), 500, "text/plain")


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _misbehave(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """End the conversation as the answer says."""
    match answer.ending:
        case Ending.SILENCE:
            await reader.read()  # until the client gives up
        case Ending.NOISE:
            writer.write(answer.body)
        case Ending.RESET:
            message = answer.message()
            writer.write(message[: len(message) - len(answer.body) // 2])
            await writer.drain()
            await asyncio.sleep(0.02)  # RST overtakes bytes that the client has not read yet
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()
