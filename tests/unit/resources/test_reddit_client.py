"""The client of Reddit, through praw, against a local Reddit: lists, cursor, edits, removals, comments, look-ups."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain.document import Cursor, DocumentKind, RawDocument
from resources.reddit import RedditClient
from resources.texts import FeedFetch
from tests.support.real_data import real_data
from tests.support.reddit_server import (
    LocalReddit,
    Thing,
    a_comment,
    a_post,
    answers_of,
    banned,
    listing,
    private,
    reddit_client,
    reddit_server,
)
from tests.support.x_server import NOW, refusal

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GONE = ["[removed]", "[deleted]"]


@pytest.fixture
def reddit() -> Iterator[LocalReddit]:
    with reddit_server() as local:
        local.new = {"test": []}
        yield local


def fetch(client: RedditClient, cursor: Cursor | None = None) -> FeedFetch:
    """What one fetch of a single subreddit gives."""
    (fetched,) = client.fetch({} if cursor is None else {client.feeds[0]: cursor}, NOW)
    return fetched


def only(fetched: FeedFetch) -> RawDocument:
    (document,) = fetched.documents
    return document


def ids(fetched: FeedFetch) -> list[str]:
    return [document.external_id for document in fetched.documents]


def posts_until_now(n_posts: int) -> list[Thing]:
    """Newest first, a minute apart."""
    return [a_post(f"p{number}", NOW - number * MINUTE, f"title {number}") for number in range(n_posts)]


def test_a_first_fetch_reads_new_and_hot_posts_each_once(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(3)}
    reddit.hot = {"test": [reddit.new["test"][2], a_post("old", NOW - 9 * DAY)]}

    fetched = fetch(reddit_client(reddit))

    assert ids(fetched) == ["t3_p0", "t3_p1", "t3_p2", "t3_old"]
    assert (fetched.failure, fetched.requests, dict(fetched.skipped)) == (None, 3, {})  # a token, new, hot
    assert fetched.cursor == Cursor(newest_id="t3_p0", newest_at=NOW)
    assert reddit.requests[1].headers["user-agent"].startswith("trading-signals/")


def test_a_first_fetch_goes_a_day_back_and_a_later_one_to_what_was_read(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post(f"p{number}", NOW - number * HOUR / 8) for number in range(900)]}

    first = fetch(reddit_client(reddit))
    before = Cursor(newest_id="t3_p320", newest_at=NOW - 40 * HOUR)
    longer = fetch(reddit_client(reddit), before)
    again = fetch(reddit_client(reddit), first.cursor)

    assert [(len(each.documents), each.requests) for each in (first, longer, again)] == [(200, 4), (400, 6), (100, 3)]
    assert first.cursor == longer.cursor == again.cursor == Cursor(newest_id="t3_p0", newest_at=NOW)


def test_a_second_fetch_brings_nothing_unknown_where_nothing_happened(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(40)}

    first = fetch(reddit_client(reddit))
    second = fetch(reddit_client(reddit), first.cursor)

    assert (list(second.documents), second.cursor, second.removed) == (list(first.documents), first.cursor, [])


def test_more_posts_than_reddit_lists_are_read_as_far_as_it_lists_them(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post(f"p{number}", NOW - number * timedelta(seconds=1)) for number in range(1200)]}

    fetched = fetch(reddit_client(reddit))

    assert (len(fetched.documents), fetched.requests, fetched.cursor.newest_id) == (1000, 12, "t3_p0")


def test_a_post_that_was_held_back_is_found_though_it_is_older_than_the_newest(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(5)}
    first = fetch(reddit_client(reddit))
    reddit.new["test"].insert(3, a_post("approved", NOW - 2 * MINUTE))

    second = fetch(reddit_client(reddit), first.cursor)

    assert set(ids(second)) - set(ids(first)) == {"t3_approved"}


def test_what_reddit_tells_of_a_post_is_kept(reddit: LocalReddit) -> None:
    told = {"author": "somebody", "score": -3, "num_comments": 17, "upvote_ratio": 0.41}
    reddit.new = {"test": [a_post("p1", NOW - HOUR, "A title", "*Words*", **told)]}

    assert only(fetch(reddit_client(reddit))) == RawDocument(
        kind=DocumentKind.POST,
        external_id="t3_p1",
        feed="test",
        published_at=NOW - HOUR,
        title="A title",
        body="*Words*",
        url="https://www.reddit.com/r/test/comments/p1/a_title/",
        author="somebody",
        engagement={"score": -3, "comments": 17, "upvote_percent": 41},
    )


def test_the_text_of_a_deleted_account_stays_without_an_author(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post("p1", NOW, body="still here", author="[deleted]"), a_post("p2", NOW, author=None)]}

    fetched = fetch(reddit_client(reddit))

    assert [(each.author, each.body) for each in fetched.documents] == [(None, "still here"), (None, "")]
    assert fetched.removed == []


def test_a_link_without_a_text_is_its_title(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post("p1", NOW, "Rates fall", is_self=False, url="https://example.org/rates")]}
    assert (only(fetch(reddit_client(reddit))).title, only(fetch(reddit_client(reddit))).body) == ("Rates fall", "")


def test_a_crosspost_says_what_it_repeats(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post("p1", NOW, crosspost_parent="t3_first")]}
    assert only(fetch(reddit_client(reddit))).repost_of == "t3_first"


@pytest.mark.parametrize(
    "text", ["\U0001f680\U0001f468\u200d\U0001f680", "pu\u200bmp", "\u202eevil", "a &amp; <b>", " "]
)
def test_a_text_passes_as_it_came(reddit: LocalReddit, text: str) -> None:
    reddit.new = {"test": [a_post("p1", NOW, title=text, body=text)]}
    assert (only(fetch(reddit_client(reddit))).title, only(fetch(reddit_client(reddit))).body) == (text, text)


@pytest.mark.parametrize("value", [None, "yesterday", 1e300, float("inf"), {}])
def test_a_date_that_is_none_is_unknown(reddit: LocalReddit, value: object) -> None:
    reddit.new = {"test": [a_post("p1", NOW, created_utc=value)]}

    fetched = fetch(reddit_client(reddit))

    assert (only(fetched).published_at, fetched.cursor) == (None, Cursor())


def test_a_post_from_the_future_does_not_hide_those_to_come(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post("far", NOW + 300 * DAY), *posts_until_now(2)]}

    fetched = fetch(reddit_client(reddit))

    assert (ids(fetched), fetched.cursor.newest_id) == (["t3_far", "t3_p0", "t3_p1"], "t3_p0")


def test_counters_that_are_none_are_left_out(reddit: LocalReddit) -> None:
    reddit.new = {"test": [a_post("p1", NOW, score=None, num_comments="many", upvote_ratio=None)]}
    assert only(fetch(reddit_client(reddit))).engagement == {}


def test_things_without_a_name_are_counted_and_the_others_kept(reddit: LocalReddit) -> None:
    strange: list[object] = [
        "a string",
        {},
        {"data": 7},
        a_post("p2", NOW, name=None),
        a_post("p3", NOW, name="t5_abc"),
    ]
    reddit.orders.order(refusal(200, listing([a_post("p1", NOW), *strange])), path="new")

    fetched = fetch(reddit_client(reddit))

    assert (ids(fetched), fetched.skipped) == (["t3_p1"], {"no_id": 5})


def test_an_edited_post_has_other_words_under_the_same_id(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(3)}
    first = fetch(reddit_client(reddit))
    edited = a_post("p1", NOW - MINUTE, "title 1", "on second thought", edited=(NOW + MINUTE).timestamp())
    reddit.new["test"][1] = edited

    second = fetch(reddit_client(reddit), first.cursor)

    assert ids(second) == ids(first)
    assert [document.body for document in second.documents] == ["", "on second thought", ""]


@pytest.mark.parametrize(
    "told",
    [
        *({"removed_by_category": who} for who in ("moderator", "deleted", "automod_filtered", "reddit", "author")),
        *({"selftext": text} for text in GONE),
        *({"title": title} for title in ("[deleted by user]", "[ Removed by Reddit ]")),
    ],
)
def test_a_post_that_was_taken_away_is_gone_and_not_a_text(reddit: LocalReddit, told: dict[str, str]) -> None:
    reddit.new = {"test": [a_post("p0", NOW), a_post("p1", NOW - HOUR, **told)]}

    fetched = fetch(reddit_client(reddit))

    assert (ids(fetched), fetched.removed) == (["t3_p0"], ["t3_p1"])
    assert fetched.cursor.newest_id == "t3_p0"


def test_what_became_of_known_texts_that_are_not_listed_is_looked_up(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(2)}
    reddit.unlisted = [
        a_post("taken", NOW - 3 * HOUR, removed_by_category="moderator"),
        a_post("changed", NOW - 3 * HOUR, body="other words"),
        a_comment("withdrawn", NOW - 3 * HOUR, "[deleted]", "changed", author="[deleted]"),
    ]
    known = ["t3_p0", "t3_taken", "t3_changed", "t1_withdrawn", "t3_never_heard_of"]

    fetched = fetch(reddit_client(reddit, known={"test": known, "another": ["t3_x"]}))

    assert ids(fetched) == ["t3_p0", "t3_p1", "t3_changed"]
    assert fetched.removed == ["t3_taken", "t1_withdrawn"]
    assert reddit.requests[-1].params["id"].split(",") == known[1:]


def test_known_texts_that_are_listed_need_no_look_up(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(2)}
    fetch(reddit_client(reddit, known={"test": ["t3_p0", "t3_p1"]}))
    assert reddit.paths == ["api/v1/access_token", "r/test/new", "r/test/hot"]


def test_the_top_comments_of_hot_posts_are_read_where_the_settings_say_so(reddit: LocalReddit) -> None:
    talked, silent = a_post("p0", NOW, num_comments=3), a_post("p1", NOW)
    pinned = a_post("rules", NOW - 9 * DAY, num_comments=99, stickied=True)
    reddit.new, reddit.hot = {"test": [talked, silent]}, {"test": [pinned, talked, silent]}
    more = {"kind": "more", "data": {"count": 7, "name": "t1_more", "id": "more", "children": ["c9"], "depth": 0}}
    gone = a_comment("c2", NOW, "[removed]", "p0", author=None)
    reddit.comments = {"p0": [a_comment("c1", NOW - MINUTE, "I agree", "p0", score=12), gone, more]}

    fetched = fetch(reddit_client(reddit, with_comments=True))
    without = fetch(reddit_client(reddit))

    assert fetched.documents[-1] == RawDocument(
        kind=DocumentKind.COMMENT,
        external_id="t1_c1",
        feed="test",
        published_at=NOW - MINUTE,
        body="I agree",
        url="https://www.reddit.com/r/test/comments/p0/a_title/c1/",
        author="somebody_else",
        engagement={"score": 12},
    )
    assert (fetched.removed, fetched.requests, fetched.failure) == (["t1_c2"], 4, None)
    asked = next(request for request in reddit.requests if request.path.startswith("/comments"))
    assert (asked.params["sort"], asked.params["limit"]) == ("top", "20")
    assert ids(without) == ["t3_p0", "t3_p1", "t3_rules"]


def test_a_subreddit_that_cannot_be_read_stands_beside_those_that_can(reddit: LocalReddit) -> None:
    reddit.new = {"first": posts_until_now(1), "last": posts_until_now(2)}
    reddit.refused = {"private": private(), "banned": banned()}
    told: list[tuple[int, int]] = []
    names = ("first", "private", "banned", "unknown", "r/last")

    fetches = list(reddit_client(reddit, subreddits=names).fetch({}, NOW, lambda *numbers: told.append(numbers)))

    assert [(each.feed, each.failure, len(each.documents)) for each in fetches] == [
        ("first", None, 1),
        ("private", "forbidden(403)", 0),
        ("banned", "not_found(404)", 0),
        ("unknown", "not_found(302)", 0),
        ("last", None, 2),
    ]
    assert reddit.paths.count("api/v1/access_token") == 1
    assert told == [(number, 5) for number in range(1, 6)]


def test_a_cursor_stays_until_all_is_read_that_is_newer(reddit: LocalReddit) -> None:
    before = Cursor(newest_id="t3_p250", newest_at=NOW - 250 * MINUTE)
    reddit.new = {"test": posts_until_now(300)}
    reddit.orders.order(refusal(403), after=1, path="new")

    first = fetch(reddit_client(reddit), before)
    second = fetch(reddit_client(reddit), first.cursor)

    assert (first.failure, len(first.documents), first.cursor) == ("forbidden(403)", 100, before)
    assert (second.failure, len(second.documents), second.cursor.newest_id) == (None, 300, "t3_p0")


def test_only_hot_posts_missing_moves_the_cursor(reddit: LocalReddit) -> None:
    reddit.new = {"test": posts_until_now(3)}
    reddit.orders.order(refusal(403), path="hot")

    fetched = fetch(reddit_client(reddit))

    assert (fetched.failure, len(fetched.documents), fetched.cursor.newest_id) == ("forbidden(403)", 3, "t3_p0")


def test_nobody_elses_settings_are_read(reddit: LocalReddit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = "oauth_url=http://127.0.0.1:9\nreddit_url=http://127.0.0.1:9\nusername=a\npassword=b\n"
    (tmp_path / "praw.ini").write_text(f"[DEFAULT]\n{elsewhere}[mine]\n{elsewhere}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("praw.config.Config.CONFIG", None)  # praw reads once in a process
    monkeypatch.setenv("praw_site", "mine")
    monkeypatch.setenv("praw_refresh_token", "somebody's")
    reddit.new = {"test": posts_until_now(1)}

    fetched = fetch(reddit_client(reddit))

    assert (fetched.failure, len(fetched.documents)) == (None, 1)
    assert reddit.requests[0].body == b"grant_type=client_credentials"


def test_recorded_answers_of_reddit_are_read_without_asking_for_what_they_lack(reddit: LocalReddit) -> None:
    recorded = {
        order: answers_of(
            real_data("wire", "reddit_praw", f"TestSubredditListings.test_{order}.json").read_text(encoding="utf-8")
        )[1]
        for order in ("new", "hot")
    }
    for order, body in recorded.items():
        listed = json.loads(body)
        listed["data"]["after"] = None
        reddit.orders.order(refusal(200, listed), path=order)

    fetched = fetch(reddit_client(reddit))

    posts = {order: json.loads(body)["data"]["children"] for order, body in recorded.items()}
    names = [post["data"]["name"] for post in (*posts["new"], *posts["hot"])]
    assert ids(fetched) == list(dict.fromkeys(names))
    first, told = fetched.documents[0], posts["new"][0]["data"]
    assert (first.title, first.author) == (told["title"], told["author"])
    assert first.engagement == {"score": told["score"], "comments": told["num_comments"]}
    assert reddit.paths == ["api/v1/access_token", "r/test/new", "r/test/hot"]
