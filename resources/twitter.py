"""X through tweepy: recent search by queries or accounts, within the plan's posts and requests.

The only module that knows tweepy's names. tweepy is imported inside functions: loading definitions never loads it.
"""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from pipeline.domain.document import Cursor, DocumentKind, RawDocument, TextSource
from pipeline.domain.timeframe import EPOCH
from pipeline.settings_texts import TwitterSettings
from resources.bounded_session import UNREADABLE, Bounds, bounded_session, unreadable, utc_now
from resources.http_fetching import FetchError
from resources.texts import FeedFetch, Progress

PAGE, LEAST_PAGE = 100, 10  # posts that can be asked for at once
QUERY_LENGTH = 512  # characters, in the plans that are sold without a contract
FIRST_HISTORY = timedelta(days=1)  # that a first fetch brings, and that is made whole again: the window that is scored
REACH = timedelta(days=7)  # of the search; an older id is refused
FIELDS = (
    "created_at", "author_id", "public_metrics", "lang", "referenced_tweets", "entities", "note_tweet",
    "edit_history_tweet_ids",
)  # fmt: skip
COUNTERS = {
    "like_count": "likes",
    "retweet_count": "retweets",
    "reply_count": "replies",
    "quote_count": "quotes",
    "impression_count": "impressions",
}  # X's name -> ours
NO_LANGUAGES = frozenset({"und", "zxx", "art", "qam", "qct", "qht", "qme", "qst"})  # what X says where it cannot tell
CASHTAG = re.compile(r"\$([A-Za-z]{1,6})\b")
FIRST_ID_AT = timedelta(milliseconds=1_288_834_974_657)  # after 1970: when ids began to hold their time
BITS_BELOW_TIME = 22
# Reasons of X's that are not final: another request can do without what it refuses.
OLD_ID, NO_CASHTAGS = "refused(since_id)", "refused(cashtag)"
NOT_ENROLLED = "client-not-enrolled"


@dataclass(frozen=True, slots=True)
class TwitterClient:
    """Posts of X; a feed is a query.

    There is always more than a plan lets be read, so that a month's posts are spread evenly: each query has its share
    of the time since its newest post, and waits until that is worth a request. Newest posts come first; older ones for
    which a share is too small are given up, those behind a failure are read later.
    """

    settings: TwitterSettings
    _: KW_ONLY
    names: Mapping[str, Sequence[str]]  # asset -> what people call it beside its cashtag, e.g. {"BTC": ("Bitcoin",)}
    posts_left: int  # of the month's; `documents` and `skipped` use them
    requests_left: int  # of the quarter of an hour's
    deadline: timedelta = timedelta(minutes=2)  # for everything; what is missing then comes with the next run
    first_pause: timedelta = timedelta(seconds=0.5)  # before a request is repeated, at most; doubles each time
    now: Callable[[], datetime] = utc_now

    @property
    def source(self) -> TextSource:
        """X, by the name that it has in rows and settings."""
        return TextSource.TWITTER

    @property
    def feeds(self) -> Sequence[str]:
        """The settings' queries and those for their accounts, else those made for the assets."""
        accounts = [f"from:{name.removeprefix('@')}" for name in self.settings.accounts]
        asked_for = tuple(dict.fromkeys((*self.settings.queries, *_queries(accounts))))
        return asked_for or tuple(_queries(_terms(self.names), " -is:retweet lang:en"))

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What is new in each query; see `TextClient`. A query that waits is unchanged, and costs no request.

        What became a document and what was skipped are together what X counts as read.
        """
        bounds = Bounds(
            timeout_s=self.settings.timeout_seconds,
            closes=time.monotonic() + self.deadline.total_seconds(),
            url=self.settings.url,
            first_pause=self.first_pause,
            now=self.now,
            requests_left=self.requests_left,
            explain=_reason,
        )
        feeds = self.feeds
        with _opened(self.settings, bounds) as client:
            search = _Search(client, self.posts_left)
            for done, feed in enumerate(feeds, start=1):
                before, cursor = bounds.requests, cursors.get(feed, Cursor())
                share = _share(self.posts_left / len(feeds), cursor.newest_at, as_of)
                reading = _Reading(feed, cursor, as_of, share, frozenset(self.names))
                failed = reading.read(search)
                if on_progress is not None:
                    on_progress(done, len(feeds))
                yield FeedFetch(
                    feed=feed,
                    cursor=reading.cursor,
                    documents=list(reading.documents.values()),
                    is_unchanged=failed is None and not reading.documents,
                    failure=None if failed is None else failed.reason,
                    retry_at=None if failed is None else failed.retry_at,
                    requests=bounds.requests - before,
                    skipped=+reading.skipped,
                )


@dataclass(slots=True)
class _Search:
    """The search, for all queries of a fetch."""

    client: Any  # None without a key
    posts_left: int
    has_cashtags: bool = True  # whether the plan can search for them; it says so when asked

    def page(self, query: str, size: int, **wanted: Any) -> tuple[list[Any], Any]:
        """Posts, newest first, and the token of the next page, None after the last; raises `FetchError`."""
        asked = query if self.has_cashtags else CASHTAG.sub(r"#\1", query)
        try:
            with vendor_errors():
                answer = self.client.search_recent_tweets(asked, max_results=size, tweet_fields=list(FIELDS), **wanted)
        except FetchError as error:
            if error.reason != NO_CASHTAGS or not self.has_cashtags:
                raise
            self.has_cashtags = False
            return self.page(query, size, **wanted)
        posts, about = (answer.get("data", []), answer.get("meta")) if isinstance(answer, dict) else (None, None)
        if not isinstance(posts, list) or not isinstance(about, dict):
            raise FetchError("unreadable(no list of posts)")
        self.posts_left -= len(posts)
        return posts, about.get("next_token")


@dataclass(slots=True)
class _Reading:
    """One query under way: what came of it so far, and the cursor as it is after the page that came last.

    Pages come newest first. So while the next one is missing, the cursor says that history is whole only from the
    oldest post read: what is older is asked for again, as far back as a first fetch would. To leave the cursor where
    it was instead would pay for the same posts again, run after run, where always the same page fails.
    """

    feed: str
    cursor: Cursor
    as_of: datetime
    share: int  # of the month's posts that may still be read
    assets: frozenset[str]
    documents: dict[str, RawDocument] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def floor(self) -> datetime:
        """Where nothing was read before, or nothing in time: no need to go further back."""
        return self.as_of - FIRST_HISTORY

    def read(self, search: _Search) -> FetchError | None:
        """Read as far as possible; why no further, where that is not for the share."""
        if search.client is None:
            return FetchError("key_missing")
        if not (self.cursor.newest_id or "0").isdigit():  # of a simulated feed that had the same name
            self.cursor = Cursor()
        try:
            if self._onward(search):
                self._backward(search)
        except FetchError as error:
            return error
        return None

    def _onward(self, search: _Search) -> bool:
        """What is newer than all that was read; whether to its end."""
        known = self.cursor
        if known.newest_id is not None and known.newest_at is not None and known.newest_at > self.as_of - REACH:
            try:
                return self._pages(search, known.history_from, since_id=known.newest_id)
            except FetchError as error:
                if error.reason != OLD_ID:
                    raise
        return self._pages(search, self.floor, start_time=self.floor)

    def _backward(self, search: _Search) -> None:
        """What stands behind a failure of an earlier fetch."""
        begin = self.cursor.history_from
        if begin is not None and begin > self.floor:
            end = begin.replace(microsecond=0) + timedelta(seconds=1)  # X counts in seconds, and excludes the last
            self._pages(search, self.floor, start_time=self.floor, end_time=end)

    def _pages(self, search: _Search, whole_from: datetime | None, **wanted: Any) -> bool:
        """Page after page as long as there is room; whether to the end, from where on history is then whole."""
        token: str | None = None
        while size := self._room(search):
            posts, token = search.page(self.feed, size, next_token=token, **wanted)
            read = [number for post in posts if (number := self._take(post)) is not None]
            self.share -= len(posts)
            newest = max([*read, int(self.cursor.newest_id or 0)])
            if newest:
                self.cursor = replace(self.cursor, newest_id=str(newest), newest_at=_time_of(newest))
            if token is None:
                self.cursor = replace(self.cursor, history_from=whole_from)
                return True
            if read:
                self.cursor = replace(self.cursor, history_from=_time_of(min(read)))
        if token is not None:
            self.cursor = replace(self.cursor, history_from=None)  # given up
        return False

    def _room(self, search: _Search) -> int:
        """How many posts to ask for; 0 where too few may be read to ask at all."""
        if search.posts_left < LEAST_PAGE:
            raise FetchError("budget_used(posts)")
        room = min(PAGE, self.share, search.posts_left)
        return room if room >= LEAST_PAGE else 0

    def _take(self, post: Any) -> int | None:
        """Keep a post; its id, None where it has none that can be one, and is skipped."""
        name = post.get("id") if isinstance(post, dict) else None
        if not (isinstance(name, str) and re.fullmatch("[1-9][0-9]{0,18}", name)):
            self.skipped["no_id"] += 1
            return None
        if _time_of(int(name)) > self.as_of + REACH:  # nothing would be newer, ever
            self.skipped["id_of_the_future"] += 1
            return None
        document = _document(self.feed, name, post, self.assets)
        self.skipped["repeated"] += document.external_id in self.documents
        self.documents.setdefault(document.external_id, document)
        return int(name)


def _share(posts: float, since: datetime | None, as_of: datetime) -> int:
    """What of the month's remaining ``posts`` falls to the time since an instant, if the rest of it gets the rest.

    A query that found nothing so far has no such instant. It may always ask: it would wait for ever otherwise.
    """
    begin = as_of.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    next_month = (begin + timedelta(days=32)).replace(day=1)
    passed = FIRST_HISTORY if since is None else max(as_of - since, timedelta(0))
    share = int(posts * (passed / (passed + (next_month - as_of))))
    return max(share, LEAST_PAGE) if since is None else share


def _terms(names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What stands for the assets in a query: cashtags, hashtags where X knows no cashtag, and names."""
    for asset, called in names.items():
        yield f"${asset}" if CASHTAG.fullmatch(f"${asset}") else f"#{asset}"
        for name in called:
            yield name if re.fullmatch(r"\w+", name) else '"' + name.replace('"', "") + '"'


def _queries(terms: Iterable[str], condition: str = "") -> Iterator[str]:
    """As few queries as hold all terms, none longer than X takes."""
    room = QUERY_LENGTH - len(condition) - len("()")
    query = ""
    for term in dict.fromkeys(terms):
        longer = f"{query} OR {term}" if query else term
        if query and len(longer) > room:
            yield f"({query}){condition}"
            longer = term
        query = longer
    if query:
        yield f"({query}){condition}"


def _document(feed: str, name: str, given: Mapping[str, Any], assets: frozenset[str]) -> RawDocument:
    """A post as it came; an edited one is known by the id that it had first."""
    versions, language = given.get("edit_history_tweet_ids"), given.get("lang")
    long_text = given.get("note_tweet")
    text = long_text.get("text") if isinstance(long_text, dict) else None
    counters = given.get("public_metrics")
    entities = given.get("entities")
    tags = _parts(entities.get("cashtags") if isinstance(entities, dict) else None, "tag")
    repeated = dict(zip(*(_parts(given.get("referenced_tweets"), key) for key in ("type", "id")), strict=False))
    return RawDocument(
        kind=DocumentKind.TWEET,
        external_id=versions[0] if isinstance(versions, list) and versions and isinstance(versions[0], str) else name,
        feed=feed,
        published_at=_instant(given.get("created_at")),
        body=text if isinstance(text, str) else given["text"] if isinstance(given.get("text"), str) else "",
        url=f"https://x.com/i/status/{name}",
        author=given["author_id"] if isinstance(given.get("author_id"), str) else None,
        language=language if isinstance(language, str) and language not in NO_LANGUAGES else None,
        engagement=_engagement(counters) if isinstance(counters, dict) else {},
        assets=tuple(dict.fromkeys(tag.upper() for tag in tags if tag.upper() in assets)),
        repost_of=repeated.get("retweeted") or None,  # who quotes a post has words of their own
    )


def _parts(things: object, key: str) -> list[str]:
    """What stands under a key in each of a list of objects."""
    objects = [each for each in things if isinstance(each, dict)] if isinstance(things, list) else []
    return [str(each.get(key, "")) for each in objects]


def _engagement(counters: Mapping[str, Any]) -> dict[str, int]:
    return {ours: counters[theirs] for theirs, ours in COUNTERS.items() if isinstance(counters.get(theirs), int)}


def _instant(value: object) -> datetime | None:
    """When a post was published; None where X does not say so in a way that can be read."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return instant if instant is not None and instant.tzinfo is not None else None


def _time_of(number: int) -> datetime:
    """When an id was given away, which is when its post was published, by the millisecond."""
    return EPOCH + FIRST_ID_AT + timedelta(milliseconds=number >> BITS_BELOW_TIME)


def _reason(status: int, body: bytes) -> str | None:
    """X's own reason for refusing, in our words; None where the status says all."""
    try:
        told = json.loads(body)
        messages = " ".join(_parts(told.get("errors"), "message"))
    except (ValueError, AttributeError, RecursionError):
        told, messages = {}, ""
    match status:
        case HTTPStatus.BAD_REQUEST if "since_id" in messages and "created after" in messages:
            return OLD_ID
        case HTTPStatus.BAD_REQUEST if re.search(r"invalid operator '(cashtag|\$)", messages):
            return NO_CASHTAGS
        case HTTPStatus.PAYMENT_REQUIRED:
            return "forbidden(402, no credits are left)"
        case HTTPStatus.FORBIDDEN if told.get("reason") == NOT_ENROLLED or "453" in _parts(told.get("errors"), "code"):
            return "forbidden(453, the key's plan has no search)"
        case HTTPStatus.TOO_MANY_REQUESTS if told.get("title") == "UsageCapExceeded":
            return "rate_limited(the plan's posts are used up)"
    return None


@contextmanager
def _opened(settings: TwitterSettings, bounds: Bounds) -> Iterator[Any]:
    """A client; asks nobody. None without a key, for which tweepy need not be loaded."""
    if not settings.bearer_token:
        yield None
        return
    import logging

    import tweepy  # type: ignore[import-untyped]

    logging.getLogger("tweepy.client").setLevel(logging.INFO)  # what it says below that shows the key
    client = tweepy.Client(settings.bearer_token.get_secret_value().strip(), return_type=dict)
    with bounded_session(bounds) as client.session:
        yield client


@contextmanager
def vendor_errors() -> Iterator[None]:
    """Raise `FetchError` in place of tweepy's errors."""
    import requests
    import tweepy

    try:
        yield
    except (tweepy.TweepyException, requests.RequestException, *UNREADABLE) as error:
        raise unreadable(error) from error
