"""Routes of signals: those that are active, one in full, why it is there, its picture, and what became of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Connection, RowMapping

from pipeline.api.answers import answered, json_of
from pipeline.api.computing import COMPUTES
from pipeline.api.cursor import written
from pipeline.api.dependencies import Served, Service
from pipeline.api.errors import NotFoundError
from pipeline.api.executing import judged_by_field
from pipeline.api.naming import check_named, exchanges_asked
from pipeline.api.parameters import ActiveFilters, Execution, Invalidation, StatusChange
from pipeline.api.payloads import ActiveAnswer, ErrorAnswer, ExplanationAnswer, SignalAnswer, SignalDetail
from pipeline.api.requester import Executor, Reader, Requester
from pipeline.charting import signal_picture
from pipeline.domain.errors import IllegalTransitionError, TemporaryError
from pipeline.domain.signal import Origin
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explaining import explain_bar
from pipeline.json_values import json_value
from pipeline.storage.chart_data import stored_chart
from pipeline.storage.paging import Place, active_page
from pipeline.storage.queries import SignalFilter, detail, shown_signal, signal_of
from pipeline.storage.transitions import transition

DRAWING_WAIT_S = 5.0
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": ErrorAnswer, "description": "no signal has this id"}}
CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorAnswer, "description": "the signal's status does not allow it; `status` is the one that stands"}
}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "the picture"}
}

router = APIRouter(prefix="/api/v1/ai/trading-signals", tags=["signals"])


@router.get("/active", response_model=ActiveAnswer)
async def active_signals(service: Served, asker: Reader, filters: Annotated[ActiveFilters, Query()]) -> Response:
    """Live signals that are active now, strongest first, as `signals list` shows them."""
    asked = ("active", *filters.model_dump().values(), asker.user_id, asker.profile)
    return answered(await service.shared.computed(asked, lambda: _active(service, asker, filters)))


def _active(service: Service, asker: Requester, filters: ActiveFilters) -> bytes:
    with service.database.reading() as conn:
        exchanges = exchanges_asked(conn, service.settings.market, filters.exchange)
        wanted = SignalFilter(
            as_of=service.clock(),
            profile=filters.profile_of(asker.profile),
            seen_by=asker.user_id,
            symbol=filters.symbol,
            exchanges=exchanges,
            timeframe=filters.timeframe,
            signal_type=filters.signal_type,
            source_group=filters.source,
            min_confidence=filters.min_confidence,
            since=filters.since,
            is_by_calibrated=service.settings.calibration.ranks_signals,
            limit=filters.limit + 1,  # one more tells whether anything follows
        )
        found = active_page(conn, wanted, after=filters.after)
        if not found:
            check_named(conn, filters)
    page = found[: filters.limit]
    cursor = written(Place.of(page[-1])) if len(found) > len(page) else None
    return json_of(ActiveAnswer, count=len(page), signals=page, next_cursor=cursor)


@router.get("/{signal_id}", response_model=SignalAnswer, responses=UNKNOWN)
def signal_detail(service: Served, asker: Reader, signal_id: UUID) -> Response:
    """One signal in full, of whatever status, origin and scope."""
    with service.database.reading() as conn:
        signal = shown_signal(conn, signal_id, seen_by=asker.user_id)
    if signal is None:
        raise NotFoundError(signal_id)
    return answered(json_of(SignalAnswer, signal=signal))


@router.get("/{signal_id}/explain", response_model=ExplanationAnswer, responses=UNKNOWN, dependencies=[COMPUTES])
def signal_explanation(service: Served, asker: Reader, signal_id: UUID) -> JSONResponse:
    """Why there is this signal: what each strategy asked and found, risk, exposure, sums, prices.

    It is judged anew from what is stored, by the settings of the time; `differences` are told.
    """
    signal = _stored(service, asker, signal_id)
    found = explain_bar(
        service.database,
        service.settings,
        SeriesKey(signal["exchange"], signal["symbol"], Timeframe(signal["timeframe"])),
        as_of=service.clock(),
        at=signal["created_at"],
        origin=Origin(signal["origin"]),
        scope=signal["scope"],
        profile=signal["profile"],
    )
    return JSONResponse({"success": True, "explanation": json_value(found.as_dict())})


@router.get("/{signal_id}/chart", response_class=Response, responses=UNKNOWN | PICTURE, dependencies=[COMPUTES])
def signal_chart(service: Served, asker: Reader, signal_id: UUID) -> Response:
    """A picture of the signal among the bars around it: the one that is kept, else one that is drawn now."""
    with service.database.reading() as conn:
        signal, picture = _of(conn, asker, signal_id), stored_chart(conn, signal_id)
    if picture is None:
        with _drawing():
            picture = signal_picture(service.database, dict(signal), service.clock())
    return Response(picture, media_type="image/png")


@router.patch("/{signal_id}/status", responses=UNKNOWN | CONFLICT)
def change_status(
    service: Served, asker: Executor, signal_id: UUID, change: Annotated[StatusChange, Body()]
) -> SignalAnswer:
    """Say that a signal was executed, or take it back.

    The same execution again changes nothing and is fine; anything else that has ended stays as it is. Of two who want
    the same signal one wins.
    """
    with service.database.begin() as conn:
        before = _of(conn, asker, signal_id)  # nobody changes what they may not see
        if isinstance(change, Execution):
            with judged_by_field(change, before, service.clock()):
                transition(conn, signal_id, change.status, actor=asker.actor, at=change.at, price=change.price)
        elif isinstance(change, Invalidation):
            transition(conn, signal_id, change.status, actor=asker.actor, reason=change.reason)
        else:
            raise _refusal(before, change.status)
        return _answer(_of(conn, asker, signal_id))


_ONE_DRAWS = Lock()  # matplotlib's settings are the process's, and each picture takes a processor


@contextmanager
def _drawing() -> Iterator[None]:
    """Let one request draw at a time; the others wait, but not for long."""
    if not _ONE_DRAWS.acquire(timeout=DRAWING_WAIT_S):
        raise TemporaryError(f"other pictures were being drawn for {DRAWING_WAIT_S:.0f} s")
    try:
        yield
    finally:
        _ONE_DRAWS.release()


def _stored(service: Service, asker: Requester, signal_id: UUID) -> RowMapping:
    with service.database.reading() as conn:
        return _of(conn, asker, signal_id)


def _of(conn: Connection, asker: Requester, signal_id: UUID) -> RowMapping:
    signal = signal_of(conn, signal_id, seen_by=asker.user_id)
    if signal is None:
        raise NotFoundError(signal_id)
    return signal


def _refusal(signal: RowMapping, wanted: SignalStatus) -> IllegalTransitionError:
    """What nobody may ask for, whatever the signal's status."""
    message = (
        f"signal {signal['id']} is {signal['status']}: only EXECUTED and INVALIDATED can be asked for, not {wanted}"
    )
    return IllegalTransitionError(message, signal["status"])


def _answer(signal: RowMapping) -> SignalAnswer:
    return SignalAnswer(signal=SignalDetail(**detail(signal)))
