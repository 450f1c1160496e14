"""Reddit through praw: new and hot posts of subreddits, the top comments of hot ones, and what became of known ones.

The only module that knows praw's names. praw is imported inside functions: loading definitions never loads it.
"""

import configparser
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import islice
from typing import Any

from pipeline.domain.document import Cursor, DocumentKind, RawDocument, TextSource
from pipeline.settings_texts import RedditSettings
from resources.bounded_session import UNREADABLE, Bounds, bounded_session, unreadable, utc_now
from resources.http_fetching import FetchError
from resources.texts import FeedFetch, Progress

PAGE, MOST_LISTED = 100, 1000  # posts that Reddit sends at once, and that it lists at all
HOT_POSTS, COMMENTED_POSTS, COMMENTS_A_POST = 50, 10, 20
FIRST_HISTORY = timedelta(days=1)  # that a first fetch brings: the window that is scored
SITE = "https://www.reddit.com"
KINDS = {"t3": DocumentKind.POST, "t1": DocumentKind.COMMENT}  # by what fullnames begin with
GONE = frozenset({"[removed]", "[deleted]", "[deleted by user]", "[removed by reddit]", "[ removed by reddit ]"})


@dataclass(frozen=True, slots=True)
class RedditClient:
    """Posts and comments of Reddit; a feed is a subreddit.

    Reddit says neither what has changed nor what is gone. So the newest hundred posts and the hot ones are handed over
    each time, and an edited one has other words under the same id. What a moderator takes away is not even listed any
    longer; it is found among ``known``, with a request for each hundred.
    """

    settings: RedditSettings
    _: KW_ONLY
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)  # feed -> external ids of texts to look up again
    deadline: timedelta = timedelta(minutes=2)  # for everything; what is missing then comes with the next run
    first_pause: timedelta = timedelta(seconds=0.5)  # before a request is repeated, at most; doubles each time
    now: Callable[[], datetime] = utc_now

    @property
    def source(self) -> TextSource:
        """Reddit."""
        return TextSource.REDDIT

    @property
    def feeds(self) -> Sequence[str]:
        """The subreddits, as the settings name them."""
        return self.settings.subreddits

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What each subreddit lists, and what of it is gone; see `TextClient`."""
        bounds = Bounds(
            timeout_s=self.settings.timeout_seconds,
            closes=time.monotonic() + self.deadline.total_seconds(),
            url=self.settings.url,
            first_pause=self.first_pause,
            now=self.now,
        )
        with _opened(self.settings, bounds) as reddit:
            for done, feed in enumerate(self.feeds, start=1):
                before = bounds.requests
                reading = _Reading(feed, cursors.get(feed, Cursor()), as_of - FIRST_HISTORY)
                try:
                    self._read(reading, reddit)
                except FetchError as error:
                    reading.failure, reading.retry_at = error.reason, error.retry_at
                if on_progress is not None:
                    on_progress(done, len(self.feeds))
                yield FeedFetch(
                    feed=feed,
                    cursor=reading.cursor,
                    documents=list(reading.documents.values()),
                    removed=list(reading.removed),
                    failure=reading.failure,
                    retry_at=reading.retry_at,
                    requests=bounds.requests - before,
                    skipped=+reading.skipped,
                )

    def _read(self, reading: "_Reading", reddit: Any) -> None:
        """Read one subreddit as far as possible."""
        if reddit is None:
            raise FetchError("key_missing")
        place = f"r/{reading.feed.strip('/').removeprefix('r/')}"
        with vendor_errors():
            reading.new(reddit, f"{place}/new")
            hot, _ = _listed(reddit, f"{place}/hot", limit=HOT_POSTS)
            reading.take(hot)
            seen = {*reading.documents, *reading.removed}
            names = [name for name in self.known.get(reading.feed, ()) if name not in seen]
            for start in range(0, len(names), PAGE):
                reading.take(_listed(reddit, "api/info", id=",".join(names[start : start + PAGE]))[0])
            if self.settings.with_comments:
                reading.comments(reddit, hot)


@dataclass(slots=True)
class _Reading:
    """One subreddit under way: what came of it so far."""

    feed: str
    cursor: Cursor
    floor: datetime  # where nothing was read before: no need to go further back
    documents: dict[str, RawDocument] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    failure: str | None = None
    retry_at: datetime | None = None

    def new(self, reddit: Any, path: str) -> None:
        """Pages of posts, newest first, until one goes back to what was read before.

        The cursor moves when all of them are there: what is older than a page that failed would never be asked for.
        """
        read: dict[datetime, str] = {}
        after, n_listed = None, 0
        while n_listed < MOST_LISTED:
            things, after = _listed(reddit, path, limit=PAGE, after=after)
            self.take(things)
            n_listed += max(len(things), 1)
            page = {instant: name for name, given in _named(things) if (instant := _instant(given.get("created_utc")))}
            read |= page
            if after is None or (page and min(page) <= (self.cursor.newest_at or self.floor)):
                break
        newest_at = max((at for at in read if at < self.floor + 2 * FIRST_HISTORY), default=self.floor)
        if newest_at > (self.cursor.newest_at or self.floor):
            self.cursor = Cursor(newest_id=read[newest_at], newest_at=newest_at)

    def take(self, things: Sequence[Any]) -> None:
        """Keep each as a text or as one that is gone, as it was seen first."""
        named = list(_named(things))
        self.skipped["no_id"] += len(things) - len(named)
        for name, given in named:
            if _is_gone(given):
                self.removed[name] = None
            else:
                self.documents.setdefault(name, _document(self.feed, name, given))

    def comments(self, reddit: Any, posts: Sequence[Any]) -> None:
        """The top comments of the posts that have some; a request for each post, none for answers to comments."""
        talked_of = (name for name, given in _named(posts) if given.get("num_comments") and not given.get("stickied"))
        for name in islice(talked_of, COMMENTED_POSTS):
            place = f"comments/{name.partition('_')[2]}"
            things, _ = _listed(reddit, place, sort="top", limit=COMMENTS_A_POST, depth=1)
            self.take([thing for thing in things if thing.get("kind") != "more"])


def _listed(reddit: Any, path: str, **wanted: Any) -> tuple[list[Any], str | None]:
    """What stands at a path, and what to name for the next page of it, None after the last.

    It is read as JSON: praw's own objects break where one of a hundred posts is not as they expect.
    """
    answer = reddit.request(method="GET", path=path, params=wanted)
    about = (answer[1] if isinstance(answer, list) else answer)["data"]  # comments come after their post
    return about["children"], about.get("after")


def _named(things: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Posts and comments by Reddit's full names, such as t3_48fbm9; other things are left out."""
    for thing in things:
        given: Any = thing.get("data") if isinstance(thing, dict) else None
        name = given.get("name") if isinstance(given, dict) else None
        if isinstance(name, str) and name.partition("_")[0] in KINDS:
            yield name, given


def _is_gone(given: Mapping[str, Any]) -> bool:
    """Whether its author, a moderator or Reddit has taken it away; an account that is gone leaves its texts."""
    words = (_text(given.get(key)).strip().lower() for key in ("title", "selftext", "body"))
    return given.get("removed_by_category") is not None or any(each in GONE for each in words)


def _document(feed: str, name: str, given: Mapping[str, Any]) -> RawDocument:
    kind = KINDS[name.partition("_")[0]]
    is_post = kind is DocumentKind.POST
    place, crossposted = given.get("permalink"), given.get("crosspost_parent")
    author = given.get("author")
    ratio = given.get("upvote_ratio")  # votes for it among all; the score is votes for it less those against
    percent = round(100 * ratio) if isinstance(ratio, float) and 0 <= ratio <= 1 else None
    counters = {"score": given.get("score"), "comments": given.get("num_comments"), "upvote_percent": percent}
    return RawDocument(
        kind=kind,
        external_id=name,
        feed=feed,
        published_at=_instant(given.get("created_utc")),
        title=_text(given.get("title")) if is_post else "",
        body=_text(given.get("selftext" if is_post else "body")),
        url=f"{SITE}{place}" if isinstance(place, str) else None,
        author=author if isinstance(author, str) and author not in GONE else None,
        engagement={name: value for name, value in counters.items() if isinstance(value, int)},
        repost_of=crossposted if isinstance(crossposted, str) else None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _instant(seconds: Any) -> datetime | None:
    """Seconds since 1970 as an instant; None where it is none."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


@contextmanager
def _opened(settings: RedditSettings, bounds: Bounds) -> Iterator[Any]:
    """A client that only reads; asks nobody. None without keys, for which praw need not be loaded."""
    if not settings.client_id or not settings.client_secret:
        yield None
        return
    import praw
    from praw.config import Config

    # praw's own defaults and no praw.ini: one in the working folder could send the keys elsewhere.
    defaults = configparser.ConfigParser(interpolation=None)
    defaults.read_string(files("praw").joinpath("praw.ini").read_text(encoding="utf-8"))
    with Config.LOCK:
        Config.CONFIG = defaults
    unused: dict[str, Any] = dict.fromkeys(("username", "password", "refresh_token", "redirect_uri"))
    names = ("reddit_url", "oauth_url", "short_url") if settings.url else ()
    addresses: dict[str, Any] = dict.fromkeys(names, settings.url)
    with bounded_session(bounds) as session:
        yield praw.Reddit(
            "DEFAULT",
            client_id=settings.client_id.get_secret_value().strip(),
            client_secret=settings.client_secret.get_secret_value().strip(),
            user_agent=settings.user_agent,
            check_for_updates=False,
            check_for_async=False,
            requestor_kwargs={"session": session},
            **unused,
            **addresses,
        )


@contextmanager
def vendor_errors() -> Iterator[None]:
    """Raise `FetchError` in place of praw's errors; what the session raised comes back wrapped."""
    from praw.exceptions import PRAWException
    from prawcore.exceptions import OAuthException, PrawcoreException, RequestException

    try:
        yield
    except RequestException as error:
        told = error.original_exception
        raise (told if isinstance(told, FetchError) else unreadable(told)) from error
    except OAuthException as error:
        raise FetchError("key_refused(oauth)") from error
    except (PrawcoreException, PRAWException, *UNREADABLE) as error:
        raise unreadable(error) from error
