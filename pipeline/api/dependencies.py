"""What every route is given: the database, the settings, and what time it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from pipeline.api.following import Following
from pipeline.api.key_watch import KeyWatch
from pipeline.api.sharing import Shared
from pipeline.settings import Settings
from pipeline.storage.database import Database


@dataclass(frozen=True, slots=True)
class Service:
    """What an application serves from; one for its whole life."""

    database: Database
    settings: Settings
    clock: Callable[[], datetime]  # aware; a test's may stand still
    shared: Shared[bytes] = field(default_factory=Shared)  # JSON that is the same for all who ask at once


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Served = Annotated[Service, Depends(_service)]


async def _following(request: Request) -> Following:
    following: Following = request.app.state.following
    return following


Followed = Annotated[Following, Depends(_following)]


async def _key_watch(request: Request) -> KeyWatch:
    key_watch: KeyWatch = request.app.state.key_watch
    return key_watch


Watched = Annotated[KeyWatch, Depends(_key_watch)]
