"""One reader of changes for all streams of a process: a connection that listens, and the newest changes in memory.

A stream asks for what follows its own place. Where that is among the newest changes they are handed out, written once
for all; a stream that is further behind reads pages from the database itself. So a slow client keeps nothing for
itself but its place, and nobody else from anything. What `storage.changes` says of the bell holds here: a lost one, or
a lost connection, delays a change by `POLL_S` and loses none.
"""

import asyncio
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import psycopg
from fastapi.sse import format_sse_event

from pipeline.api.cursor import written_mark
from pipeline.api.stream_payloads import NEW, ChangedSignal, SignalChange
from pipeline.domain.errors import ChangesDeletedError, DatabaseUnavailableError, TemporaryError
from pipeline.domain.status import SignalStatus
from pipeline.settings_sections import MarketSettings
from pipeline.storage.changes import Change, Mark, is_known, listening, newest_mark, read_changes
from pipeline.storage.database import Database
from pipeline.storage.paging import SHOWN
from pipeline.storage.universe import exchanges_shown

LOG = logging.getLogger("pipeline.api")
MAX_STREAMS = 100
POLL_S = 5.0  # a look at the table without having heard anything
PAGE, RECENT = 500, 2_000  # changes at a time, and in memory
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # before the database is tried again


class Message(NamedTuple):
    """A change, and how a stream tells it."""

    change: Change
    exchanges: tuple[str, ...]  # those that are meant, as it is read, where a stream names none
    text: bytes


class Following:
    """The changes as they come, for the streams of one application. Everything happens in the server's event loop."""

    def __init__(self, database: Database, market: MarketSettings) -> None:
        self.n_streams = 0
        self.is_ending = False
        self.n_restores = 0  # how often the database was found to be another one, or to have gone back to a backup
        self._database, self._market = database, market
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._since: int | None = None  # `_recent` has every change behind this number; None: nothing is known yet
        self._recent: list[Message] = []

    def admit(self) -> None:
        """Raise `TemporaryError` where there are as many streams as there may be."""
        if self.n_streams >= MAX_STREAMS or self.is_ending:
            raise TemporaryError(f"{self.n_streams} streams are open, of {MAX_STREAMS}")

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Follow the changes while anybody is joined."""
        self.n_streams += 1
        task = self._task = self._task or asyncio.create_task(self._follow())
        try:
            yield
        finally:
            self.n_streams -= 1
            if not self.n_streams:
                task.cancel()
                self._task, self._since, self._recent = None, None, []

    def end(self) -> None:
        """Let every stream say good-bye."""
        self.is_ending = True
        self.wake()

    def wake(self) -> None:
        """Let every stream look about, whether there is a change or not."""
        self._news.set()
        self._news = asyncio.Event()

    async def newest(self) -> Mark:
        """The last change that is decided."""
        return await asyncio.to_thread(newest_mark, self._database)

    async def knows(self, place: Mark) -> bool:
        """Whether the database has a change, as it is now; `ChangesDeletedError` if what followed it is gone."""
        return await asyncio.to_thread(self._knows, place)

    def _knows(self, place: Mark) -> bool:
        with self._database.begin() as conn:
            return is_known(conn, place)

    async def read(self, after: int) -> list[Message]:
        """The next changes behind a number, from the database; none if there are none yet.

        `ChangesDeletedError` if some of them were deleted for their age.
        """
        return await asyncio.to_thread(self._read, after)

    def _read(self, after: int) -> list[Message]:
        page = read_changes(self._database, after, PAGE)
        if not page:
            return []
        with self._database.begin() as conn:
            exchanges = exchanges_shown(conn, self._market)
        return [Message(change, exchanges, _text(change)) for change in page]

    async def next(self, after: int, seconds: float) -> list[Message]:
        """The next changes behind a number; waits for them, but no longer than so many seconds, and then has none."""
        news = self._news  # before the look, so that what comes meanwhile is noticed
        if self._since is not None and after >= self._since:
            found = [message for message in self._recent if message.change.number > after][:PAGE]
        else:
            try:
                found = await self.read(after)
            except DatabaseUnavailableError:
                found, seconds = [], min(seconds, FIRST_PAUSE_S)
        if not found:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await news.wait()
        return found

    async def _follow(self) -> None:
        """Take changes as they come, for ever; a database that is away is waited for."""
        place: Mark | None = None
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with listening(self._database.address) as heard:
                    if place is not None and not await self.knows(place):
                        LOG.warning("stream_database_restored number=%d", place.number)
                        self.n_restores, self._recent, place = self.n_restores + 1, [], None
                    if place is None:
                        place = await self.newest()
                        self._since = place.number
                        self.wake()
                    while True:
                        place = await self._take(place)
                        pause_s = FIRST_PAUSE_S
                        await heard(POLL_S)
            except ChangesDeletedError:  # while the connection was broken; streams read it themselves, and say so
                LOG.warning("stream_changes_deleted")
                self._recent, place = [], None
            except (psycopg.Error, DatabaseUnavailableError) as error:
                LOG.warning("stream_database_away pause_s=%.1f error=%s", pause_s, str(error).partition("\n")[0])
            except Exception:  # whatever it is, streams must not stand still for ever
                LOG.exception("stream_reader_failed pause_s=%.1f", pause_s)
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - so that processes come back apart
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _take(self, place: Mark) -> Mark:
        """Add what is decided behind a change to the newest changes; the last one of them."""
        while page := await self.read(place.number):
            place = page[-1].change.mark
            kept = [*self._recent, *page]
            if len(kept) > RECENT:
                self._since = kept[-RECENT - 1].change.number
            self._recent = kept[-RECENT:]
            self.wake()
        return place


def _text(change: Change) -> bytes:
    cursor = written_mark(change.mark)
    told = SignalChange(
        cursor=cursor,
        change=NEW if change.status is SignalStatus.ACTIVE else change.status,
        at=change.at,
        reason=change.reason,
        signal=ChangedSignal(
            signal_id=change.signal["id"],
            status=change.status,
            **{name: change.signal[name] for name in SHOWN},
        ),
    )
    return format_sse_event(event="signal", data_str=told.model_dump_json(), id=cursor)
