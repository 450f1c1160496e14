"""Streams of a server as a test reads them: event by event, or all that there is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from pipeline.api.client_stream import Event, events_of
from tests.support.api import SIGNALS

STREAM = f"{SIGNALS}/stream"


@contextmanager
def streamed(
    client: httpx.Client, headers: dict[str, str] | None = None, **parameters: Any
) -> Iterator[Iterator[Event]]:
    """The events of a stream that has begun: the first one has been taken."""
    with client.stream("GET", STREAM, params=parameters, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        events = events_of(answer.iter_bytes())
        assert next(events).id is not None
        yield events


def caught_up(
    client: httpx.Client, after: str = "0", headers: dict[str, str] | None = None, **parameters: Any
) -> list[dict[str, Any]]:
    """All that a stream tells until it is caught up."""
    with streamed(client, headers, after=after, until_caught_up=True, **parameters) as events:
        *told, end = events
    assert (end.kind, json.loads(end.data)["code"]) == ("end", "caught_up")
    assert [event.kind for event in told] == ["signal"] * len(told)
    return [json.loads(event.data) for event in told]


def newest(client: httpx.Client) -> str:
    """Where the stream stands now."""
    answer = client.get(STREAM, params={"until_caught_up": True})
    cursor = next(events_of([answer.content])).id
    assert cursor is not None
    return cursor


def code_of(end: Event) -> str:
    """Why a stream ended, by its last event."""
    assert end.kind == "end", end
    code: str = json.loads(end.data)["code"]
    return code
