"""Feeds over HTTP: what is read from each format, what is asked a second time, and what is not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.domain.document import Cursor, DocumentKind, TextSource
from tests.support.http_server import Answer, Ending
from tests.support.news_server import (
    ATOM,
    NOON,
    RSS,
    Article,
    LocalNews,
    articles,
    atom,
    fetched,
    news_client,
    news_server,
    rdf,
    rss,
)
from tests.support.real_data import real_data

BUSY = Answer(b"<html>busy</html>", 503, "text/html")


@pytest.fixture(scope="module")
def news() -> Iterator[LocalNews]:
    with news_server() as running:
        yield running


def test_an_article_carries_what_its_feed_says(news: LocalNews):
    item = Article(
        guid="x-9", title="Fees &amp; blocks", link="https://news.example/9?utm_source=rss", content="<p>Long</p>"
    )
    feed = news.serve("/rss", rss([item], title="The Example", language="en-US"))

    (article,) = fetched(news_client(feed))["/rss"].documents

    assert article.kind is DocumentKind.ARTICLE
    assert (article.external_id, article.feed, article.author) == ("x-9", feed, "The Example")
    assert (article.url, article.language) == ("https://news.example/9?utm_source=rss", "en-US")
    assert article.published_at == NOON
    assert (article.title, article.body) == ("Fees &amp; blocks", "<p>Long</p>")


@pytest.mark.parametrize(
    ("write", "kind"), [(rss, RSS), (rdf, "application/rdf+xml"), (atom, ATOM), (atom, "text/xml")]
)
def test_every_format_gives_the_same_articles(news: LocalNews, write, kind: str):
    news.serve("/any", Answer(write(articles(3)), content_type=kind))

    found = fetched(news_client(news.serve("/any", Answer(write(articles(3)), content_type=kind))))["/any"]

    assert found.failure is None
    assert [article.title for article in found.documents] == [f"Article number {n}" for n in (3, 2, 1)]
    assert [article.published_at for article in found.documents] == [NOON - n * timedelta(minutes=7) for n in range(3)]
    assert {article.body for article in found.documents} == {"<p>Hash rate rose by <b>4%</b> in a week.</p>"}
    assert {article.url for article in found.documents} == {f"https://news.example/articles/{n}" for n in (1, 2, 3)}


@pytest.mark.parametrize("name", ["coindesk_rss_excerpt.xml", "cointelegraph_rss_excerpt.xml"])
def test_feeds_as_publishers_send_them_are_read(news: LocalNews, name: str):
    body = real_data("wire", "rss", name).read_bytes()

    found = fetched(news_client(news.serve("/real", body)))["/real"]

    assert (found.failure, len(found.documents), found.skipped) == (None, body.count(b"<item>"), {})
    for article in found.documents:
        assert article.published_at is not None
        assert article.published_at.tzinfo is not None
        assert article.title
        assert article.url is not None
        assert article.language in ("en", "en-US")
    wanted = [(each.findtext("description") or "").strip() for each in ElementTree.fromstring(body).iter("item")]
    assert [article.body for article in found.documents] == wanted
    assert len({article.external_id for article in found.documents}) == len(found.documents)


def test_the_language_is_the_feed_s_own_or_unknown(news: LocalNews):
    feeds = {"/a": atom(articles(1), language="de"), "/b": rss(articles(1), language="en-GB")}
    feeds |= {"/c": rss(articles(1), language=None)}

    found = fetched(news_client(*(news.serve(path, body) for path, body in feeds.items())))

    assert {path: each.documents[0].language for path, each in found.items()} == {"/a": "de", "/b": "en-GB", "/c": None}


def test_the_cursor_notes_the_newest_article_that_is_not_from_the_future(news: LocalNews):
    items = [Article(guid="late", title="Late", published=NOON + timedelta(days=3)), *articles(2)]

    found = fetched(news_client(news.serve("/rss", rss(items))))["/rss"]

    assert len(found.documents) == 3
    assert (found.cursor.newest_id, found.cursor.newest_at) == ("a-2", NOON)


def test_a_second_fetch_of_an_unchanged_feed_brings_nothing(news: LocalNews):
    client = news_client(news.serve("/rss", rss(articles(2)), is_conditional=True))
    first = fetched(client)["/rss"]

    second = fetched(client, {first.feed: first.cursor})["/rss"]

    assert not first.is_unchanged
    assert second.is_unchanged
    assert (second.documents, second.failure, second.cursor) == ((), None, first.cursor)
    asked = news.asked("/rss")[-1].headers
    assert asked["if-none-match"] == first.cursor.etag
    assert asked["if-modified-since"] == first.cursor.last_modified == "Mon, 02 Mar 2026 12:00:00 GMT"


def test_a_feed_that_has_changed_is_handed_over_whole_under_the_same_identities(news: LocalNews):
    feed = news.serve("/rss", rss(articles(2)), rss(articles(3, newest_at=NOON)), is_conditional=True)
    first = fetched(news_client(feed))["/rss"]

    second = fetched(news_client(feed), {feed: first.cursor})["/rss"]

    assert not second.is_unchanged
    assert {each.external_id for each in second.documents} == {each.external_id for each in first.documents} | {"a-3"}
    assert second.cursor.etag != first.cursor.etag


def test_a_validator_that_cannot_be_sent_back_is_forgotten(news: LocalNews):
    headers = (("ETag", '"' + "x" * 600 + '"'), ("Last-Modified", "caf\xc3\xa9"))
    found = fetched(news_client(news.serve("/rss", Answer(rss(articles(1)), headers=headers))))["/rss"]

    assert (found.cursor.etag, found.cursor.last_modified) == (None, None)


@pytest.mark.parametrize("trouble", [BUSY, Answer(b"", 502), Answer(rss(articles(1)), ending=Ending.RESET)])
def test_a_feed_is_asked_again_after_a_passing_trouble(news: LocalNews, trouble: Answer):
    found = fetched(news_client(news.serve("/shaky", trouble, trouble, rss(articles(2)))))["/shaky"]

    assert (found.failure, len(found.documents), found.requests) == (None, 2, 3)


def test_a_redirection_is_followed(news: LocalNews):
    news.serve("/new", rss(articles(1)))
    feed = news.serve("/old", Answer(b"", 301, headers=(("Location", "/new"),)))

    found = fetched(news_client(feed))["/old"]

    assert (found.failure, len(found.documents), found.requests) == (None, 1, 2)
    assert found.documents[0].feed == feed


def test_each_feed_is_handed_over_once_and_progress_counts_them(news: LocalNews):
    feeds = [news.serve(f"/feed-{n}", rss([Article(guid=f"f-{n}")])) for n in range(6)]
    told: list[tuple[int, int]] = []

    found = list(news_client(*feeds).fetch({}, NOON, lambda done, total: told.append((done, total))))

    assert sorted(each.feed for each in found) == sorted(feeds)
    assert told == [(n, 6) for n in range(1, 7)]


def test_a_slow_feed_does_not_hold_up_the_others(news: LocalNews):
    slow = news.serve("/slow", Answer(rss(articles(1)), delay_s=0.25))
    quick = [news.serve(f"/quick-{n}", rss(articles(1))) for n in range(3)]

    order = [each.feed for each in news_client(slow, *quick, timeout_seconds=2).fetch({}, NOON)]

    assert order[-1] == slow


def test_a_caller_that_has_enough_may_stop(news: LocalNews):
    feeds = [news.serve(f"/stop-{n}", rss(articles(1))) for n in range(12)]
    coming = news_client(*feeds).fetch({}, NOON)

    next(coming)
    coming.close()

    assert sum(len(news.asked(f"/stop-{n}")) for n in range(12)) < 12


def test_an_article_without_an_identity_is_known_by_its_address_or_by_what_it_says(news: LocalNews):
    items = [
        Article(guid=None, title="One"),
        Article(guid=None, link=None, title="Two"),
        Article(guid=None, link=None, title="Two", published=NOON - timedelta(days=1)),
        Article(guid="g" * 5000, title="Three"),
    ]
    client = news_client(news.serve("/rss", rss(items)))

    found, again = fetched(client)["/rss"], fetched(client)["/rss"]

    ids = [article.external_id for article in found.documents]
    assert ids[0] == "https://news.example/articles/1"
    assert len(ids) == len(set(ids)) == 3
    assert max(map(len, ids)) < 100
    assert found.skipped == {"repeated": 1}
    assert ids == [article.external_id for article in again.documents]


def test_an_item_that_says_nothing_is_counted(news: LocalNews):
    items = [Article(guid="a", title=None, summary=None), Article(guid="b", title="", summary=" "), Article(guid="c")]

    found = fetched(news_client(news.serve("/rss", rss(items))))["/rss"]

    assert [article.external_id for article in found.documents] == ["c"]
    assert found.skipped == {"empty": 2}


def test_only_addresses_of_the_web_are_kept(news: LocalNews):
    items = [Article(guid="a", link="javascript:alert(1)"), Article(guid="b", link=Path(__file__).as_uri())]

    found = fetched(news_client(news.serve("/rss", rss(items))))["/rss"]

    assert [article.url for article in found.documents] == [None, None]


def test_an_empty_feed_is_a_feed(news: LocalNews):
    found = fetched(news_client(news.serve("/rss", rss([]))))["/rss"]

    assert (found.failure, found.documents, found.is_unchanged) == (None, [], False)


def test_a_date_in_any_zone_is_an_instant(news: LocalNews):
    written = ["Mon, 02 Mar 2026 07:00:00 -0500", "2026-03-02T13:00:00+01:00", "Mon, 02 Mar 2026 12:00:00 GMT"]
    items = [Article(guid=str(n), published=text) for n, text in enumerate(written)]

    found = fetched(news_client(news.serve("/rss", rss(items))))["/rss"]

    assert {article.published_at for article in found.documents} == {datetime(2026, 3, 2, 12, tzinfo=UTC)}


def test_the_source_and_its_feeds_are_the_settings(news: LocalNews):
    client = news_client("https://a.example/rss", "https://b.example/rss")

    assert client.source is TextSource.NEWS
    assert client.feeds == ("https://a.example/rss", "https://b.example/rss")


def test_a_failed_feed_keeps_its_cursor(news: LocalNews):
    feed = news.serve("/gone", Answer(b"no", 404, "text/plain"))
    cursor = Cursor(etag='"e"', newest_id="a-1", newest_at=NOON)

    found = fetched(news_client(feed), {feed: cursor})["/gone"]

    assert (found.failure, found.cursor, found.documents) == ("not_found(404)", cursor, ())
