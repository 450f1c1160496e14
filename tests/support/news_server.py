"""A local server of feeds: RSS 2.0, RSS 1.0 and Atom made from articles, conditional answers, and faults to order.

In a test, ``with news_server() as news:`` gives a `LocalNews`. What the feeds look like is what large publishers send:
CDATA, HTML in descriptions, several dates, elements of foreign namespaces.
"""

import email.utils
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from pipeline.domain.document import Cursor
from pipeline.settings_texts import NewsSettings
from resources.news import NewsClient
from resources.texts import FeedFetch
from tests.support.http_server import Answer, HttpServer, Request

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RSS, ATOM, HTML = "application/rss+xml; charset=utf-8", "application/atom+xml", "text/html; charset=utf-8"
NAMESPACES = (
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:media="http://search.yahoo.com/mrss/" xmlns:atom="http://www.w3.org/2005/Atom"'
)


@dataclass(frozen=True, kw_only=True)
class Article:
    """One item of a feed; what is None is left out."""

    guid: str | None = "a-1"
    title: str | None = "Miners add capacity"
    link: str | None = "https://news.example/articles/1"
    published: str | datetime | None = NOON
    summary: str | None = "<p>Hash rate rose by <b>4%</b> in a week.</p>"
    content: str | None = None


def articles(n: int, *, newest_at: datetime = NOON, every: timedelta = timedelta(minutes=7)) -> list[Article]:
    """Articles a-n .. a-1, newest first."""
    return [
        Article(
            guid=f"a-{number}",
            title=f"Article number {number}",
            link=f"https://news.example/articles/{number}",
            published=newest_at - (n - number) * every,
        )
        for number in range(n, 0, -1)
    ]


def rss(items: Sequence[Article], *, title: str = "The Example", language: str | None = "en-US") -> bytes:
    """RSS 2.0."""
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<rss {NAMESPACES} version="2.0"><channel>']
    parts += [f"<title>{escape(title)}</title><link>https://news.example/</link><ttl>5</ttl>"]
    parts += [f"<language>{language}</language>"] if language else []
    for item in items:
        parts.append("<item>")
        parts += [f"<title><![CDATA[{item.title}]]></title>"] if item.title is not None else []
        parts += [f"<link>{escape(item.link)}</link>"] if item.link is not None else []
        parts += [f'<guid isPermaLink="false">{escape(item.guid)}</guid>'] if item.guid is not None else []
        parts += [f"<pubDate>{_rfc822(item.published)}</pubDate>"] if item.published is not None else []
        parts += [f"<description><![CDATA[{item.summary}]]></description>"] if item.summary is not None else []
        parts += [f"<content:encoded><![CDATA[{item.content}]]></content:encoded>"] if item.content else []
        parts.append('<media:content url="https://news.example/1.jpg" type="image/*" medium="image"/>')
        parts.append("<dc:creator>A. Writer</dc:creator><content:encoded/><dc:description/></item>")
    return "".join([*parts, "</channel></rss>"]).encode()


def rdf(items: Sequence[Article], *, title: str = "The Example") -> bytes:
    """RSS 1.0: items beside the channel, dates of Dublin Core."""
    spaces = f'xmlns="http://purl.org/rss/1.0/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" {NAMESPACES}'
    parts = [f"<rdf:RDF {spaces}>"]
    parts += [f'<channel rdf:about="https://news.example/"><title>{escape(title)}</title></channel>']
    for item in items:
        parts.append(f"<item rdf:about={quoteattr(item.link or '')}><title>{escape(item.title or '')}</title>")
        parts.append(f"<link>{escape(item.link or '')}</link><description>{escape(item.summary or '')}</description>")
        parts += [f"<dc:date>{item.published.isoformat()}</dc:date>"] if isinstance(item.published, datetime) else []
        parts.append("</item>")
    return "".join(['<?xml version="1.0"?>', *parts, "</rdf:RDF>"]).encode()


def atom(items: Sequence[Article], *, title: str = "The Example", language: str = "en") -> bytes:
    """Atom 1.0."""
    parts = [f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{language}"><title>{escape(title)}</title>']
    for item in items:
        parts.append(f"<entry><id>{escape(item.guid or '')}</id><title>{escape(item.title or '')}</title>")
        parts.append(f"<link rel='alternate' href={quoteattr(item.link or '')}/>")
        parts += [f"<updated>{item.published.isoformat()}</updated>"] if isinstance(item.published, datetime) else []
        parts += [f'<summary type="html">{escape(item.summary)}</summary>'] if item.summary is not None else []
        parts += [f'<content type="html">{escape(item.content)}</content>'] if item.content is not None else []
        parts.append("</entry>")
    return "".join(['<?xml version="1.0"?>', *parts, "</feed>"]).encode()


def _rfc822(at: str | datetime | None) -> str:
    return email.utils.format_datetime(at) if isinstance(at, datetime) else at or ""


@dataclass
class Served:
    """What a path answers with: one answer after the other, the last for ever."""

    answers: list[Answer]
    is_conditional: bool = False  # whether it has an ETag and a date, and says 304 to who knows them

    def next(self, request: Request) -> Answer:
        """The answer to this request."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not self.is_conditional or answer.status != 200:
            return answer
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        changed = email.utils.format_datetime(NOON, usegmt=True)
        headers = (*answer.headers, ("ETag", etag), ("Last-Modified", changed))
        if request.headers.get("if-none-match") == etag:
            return Answer(b"", 304, answer.content_type, headers)
        return replace(answer, headers=headers)


@dataclass
class LocalNews:
    """The server and its controls, which may be used from any thread while it runs."""

    requests: list[Request] = field(default_factory=list)
    _served: dict[str, Served] = field(default_factory=dict)
    _server: HttpServer = field(init=False)

    def __post_init__(self) -> None:
        self._server = HttpServer(self._serve)

    def serve(self, path: str, *answers: bytes | Answer, is_conditional: bool = False) -> str:
        """From now on answer so at ``path``; returns its address."""
        made = [answer if isinstance(answer, Answer) else Answer(answer, content_type=RSS) for answer in answers]
        self._served[path] = Served(made, is_conditional)
        return f"{self._server.url}{path}"

    def asked(self, path: str) -> list[Request]:
        """The requests at a path so far."""
        return [request for request in self.requests if request.path == path]

    def _serve(self, request: Request) -> Answer:
        self.requests.append(request)
        served = self._served.get(request.path)
        return Answer(b"gone", 404, "text/plain") if served is None else served.next(request)


@contextmanager
def news_server() -> Iterator[LocalNews]:
    """A running server, in a thread of this process, on a free port."""
    local = LocalNews()
    local._server.start()
    try:
        yield local
    finally:
        local._server.stop()


def news_client(*feeds: str, **changes: Any) -> NewsClient:
    """A client that loses no time: a tenth of a second is long on this machine's own network."""
    settings = NewsSettings(feeds=feeds, timeout_seconds=changes.pop("timeout_seconds", 0.3))
    defaults = {"first_pause": timedelta(milliseconds=2), "deadline": timedelta(seconds=5)}
    return NewsClient(settings, **(defaults | changes))


def fetched(client: NewsClient, cursors: Mapping[str, Cursor] | None = None) -> dict[str, FeedFetch]:
    """What a fetch at `NOON` gives, by the feed's path."""
    return {urlsplit(each.feed).path: each for each in client.fetch(cursors or {}, NOON)}


def about(title: bytes) -> bytes:
    """A feed of one article with this title, as it stands."""
    return b'<rss version="2.0"><channel><title>t</title><item><title>' + title + b"</title></item></channel></rss>"


GOOD = rss(articles(2))


def failure(news: LocalNews, *answers: bytes | Answer, **changes: Any) -> str | None:
    """Why a feed that answers so cannot be read; shows that the feed beside it can."""
    bad, good = news.serve("/bad", *answers), news.serve("/good", GOOD)
    found = fetched(news_client(bad, good, **changes))
    assert (found["/good"].failure, len(found["/good"].documents)) == (None, 2)
    assert found["/bad"].failure is None or not found["/bad"].documents
    return found["/bad"].failure
