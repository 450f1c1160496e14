"""The route of performance: what was executed, counted now, and the newest stored report of what all advice brought."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from pipeline.api.dependencies import Served, Service
from pipeline.api.parameters import PerformanceWindow
from pipeline.api.payloads import Outcomes, Performance, PerformanceAnswer
from pipeline.api.requester import Reader, Requester
from pipeline.api.sharing import Shared
from pipeline.reporting import current_performance
from pipeline.storage.universe import exchanges_shown

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


@router.get("/performance")
async def signal_performance(
    request: Request, service: Served, asker: Reader, window: Annotated[PerformanceWindow, Query()]
) -> PerformanceAnswer:
    """How live signals of the last day, week or month did, by their closes."""
    shared: Shared[PerformanceAnswer] = request.app.state.performance
    return await shared.computed(
        (window.timeframe, window.exchange, asker.user_id), lambda: _performance(service, asker, window)
    )


def _performance(service: Service, asker: Requester, window: PerformanceWindow) -> PerformanceAnswer:
    with service.database.reading() as conn:
        exchanges = exchanges_shown(conn, service.settings.market) if window.exchange is None else (window.exchange,)
        executed, stored = current_performance(conn, window.timeframe, service.clock(), exchanges, asker.user_id)
    outcomes = None if stored is None else Outcomes.model_validate(stored)
    return PerformanceAnswer(performance=Performance.model_validate(executed | {"outcomes": outcomes}))
