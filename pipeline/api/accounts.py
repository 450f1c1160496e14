"""Routes of whoever asks: by which limits their signals are judged, and what they hold. Without a key, the house's."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from pipeline.api.dependencies import Served, Service
from pipeline.api.errors import WrongFieldsError
from pipeline.api.parameters import Holdings, RiskLimits
from pipeline.api.payloads import Limits, PositionHeld, PositionsAnswer, RiskProfileAnswer
from pipeline.api.requester import Executor, Reader
from pipeline.domain.errors import ConfigurationError
from pipeline.risk.exposure import TOLERANCE, Position
from pipeline.storage.accounts import (
    HOUSE,
    LIMITS,
    positions_from,
    read_profile,
    replace_positions,
    stored_limits,
    write_profile,
)
from pipeline.storage.universe import known_series, stored_instead
from pipeline.storage.users import profile_of

router = APIRouter(prefix="/api/v1/ai", tags=["accounts"])


@router.get("/risk-profile")
def risk_profile(service: Served, asker: Reader) -> RiskProfileAnswer:
    """The limits by which signals are judged for whoever asks."""
    with service.database.begin() as conn:
        return _profile(service, conn, profile_of(conn, asker.user_id))


@router.put("/risk-profile")
def replace_risk_profile(service: Served, asker: Executor, limits: RiskLimits) -> RiskProfileAnswer:
    """Say which limits are not as in the settings; what is left out is. Only what is computed later is judged by it."""
    with service.database.begin() as conn:
        name = profile_of(conn, asker.user_id)
        try:
            write_profile(conn, service.settings.risk, name, limits.model_dump())
        except ConfigurationError as error:  # limits that contradict one another, or those of the settings
            fields = [f"body.{limit}" for limit in LIMITS if limit in str(error)]
            raise WrongFieldsError(str(error), *fields) from error
        return _profile(service, conn, name)


@router.get("/positions")
def positions(service: Served, asker: Reader) -> PositionsAnswer:
    """What is held now, or will be, by symbol."""
    with service.database.begin() as conn:
        return _positions(conn, profile_of(conn, asker.user_id), service.clock())


@router.put("/positions")
def replace_held(service: Served, asker: Executor, held: Holdings) -> PositionsAnswer:
    """Say all that is held from now on: what is left out ends now, what was held before stays in the history.

    What is held may add up to more than the portfolio, and need not be watched here: then there are `warnings`.
    """
    with service.database.begin() as conn:
        name, at = profile_of(conn, asker.user_id), service.clock()
        replace_positions(conn, name, {each.symbol: each.weight for each in held.positions}, at)
        return _positions(conn, name, at)


def _profile(service: Service, conn: Connection, name: str) -> RiskProfileAnswer:
    profile = read_profile(conn, service.settings.risk, name)
    stored: dict[str, Any] = stored_limits(conn, name) or {}
    return RiskProfileAnswer(
        profile=name,
        is_scheduled=name == HOUSE or bool(stored.get("is_scheduled")),
        risk_profile=Limits(**{limit: getattr(profile, limit) for limit in LIMITS}),
        changed=[limit for limit in LIMITS if limit in stored],
    )


def _positions(conn: Connection, name: str, at: datetime) -> PositionsAnswer:
    found = positions_from(conn, name, at)
    held = [PositionHeld(symbol=p.symbol, weight=p.weight, valid_from=p.valid_from, valid_to=p.valid_to) for p in found]
    return PositionsAnswer(profile=name, as_of=at, positions=held, warnings=_warnings(conn, found, at))


def _warnings(conn: Connection, positions: list[Position], at: datetime) -> list[str]:
    """What of the positions from an instant on may be a slip: leverage at it, and symbols without candles."""
    told = []
    if (total := sum(p.weight for p in positions if p.valid_from <= at)) > 1 + TOLERANCE:
        told.append(
            f"weights add up to {total:.4g} of the portfolio, which is leverage: every BUY is dropped (total_exposure)"
        )
    known = known_series(conn)
    watched = {key.symbol for key in known}
    unwatched = sorted({p.symbol for p in positions} - watched)
    return told + [
        f"no candles are stored of {symbol}, its weight counts all the same: {stored_instead(known, symbol)}"
        for symbol in unwatched
    ]
