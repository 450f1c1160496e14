"""The route of performance: what was executed, counted now, and the newest stored report of what all advice brought."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from pipeline.api.answers import answered, json_of
from pipeline.api.dependencies import Served, Service
from pipeline.api.naming import check_exchange
from pipeline.api.parameters import PerformanceWindow
from pipeline.api.payloads import PerformanceAnswer
from pipeline.api.requester import Reader, Requester
from pipeline.reporting import current_performance
from pipeline.storage.universe import exchanges_shown

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


@router.get("/performance", response_model=PerformanceAnswer)
async def signal_performance(service: Served, asker: Reader, window: Annotated[PerformanceWindow, Query()]) -> Response:
    """How live signals of the last day, week or month did: those of your scheduled profile, else the house's."""
    asked = ("performance", window.timeframe, window.exchange, asker.profile, asker.user_id)
    return answered(await service.shared.computed(asked, lambda: _performance(service, asker, window)))


def _performance(service: Service, asker: Requester, window: PerformanceWindow) -> bytes:
    with service.database.reading() as conn:
        exchanges = exchanges_shown(conn, service.settings.market) if window.exchange is None else (window.exchange,)
        executed, stored = current_performance(
            conn, window.timeframe, service.clock(), exchanges, profile=asker.profile, seen_by=asker.user_id
        )
        if window.exchange is not None and stored is None and not executed["total_signals"]:
            check_exchange(conn, window.exchange)
    return json_of(PerformanceAnswer, performance=executed | {"outcomes": stored})
