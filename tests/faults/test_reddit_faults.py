"""Reddit that refuses, fails, lies or is out of reach: what a fetch says of it, without waiting and in bounds."""

import gzip
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipeline.domain.document import Cursor
from resources.reddit import RedditClient
from resources.texts import FeedFetch
from tests.support.http_server import Answer
from tests.support.real_data import ROOT
from tests.support.reddit_server import LocalReddit, a_post, reddit_client, reddit_server
from tests.support.x_server import NOT_JSON, NOW, RESET, SILENCE, WEB_PAGE, refusal

MINUTE = timedelta(minutes=1)
BEFORE = Cursor(newest_id="t3_before", newest_at=NOW - 60 * MINUTE)
SHORT_S = 0.2  # a timeout, where there is nothing to wait for
# A list of zeros, small as it is sent.
BOMB = Answer(gzip.compress(bytes(11_000_000)), headers=(("Content-Encoding", "gzip"),))
WITHOUT_KEYS = """
import sys
from datetime import UTC, datetime
from pipeline.settings_texts import RedditSettings, TwitterSettings
from resources.reddit import RedditClient
from resources.twitter import TwitterClient
x = TwitterClient(TwitterSettings(), names={"BTC": ()}, posts_left=1, requests_left=1)
for client in (RedditClient(RedditSettings()), x):
    assert {each.failure for each in client.fetch({}, datetime.now(UTC))} == {"key_missing"}
print(*({"praw", "tweepy", "requests"} & set(sys.modules)))
"""


@pytest.fixture
def reddit() -> Iterator[LocalReddit]:
    with reddit_server() as local:
        names = ("test", "another")
        local.new = {name: [a_post(f"{name}{n}", NOW - n * MINUTE) for n in range(5)] for name in names}
        yield local


def fetch(client: RedditClient) -> FeedFetch:
    """What one fetch of a single subreddit gives."""
    (fetched,) = client.fetch({client.feeds[0]: BEFORE}, NOW)
    return fetched


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
def test_f21_without_a_key_every_subreddit_says_so_and_nobody_is_asked(reddit: LocalReddit, missing: str) -> None:
    client = reddit_client(reddit, subreddits=("test", "another"), **{missing: None})

    fetches = list(client.fetch({"test": BEFORE}, NOW))

    assert [(each.feed, each.failure, each.requests) for each in fetches] == [
        ("test", "key_missing", 0),
        ("another", "key_missing", 0),
    ]
    assert [each.cursor for each in fetches] == [BEFORE, Cursor()]
    assert reddit.requests == []


def test_f21_without_keys_no_vendors_client_is_even_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_KEYS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_f21_a_wrong_secret_is_tried_once(reddit: LocalReddit) -> None:
    client = reddit_client(reddit, subreddits=("test", "another"), client_secret="wrong")

    fetches = list(client.fetch({}, NOW))

    assert [(each.failure, each.requests) for each in fetches] == [("key_refused(401)", 1), ("key_refused(401)", 0)]


@pytest.mark.parametrize("path", ["access_token", "new"])
@pytest.mark.parametrize(
    ("status", "told", "failure"),
    [
        (401, {"message": "Unauthorized"}, "key_refused(401)"),
        (403, {"message": "Forbidden"}, "forbidden(403)"),
        (403, ["a list"], "forbidden(403)"),
        (400, {"message": "Bad Request"}, "refused(400)"),
        (451, {"message": "Unavailable"}, "refused(451)"),
        (429, {"message": "Too Many Requests"}, "rate_limited"),
    ],
)
def test_f21_a_refusal_is_said_in_stable_words_and_not_repeated(
    reddit: LocalReddit, path: str, status: int, told: object, failure: str
) -> None:
    reddit.orders.order(refusal(status, told), path=path)

    fetched = fetch(reddit_client(reddit))

    assert (fetched.failure, fetched.cursor, fetched.documents) == (failure, BEFORE, [])
    assert len(reddit.requests) == (1 if path == "access_token" else 2)


def test_f21_a_token_that_is_refused_with_a_smile_is_a_refused_key(reddit: LocalReddit) -> None:
    reddit.orders.order(refusal(200, {"error": "invalid_grant"}), path="access_token")
    assert fetch(reddit_client(reddit)).failure == "key_refused(oauth)"


def test_f21_a_used_quota_says_until_when_and_nobody_waits_for_it(reddit: LocalReddit) -> None:
    reddit.quota = 1
    began = time.monotonic()

    fetches = list(reddit_client(reddit, subreddits=("test", "another")).fetch({}, NOW))

    assert [(each.failure, each.requests, len(each.documents)) for each in fetches] == [
        ("rate_limited", 2, 5),
        ("rate_limited", 0, 0),
    ]
    assert {each.retry_at for each in fetches} == {NOW + 5 * MINUTE}
    assert time.monotonic() - began < 5.0


def test_f21_a_quota_that_is_nearly_used_up_slows_nobody_down(reddit: LocalReddit) -> None:
    reddit.quota = 4
    began = time.monotonic()

    fetches = list(reddit_client(reddit, subreddits=("test", "another")).fetch({}, NOW))

    assert [(each.failure, len(each.documents)) for each in fetches] == [(None, 5), (None, 5)]
    assert time.monotonic() - began < 5.0


def test_f21_a_refusal_for_the_moment_says_how_long(reddit: LocalReddit) -> None:
    reddit.orders.order(refusal(429, None, Retry_After="42"), path="new")

    fetched = fetch(reddit_client(reddit))

    assert (fetched.failure, fetched.retry_at) == ("rate_limited", NOW + timedelta(seconds=42))


@pytest.mark.parametrize("path", ["access_token", "new"])
def test_f22_a_server_that_stumbles_is_asked_again(reddit: LocalReddit, path: str) -> None:
    reddit.orders.order(refusal(500), path=path)
    reddit.orders.order(RESET, path=path)

    fetched = fetch(reddit_client(reddit))

    assert (fetched.failure, len(fetched.documents), fetched.requests) == (None, 5, 5)


@pytest.mark.parametrize("path", ["access_token", "new"])
@pytest.mark.parametrize(
    ("answer", "failure", "requests"),
    [
        (refusal(503), "unavailable(503)", 3),
        (refusal(500), "unavailable(500)", 3),
        (SILENCE, "timeout", 3),
        (RESET, "unreachable", 3),
        (NOT_JSON, "unreadable(not JSON)", 1),
        (WEB_PAGE, "unreadable(not JSON)", 1),
        (Answer(b""), "unreadable(not JSON)", 1),
        (Answer(b"null"), "unreadable(not JSON)", 1),
        (Answer(b"junk", headers=(("Content-Encoding", "gzip"),)), "unreadable(packed)", 1),
        (BOMB, "too_large(10 MB)", 1),
    ],
)
def test_f22_an_answer_that_is_none_fails_within_bounds_and_leaves_the_cursor(
    reddit: LocalReddit, path: str, answer: Answer, failure: str, requests: int
) -> None:
    reddit.orders.order(answer, times=9, path=path)

    fetched = fetch(reddit_client(reddit, timeout_seconds=SHORT_S if failure == "timeout" else 5.0))

    assert (fetched.failure, fetched.requests) == (failure, requests if path == "access_token" else requests + 1)
    assert (fetched.documents, fetched.cursor) == ([], BEFORE)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"kind": "Listing"}',
        b'{"kind": "Listing", "data": {"children": 7}}',
        b'{"kind": "t3", "data": {}}',
        b"[" * 100_000,
    ],
)
def test_f22_json_that_is_no_list_of_posts_is_unreadable(reddit: LocalReddit, body: bytes) -> None:
    reddit.orders.order(Answer(body), path="new")

    fetched = fetch(reddit_client(reddit))

    assert fetched.failure is not None
    assert fetched.failure.startswith("unreadable(")
    assert (fetched.documents, fetched.cursor) == ([], BEFORE)


def test_f22_nobody_at_the_address_is_unreachable(reddit: LocalReddit) -> None:
    fetched = fetch(reddit_client(reddit, url="http://127.0.0.1:9"))
    assert (fetched.failure, fetched.requests) == ("unreachable", 3)


def test_f22_a_subreddit_that_fails_leaves_the_others_alone(reddit: LocalReddit) -> None:
    reddit.orders.order(refusal(503), path="r/test", times=9)

    bad, good = reddit_client(reddit, subreddits=("test", "another")).fetch({}, NOW)

    assert (bad.failure, good.failure, len(good.documents)) == ("unavailable(503)", None, 5)


def test_f22_after_the_deadline_nothing_is_asked(reddit: LocalReddit) -> None:
    reddit.orders.order(SILENCE, times=99, path="new")
    began = time.monotonic()

    client = reddit_client(
        reddit, subreddits=tuple(f"r{n}" for n in range(8)), deadline=timedelta(seconds=0.3), timeout_seconds=SHORT_S
    )

    assert [each.failure for each in client.fetch({}, NOW)] == ["timeout"] * 8
    assert time.monotonic() - began < 3.0


def test_f24_a_text_of_a_megabyte_is_handed_over_as_it_came(reddit: LocalReddit) -> None:
    text = "\U0001f680 " * 250_000
    reddit.new = {"test": [a_post("p", NOW, body=text)]}

    (document,) = fetch(reddit_client(reddit)).documents

    assert document.body == text
