"""The route that streams changes of live signals as server-sent events, each once and in order."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Send

from pipeline.api.cursor import MARK_PATTERN, read_mark, written_mark
from pipeline.api.dependencies import Followed, Served, Service, Watched
from pipeline.api.errors import UnknownChangeError
from pipeline.api.examples import EVENT_EXAMPLE
from pipeline.api.following import Following
from pipeline.api.key_watch import KeyEnd, KeyWatch
from pipeline.api.naming import check_named, names_series
from pipeline.api.parameters import StreamCursor, StreamFilters
from pipeline.api.payloads import ErrorAnswer
from pipeline.api.requester import Reader
from pipeline.api.stream_payloads import StreamEnd
from pipeline.domain.errors import ChangesDeletedError, DatabaseUnavailableError
from pipeline.storage.changes import Change, Mark

LOG = logging.getLogger("pipeline.api")
HEARTBEAT_S = 15.0
RETRY_MS = 2_000
SEND_TIMEOUT_S = 30.0  # for a client to take what it was sent
EVENT = {
    "type": "object",
    "description": "one event; where it only has an id, that is where the stream stands",
    "properties": {
        "event": {"type": "string", "enum": ["signal", "end"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string", "pattern": MARK_PATTERN},
        "retry": {"type": "integer", "description": "ms"},
    },
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"text/event-stream": {"schema": EVENT, "example": EVENT_EXAMPLE}},
        "description": "events `signal`, each with a `SignalChange`, until the client leaves; `end` with a `StreamEnd`",
    },
    410: {
        "model": ErrorAnswer,
        "description": "the cursor is of another database, of this one before a restore, or older than what is kept",
    },
}
ENDS = {
    "caught_up": "these were all; the last id asks for what follows",
    "shutting_down": "the server ends; come back with the last id",
    "database_restored": "the database went back to a backup; begin without a cursor, then ask for the active signals",
    "database_unavailable": "the database does not answer; come back with the last id",
    "changes_deleted": "what follows was deleted for its age; begin without a cursor, then ask for the active signals",
    "key_expired": "the key has expired; come back with another one and the last id: `signals keys add` makes one",
    "key_revoked": "the key was taken back; come back with another one and the last id: `signals keys add` makes one",
}

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


class EventStream(StreamingResponse):
    """Chunks as they come. A client that takes none for `SEND_TIMEOUT_S` is left; it can come back with its cursor."""

    media_type = "text/event-stream"

    def __init__(
        self, chunks: AsyncIterator[bytes], following: Following, key_watch: KeyWatch, key: str | None
    ) -> None:
        super().__init__(chunks, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._chunks, self._following, self._key_watch, self._key = chunks, following, key_watch, key

    async def stream_response(self, send: Send) -> None:
        """Send all, as a member of those who follow, by a key that is looked at meanwhile."""
        with self._following.joined(), self._key_watch.watched(self._key):
            try:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for chunk in self._chunks:
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            except TimeoutError:  # the answer stays incomplete, so that the connection is closed
                LOG.warning("stream_left seconds=%.0f reason=client_reads_nothing", SEND_TIMEOUT_S)


@router.get("/stream", response_class=StreamingResponse, responses=STREAM)
async def signal_stream(
    service: Served,
    following: Followed,
    key_watch: Watched,
    asker: Reader,
    filters: Annotated[StreamFilters, Query()],
    last_event_id: Annotated[
        StreamCursor | None, Header(description="where a stream broke off; before `after`")
    ] = None,
) -> EventStream:
    """Every change of live signals from now on, or from a cursor on: new ones, and how they end.

    Server-sent events. Each event `signal` has a `SignalChange` as its data and a cursor as its id; whoever comes back
    with the last id is told of every change since, once and in order. A key that expires or is taken back ends its
    streams within seconds.
    """
    following.admit()
    if names_series(filters):
        await asyncio.to_thread(_check_named, service, filters)
    cursor = last_event_id or filters.after
    newest = await following.newest()
    if cursor is None:
        begin = newest
    else:
        begin = read_mark(cursor)
        if not await following.knows(begin):
            raise UnknownChangeError
    until = newest.number if filters.until_caught_up else None
    lets_through = filters.lets_through(filters.profile_of(asker.profile))

    def is_wanted(change: Change, exchanges: Collection[str]) -> bool:
        return asker.may_see(change.signal["user_id"]) and lets_through(change, exchanges)

    def key_end() -> KeyEnd | None:
        return key_watch.ended(asker.name)

    return EventStream(_told(following, begin, until, is_wanted, key_end), following, key_watch, asker.name)


def _check_named(service: Service, filters: StreamFilters) -> None:
    with service.database.reading() as conn:
        check_named(conn, filters)


async def _told(
    following: Following,
    place: Mark,
    until: int | None,
    is_wanted: Callable[[Change, Collection[str]], bool],
    key_end: Callable[[], KeyEnd | None],
) -> AsyncIterator[bytes]:
    """What a stream says, from behind a place on; up to a number, or for ever."""
    yield format_sse_event(comment="live signals", id=written_mark(place), retry=RETRY_MS)
    spoken_at, n_restores = time.monotonic(), following.n_restores
    while not following.is_ending:
        if following.n_restores != n_restores:
            yield _end("database_restored", place)
            return
        if ended := key_end():
            yield _end(ended, place)
            return
        try:
            if until is None:
                page = await following.next(place.number, spoken_at + HEARTBEAT_S - time.monotonic())
            else:
                page = await following.read(place.number) if place.number < until else []
        except (DatabaseUnavailableError, ChangesDeletedError) as error:
            yield _end("changes_deleted" if isinstance(error, ChangesDeletedError) else "database_unavailable", place)
            return
        if page:
            place = page[-1].change.mark
        elif until is not None:
            yield _end("caught_up", place)
            return
        if wanted := [message.text for message in page if is_wanted(message.change, message.exchanges)]:
            yield b"".join(wanted)
        elif time.monotonic() < spoken_at + HEARTBEAT_S:
            continue
        else:  # with the id, so that who is told little need not hear of the rest again
            yield format_sse_event(comment="heartbeat", id=written_mark(place))
        spoken_at = time.monotonic()
    yield _end("shutting_down", place)


def _end(code: Any, place: Mark) -> bytes:
    told = StreamEnd(code=code, message=ENDS[code])
    return format_sse_event(event="end", data_str=told.model_dump_json(), id=written_mark(place))
