"""How each source of texts is doing: what its feeds said last, and what is stored of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.domain.document import TextSource
from pipeline.storage import tables
from pipeline.storage.sentiment import is_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """One source, as of its newest reading."""

    source: TextSource
    as_of: datetime | None  # of the newest reading; None if it never was read
    feeds: int  # that were read then
    failed: dict[str, str] = field(default_factory=dict)  # feed -> reason
    rows: int = 0  # texts that stand, or events
    newest: datetime | None = None  # published


def source_states(conn: sa.Connection, *, is_simulated: bool) -> list[SourceState]:
    """Every source, in their order; of texts and events those of the simulated market, or all others."""
    h, d, e = tables.source_health.c, tables.documents.c, tables.repository_activity.c
    health: dict[str, list[Any]] = {}
    query = sa.select(h.source, h.subject, h.status, h.reason, h.as_of).where(h.source.in_(list(TextSource)))
    for source, *row in conn.execute(query.order_by(h.subject)):
        health.setdefault(source, []).append(row)
    stored = {
        source: (rows, newest)
        for source, rows, newest in conn.execute(
            sa.select(d.source, sa.func.count(), sa.func.max(d.published_at))
            .where(d.gone_at.is_(None), is_of(d.provenance, is_simulated))
            .group_by(d.source)
        )
    }
    events = sa.select(sa.func.count(), sa.func.max(e.happened_at)).where(is_of(e.provenance, is_simulated))
    n_events, newest_event = conn.execute(events).one()
    stored[TextSource.GITHUB.value] = (n_events, newest_event)
    return [
        SourceState(
            source=source,
            as_of=max((row[3] for row in health.get(source, [])), default=None),
            feeds=len(health.get(source, [])),
            failed={subject: reason for subject, status, reason, _ in health.get(source, []) if status != "OK"},
            rows=stored.get(source, (0, None))[0],
            newest=stored.get(source, (0, None))[1],
        )
        for source in TextSource
    ]
