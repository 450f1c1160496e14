"""Keys of open streams: whether each still opens anything, asked once in a while for all streams of a process.

Every other request looks its key up and is done. A stream may be open for weeks, so that its key is looked at again
while it is: one query in `CHECK_S`, however many streams and keys there are.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from pipeline.domain.errors import DatabaseUnavailableError
from pipeline.storage.database import Database
from pipeline.storage.keys import StoredKey, keys_named

LOG = logging.getLogger("pipeline.api")
CHECK_S = 3.0

KeyEnd = Literal["key_expired", "key_revoked"]


class KeyWatch:
    """The keys by which streams are open, as they were at the last look. Everything happens in the event loop.

    Parameters
    ----------
    clock
        By which keys expire.
    wake
        Called when a key has ended, so that no stream waits for its next heartbeat to learn of it.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._database, self._clock, self._wake = database, clock, wake
        self._open: Counter[str] = Counter()  # streams, by the name of their key
        self._ended: dict[str, KeyEnd] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watched(self, name: str | None) -> Iterator[None]:
        """Look at a key while its stream is open; whoever asks without a key has none that could end."""
        if name is None:
            yield
            return
        self._open[name] += 1
        task = self._task = self._task or asyncio.create_task(self._look_on())
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
                self._ended.pop(name, None)
            if not self._open:
                task.cancel()
                self._task = None

    def ended(self, name: str | None) -> KeyEnd | None:
        """How a watched key has ended; None while it opens what it opened."""
        return None if name is None else self._ended.get(name)

    async def _look_on(self) -> None:
        """Look at all keys again and again; while the database is away, at what was last known of them."""
        known: dict[str, StoredKey | None] = {}
        while True:
            try:
                known = await asyncio.to_thread(self._stored, set(self._open))
            except DatabaseUnavailableError:
                pass  # streams have nothing to tell meanwhile
            except Exception:  # whatever it is, keys must not stay open for ever
                LOG.exception("stream_keys_unread")
            self._judge(known, self._clock())
            await asyncio.sleep(CHECK_S)

    def _stored(self, names: set[str]) -> dict[str, StoredKey | None]:
        with self._database.begin() as conn:
            found = keys_named(conn, names)
        return {name: found.get(name) for name in names}

    def _judge(self, known: Mapping[str, StoredKey | None], at: datetime) -> None:
        """Note which keys have ended; one that is gone altogether was taken back."""
        for name in known.keys() & self._open.keys() - self._ended.keys():
            key = known[name]
            state = "revoked" if key is None else key.state(at)
            if state != "active":
                self._ended[name] = "key_expired" if state == "expired" else "key_revoked"
                LOG.info("stream_key_ended key=%s state=%s streams=%d", name, state, self._open[name])
                self._wake()
