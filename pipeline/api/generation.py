"""The route that makes signals when it is asked: of the newest stored bars, as the request says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from fastapi.responses import Response
from sqlalchemy import Connection

from pipeline.api.dependencies import Served
from pipeline.api.idempotency import REPLAYED, answered_once
from pipeline.api.parameters import GenerationRequest, IdempotencyKey
from pipeline.api.payloads import ErrorAnswer, Evaluation, GeneratedSignal, GenerationAnswer
from pipeline.domain.errors import TemporaryError
from pipeline.domain.timeframe import Timeframe
from pipeline.requesting import Requested, signals_on_request
from pipeline.storage.queries import detail

WAIT_S = 5.0
ANYBODY = "anybody"  # who asks on a loopback address, as long as there are no keys
OF_A_KEY: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            REPLAYED: {"description": "true where the first answer is given again", "schema": {"type": "string"}}
        }
    },
    409: {"model": ErrorAnswer, "description": "a request with this Idempotency-Key is being answered; ask again"},
}

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


@router.post("", response_model=GenerationAnswer, responses=OF_A_KEY)
def generate_signals(
    service: Served,
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
        found = signals_on_request(service.database, conn, service.settings, wanted, as_of=service.clock())
        return _answer(found, wanted.timeframe).model_dump_json()

    request = json.dumps([router.prefix, asdict(wanted)])
    with _one_of_few():
        return answered_once(service.database, ANYBODY, idempotency_key, request, work)


_FEW_WORK = BoundedSemaphore(2)  # each takes a processor, and holds a connection of the many that others need


@contextmanager
def _one_of_few() -> Iterator[None]:
    """Let few requests work at a time; the others wait, but not for long: they would keep the threads from all else."""
    if not _FEW_WORK.acquire(timeout=WAIT_S):
        raise TemporaryError(f"other requests for signals were being answered for {WAIT_S:.0f} s")
    try:
        yield
    finally:
        _FEW_WORK.release()


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
