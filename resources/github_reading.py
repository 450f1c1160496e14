"""One repository being read: what is new since it was read last, and from when on nothing of it is missing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.domain.document import ActivityKind, Cursor, RepositoryEvent
from pipeline.sentiment.activity import BASELINE_DAYS, WEEK_DAYS
from resources import github_events
from resources.github_api import GithubApi
from resources.github_events import UNREADABLE, Item
from resources.http_fetching import FetchError
from resources.texts import FeedFetch

BASELINE = timedelta(days=BASELINE_DAYS)
HISTORY = BASELINE + timedelta(days=WEEK_DAYS)  # that a first reading brings
OVERLAP = timedelta(days=7)  # read again each time: a merged branch brings commits that are older than the merge
AHEAD = timedelta(hours=1)  # by which an event may be later than the run that reads it
ZULU = "%Y-%m-%dT%H:%M:%SZ"
PAGE_ITEMS = "100"  # the most that GitHub gives


@dataclass(frozen=True, slots=True)
class _List:
    """One of a repository's lists, newest first."""

    name: str
    parameters: Mapping[str, str]
    events: Callable[[str, Item], Iterator[RepositoryEvent]]
    time: Callable[[Item], datetime]  # what it is sorted by; no event of an item is later
    is_bounded: bool = True  # whether GitHub takes the instant from which on it is wanted


# A release has a body and files, so fewer are asked for at once; the newest page is nearly always enough.
LISTS = (
    _List("releases", {}, github_events.releases, github_events.released_at, is_bounded=False),
    _List(
        "issues",
        {"state": "all", "sort": "updated", "direction": "desc", "per_page": PAGE_ITEMS},
        github_events.issues,
        github_events.updated_at,
    ),
    _List("commits", {"per_page": PAGE_ITEMS}, github_events.commits, github_events.committed_at),
)


@dataclass(slots=True)
class Reading:
    """Reads one repository once; five requests where something is new and little of it, one where nothing is."""

    api: GithubApi
    repository: str
    cursor: Cursor
    as_of: datetime
    most_pages: int  # of one list
    failure: FetchError | None = None
    _events: dict[tuple[ActivityKind, str], RepositoryEvent] = field(default_factory=dict)
    _skipped: Counter[str] = field(default_factory=Counter)
    _whole_from: dict[str, datetime] = field(default_factory=dict)  # list -> from here on it was read
    _etag: str | None = None
    _is_unchanged: bool = False

    @property
    def is_unreachable(self) -> bool:
        """Whether it failed as every repository may: GitHub did not answer."""
        return self.failure is not None and self.failure.may_pass

    def result(self, is_over: FetchError | None) -> FeedFetch:
        """What came, and why no more did; asks nothing where ``is_over`` says why nothing is asked any longer."""
        before = self.api.requests
        try:
            if is_over is not None:
                raise is_over
            self._read()
        except FetchError as error:
            self.failure = error
        return FeedFetch(
            feed=self.repository,
            cursor=self._read_cursor(),
            events=sorted(self._events.values(), key=lambda event: (event.happened_at, event.kind, event.external_id)),
            is_unchanged=self._is_unchanged,
            failure=None if self.failure is None else self.failure.reason,
            retry_at=None if self.failure is None else self.failure.retry_at,
            requests=self.api.requests - before,
            skipped=dict(self._skipped),
        )

    @property
    def _is_whole(self) -> bool:
        """Whether enough of its history is known that only what is new is wanted."""
        begins = self.cursor.history_from
        return self.cursor.newest_at is not None and begins is not None and begins <= self.as_of - BASELINE

    def _read(self) -> None:
        """Ask whether anything happened, and only then what.

        The list of events is no use for more: it ends after 300, and may be hours late. But while it stays the same,
        nothing new can be told; and with a token, to hear that costs nothing of what GitHub allows.
        """
        happened = self.api.get(f"/repos/{self.repository}/events", etag=self.cursor.etag)
        if happened.data is None:
            self._is_unchanged = True
            return
        since = self.as_of - HISTORY
        if self._is_whole and self.cursor.newest_at is not None:
            since = max(since, self.cursor.newest_at - OVERLAP)
        name = self._name()
        if name.lower() != self.repository.lower():
            self._skipped[f"moved_to({name})"] += 1
        for each in LISTS:
            self._read_list(each, name, since)
        if cut := [each.name for each in LISTS if self._whole_from[each.name] > since]:
            raise FetchError(f"incomplete({self.most_pages} pages of {', '.join(cut)})")
        self._etag = happened.headers.get("etag")

    def _name(self) -> str:
        """What it is called now: PyGithub follows a renamed one, but then forgets the question's parameters.

        A renamed one is read, and said to have moved: only GitHub's own word that it is the same one counts.
        """
        data = self.api.get(f"/repos/{self.repository}").data
        name = data.get("full_name") if isinstance(data, dict) else None
        if not isinstance(name, str):
            raise FetchError("unreadable(no repository)")
        return name

    def _read_list(self, each: _List, name: str, since: datetime) -> None:
        bound = {"since": since.strftime(ZULU)} if each.is_bounded else {}
        pages = self.api.pages(f"/repos/{name}/{each.name}", {**each.parameters, **bound})
        for number, page in enumerate(pages, start=1):
            times = [at for item in page.items if (at := self._take(each, item, since)) is not None]
            newest = max(times, default=self.as_of)
            if not page.has_more or newest < since:
                self._whole_from[each.name] = since
                return
            self._whole_from[each.name] = newest
            if number == self.most_pages:
                return

    def _take(self, each: _List, item: Item, since: datetime) -> datetime | None:
        """Keep an item's events; returns its place in time, None where it cannot be read."""
        try:
            events, at = list(each.events(self.repository, item)), each.time(item)
        except UNREADABLE:
            self._skipped["unreadable"] += 1
            return None
        for event in events:
            if event.happened_at > self.as_of + AHEAD:
                self._skipped["in_the_future"] += 1
            elif event.happened_at >= since:
                self._events.setdefault((event.kind, event.external_id), event)
        return at

    def _read_cursor(self) -> Cursor:
        """How far it is known now.

        A reading that was broken off counts as far as it came in every list, unless that would leave a gap before
        what was known already.
        """
        old = self.cursor
        if self._is_unchanged:
            return replace(old, newest_at=self.as_of)
        if len(self._whole_from) < len(LISTS):
            return old
        begins = max(self._whole_from.values())
        if old.history_from is not None and old.newest_at is not None:
            if begins <= old.newest_at:
                begins = min(begins, old.history_from)
            elif self.failure is not None and not self.failure.reason.startswith("incomplete"):
                return old
        return Cursor(etag=self._etag, newest_at=self.as_of, history_from=begins)
