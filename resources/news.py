"""RSS and Atom feeds: what is new in each, asked for politely and within bounds.

Add here what belongs to asking; reading what came is `resources.news_feeds`.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.domain.document import Cursor, TextSource
from pipeline.settings_texts import NewsSettings
from resources.http_fetching import MOST_REDIRECTIONS, USER_AGENT, FetchError, Page, failure_of, get
from resources.news_feeds import read_feed
from resources.texts import FeedFetch, Progress

AT_ONCE = 4  # feeds; reading one keeps a core busy for a moment
ATTEMPTS, LONGEST_PAUSE_S = 3, 15.0
DEADLINE = timedelta(seconds=60)
LONGEST_VALIDATOR = 500  # characters of an ETag; a longer one is no use to anybody
ACCEPT = "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5"


def utc_now() -> datetime:
    """Our clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class NewsClient:
    """The feeds of the settings; needs no key.

    A feed that has changed is handed over whole: entries have identities, and repeating them changes nothing. A feed
    whose server can say that it has not changed is not even sent.
    """

    settings: NewsSettings
    _: KW_ONLY
    deadline: timedelta = DEADLINE  # for one feed, with its repeats
    first_pause: timedelta = timedelta(seconds=0.5)  # before a request is repeated, at most; doubles each time
    now: Callable[[], datetime] = utc_now

    @property
    def source(self) -> TextSource:
        """News."""
        return TextSource.NEWS

    @property
    def feeds(self) -> Sequence[str]:
        """The addresses."""
        return self.settings.feeds

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What is new in each feed, as the answers come; see `TextClient`.

        Each feed has a thread and an event loop: only a loop can end a request at a deadline, and only a thread
        keeps it going while the caller stores what came before.
        """
        import httpx

        trust = httpx.create_ssl_context()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="news") as pool:
            try:
                asked = [
                    pool.submit(self._fetch_one, feed, cursors.get(feed, Cursor()), as_of, trust) for feed in self.feeds
                ]
                for done, answered in enumerate(as_completed(asked), start=1):
                    if on_progress is not None:
                        on_progress(done, len(asked))
                    yield answered.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _fetch_one(self, feed: str, cursor: Cursor, as_of: datetime, trust: ssl.SSLContext) -> FeedFetch:
        asking = _Asking(self, feed, cursor, trust)
        try:
            page = asyncio.run(asking.page())
            if page.status == HTTPStatus.NOT_MODIFIED:
                return FeedFetch(feed=feed, cursor=cursor, is_unchanged=True, requests=asking.requests)
            documents, skipped = read_feed(feed, page)
        except FetchError as error:
            return FeedFetch(
                feed=feed, cursor=cursor, failure=error.reason, retry_at=error.retry_at, requests=asking.requests
            )
        dated = [each for each in documents if each.published_at is not None and each.published_at <= as_of]
        newest = max(dated, key=lambda each: each.published_at or as_of, default=None)
        read = replace(cursor, etag=_validator(page, "etag"), last_modified=_validator(page, "last-modified"))
        if newest is not None:
            read = replace(read, newest_id=newest.external_id, newest_at=newest.published_at)
        return FeedFetch(feed=feed, cursor=read, documents=documents, requests=asking.requests, skipped=skipped)


class _Asking:
    """One feed being asked for."""

    def __init__(self, client: NewsClient, feed: str, cursor: Cursor, trust: ssl.SSLContext) -> None:
        self.requests = 0
        self._client, self._feed, self._trust = client, feed, trust
        self._headers = {"If-None-Match": cursor.etag, "If-Modified-Since": cursor.last_modified}

    async def page(self) -> Page:
        """The feed's page, or the news that it has not changed; `FetchError` where there is neither."""
        import httpx

        conditions = {name: value for name, value in self._headers.items() if value is not None}
        try:
            async with asyncio.timeout(self._client.deadline.total_seconds()):
                async with httpx.AsyncClient(
                    verify=self._trust,
                    timeout=self._client.settings.timeout_seconds,
                    follow_redirects=True,
                    max_redirects=MOST_REDIRECTIONS,
                    headers={"User-Agent": USER_AGENT, "Accept": ACCEPT, "Accept-Encoding": "gzip"},
                    event_hooks={"request": [self._count]},
                ) as client:
                    return await self._patiently(client, conditions)
        except TimeoutError as error:
            raise FetchError("timeout") from error

    async def _patiently(self, client: Any, conditions: Mapping[str, str]) -> Page:
        """Ask, again with growing pauses while there is hope."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, FetchError) and error.may_pass),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=self._client.first_pause.total_seconds(), max=LONGEST_PAUSE_S),
            reraise=True,
        ):
            with attempt:
                page = await get(client, self._feed, conditions)
                if (failure := failure_of(page.status, page.headers, self._client.now())) is not None:
                    raise failure
                return page
        raise AssertionError("tenacity returns or raises")

    async def _count(self, _: Any) -> None:
        self.requests += 1


def _validator(page: Page, name: str) -> str | None:
    """What a later request can be made conditional with, if it can be sent back."""
    value = page.headers.get(name, "")
    is_usable = 0 < len(value) <= LONGEST_VALIDATOR and value.isascii() and value.isprintable()
    return value if is_usable else None
