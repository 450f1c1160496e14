"""The route that makes signals when it is asked: of the newest stored bars, as the request says."""

import json
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from fastapi.responses import Response
from sqlalchemy import Connection

from pipeline.api.computing import COMPUTES
from pipeline.api.dependencies import Served
from pipeline.api.idempotency import REPLAYED, answered_once
from pipeline.api.parameters import GenerationRequest, IdempotencyKey
from pipeline.api.payloads import ErrorAnswer, Evaluation, GeneratedSignal, GenerationAnswer
from pipeline.api.requester import Generator
from pipeline.domain.timeframe import Timeframe
from pipeline.requesting import Requested, signals_on_request
from pipeline.storage.queries import detail

HOUSE_KEYS = "house"  # the Idempotency-Keys of whoever asks without a key of a user
OF_A_KEY: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            REPLAYED: {"description": "true where the first answer is given again", "schema": {"type": "string"}}
        }
    },
    409: {
        "model": ErrorAnswer,
        "description": "a request with this Idempotency-Key is being answered; ask again after Retry-After seconds",
        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
    },
}

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


@router.post("", response_model=GenerationAnswer, responses=OF_A_KEY, dependencies=[COMPUTES])
def generate_signals(
    service: Served,
    asker: Generator,
    asked: Annotated[GenerationRequest, Body()],
    idempotency_key: Annotated[
        IdempotencyKey | None, Header(description="a word of your own; with it a repeated request is answered once")
    ] = None,
) -> Response:
    """Signals of the newest stored bars of some symbols, judged now and stored, best first.

    They are found by their id and never among the active ones, which the schedule makes. The same request about the
    same bars has the same ids.
    """

    wanted = asked.wanted

    def work(conn: Connection) -> str:
        found = signals_on_request(
            service.database, conn, service.settings, wanted, as_of=service.clock(), user_id=asker.user_id
        )
        return _answer(found, wanted.timeframe).model_dump_json()

    request = json.dumps([router.prefix, asdict(wanted)])
    whose = HOUSE_KEYS if asker.user_id is None else str(asker.user_id)
    return answered_once(service.database, whose, idempotency_key, request, work)


def _answer(found: Requested, timeframe: Timeframe) -> GenerationAnswer:
    names = GeneratedSignal.model_fields
    return GenerationAnswer(
        signals=[
            GeneratedSignal(**{name: value for name, value in detail(row).items() if name in names})
            for row in found.signals
        ],
        evaluations=[
            Evaluation(
                symbol=each.symbol,
                exchange=each.exchange,
                timeframe=timeframe,
                evaluated_close_at=each.close_at,
                outcome=each.outcome,
                reasons=list(each.reasons),
                warnings=list(each.warnings),
            )
            for each in found.evaluations
        ],
    )
