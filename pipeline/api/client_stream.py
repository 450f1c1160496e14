"""The stream as a client reads it: server-sent events taken apart, and taken up again where they broke off."""

import random
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self

import httpx

from pipeline.api.client_errors import ApiError, UnavailableError, error_of
from pipeline.api.payloads import Error
from pipeline.api.stream_payloads import SignalChange, StreamEnd

SILENCE_S = 45.0  # three heartbeats: nobody is there any more
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0


class Event(NamedTuple):
    """One event: its kind and data, empty where it has none; the id, None where it says none."""

    kind: str
    data: str
    id: str | None


class Stream(Iterator[SignalChange]):
    """Changes of live signals, each once and in order, for as long as the caller goes on.

    A connection that breaks, a server that ends and a database that is away are waited for, with growing pauses; the
    stream goes on behind the last change that was handed out. ``cursor`` is where it stands: keep it, and give it to
    the next `SignalsClient.stream` as ``after``. A stream that was asked to end when it is caught up ends then.

    Raises
    ------
    ApiError
        While iterating: the server refuses. ``code`` is ``unknown_cursor`` where the database is another one, was
        restored from a backup, or no longer keeps all that follows: begin without a cursor, then ask for the active
        signals. It is ``key_expired`` or ``key_revoked``, as of any request, where the key ends under the stream: go on
        from ``cursor`` with another.
    """

    def __init__(self, http: httpx.Client, path: str, parameters: dict[str, Any], *, after: str | None) -> None:
        self.cursor = after
        self._http, self._path, self._parameters = http, path, parameters
        self._changes = self._told()

    def __next__(self) -> SignalChange:
        return next(self._changes)

    def close(self) -> None:
        """Leave the stream."""
        self._changes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _told(self) -> Generator[SignalChange]:
        pause_s = FIRST_PAUSE_S
        while True:
            with suppress(httpx.TransportError, UnavailableError), self._opened() as answer:
                for event in events_of(answer.iter_bytes()):
                    pause_s = FIRST_PAUSE_S
                    self.cursor = event.id or self.cursor
                    if event.kind == "signal":
                        yield SignalChange.model_validate_json(event.data)
                    elif event.kind == "end" and _is_over(StreamEnd.model_validate_json(event.data)):
                        return
            time.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - so that clients come back apart
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    @contextmanager
    def _opened(self) -> Iterator[httpx.Response]:
        headers = {"Accept": "text/event-stream"} | ({} if self.cursor is None else {"Last-Event-ID": self.cursor})
        usual = self._http.timeout
        timeout = httpx.Timeout(connect=usual.connect, read=SILENCE_S, write=usual.write, pool=usual.pool)
        with self._http.stream("GET", self._path, params=self._parameters, headers=headers, timeout=timeout) as answer:
            if answer.is_error:
                answer.read()
                raise error_of(answer)
            yield answer


def _is_over(end: StreamEnd) -> bool:
    """Whether a stream has come to its end, and is not only broken off; `ApiError` where its key has."""
    if end.code in ("key_expired", "key_revoked"):
        raise ApiError(401, Error(code=end.code, message=end.message))
    return end.code == "caught_up"


def events_of(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events of a body in any pieces; what is not ended by an empty line was cut off and is none."""
    event, rest = Event("", "", None), b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.removesuffix(b"\r").decode().partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                event = event._replace(kind=value)
            elif name == "data":
                event = event._replace(data=f"{event.data}\n{value}" if event.data else value)
            elif name == "id":
                event = event._replace(id=value)
            elif not name and not line.strip():
                yield event
                event = Event("", "", None)
