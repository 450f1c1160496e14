"""First answers by `Idempotency-Key`: what was answered once is answered again, and nothing is done twice.

A key is claimed in the transaction that does the work and keeps the answer, so that both are stored or neither is.
"""

from datetime import timedelta
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.storage import tables

KEPT_FOR = timedelta(hours=24)
FORGOTTEN_AT_ONCE = 100  # old rows that go with a new one


class FirstAnswer(NamedTuple):
    """What was answered, and to which request."""

    request_digest: str
    answer: bytes


def claim(conn: sa.Connection, requester: str, key: str) -> bool:
    """Take a requester's key until the transaction ends; False, at once, while another transaction has it."""
    lock = sa.func.hashtextextended(f"idempotency {requester} {key}", 0)
    return bool(conn.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(lock))))


def first_answer(conn: sa.Connection, requester: str, key: str) -> FirstAnswer | None:
    """What a claimed key was answered within the last `KEPT_FOR`; None if nothing was."""
    t = tables.idempotency_keys.c
    query = sa.select(t.request_digest, t.answer).where(
        t.requester == requester, t.idempotency_key == key, t.recorded_at >= sa.func.now() - KEPT_FOR
    )
    row = conn.execute(query).one_or_none()
    return None if row is None else FirstAnswer(row.request_digest, bytes(row.answer))


def keep_answer(conn: sa.Connection, requester: str, key: str, first: FirstAnswer) -> None:
    """Keep the first answer of a claimed key, and forget some that are older than `KEPT_FOR`."""
    merged = insert(tables.idempotency_keys).values(requester=requester, idempotency_key=key, **first._asdict())
    renewed = {name: merged.excluded[name] for name in first._fields} | {"recorded_at": sa.func.now()}
    conn.execute(merged.on_conflict_do_update(index_elements=["requester", "idempotency_key"], set_=renewed))
    conn.execute(_FORGET, {"kept_for": KEPT_FOR, "limit": FORGOTTEN_AT_ONCE})


_FORGET = sa.text(
    """DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM idempotency_keys WHERE recorded_at < now() - :kept_for ORDER BY recorded_at
  LIMIT :limit FOR UPDATE SKIP LOCKED))"""
).bindparams(sa.bindparam("kept_for", type_=sa.Interval))
