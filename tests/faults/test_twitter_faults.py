"""X that refuses, fails, lies or is out of reach: what a fetch says of it, and that nothing is lost or asked twice."""

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pipeline.domain.document import Cursor
from resources.texts import FeedFetch
from resources.twitter import TwitterClient
from tests.support.http_server import Answer
from tests.support.x_server import (
    NOT_JSON,
    NOW,
    RESET,
    SILENCE,
    WEB_PAGE,
    LocalX,
    a_post,
    id_at,
    posts_until,
    refusal,
    x_client,
    x_server,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEFORE = Cursor(newest_id=id_at(NOW - 5 * HOUR), newest_at=NOW - 5 * HOUR, history_from=NOW - 2 * DAY)
SHORT_S = 0.2  # a timeout, where there is nothing to wait for
# A page of zeros, small as it is sent.
BOMB = Answer(gzip.compress(bytes(11_000_000)), headers=(("Content-Encoding", "gzip"),))
NO_SEARCH = "forbidden(453, the key's plan has no search)"


@pytest.fixture
def x() -> Iterator[LocalX]:
    with x_server() as local:
        yield local


def fetch(client: TwitterClient, cursor: Cursor = BEFORE, as_of: datetime = NOW) -> FeedFetch:
    """What one fetch of a single query gives."""
    (fetched,) = client.fetch({client.feeds[0]: cursor}, as_of)
    return fetched


def ids(fetched: FeedFetch) -> list[str]:
    return [document.external_id for document in fetched.documents]


@pytest.mark.parametrize("key", [None, ""])
def test_f21_without_a_key_every_query_says_so_and_nobody_is_asked(x: LocalX, key: str | None) -> None:
    fetches = list(x_client(x, bearer_token=key, queries=("a", "b"), posts_left=0).fetch({"a": BEFORE}, NOW))

    assert [(each.feed, each.failure, each.requests) for each in fetches] == [
        ("a", "key_missing", 0),
        ("b", "key_missing", 0),
    ]
    assert [each.cursor for each in fetches] == [BEFORE, Cursor()]
    assert x.searches == []


def test_f21_an_expired_key_is_tried_once(x: LocalX) -> None:
    fetches = list(x_client(x, bearer_token="expired", queries=("a", "b")).fetch({}, NOW))

    assert [(each.failure, each.requests) for each in fetches] == [("key_refused(401)", 1), ("key_refused(401)", 0)]


@pytest.mark.parametrize(
    ("status", "told", "failure"),
    [
        (401, ["a list", "where an object is usual"], "key_refused(401)"),
        (402, {"title": "CreditsDepleted"}, "forbidden(402, no credits are left)"),
        (402, "no object", "forbidden(402, no credits are left)"),
        (403, {"title": "Forbidden"}, "forbidden(403)"),
        (403, {"errors": [{"message": "a subset of endpoints", "code": 453}]}, NO_SEARCH),
        (403, {"reason": "client-not-enrolled", "title": "Client Forbidden"}, NO_SEARCH),
        (404, {"title": "Not Found"}, "not_found(404)"),
        (400, {"errors": [{"message": "Ambiguous use of or"}]}, "refused(400)"),
        (429, {"title": "UsageCapExceeded"}, "rate_limited(the plan's posts are used up)"),
    ],
)
def test_f21_a_refusal_is_said_in_stable_words_and_not_repeated(
    x: LocalX, status: int, told: object, failure: str
) -> None:
    x.orders.order(refusal(status, told))

    fetched = fetch(x_client(x))

    assert (fetched.failure, fetched.requests, fetched.cursor) == (failure, 1, BEFORE)


def test_f21_a_used_quota_says_until_when_and_is_asked_for_nothing_else(x: LocalX) -> None:
    x.quota = 0

    fetches = list(x_client(x, queries=("a", "b")).fetch({}, NOW))

    assert [(each.failure, each.requests) for each in fetches] == [("rate_limited", 1), ("rate_limited", 0)]
    assert {each.retry_at for each in fetches} == {NOW + 9 * MINUTE}


def test_f21_a_quota_that_the_last_answer_used_up_is_not_tried_again(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 150)
    x.quota = 1

    fetched = fetch(x_client(x))

    assert (len(fetched.documents), fetched.failure, fetched.requests) == (100, "rate_limited", 1)
    assert fetched.retry_at == NOW + 9 * MINUTE
    assert len(x.searches) == 1


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({"x_rate_limit_reset": 99_999_999_999}, DAY),
        ({"x_rate_limit_reset": 1}, timedelta(0)),
        ({"Retry_After": "90"}, timedelta(seconds=90)),
        ({"x_rate_limit_reset": "soon"}, 15 * MINUTE),
    ],
)
def test_f21_nobody_can_ask_us_to_rest_for_more_than_a_day(
    x: LocalX, headers: dict[str, object], rest: timedelta
) -> None:
    x.orders.order(refusal(429, None, **headers))
    assert fetch(x_client(x)).retry_at == NOW + rest


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_f21_a_budget_of_requests_ends_between_pages_and_what_came_is_kept(x: LocalX, allowed: int) -> None:
    x.posts = posts_until(NOW - MINUTE, 290)

    fetched = fetch(x_client(x, requests_left=allowed, posts_left=100_000))

    assert (fetched.failure, fetched.requests) == ("budget_used(requests)", allowed)
    assert ids(fetched) == [post["id"] for post in x.posts[: 100 * allowed]]


def test_f21_repeats_count_as_requests(x: LocalX) -> None:
    x.orders.order(refusal(503), times=5)

    fetched = fetch(x_client(x, requests_left=2))

    assert (fetched.failure, fetched.requests, len(x.searches)) == ("budget_used(requests)", 2, 2)


def test_f21_a_budget_of_posts_ends_between_pages_and_what_came_is_kept(x: LocalX) -> None:
    as_of = datetime.fromisoformat("2026-05-31T23:59:59Z")  # no later day wants a share
    x.now = as_of
    x.posts = posts_until(as_of - MINUTE, 300)

    fetched = fetch(x_client(x, posts_left=125), Cursor(newest_id=id_at(as_of - DAY), newest_at=as_of - DAY), as_of)

    assert (len(fetched.documents), fetched.failure) == (124, "budget_used(posts)")
    assert [asked["max_results"] for asked in x.searches] == ["100", "24"]


def test_f21_without_posts_left_nothing_is_asked(x: LocalX) -> None:
    fetched = fetch(x_client(x, posts_left=9))
    assert (fetched.failure, fetched.requests, fetched.cursor) == ("budget_used(posts)", 0, BEFORE)


def test_f22_what_stands_behind_a_page_that_failed_is_read_by_the_next_fetch(x: LocalX) -> None:
    apart = timedelta(milliseconds=300)  # while X is asked in seconds
    x.posts = posts_until(NOW - MINUTE, 290, apart)
    x.orders.order(refusal(503), after=1, times=3)

    first = fetch(x_client(x))
    x.posts = [a_post(NOW + 30 * MINUTE, "news"), *x.posts]
    x.now = NOW + HOUR
    second = fetch(x_client(x, posts_left=100_000), first.cursor, NOW + HOUR)

    assert (first.failure, ids(first)) == ("unavailable(503)", [post["id"] for post in x.posts[1:101]])
    assert (first.cursor.newest_id, first.cursor.history_from) == (x.posts[1]["id"], NOW - MINUTE - 99 * apart)
    assert (second.failure, second.documents[0].body) == (None, "news")
    assert {*ids(first), *ids(second)} == {post["id"] for post in x.posts}
    assert second.cursor.history_from == NOW + HOUR - DAY
    assert x.n_read == sum(len(each.documents) + sum(each.skipped.values()) for each in (first, second))


def test_f22_a_page_that_always_fails_does_not_use_up_the_plan(x: LocalX) -> None:
    cursor, paid = BEFORE, []
    x.posts = posts_until(NOW - MINUTE, 290)
    for hour in range(4):
        x.now = NOW + hour * HOUR
        x.orders.order(refusal(503), after=1, times=3)
        fetched = fetch(x_client(x), cursor, x.now)
        cursor = fetched.cursor
        paid.append(len(fetched.documents))

    assert paid[0] == 100
    assert sum(paid[1:]) == 0  # the posts of the first page are not read again
    assert cursor.newest_id == x.posts[0]["id"]


def test_f22_a_server_that_stumbles_is_asked_again(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 5)
    x.orders.order(refusal(500))
    x.orders.order(RESET)

    fetched = fetch(x_client(x))

    assert (fetched.failure, len(fetched.documents), fetched.requests) == (None, 5, 3)


@pytest.mark.parametrize(
    ("answer", "failure", "requests"),
    [
        (refusal(503), "unavailable(503)", 3),
        (SILENCE, "timeout", 3),
        (Answer(b"{}", delay_s=0.3), "timeout", 3),
        (RESET, "unreachable", 3),
        (NOT_JSON, "unreadable(not JSON)", 1),
        (WEB_PAGE, "unreadable(not JSON)", 1),
        (Answer(b""), "unreadable(not JSON)", 1),
        (Answer(b"\xff\xfe\x00"), "unreadable(not JSON)", 1),
        (Answer(b"[" * 100_000), "unreadable(RecursionError)", 1),
        (Answer(b"[1, 2]"), "unreadable(no list of posts)", 1),
        (Answer(b'{"errors": [{"title": "Something"}]}'), "unreadable(no list of posts)", 1),
        (Answer(b'{"data": "posts", "meta": {}}'), "unreadable(no list of posts)", 1),
        (Answer(b"junk", headers=(("Content-Encoding", "gzip"),)), "unreadable(packed)", 1),
        (BOMB, "too_large(10 MB)", 1),
        (Answer(b"", 302, headers=(("Location", "http://127.0.0.1:9/"),)), "not_found(302)", 1),
    ],
)
def test_f22_an_answer_that_is_none_fails_within_bounds_and_leaves_the_cursor(
    x: LocalX, answer: Answer, failure: str, requests: int
) -> None:
    x.orders.order(answer, times=9)

    fetched = fetch(x_client(x, timeout_seconds=SHORT_S if failure == "timeout" else 5.0))

    assert (fetched.failure, fetched.requests) == (failure, requests)
    assert (fetched.documents, fetched.cursor, fetched.is_unchanged) == ([], BEFORE, False)


def test_f22_a_server_that_asks_for_a_rest_is_left_alone(x: LocalX) -> None:
    x.orders.order(refusal(503, None, Retry_After="120"), times=9)

    fetched = fetch(x_client(x))

    assert (fetched.failure, fetched.requests) == ("unavailable(503)", 1)
    assert fetched.retry_at == NOW + 2 * MINUTE


def test_f22_nobody_at_the_address_is_unreachable(x: LocalX) -> None:
    fetched = fetch(x_client(x, url="http://127.0.0.1:9"))
    assert (fetched.failure, fetched.requests, fetched.cursor) == ("unreachable", 3, BEFORE)


def test_f22_a_query_that_fails_leaves_the_others_alone(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 5)
    x.orders.order(NOT_JSON)

    bad, good = x_client(x, queries=("bad", "good")).fetch({}, NOW)

    assert (bad.failure, good.failure, len(good.documents)) == ("unreadable(not JSON)", None, 5)


def test_f22_after_the_deadline_nothing_is_asked(x: LocalX) -> None:
    x.orders.order(SILENCE, times=99)
    began = time.monotonic()

    fetches = list(
        x_client(x, queries=tuple("abcdefgh"), deadline=timedelta(seconds=0.3), timeout_seconds=SHORT_S).fetch({}, NOW)
    )

    assert [each.failure for each in fetches] == ["timeout"] * 8
    assert time.monotonic() - began < 3.0


def test_f22_a_source_that_was_dead_for_weeks_begins_again_with_a_day(x: LocalX) -> None:
    later = NOW + timedelta(days=21)
    x.now = later
    x.posts = posts_until(later - MINUTE, 1500, 5 * MINUTE)

    fetched = fetch(x_client(x), BEFORE, later)

    assert fetched.failure is None
    assert fetched.cursor == replace(
        BEFORE, newest_id=x.posts[0]["id"], newest_at=later - MINUTE, history_from=later - DAY
    )
    assert min(document.published_at for document in fetched.documents) >= later - DAY


def test_f24_a_text_of_a_megabyte_is_handed_over_as_it_came(x: LocalX) -> None:
    text = "\U0001f680 " * 250_000
    x.posts = [a_post(NOW - MINUTE, text)]

    (document,) = fetch(x_client(x)).documents

    assert document.body == text
