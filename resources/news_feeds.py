"""RSS 2.0, RSS 1.0 and Atom as articles, read from bytes by feedparser, which is given nothing that it could open.

Feeds are hostile until shown otherwise. One that declares entities is refused: no feed needs them, and they are how a
small document becomes a huge one or asks for a file. One that breaks off is read as far as it goes.
"""

import contextlib
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.parsers import expat

from pipeline.domain.document import DocumentKind, RawDocument
from resources.http_fetching import FetchError, Page

MOST_ITEMS = 1000  # of one feed; a real one has some tens
MOST_TAGS = 100_000  # that are parsed, of text too; a real feed has some thousands
LONGEST_ID = 500  # characters; a longer one is replaced by its hash
DECLARES = re.compile(rb"<!ENTITY", re.IGNORECASE)
# Some publishers end an item with these, empty; feedparser would let them take the place of the real summary.
BLANK_ELEMENTS = re.compile(rb"<(dc:description|content:encoded)(?:\s[^<>]*)?(?:/>|>\s*</\1\s*>)")
FIRST_ELEMENT = re.compile(rb"<\w")


def read_feed(feed: str, page: Page) -> tuple[list[RawDocument], Mapping[str, int]]:
    """The articles in the feed's own order, and how many of its items could not be used, by reason.

    An article without a date that can be read has none; it is for others to refuse it.

    Raises
    ------
    FetchError
        ``not_a_feed(type)`` for a page that is something else, ``unreadable(...)`` for one from which nothing can be
        read.
    """
    parsed = _parsed(page)
    kind = page.headers.get("content-type", "").partition(";")[0].strip().lower() or "no type"
    if not parsed["version"]:
        raise FetchError(f"not_a_feed({kind[:40]})")
    if not parsed["entries"] and parsed["bozo"]:
        raise FetchError("unreadable(not well-formed)")
    about = parsed["feed"]
    publisher = _text(about, "title") or urlsplit(feed).hostname or feed
    language = _text(about, "language") or None
    documents: dict[str, RawDocument] = {}
    skipped: Counter[str] = Counter()
    for entry in parsed["entries"][:MOST_ITEMS]:
        article = _article(entry, feed, publisher, language)
        if article is None:
            skipped["empty"] += 1
        elif article.external_id in documents:
            skipped["repeated"] += 1
        else:
            documents[article.external_id] = article
    skipped["too_many"] = max(0, len(parsed["entries"]) - MOST_ITEMS)
    return list(documents.values()), {reason: number for reason, number in skipped.items() if number}


def _parsed(page: Page) -> Any:
    """What feedparser makes of the page: bytes in, and no HTML cleaned, which is done once and for all elsewhere."""
    import feedparser
    from feedparser.encodings import convert_to_utf8

    if not page.body.strip():
        raise FetchError("unreadable(empty)")
    heard = {"content-type": page.headers.get("content-type", "application/xml")}
    try:
        data = convert_to_utf8(heard, page.body, {})
        _check_harmless(data)
        return feedparser.parse(
            io.BytesIO(BLANK_ELEMENTS.sub(b"", data)),
            response_headers={"content-type": "application/xml; charset=utf-8", "content-location": page.url},
            resolve_relative_uris=False,
            sanitize_html=False,
        )
    except FetchError:
        raise
    except Exception as error:  # whatever a hostile page makes a lenient parser stumble over
        raise FetchError(f"unreadable({type(error).__name__})") from error


def _check_harmless(data: bytes) -> None:
    """Refuse what would keep feedparser busy for minutes, or make it fill the memory."""
    if data.count(b"<") > MOST_TAGS:
        raise FetchError(f"unreadable(more than {MOST_TAGS} tags)")
    if _declares_entities(data):
        raise FetchError("unreadable(declares entities)")


class _Found(Exception):  # noqa: N818, it ends a parse and is no error
    """The parse has seen enough."""


def _declares_entities(data: bytes) -> bool:
    """Whether the document has declarations of its own, as expat sees it and as feedparser's own search does."""
    start = FIRST_ELEMENT.search(data)
    if DECLARES.search(data, 0, start.start() if start else len(data)):
        return True
    seen: list[bool] = []

    def doctype(_name: str, _system: str | None, _public: str | None, has_declarations: bool) -> None:
        seen.append(bool(has_declarations))
        raise _Found

    def element(_name: str, _attributes: Mapping[str, str]) -> None:
        raise _Found

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = doctype, element
    with contextlib.suppress(_Found, expat.ExpatError):
        parser.Parse(data, True)
    return any(seen)


def _article(entry: Any, feed: str, publisher: str, language: str | None) -> RawDocument | None:
    title, body = _text(entry, "title"), _body(entry)
    if not title and not body:
        return None
    link = _text(entry, "link")
    published_at = _instant(entry, "published_parsed") or _instant(entry, "updated_parsed")
    return RawDocument(
        kind=DocumentKind.ARTICLE,
        external_id=_identity(_text(entry, "id") or link, title, body),
        feed=feed,
        published_at=published_at,
        title=title,
        body=body,
        url=link if link.lower().startswith(("http://", "https://")) else None,
        author=publisher,
        language=language,
    )


def _body(entry: Any) -> str:
    """The whole text where the feed has it, else its summary."""
    contents = (_text(content, "value") for content in dict.get(entry, "content") or ())
    return next((content for content in contents if content), "") or _text(entry, "summary")


def _text(part: Any, name: str) -> str:
    """A field as text; asked of the dictionary itself, since feedparser answers for fields that are not there."""
    value = dict.get(part, name)
    return value.strip() if isinstance(value, str) else ""


def _instant(entry: Any, name: str) -> datetime | None:
    """A date as feedparser read it, in UTC; None where there is none, or none of our calendar."""
    value = dict.get(entry, name)
    if value is None:
        return None
    try:
        year, month, day, hour, minute, second = value[:6]
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)  # a leap second is the one before
    except (ValueError, TypeError, OverflowError):
        return None


def _identity(named: str, title: str, body: str) -> str:
    """What the feed calls it, else what it says."""
    if 0 < len(named) <= LONGEST_ID:
        return named
    return "sha256:" + hashlib.sha256((named or f"{title}\n{body}").encode("utf-8", "replace")).hexdigest()
