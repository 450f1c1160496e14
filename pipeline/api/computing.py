"""Room for requests that compute: for few at a time, so that those which only read never wait for them.

Routes run in threads, and there are only so many: whoever waits in one keeps it from all else. Here one waits for a
place before one is given a thread. Add `COMPUTES` to the dependencies of a route that keeps a processor busy for more
than some milliseconds.
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Depends, Request

from pipeline.domain.errors import TemporaryError

PLACES = 2
WAIT_S = 5.0


def places() -> asyncio.Semaphore:
    """The places of one application, to be kept as its state ``places``."""
    return asyncio.Semaphore(PLACES)


async def _place(request: Request) -> AsyncIterator[None]:
    """Hold a place until the route returns; 503 where none becomes free in time."""
    free: asyncio.Semaphore = request.app.state.places
    try:
        async with asyncio.timeout(WAIT_S):
            await free.acquire()
    except TimeoutError:
        raise TemporaryError(f"other requests were being computed for {WAIT_S:g} s") from None
    try:
        yield
    finally:
        free.release()


COMPUTES = Depends(_place, scope="function")  # given back before the answer is sent: its reader may be slow
