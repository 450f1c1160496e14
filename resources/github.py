"""Development activity of repositories on GitHub: what is new in each, within what GitHub allows.

Add here which repository's turn it is. How one is read is `resources.github_reading`, how GitHub is asked
`resources.github_api`, what an answer means `resources.github_events`.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta

from pipeline.domain.document import Cursor, TextSource
from pipeline.domain.timeframe import EPOCH
from pipeline.settings_texts import GithubSettings
from resources.github_api import GithubApi
from resources.github_reading import Reading
from resources.http_fetching import FetchError
from resources.texts import FeedFetch, Progress

# Activity is judged once a day. Without a token GitHub allows 60 requests an hour, and a reading takes five.
EVERY, EVERY_WITHOUT_TOKEN = timedelta(hours=1), timedelta(hours=6)
DEADLINE = timedelta(minutes=4)
GIVE_UP_AFTER = 3  # repositories in a row that could not be asked: then it is not the repositories
HOUR = timedelta(hours=1)


def utc_now() -> datetime:
    """Our clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class GithubClient:
    """Repositories and the assets that they belong to; `github_repositories.repositories_of` names them.

    A repository's cursor says until when it has been read (``newest_at``), which is when it was last asked, not when
    something last happened there. It is asked again after an hour, or six without a token; until then it is passed
    over in silence. ``history_from`` is claimed only as far back as every list was read.
    """

    settings: GithubSettings
    repositories: Mapping[str, str]  # owner/name -> asset
    _: KW_ONLY
    deadline: timedelta = DEADLINE  # for everything; the others have their turn in the next run
    first_pause: timedelta = timedelta(seconds=0.5)  # before a request is repeated, at most; doubles each time
    most_pages: int = 30  # of one list in one reading, of 100 items each
    now: Callable[[], datetime] = utc_now

    @property
    def source(self) -> TextSource:
        """GitHub."""
        return TextSource.GITHUB

    @property
    def feeds(self) -> Sequence[str]:
        """The repositories."""
        return tuple(self.repositories)

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What is new in each repository whose turn it is; see `TextClient`.

        Those that have been read come first, so that they stay known; the others follow in an order that changes by
        the hour, so that a large one whose history takes all that GitHub allows holds up none for ever.
        """
        turns = self._turns(cursors, as_of)
        api = GithubApi(self.settings, first_pause=self.first_pause, now=self.now)
        ends = time.monotonic() + self.deadline.total_seconds()
        in_a_row = 0
        is_over: FetchError | None = None
        try:
            for done, feed in enumerate(turns, start=1):
                reading = Reading(api, feed, cursors.get(feed, Cursor()), as_of, self.most_pages)
                if is_over is None and time.monotonic() >= ends:
                    is_over = FetchError(f"deadline({self.deadline.total_seconds():.0f} s)")
                found = reading.result(is_over)
                in_a_row = in_a_row + 1 if reading.is_unreachable else 0
                if in_a_row == GIVE_UP_AFTER:
                    is_over = reading.failure
                if on_progress is not None:
                    on_progress(done, len(turns))
                yield found
        finally:
            api.close()

    def _turns(self, cursors: Mapping[str, Cursor], as_of: datetime) -> list[str]:
        every = EVERY if self.settings.token else EVERY_WITHOUT_TOKEN
        read_until = {feed: cursors[feed].newest_at for feed in self.feeds if feed in cursors}
        known = sorted((at, feed) for feed, at in read_until.items() if at is not None and (at + every <= as_of))
        unknown = [feed for feed in self.feeds if read_until.get(feed) is None]
        first = (as_of - EPOCH) // HOUR % max(1, len(unknown))
        return [feed for _, feed in known] + unknown[first:] + unknown[:first]
