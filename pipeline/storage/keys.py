"""Keys of the REST API: made, found, used, taken back. A key itself is stored nowhere, and never logged.

A key is 32 random bytes, which nobody guesses: SHA-256 hides them as well as a slow hash would, and costs a request
nothing. The part before them finds the row, so that one comparison decides.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pipeline.domain.access import Scope
from pipeline.domain.errors import ConfigurationError
from pipeline.risk.profile import NAME_PATTERN
from pipeline.storage import tables

KEY_PATTERN = r"signals_[0-9a-f]{12}_[A-Za-z0-9_-]{43}"
PREFIX_BYTES, SECRET_BYTES = 6, 32
PREFIX_LENGTH = len("signals_") + 2 * PREFIX_BYTES
USE_NOTED_EVERY = timedelta(minutes=5)  # a write per request would cost more than most requests


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """What is known of a key."""

    key_id: int
    user_id: UUID
    user: str
    name: str
    prefix: str
    key_hash: bytes = field(repr=False)
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    profile: str | None  # of the user's, that scheduled runs make signals for

    def state(self, at: datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at <= at else "active"

    def is_use_to_be_noted(self, at: datetime) -> bool:
        """Whether the last use that was noted is `USE_NOTED_EVERY` ago."""
        return self.last_used_at is None or at - self.last_used_at >= USE_NOTED_EVERY


def make_key(
    conn: sa.Connection,
    user_id: UUID,
    scopes: Collection[Scope],
    *,
    name: str,
    at: datetime,
    lifetime: timedelta,
) -> str:
    """A new key of a user, which can be told now and never again.

    Raises
    ------
    ConfigurationError
        There is no scope, or the name cannot be typed or is, or was, another key's.
    """
    if not scopes:
        raise ConfigurationError(f"a key must have a scope, one or more of {', '.join(Scope)}")
    if not re.match(NAME_PATTERN, name):
        raise ConfigurationError(f"a key's name must be 1 to 64 letters, digits, '.', '_' or '-', was {name!r}")
    key = f"signals_{secrets.token_hex(PREFIX_BYTES)}_{secrets.token_urlsafe(SECRET_BYTES)}"
    row = {
        "user_id": user_id,
        "name": name,
        "prefix": key[:PREFIX_LENGTH],
        "key_hash": _hash(key),
        "scopes": [scope.value for scope in Scope if scope in scopes],
        "created_at": at,
        "expires_at": at + lifetime,
    }
    _one_at_a_time(conn)
    if conn.scalar(sa.select(tables.api_keys.c.key_id).where(tables.api_keys.c.name == name)) is not None:
        raise ConfigurationError(f"a key's name must be new, but {name} is another's; --name gives one")
    conn.execute(sa.insert(tables.api_keys).values(**row))
    return key


def free_name(conn: sa.Connection, user: str) -> str:
    """A name for a user's next key: the user's own, else with a number behind."""
    _one_at_a_time(conn)
    taken = set(conn.scalars(sa.select(tables.api_keys.c.name).where(tables.api_keys.c.name.startswith(user))))
    number = 1
    while (name := user if number == 1 else f"{user}-{number}") in taken:
        number += 1
    return name


def find_key(conn: sa.Connection, key: str) -> StoredKey | None:
    """The row of a key, whatever its state; None for whatever is no key of ours."""
    if not re.fullmatch(KEY_PATTERN, key):
        return None
    row = conn.execute(_KEYS.where(tables.api_keys.c.prefix == key[:PREFIX_LENGTH])).mappings().first()
    return None if row is None or not compare_digest(row["key_hash"], _hash(key)) else _stored(row)


def note_use(conn: sa.Connection, key: StoredKey, at: datetime) -> bool:
    """Note that a key is used; True if that was written, which it is once in `USE_NOTED_EVERY`."""
    if not key.is_use_to_be_noted(at):
        return False
    k = tables.api_keys.c
    is_old = sa.or_(k.last_used_at.is_(None), k.last_used_at <= at - USE_NOTED_EVERY)
    noted = sa.update(tables.api_keys).where(k.key_id == key.key_id, is_old).values(last_used_at=at)
    return conn.execute(noted).rowcount > 0


def list_keys(conn: sa.Connection, user: str | None = None) -> list[StoredKey]:
    """Keys of one user or of all, by user, then the oldest first."""
    query = _KEYS.order_by(tables.users.c.name, tables.api_keys.c.key_id)
    if user is not None:
        query = query.where(tables.users.c.name == user)
    return [_stored(row) for row in conn.execute(query).mappings()]


def keys_named(conn: sa.Connection, names: Collection[str]) -> dict[str, StoredKey]:
    """Those keys of some names that there are, whatever their state."""
    found = conn.execute(_KEYS.where(tables.api_keys.c.name.in_(names))).mappings()
    return {row["name"]: _stored(row) for row in found}


def has_active_key(conn: sa.Connection, at: datetime) -> bool:
    """Whether any key opens anything."""
    k = tables.api_keys.c
    query = sa.select(k.key_id).where(k.revoked_at.is_(None), k.expires_at > at).limit(1)
    return conn.scalar(query) is not None


def revoke_key(conn: sa.Connection, known_by: str, at: datetime) -> tuple[str, bool]:
    """Take a key back, by its name, its prefix or the whole of it; its name, and False if it had been already.

    Raises
    ------
    ConfigurationError
        No key has that name or prefix.
    """
    k = tables.api_keys.c
    prefix = known_by[:PREFIX_LENGTH] if re.fullmatch(KEY_PATTERN, known_by) else known_by
    known = conn.execute(sa.select(k.key_id, k.name).where(sa.or_(k.name == known_by, k.prefix == prefix))).first()
    if known is None:
        raise ConfigurationError("no key has that name or prefix; `signals keys list` shows them")
    taken_back = sa.update(tables.api_keys).where(k.key_id == known.key_id, k.revoked_at.is_(None))
    return str(known.name), conn.execute(taken_back.values(revoked_at=at)).rowcount > 0


_PROFILE = (
    sa.select(sa.func.min(tables.risk_profiles.c.profile))
    .where(tables.risk_profiles.c.user_id == tables.api_keys.c.user_id, tables.risk_profiles.c.is_scheduled)
    .scalar_subquery()
)
_KEYS = sa.select(tables.api_keys, tables.users.c.name.label("user"), _PROFILE.label("profile")).join_from(
    tables.api_keys, tables.users
)


def _stored(row: Any) -> StoredKey:
    return StoredKey(**{**row, "scopes": frozenset(map(Scope, row["scopes"]))})


def _hash(key: str) -> bytes:
    return sha256(key.encode()).digest()


def _one_at_a_time(conn: sa.Connection) -> None:
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("api_keys"))))
