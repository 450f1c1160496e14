"""Development activity in: what happened in repositories, and since when nothing of it is missing.

Everything happens in the caller's transaction.
"""

from datetime import datetime, timedelta

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.contracts.documents import RepositoryActivity
from pipeline.contracts.validation import hold_to
from pipeline.sentiment.activity import LONGEST_PAUSE
from pipeline.storage import tables
from pipeline.storage.bulk import affected, bulk_insert, typed
from pipeline.storage.sentiment import hold_texts, is_of


def store_events(conn: sa.Connection, events: pd.DataFrame, *, tells_of_the_past: bool) -> tuple[int, datetime]:
    """Keep prepared events; how many are new, and the instant from which on they count.

    What tells of the past counts from when it happened.

    Raises
    ------
    DataContractError
        The rows break their contract.
    """
    now = hold_texts(conn)
    happened_at = pd.to_datetime(events["happened_at"], utc=True)
    known_at = happened_at if tells_of_the_past else happened_at.where(happened_at > now, now)
    rows = typed(tables.repository_activity, events.assign(happened_at=happened_at, known_at=known_at))
    return bulk_insert(conn, tables.repository_activity, hold_to(RepositoryActivity, rows)), now


def note_coverage(
    conn: sa.Connection, repository: str, asset: str, *, history_from: datetime, known_from: datetime, until: datetime
) -> None:
    """Note that from ``known_from`` until ``until`` everything was known that happened in a repository.

    Where that joins a stretch of knowing with the same beginning, the stretch grows; else another one begins: after a
    pause, and where something was lost on the way.
    """
    t = tables.repository_coverage
    joined = sa.and_(
        *(t.c.repository == repository, t.c.asset == asset),
        *(t.c.history_from == history_from, t.c.known_from <= until),
        t.c.known_until >= known_from - timedelta(microseconds=LONGEST_PAUSE),
    )
    grown = sa.update(t).where(joined).values(known_until=sa.func.greatest(t.c.known_until, until))
    if not affected(conn, grown):
        row = {"repository": repository, "asset": asset, "history_from": history_from, "known_from": known_from}
        added = insert(t).values(row | {"known_until": until})
        replaced = {name: added.excluded[name] for name in ("asset", "history_from", "known_until")}
        conn.execute(added.on_conflict_do_update(index_elements=["repository", "known_from"], set_=replaced))


def newest_event(conn: sa.Connection, *, is_simulated: bool) -> datetime | None:
    """When something happened last in any repository; None if nothing is known."""
    t = tables.repository_activity.c
    query = sa.select(sa.func.max(t.happened_at)).where(is_of(t.provenance, is_simulated))
    newest: datetime | None = conn.scalar(query)
    return newest
