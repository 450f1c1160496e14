"""Whose risk is judged, as stored: profiles that change the settings' one, and positions that count as exposure.

What a profile means is decided in `pipeline.risk.profile`, what a position does in `pipeline.risk.exposure`; here
they are only kept.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, check_aware, check_fraction
from pipeline.risk.exposure import Position
from pipeline.risk.profile import RiskProfile, with_overrides
from pipeline.storage import tables

HOUSE = "house"  # the profile that schedules always judge by
LIMITS = tuple(name for name in RiskProfile.model_fields if name not in ("name", "user_id"))


def one_profile(scope: str, wanted: str | None) -> str | None:
    """The profile whose rows of a scope are meant: the one ``wanted``, else the house; None where a replay has its own.

    What runs and backfills advise is stored once for every scheduled profile. Counted together, the same outcomes would
    pass for so many more, and chance for so much less.
    """
    return wanted or (HOUSE if scope == DEFAULT_SCOPE else None)


def stored_limits(conn: sa.Connection, name: str = HOUSE) -> dict[str, Any] | None:
    """The columns of a profile's row that are not NULL, ``is_scheduled`` among them; None if there is no row."""
    p = tables.risk_profiles.c
    columns = [p.user_id, p.is_scheduled, *(p[limit] for limit in LIMITS)]
    row = conn.execute(sa.select(*columns).where(p.profile == name)).mappings().first()
    return None if row is None else {key: value for key, value in row.items() if value is not None}


def profile_names(conn: sa.Connection) -> list[str]:
    """Every profile that there is: the house, then those with a row, by name."""
    p = tables.risk_profiles.c
    others = conn.scalars(sa.select(p.profile).where(p.profile != HOUSE).order_by(p.profile))
    return [HOUSE, *others]


def read_profile(conn: sa.Connection, settings_profile: RiskProfile, name: str = HOUSE) -> RiskProfile:
    """The profile of that name; what its row leaves NULL is as in the settings, which is all of it without a row.

    Raises
    ------
    ConfigurationError
        No profile but the house has that name without a row, or the row contradicts the settings.
    """
    stored = stored_limits(conn, name)
    if stored is None and name != HOUSE:
        known = ", ".join(profile_names(conn))
        raise ConfigurationError(
            f"profile must be one of {known}, was {name!r}; `signals profile set {name} KEY=VALUE` makes it"
        )
    return _with_row(settings_profile, name, stored or {})


def profile_for(conn: sa.Connection, settings_profile: RiskProfile, user_id: UUID | None) -> RiskProfile:
    """Whose limits count for whoever asks: the first profile by name that is the user's, else the house's."""
    p = tables.risk_profiles.c
    own = None
    if user_id is not None:
        own = conn.scalar(sa.select(p.profile).where(p.user_id == user_id).order_by(p.profile).limit(1))
    return read_profile(conn, settings_profile, own or HOUSE)


def scheduled_profiles(conn: sa.Connection, settings_profile: RiskProfile) -> list[RiskProfile]:
    """The profiles that scheduled runs make signals for: the house, and those whose row says so, by name."""
    p = tables.risk_profiles.c
    others = conn.scalars(sa.select(p.profile).where(p.is_scheduled, p.profile != HOUSE).order_by(p.profile)).all()
    return [read_profile(conn, settings_profile, name) for name in (HOUSE, *others)]


def write_profile(
    conn: sa.Connection, settings_profile: RiskProfile, name: str, changes: Mapping[str, Any]
) -> RiskProfile:
    """Change a profile, which is made where there is none; a value of None is the settings' value again.

    Raises
    ------
    ConfigurationError
        A key is not a limit of a profile, or the profile that would result is wrong; nothing is changed then.
    """
    known = (*LIMITS, "is_scheduled")
    if unknown := sorted(set(changes) - set(known)):
        raise ConfigurationError(
            f"{', '.join(unknown)} is not a setting of a risk profile; these are: {', '.join(known)}"
        )
    conn.execute(insert(tables.risk_profiles).values(profile=name).on_conflict_do_nothing())
    p = tables.risk_profiles.c
    conn.execute(sa.select(p.profile).where(p.profile == name).with_for_update())
    merged = {**(stored_limits(conn, name) or {}), **changes}
    wanted = {key: value for key, value in merged.items() if value is not None}
    profile = _with_row(settings_profile, name, wanted)
    row = {limit: getattr(profile, limit) if limit in wanted else None for limit in LIMITS}
    row["is_scheduled"] = bool(wanted.get("is_scheduled"))
    conn.execute(
        sa.update(tables.risk_profiles)
        .where(p.profile == name, sa.or_(*(p[key].is_distinct_from(value) for key, value in row.items())))
        .values(**row, recorded_at=sa.func.now())
    )
    return profile


def _with_row(settings_profile: RiskProfile, name: str, stored: Mapping[str, Any]) -> RiskProfile:
    limits = {key: value for key, value in stored.items() if key != "is_scheduled"}
    return with_overrides(settings_profile, {"user_id": None, **limits, "name": name})


def read_positions(conn: sa.Connection, profile: str = HOUSE) -> list[Position]:
    """Everything that a profile's portfolio holds or held, by symbol, then oldest first."""
    p = tables.portfolio_positions.c
    query = sa.select(p.symbol, p.weight, p.valid_from, p.valid_to).where(p.profile == profile)
    return [
        Position(symbol=symbol, weight=weight, valid_from=since, valid_to=until)
        for symbol, weight, since, until in conn.execute(query.order_by(p.symbol, p.valid_from))
    ]


def positions_from(conn: sa.Connection, profile: str, at: datetime) -> list[Position]:
    """What a portfolio holds at an instant or will hold after it, by symbol, then oldest first."""
    return [p for p in read_positions(conn, profile) if p.valid_to is None or p.valid_to > at]


def replace_positions(conn: sa.Connection, profile: str, weights: Mapping[str, float], at: datetime) -> bool:
    """Say all that a portfolio holds from an instant on, as weights by symbol; True if that was not known.

    What is not named ends then, and what was planned for later is off; what was held before stays as it was. A holding
    that goes on unchanged is left alone, so that saying the same again changes nothing.

    Raises
    ------
    DataContractError
        A weight is no fraction; nothing is changed then.
    """
    _lock_positions(conn, profile)
    standing: dict[str, list[Position]] = {}
    for position in positions_from(conn, profile, at):
        standing.setdefault(position.symbol, []).append(position)
    is_new = False
    for symbol in sorted({*standing, *weights}):
        weight = weights.get(symbol, 0.0)
        match standing.get(symbol, []):
            case [Position(valid_to=None) as held] if held.weight == weight and held.valid_from <= at:
                continue
        is_new |= write_position(conn, profile, Position(symbol=symbol, weight=weight, valid_from=at, valid_to=None))
    return is_new


def write_position(conn: sa.Connection, profile: str, position: Position) -> bool:
    """Say what the weight of a symbol is in ``[valid_from, valid_to)``; True if that was not known.

    A portfolio holds a symbol once: what was said before about that time is cut, so that saying a new weight
    from now on ends the old one. A weight of 0 means that the symbol is not held.

    Raises
    ------
    DataContractError
        The weight is no fraction, an instant has no time zone, or the position ends before it begins.
    """
    _check_position(position)
    t = tables.portfolio_positions
    _lock_positions(conn, profile)
    overlapping = (
        sa.func.tstzrange(t.c.valid_from, t.c.valid_to).op("&&")(
            sa.func.tstzrange(position.valid_from, position.valid_to)
        )
        & (t.c.profile == profile)
        & (t.c.symbol == position.symbol)
    )
    before = conn.execute(sa.select(t.c.weight, t.c.valid_from, t.c.valid_to).where(overlapping)).all()
    after = [(position.weight, position.valid_from, position.valid_to)] if position.weight else []
    for weight, since, until in before:
        if since < position.valid_from:
            after.append((weight, since, position.valid_from))
        if position.valid_to is not None and (until is None or until > position.valid_to):
            after.append((weight, position.valid_to, until))
    if sorted(map(_order, before)) == sorted(map(_order, after)):
        return False
    conn.execute(sa.delete(t).where(overlapping))
    if after:
        rows = [
            {"profile": profile, "symbol": position.symbol, "weight": w, "valid_from": since, "valid_to": until}
            for w, since, until in after
        ]
        conn.execute(sa.insert(t).values(rows))
    return True


def _lock_positions(conn: sa.Connection, profile: str) -> None:
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"positions {profile}"))))


def _check_position(position: Position) -> None:
    check_fraction("weight", position.weight, position.symbol)
    check_aware("valid_from", position.valid_from)
    if position.valid_to is not None:
        check_aware("valid_to", position.valid_to)
        if position.valid_to <= position.valid_from:
            raise DataContractError(
                f"valid_to must be after valid_from {position.valid_from.isoformat()}, "
                f"was {position.valid_to.isoformat()} ({position.symbol})"
            )


def _order(held: Any) -> tuple[datetime, float, str]:
    weight, since, until = held
    return since, weight, str(until)
