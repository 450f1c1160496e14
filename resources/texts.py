"""What every source of texts and development activity offers, whether it is asked over the wire or made up.

Add nothing here that only one source knows. A source hands over what it has, as it has it: cleaning, joining and
judging texts is the work of `pipeline.sentiment`, and a feed that cannot be had is a failure beside the others, not an
error.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.domain.document import Cursor, RawDocument, RepositoryEvent, TextSource

# Called after each feed with how many are done and how many were wanted.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFetch:
    """What one feed could give, and why it could not give the rest."""

    feed: str
    cursor: Cursor  # how far it has been read now; the one before where nothing came
    documents: Sequence[RawDocument] = ()
    events: Sequence[RepositoryEvent] = ()
    removed: Sequence[str] = ()  # external ids of texts that their author or a moderator took away
    is_unchanged: bool = False  # the source says that there is nothing new
    failure: str | None = None  # stable word and facts, e.g. "key_refused(401)"; what came before it is kept
    retry_at: datetime | None = None  # the source asks not to be asked before; aware
    requests: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)  # reason -> items of the feed that could not be read


class TextClient(Protocol):
    """A source of texts or events."""

    @property
    def source(self) -> TextSource:
        """Which of the sources it is."""

    @property
    def feeds(self) -> Sequence[str]:
        """The feeds that the settings name."""

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What is new in each feed, one after another, so that each can be stored before the next is asked.

        Never raises for what a source does: a feed that fails has a ``failure``.
        """
