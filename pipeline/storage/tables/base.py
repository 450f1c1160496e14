"""What all tables share: one metadata with predictable constraint names, and short column makers.

Every column has a comment; a test refuses one without. Instants are `timestamptz`, written in UTC.
"""

from typing import Any

import sqlalchemy as sa

INFINITY = "'Infinity'::float8"  # PostgreSQL sorts NaN above it, so `x < Infinity` refuses both

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def number(name: str, comment: str, **options: Any) -> sa.Column[float]:
    """A float8 column."""
    return sa.Column(name, sa.Double, comment=comment, **options)


def text(name: str, comment: str, **options: Any) -> sa.Column[str]:
    """A text column."""
    return sa.Column(name, sa.Text, comment=comment, **options)


def instant(name: str, comment: str, **options: Any) -> sa.Column[Any]:
    """A timestamptz column."""
    return sa.Column(name, sa.TIMESTAMP(timezone=True), comment=comment, **options)


def recorded_at() -> sa.Column[Any]:
    """When a row was written; no decision ever reads it."""
    return instant("recorded_at", "wall clock when the row was written", nullable=False, server_default=sa.func.now())
