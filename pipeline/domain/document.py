"""Texts and development activity as sources give them, before anything is cleaned, joined or judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class TextSource(StrEnum):
    """Where sentiment comes from; settings, rows and JSON use these names, in this order."""

    NEWS = "news"
    TWITTER = "twitter"
    REDDIT = "reddit"
    GITHUB = "github"


class DocumentKind(StrEnum):
    """What a text is."""

    ARTICLE = "article"
    TWEET = "tweet"
    POST = "post"
    COMMENT = "comment"


# The source that each kind of text comes from; GitHub gives events, not texts.
SOURCE_OF_KIND = {
    DocumentKind.ARTICLE: TextSource.NEWS,
    DocumentKind.TWEET: TextSource.TWITTER,
    DocumentKind.POST: TextSource.REDDIT,
    DocumentKind.COMMENT: TextSource.REDDIT,
}


class Provenance(StrEnum):
    """How we came by a text or an event."""

    FETCHED = "fetched"
    IMPORTED = "imported"
    SIMULATED = "simulated"


class ActivityKind(StrEnum):
    """What happened in a repository."""

    RELEASE = "release"
    MERGED = "merged"
    OPENED = "opened"
    COMMIT = "commit"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawDocument:
    """One text as its source gives it: neither cleaned nor judged, and perhaps hostile."""

    kind: DocumentKind
    external_id: str  # what the source calls it; the same text edited keeps it
    feed: str  # which feed, account, query, subreddit or file it came through
    published_at: datetime | None  # aware; None where the source does not say
    title: str = ""
    body: str = ""
    url: str | None = None
    author: str | None = None  # as the source names them; only a hash is stored
    language: str | None = None  # as the source states it, e.g. "en" or "en-US"; None where it does not
    engagement: Mapping[str, int] = field(default_factory=dict)  # the source's counters: likes, score, comments, ...
    assets: tuple[str, ...] = ()  # base currencies that the source itself says it is about, e.g. ("BTC",)
    repost_of: str | None = None  # external_id of what it repeats, where the source says that it does


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryEvent:
    """One thing that happened in a repository."""

    repository: str  # owner/name
    kind: ActivityKind
    external_id: str  # unique within repository and kind: a hash, a number, a tag's id
    happened_at: datetime  # aware
    title: str = ""
    url: str | None = None
    author: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a feed has been read: what the next fetch needs so that it asks only for what is new."""

    etag: str | None = None  # of the newest answer, for a conditional request
    last_modified: str | None = None  # likewise
    newest_id: str | None = None  # the source's id of the newest item
    newest_at: datetime | None = None  # when that was published; aware
    history_from: datetime | None = None  # from here on nothing of the feed is missing; aware, None where not claimed
