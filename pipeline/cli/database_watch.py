"""The embedded server brought back where it ends, for those commands that serve for days; a server of one's own never.

`signals up` asks in its own round, `signals api` in a thread beside the answers.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

from pipeline.domain.errors import OperatorError
from pipeline.settings import Settings
from pipeline.storage import server
from pipeline.storage.address import DatabaseAddress

LOG = logging.getLogger("pipeline.api")
ROUND_S = 0.5
LONGEST_PAUSE_S = 60.0  # between attempts to start a server that does not


def bringing_back(settings: Settings, address: DatabaseAddress) -> Callable[[], bool] | None:
    """What starts the home's server where it has ended, and says whether it had to; None where there is no such server.

    One that `signals down` has stopped stays so.
    """
    if settings.database_url is not None:
        return None
    return partial(server.ensure_running, settings.home, address, unless_stopped=True)


@contextmanager
def kept_running(settings: Settings, address: DatabaseAddress) -> Iterator[None]:
    """Keep the server running for a block; what cannot be started is told and tried again."""
    bring_back = bringing_back(settings, address)
    if bring_back is None:
        yield
        return
    ended = Event()
    watch = Thread(target=_watch, args=(bring_back, ended), name="database-watch", daemon=True)
    watch.start()
    try:
        yield
    finally:
        ended.set()
        watch.join()


def _watch(bring_back: Callable[[], bool], ended: Event) -> None:
    pause_s = ROUND_S
    while not ended.wait(pause_s):
        try:
            if bring_back():
                LOG.warning("database_restarted")
            pause_s = ROUND_S
        except OperatorError as error:
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            LOG.warning("database_not_restarted pause_s=%g error=%s", pause_s, " ".join(str(error).split()))
