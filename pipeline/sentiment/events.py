"""Events: what happened in repositories becomes rows to store, or is refused for a reason.

Dates of commits are what their authors' clocks said, or what they wanted them to say; so they are judged as the dates
of texts are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from pipeline.domain.document import Provenance, RepositoryEvent, TextSource
from pipeline.sentiment.addresses import canonical
from pipeline.sentiment.cleaning import clean_title
from pipeline.sentiment.preparing import REFUSAL_COLUMNS, author_hash, dated, refusal

ROW = ("repository", "kind", "external_id", "asset", "happened_at", "title", "url", "author_hash", "provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedEvents:
    """Events ready to be stored, and those that are refused; frames have their columns even where they have no rows."""

    events: pd.DataFrame  # as repository_activity, without known_at and recorded_at; each event once
    refusals: pd.DataFrame  # as document_quarantine


def prepare_events(
    raw: Sequence[RepositoryEvent],
    asset_of: Mapping[str, str],
    *,
    now: datetime,
    provenance: Provenance,
    author_key: bytes,
) -> PreparedEvents:
    """Date and clean events.

    Parameters
    ----------
    raw
        Of two with the same repository, kind and external_id the earlier one in order stands: what happened, happened.
    asset_of
        Base currency by repository; each repository of ``raw`` has one.
    """
    rows: dict[tuple[str, str, str], dict[str, object]] = {}
    refused = []
    for event in raw:
        happened_at = dated(event.happened_at, now)
        if isinstance(happened_at, str):
            refused.append(
                refusal(
                    source=TextSource.GITHUB,
                    feed=event.repository,
                    external_id=event.external_id,
                    published_at=event.happened_at,
                    reason=happened_at,
                    beginning=event.title,
                )
            )
            continue
        key = (event.repository, event.kind.value, event.external_id)
        values = (
            *(asset_of[event.repository], happened_at, clean_title(event.title)),
            *(None if event.url is None else canonical(event.url), author_hash(event.author, author_key)),
            provenance.value,
        )
        rows.setdefault(key, dict(zip(ROW, (*key, *values), strict=True)))
    refusals = pd.DataFrame(refused, columns=REFUSAL_COLUMNS).drop_duplicates("fingerprint", ignore_index=True)
    return PreparedEvents(events=pd.DataFrame(rows.values(), columns=list(ROW)), refusals=refusals)
