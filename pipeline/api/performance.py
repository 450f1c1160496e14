"""The route of performance: what was executed, counted now, and the newest stored report of what all advice brought."""

from typing import Annotated

from fastapi import APIRouter, Query

from pipeline.api.dependencies import Served
from pipeline.api.parameters import PerformanceWindow
from pipeline.api.payloads import Outcomes, Performance, PerformanceAnswer
from pipeline.api.requester import Reader
from pipeline.reporting import current_performance
from pipeline.storage.universe import exchanges_shown

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


@router.get("/performance")
def signal_performance(
    service: Served, asker: Reader, window: Annotated[PerformanceWindow, Query()]
) -> PerformanceAnswer:
    """How live signals of the last day, week or month did, by their closes."""
    with service.database.begin() as conn:
        exchanges = exchanges_shown(conn, service.settings.market) if window.exchange is None else (window.exchange,)
        executed, stored = current_performance(conn, window.timeframe, service.clock(), exchanges, asker.user_id)
    outcomes = None if stored is None else Outcomes.model_validate(stored)
    return PerformanceAnswer(performance=Performance.model_validate(executed | {"outcomes": outcomes}))
