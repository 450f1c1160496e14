"""Users as stored: people and bots that have keys, a risk profile and signals of their own.

What they hold and how their risk is judged is kept by `storage.accounts`, their keys by `storage.keys`.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.errors import ConfigurationError
from pipeline.risk.profile import NAME_PATTERN, RiskLevel
from pipeline.storage import tables
from pipeline.storage.accounts import HOUSE

RESERVED = (HOUSE, *RiskLevel)  # profiles that are nobody's


def add_user(conn: sa.Connection, name: str) -> UUID:
    """Make a user and the risk profile of the same name, which is as the settings' until it is changed.

    Raises
    ------
    ConfigurationError
        The name cannot be typed, or a user, a removed one too, or a profile has it.
    """
    if not re.match(NAME_PATTERN, name) or name in RESERVED:
        raise ConfigurationError(
            "a user's name must be 1 to 64 letters, digits, '.', '_' or '-', and none of "
            f"{', '.join(RESERVED)}, was {name!r}"
        )
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("users"))))
    u, p = tables.users.c, tables.risk_profiles.c
    known = conn.execute(sa.select(u.removed_at).where(u.name == name)).first()
    if known is not None:
        was = "" if known.removed_at is None else ", who was removed: what they did is kept under it"
        raise ConfigurationError(f"a user's name must be new, but {name} is a user's{was}")
    if conn.scalar(sa.select(p.profile).where(p.profile == name)) is not None:
        raise ConfigurationError(f"a user's name must be new, but {name} is a risk profile of the house")
    number = uuid4()
    conn.execute(sa.insert(tables.users).values(user_id=number, name=name))
    conn.execute(sa.insert(tables.risk_profiles).values(profile=name, user_id=number))
    return number


def user_of(conn: sa.Connection, name: str) -> UUID:
    """The user of a name; `ConfigurationError` if there is none, or no longer."""
    u = tables.users.c
    number = conn.scalar(sa.select(u.user_id).where(u.name == name, u.removed_at.is_(None)))
    if number is None:
        raise ConfigurationError(
            f"there is no user {name!r}; `signals users add` makes one, `signals users list` shows"
        )
    return UUID(str(number))


def list_users(conn: sa.Connection, at: datetime) -> Sequence[RowMapping]:
    """Users by name, removed ones too: name, user_id, recorded_at, removed_at, keys (that open something), signals."""
    u, k, t = tables.users.c, tables.api_keys.c, tables.trading_signals.c
    keys = (
        sa.select(sa.func.count())
        .where(k.user_id == u.user_id, k.revoked_at.is_(None), k.expires_at > at)
        .scalar_subquery()
    )
    signals = sa.select(sa.func.count()).where(t.user_id == u.user_id).scalar_subquery()
    columns = (u.name, u.user_id, u.recorded_at, u.removed_at, keys.label("keys"), signals.label("signals"))
    return conn.execute(sa.select(*columns).order_by(u.name)).mappings().all()


def remove_user(conn: sa.Connection, name: str, at: datetime) -> int:
    """End a user's keys, and the making of signals for them; returns how many keys still opened something.

    What they did is kept, and so is their name: another of that name would take over profile, positions and signals.

    Raises
    ------
    ConfigurationError
        There is no such user, or no longer.
    """
    number = user_of(conn, name)
    u, k, p = tables.users, tables.api_keys, tables.risk_profiles
    conn.execute(sa.update(u).where(u.c.user_id == number).values(removed_at=at))
    conn.execute(sa.update(p).where(p.c.user_id == number).values(is_scheduled=False))
    revoked = sa.update(k).where(k.c.user_id == number, k.c.revoked_at.is_(None)).values(revoked_at=at)
    expiries = conn.scalars(revoked.returning(k.c.expires_at)).all()
    return sum(expires_at > at for expires_at in expiries)


def profile_of(conn: sa.Connection, user_id: UUID | None) -> str:
    """The name of a user's risk profile; the house's for None."""
    if user_id is None:
        return HOUSE
    p = tables.risk_profiles.c
    return str(conn.scalars(sa.select(p.profile).where(p.user_id == user_id)).one())
