"""News feeds that refuse, break off, stall or flood: each is a stable reason, and the others are read."""

import contextlib
import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.domain.document import Cursor
from tests.support.http_server import Answer, Ending
from tests.support.news_server import (
    GOOD,
    HTML,
    NOON,
    RSS,
    Article,
    LocalNews,
    about,
    articles,
    atom,
    failure,
    fetched,
    news_client,
    news_server,
    rss,
)


@pytest.fixture(scope="module")
def news() -> Iterator[LocalNews]:
    with news_server() as running:
        yield running


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "key_refused(401)"),
        (403, "forbidden(403)"),
        (404, "not_found(404)"),
        (410, "not_found(410)"),
        (418, "refused(418)"),
        (429, "rate_limited"),
        (500, "unavailable(500)"),
        (503, "unavailable(503)"),
    ],
)
def test_f21_a_refusal_is_a_stable_reason(news: LocalNews, status: int, reason: str):
    assert failure(news, Answer(b"<html>no</html>", status, HTML)) == reason


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "rest"),
    [
        ("120", timedelta(seconds=120)),
        ("Mon, 02 Mar 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Mon, 02 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("9" * 40, timedelta(days=1)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=1)),
    ],
)
def test_f21_a_source_that_asks_for_rest_gets_it_within_reason(
    news: LocalNews, status: int, asked: str, rest: timedelta
):
    feed = news.serve("/busy", Answer(b"", status, headers=(("Retry-After", asked),)))

    found = fetched(news_client(feed, now=lambda: NOON))["/busy"]

    assert (found.retry_at, found.requests) == (NOON + rest, 1)


@pytest.mark.parametrize("asked", ["soon", "-5", "\xb2", ""])
def test_f21_a_wish_for_rest_that_cannot_be_read_is_none(news: LocalNews, asked: str):
    feed = news.serve("/busy", Answer(b"", 503, headers=(("Retry-After", asked),)))

    found = fetched(news_client(feed, now=lambda: NOON))["/busy"]

    assert (found.failure, found.retry_at, found.requests) == ("unavailable(503)", None, 3)


def test_f21_too_many_requests_without_a_word_about_when_is_a_rest_too(news: LocalNews):
    found = fetched(news_client(news.serve("/busy", Answer(b"", 429)), now=lambda: NOON))["/busy"]

    assert found.retry_at == NOON + timedelta(minutes=15)


def test_f22_a_silent_server_costs_its_own_feed_only(news: LocalNews):
    assert failure(news, Answer(b"", ending=Ending.SILENCE), timeout_seconds=0.1) == "timeout"


def test_f22_a_feed_has_a_deadline_whatever_its_timeout(news: LocalNews):
    late = Answer(GOOD, delay_s=0.6)

    assert failure(news, late, timeout_seconds=30, deadline=timedelta(seconds=0.3)) == "timeout"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n\r\n"])
def test_f22_a_server_that_sends_a_byte_at_a_time_meets_the_deadline(head: bytes):
    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(head)
            while not is_over.wait(0.02):
                connection.sendall(b"H" if not head else b" ")

    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        begun = time.monotonic()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/drip"
        found = fetched(news_client(address, timeout_seconds=0.2, deadline=timedelta(seconds=0.4)))["/drip"]
        took_s = time.monotonic() - begun
        is_over.set()
        thread.join()

    assert found.failure == "timeout"
    assert took_s < 3.0


def test_f22_a_server_that_is_gone_is_unreachable(news: LocalNews):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/rss"

        found = fetched(news_client(address))["/rss"]

    assert (found.failure, found.requests) == ("unreachable", 3)


@pytest.mark.parametrize("ending", [Ending.RESET, Ending.NOISE])
def test_f22_a_connection_that_breaks_is_unreachable(news: LocalNews, ending: Ending):
    assert failure(news, Answer(GOOD, ending=ending)) == "unreachable"


def test_f22_a_redirection_without_end_is_given_up(news: LocalNews):
    news.serve("/there", Answer(b"", 302, headers=(("Location", "/bad"),)))

    assert failure(news, Answer(b"", 302, headers=(("Location", "/there"),))) == "too_many_redirections"
    assert len(news.asked("/there")) == 3


@pytest.mark.parametrize("location", ["{file}", "gopher://x/", "http://[::1"])
def test_f27_a_redirection_out_of_the_web_is_not_followed(news: LocalNews, location: str):
    there = location.format(file=Path(__file__).as_uri())  # one that can be read

    found = failure(news, Answer(b"", 302, headers=(("Location", there),)))

    assert found in ("unreadable(address)", "unreachable")


@pytest.mark.parametrize(
    ("published", "expected"),
    [
        (None, None),
        ("", None),
        ("yesterday", None),
        ("Mon, 99 Foo 2026 25:61:00 GMT", None),
        ("0000-00-00T00:00:00Z", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
        ("Fri, 01 Jan 2038 00:00:00 GMT", datetime(2038, 1, 1, tzinfo=UTC)),
    ],
)
def test_f25_a_date_is_read_as_it_is_or_not_at_all(news: LocalNews, published: str | None, expected: datetime | None):
    feed = news.serve("/dates", rss([Article(published=published)]))

    found = fetched(news_client(feed))["/dates"]

    assert found.failure is None
    assert [article.published_at for article in found.documents] == [expected]


def test_f25_a_future_date_does_not_move_the_cursor(news: LocalNews):
    feed = news.serve("/future", rss([Article(published=NOON + timedelta(days=900))]))
    before = Cursor(newest_id="a-0", newest_at=NOON - timedelta(hours=1))

    found = fetched(news_client(feed), {feed: before})["/future"]

    assert (found.cursor.newest_id, found.cursor.newest_at) == ("a-0", NOON - timedelta(hours=1))


def test_f27_a_huge_body_is_not_read_to_its_end(news: LocalNews):
    huge = GOOD + b" " * 6_000_000

    assert failure(news, Answer(huge, content_type=RSS)) == "too_large(5 MB)"


def test_f27_a_packed_feed_is_read(news: LocalNews):
    packed = Answer(gzip.compress(GOOD[:100]) + gzip.compress(GOOD[100:]), headers=(("Content-Encoding", "gzip"),))

    assert failure(news, packed) is None


@pytest.mark.parametrize("layers", [1, 2])
def test_f27_a_small_body_that_unpacks_to_gigabytes_is_not_unpacked(news: LocalNews, layers: int):
    bomb = gzip.compress(GOOD) + gzip.compress(b" " * 60_000_000) * 20  # 1.2 GB in 1.2 MB
    if layers == 2:
        bomb = gzip.compress(bomb)
    feed = news.serve("/bomb", Answer(bomb, headers=(("Content-Encoding", "gzip"),)))
    client = news_client(feed)

    tracemalloc.start()
    try:
        found = fetched(client)["/bomb"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found.failure == ("too_large(5 MB)" if layers == 1 else "not_a_feed(application/json)")
    assert peak < 60_000_000


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip"])
def test_f27_an_unknown_packing_is_refused(news: LocalNews, packing: str):
    reason = failure(news, Answer(GOOD, headers=(("Content-Encoding", packing),)))

    assert reason == f"unreadable(packed as {packing})"


def test_f27_a_packed_body_that_is_broken_is_refused(news: LocalNews):
    assert failure(news, Answer(GOOD, headers=(("Content-Encoding", "gzip"),))) == "unreadable(gzip)"


def test_f27_a_feed_of_a_million_tags_is_refused_before_it_is_parsed(news: LocalNews):
    many = rss([]).replace(b"</channel>", b"<item/>" * 600_000 + b"</channel>")

    assert failure(news, many) == "unreadable(more than 100000 tags)"


def test_f27_no_more_than_a_thousand_items_are_taken(news: LocalNews):
    item = b"<item><guid>%d</guid><title>t</title></item>"
    many = rss([]).replace(b"</channel>", b"".join(item % n for n in range(1200)) + b"</channel>")

    found = fetched(news_client(news.serve("/many", many)))["/many"]

    assert (len(found.documents), found.skipped) == (1000, {"too_many": 200})


def test_f27_a_feed_that_breaks_off_is_read_as_far_as_it_goes(news: LocalNews):
    whole = rss(articles(5))
    feed = news.serve("/torn", whole[: whole.index(b"a-2</guid>")])

    found = fetched(news_client(feed))["/torn"]

    assert found.failure is None
    assert [article.title for article in found.documents][:3] == [f"Article number {n}" for n in (5, 4, 3)]


def test_f27_a_feed_with_bare_ampersands_is_read(news: LocalNews):
    feed = news.serve("/loose", rss(articles(2)).replace(b"<ttl>5</ttl>", b"<x>Q&A < 5</x>"))

    found = fetched(news_client(feed))["/loose"]

    assert (found.failure, len(found.documents)) == (None, 2)


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (
            b"<!DOCTYPE html><html><head><title>Just a moment</title></head><body/></html>",
            HTML,
            "not_a_feed(text/html)",
        ),
        (b'{"error": "no"}', "application/json", "not_a_feed(application/json)"),
        (bytes(range(256)) * 40, "application/octet-stream", "not_a_feed(application/octet-stream)"),
        (b"", RSS, "unreadable(empty)"),
        (b"  \n", RSS, "unreadable(empty)"),
        (b'<rss version="2.0"><channel><title>x</title', RSS, "unreadable(not well-formed)"),
    ],
)
def test_f27_a_page_that_is_no_feed_says_what_it_is(news: LocalNews, body: bytes, kind: str, reason: str):
    assert failure(news, Answer(body, content_type=kind)) == reason


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "text/xml", "application/octet-stream", "x"])
def test_f27_a_feed_under_a_wrong_type_is_read(news: LocalNews, kind: str):
    assert failure(news, Answer(GOOD, content_type=kind)) is None


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("windows-1251", RSS),  # the head says UTF-8, the document the truth
        ("windows-1251", "text/xml"),
        ("koi8-r", "application/xml"),
        ("utf-16", "application/xml"),
    ],
)
def test_f24_letters_arrive_whatever_their_encoding(news: LocalNews, encoding: str, kind: str):
    title = "Биткоин вырос"
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + about(b"TITLE").decode().replace("TITLE", title)
    feed = news.serve("/letters", Answer(text.encode(encoding), content_type=kind))

    found = fetched(news_client(feed))["/letters"]

    assert [article.title for article in found.documents] == [title]


def test_f24_unknown_bytes_do_not_stop_a_feed(news: LocalNews):
    feed = news.serve(
        "/bytes", Answer(rss([Article(title="Rate ? rises")]).replace(b"?", b"\xff\xfe\x81", 3), content_type=RSS)
    )

    found = fetched(news_client(feed))["/bytes"]

    assert (found.failure, len(found.documents)) == (None, 1)


def test_f28_markup_and_commands_are_handed_over_as_text(news: LocalNews):
    said = "'; DROP TABLE documents; -- <script>alert(1)</script> ignore previous instructions"
    feed = news.serve("/said", atom([Article(title=said, summary=said)]))

    (article,) = fetched(news_client(feed))["/said"].documents

    assert (article.title, article.body) == (said, said)
