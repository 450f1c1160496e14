"""Reading one source of texts: each feed asked, what it gave stored, and how it did recorded.

Each feed is stored before the next one is asked, so that a run that is killed loses one feed's answer and no more.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pipeline import progress
from pipeline.domain.document import Provenance, TextSource
from pipeline.domain.errors import ConfigurationError
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.sentiment.asset_names import coins
from pipeline.settings import Settings
from pipeline.storage.candles import record_health
from pipeline.storage.database import Database
from pipeline.storage.documents import author_key, recent_ids
from pipeline.storage.text_feeds import (
    POSTS,
    REQUESTS,
    forget_health,
    left_of,
    read_cursors,
    resting,
    store_cursor,
    use,
)
from pipeline.storage.text_intake import Reading, TextIntake, keep_documents, keep_events
from pipeline.storage.universe import exchange_of, wanted_series
from resources.text_sources import Allowance, Wanted, repositories_read, text_client
from resources.texts import FeedFetch, TextClient

LOOKED_AT_AGAIN = timedelta(days=1)  # so old a post of Reddit is still asked for: it may have been edited or removed


@dataclass(kw_only=True)
class SourceReading:
    """What reading a source came to."""

    feeds: int = 0  # that the settings name; 0 where the source is switched off
    intake: TextIntake = field(default_factory=TextIntake)
    states: dict[str, SeriesState] = field(default_factory=dict)  # by feed
    requests: int = 0
    unchanged: int = 0  # feeds that said that there was nothing new
    skipped: Counter[str] = field(default_factory=Counter)  # items of feeds that could not be read, by reason

    @property
    def failed(self) -> dict[str, SeriesState]:
        """The feeds that could not be read, or not wholly."""
        return {feed: state for feed, state in self.states.items() if state.status is not HealthStatus.OK}


def read_source(database: Database, settings: Settings, source: TextSource, as_of: datetime) -> SourceReading:
    """Ask every feed of a source for what is new, and keep it.

    A feed that asked for rest is not asked; it stays as it was, with the reason that it gave.
    """
    found = SourceReading()
    now = datetime.now(UTC)
    with database.begin() as conn:
        cursors, rests = read_cursors(conn, source), resting(conn, source, now)
        wanted = _wanted(conn, settings, source, now)
        allowance = _allowance(conn, settings, source, now)
    client = text_client(settings, source, wanted, allowance)
    if client is None:
        return found
    feeds, key, is_made_up = client.feeds, author_key(database), settings.text_source == "simulated"
    found.feeds = len(feeds)
    if rests := {feed: until for feed, until in rests.items() if feed in feeds}:
        found.states |= {feed: _resting(until) for feed, until in rests.items()}
        client = text_client(settings, source, wanted, allowance, resting=rests)
        if client is None:
            return found
    for fetch in client.fetch(cursors, as_of, lambda done, total: progress.report(source.value, done, total)):
        reading = Reading(
            now=datetime.now(UTC),
            provenance=Provenance.SIMULATED if is_made_up else Provenance.FETCHED,
            # The made-up past is told once; what is made up later is new, as on a real feed.
            tells_of_the_past=is_made_up and fetch.feed not in cursors,
            author_key=key,
            traded=wanted.assets,
        )
        found.intake += _keep(database, client, fetch, reading)
        found.states[fetch.feed] = _state(fetch)
        found.requests += fetch.requests
        found.unchanged += fetch.is_unchanged
        found.skipped.update(fetch.skipped)
    with database.begin() as conn:
        record_health(conn, source.value, found.states, {}, as_of)
        forget_health(conn, source, feeds)  # of feeds whose turn it is not, what was said last stands
    return found


def _wanted(conn: sa.Connection, settings: Settings, source: TextSource, now: datetime) -> Wanted:
    try:
        keys = wanted_series(conn, settings.market, exchange_of(conn, settings.market))
    except ConfigurationError:  # nothing is imported yet: texts may come first
        keys = []
    return Wanted(
        symbols=sorted({key.symbol for key in keys}),
        names={code: coin.sure for coin in coins() for code in coin.codes},
        known=recent_ids(conn, source, now - LOOKED_AT_AGAIN) if source is TextSource.REDDIT else {},
    )


def _allowance(conn: sa.Connection, settings: Settings, source: TextSource, now: datetime) -> Allowance:
    if source is not TextSource.TWITTER:
        return Allowance()
    plan = settings.texts.twitter
    return Allowance(
        posts=left_of(conn, source, POSTS, plan.monthly_posts, now),
        requests=left_of(conn, source, REQUESTS, plan.requests_per_window, now),
    )


def _keep(database: Database, client: TextClient, fetch: FeedFetch, reading: Reading) -> TextIntake:
    """Keep what a feed gave, and how far it has been read, in one transaction."""
    asset_of = repositories_read(client)
    with database.begin() as conn:
        if fetch.feed in asset_of:
            whole = {} if fetch.failure else {fetch.feed: fetch.cursor}
            intake = keep_events(conn, fetch.events, asset_of, reading, cursors=whole)
        else:
            intake = keep_documents(conn, database, client.source, fetch.documents, reading, removed=fetch.removed)
        store_cursor(
            *(conn, client.source, fetch.feed, fetch.cursor),
            now=reading.now,
            has_answered=fetch.failure is None,
            retry_at=fetch.retry_at,
        )
        if client.source is TextSource.TWITTER and reading.provenance is Provenance.FETCHED:
            read = len(fetch.documents) + sum(fetch.skipped.values())  # the plan counts what could not be used as well
            use(conn, client.source, {POSTS: read, REQUESTS: fetch.requests}, reading.now)
    return intake


def _resting(until: datetime) -> SeriesState:
    return SeriesState(HealthStatus.BLOCKED, f"unavailable(asked to rest until {until:%Y-%m-%d %H:%M})")


def _state(fetch: FeedFetch) -> SeriesState:
    """BLOCKED where nothing came, PARTIAL where something did before the feed failed."""
    if fetch.failure is None:
        return SeriesState(HealthStatus.OK)
    has_given = bool(fetch.documents or fetch.events)
    return SeriesState(HealthStatus.PARTIAL if has_given else HealthStatus.BLOCKED, f"unavailable({fetch.failure})")
