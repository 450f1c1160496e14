"""The client of X, through tweepy, against a local X: queries, pages, cursor, what is kept of a post, the plan."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.domain.document import Cursor, DocumentKind, RawDocument
from pipeline.settings_texts import TwitterSettings
from resources.texts import FeedFetch
from resources.twitter import TwitterClient
from tests.support.real_data import real_data
from tests.support.x_server import NOW, QUERY, TOKEN, LocalX, a_post, id_at, posts_until, refusal, x_client, x_server

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def x() -> Iterator[LocalX]:
    with x_server() as local:
        yield local


def fetch(client: TwitterClient, cursor: Cursor | None = None, as_of: datetime = NOW) -> FeedFetch:
    """What one fetch of a single query gives."""
    (fetched,) = client.fetch({} if cursor is None else {client.feeds[0]: cursor}, as_of)
    return fetched


def only(fetched: FeedFetch) -> RawDocument:
    (document,) = fetched.documents
    return document


def ids(fetched: FeedFetch) -> list[str]:
    return [document.external_id for document in fetched.documents]


def queries_of(names: dict[str, tuple[str, ...]], **settings: tuple[str, ...]) -> list[str]:
    return list(TwitterClient(TwitterSettings(**settings), names=names, posts_left=0, requests_left=0).feeds)


def test_a_first_fetch_reads_a_day_page_by_page(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 250) + posts_until(NOW - 2 * DAY, 3)

    fetched = fetch(x_client(x))

    assert ids(fetched) == [post["id"] for post in x.posts[:250]]
    assert (fetched.failure, fetched.requests, len(x.searches)) == (None, 3, 3)
    assert fetched.cursor == Cursor(newest_id=x.posts[0]["id"], newest_at=NOW - MINUTE, history_from=NOW - DAY)


def test_a_second_fetch_asks_only_for_what_is_newer_and_brings_nothing_where_nothing_is(x: LocalX) -> None:
    x.posts = posts_until(NOW - HOUR, 30)
    first = fetch(x_client(x))

    second = fetch(x_client(x), first.cursor)
    x.posts = [a_post(NOW - MINUTE, "news"), *x.posts]
    third = fetch(x_client(x), second.cursor)

    assert (second.documents, second.is_unchanged, second.requests) == ([], True, 1)
    assert second.cursor == first.cursor
    assert [document.body for document in third.documents] == ["news"]
    assert third.cursor.newest_at == NOW - MINUTE
    assert [asked.get("since_id") for asked in x.searches] == [None, first.cursor.newest_id, first.cursor.newest_id]


def test_what_x_tells_of_a_post_is_kept(x: LocalX) -> None:
    cashtags = [{"start": 0, "end": 4, "tag": tag} for tag in ("btc", "AAPL", "BTC", "ETH")]
    x.posts = [a_post(NOW - HOUR, "$btc beats $AAPL", entities={"cashtags": cashtags}, lang="en", author_id="77")]

    document = only(fetch(x_client(x, names={"BTC": (), "ETH": ()})))

    assert document == RawDocument(
        kind=DocumentKind.TWEET,
        external_id=id_at(NOW - HOUR),
        feed=QUERY,
        published_at=NOW - HOUR,
        body="$btc beats $AAPL",
        url=f"https://x.com/i/status/{id_at(NOW - HOUR)}",
        author="77",
        language="en",
        engagement={"likes": 3, "retweets": 1, "replies": 2, "quotes": 4, "impressions": 600},
        assets=("BTC", "ETH"),
    )


@pytest.mark.parametrize("code", ["und", "qme", "zxx"])
def test_a_language_that_x_cannot_tell_is_not_stated(x: LocalX, code: str) -> None:
    x.posts = [a_post(NOW - HOUR, lang=code)]
    assert only(fetch(x_client(x))).language is None


@pytest.mark.parametrize(
    ("references", "repeated"),
    [
        ([{"type": "retweeted", "id": "11"}], "11"),
        ([{"type": "quoted", "id": "12"}], None),
        ([{"type": "replied_to", "id": "13"}, {"type": "retweeted", "id": "12"}], "12"),
        ([{"type": "replied_to", "id": "13"}], None),
        ([{"type": "retweeted"}], None),
        ("quoted", None),
    ],
)
def test_a_retweet_says_what_it_repeats_and_a_quotation_has_its_own_words(
    x: LocalX, references: object, repeated: str | None
) -> None:
    x.posts = [a_post(NOW - HOUR, referenced_tweets=references)]
    assert only(fetch(x_client(x))).repost_of == repeated


def test_an_edited_post_keeps_the_id_that_it_had_first(x: LocalX) -> None:
    first, second = id_at(NOW - 2 * HOUR), id_at(NOW - HOUR)
    x.posts = [a_post(NOW - HOUR, "corrected", edit_history_tweet_ids=[first, second])]

    fetched = fetch(x_client(x))

    assert (only(fetched).external_id, only(fetched).body) == (first, "corrected")
    assert fetched.cursor.newest_id == second


def test_a_long_post_is_read_whole(x: LocalX) -> None:
    x.posts = [a_post(NOW - HOUR, "It began ...", note_tweet={"text": "It began and it ended."})]
    assert only(fetch(x_client(x))).body == "It began and it ended."


@pytest.mark.parametrize(
    "text", ["to the moon \U0001f680\U0001f468\u200d\U0001f680", "pu\u200bmp", "\u202eevil", "a &amp; b <b>", " \t"]
)
def test_a_text_passes_as_it_came(x: LocalX, text: str) -> None:
    x.posts = [a_post(NOW - HOUR, text)]
    assert only(fetch(x_client(x))).body == text


def test_whatever_a_post_lacks_is_unknown_and_the_post_is_kept(x: LocalX) -> None:
    lacking = dict.fromkeys(("created_at", "author_id", "lang", "public_metrics"))
    x.posts = [a_post(NOW - HOUR, text=None, **lacking)]

    document = only(fetch(x_client(x)))

    assert (document.published_at, document.author, document.language, document.engagement) == (None, None, None, {})
    assert document.body == ""


@pytest.mark.parametrize("value", ["yesterday", "2026-05-15T11:00:00", 1778842800])
def test_a_date_that_is_none_is_unknown(x: LocalX, value: object) -> None:
    x.posts = [a_post(NOW - HOUR, created_at=value)]
    assert only(fetch(x_client(x))).published_at is None


def test_posts_that_cannot_be_told_apart_are_counted_and_the_others_kept(x: LocalX) -> None:
    good = a_post(NOW - HOUR)
    far = id_at(NOW + timedelta(days=365))
    strange = [{"text": "no id"}, {"id": "abc"}, "a string", {"id": far}, {"id": "9" * 30}]
    x.orders.order(refusal(200, {"data": [*strange, good], "meta": {"result_count": 6}}))

    fetched = fetch(x_client(x))

    assert ids(fetched) == [good["id"]]
    assert fetched.skipped == {"no_id": 4, "id_of_the_future": 1}
    assert fetched.cursor.newest_id == good["id"]


def test_a_query_is_made_of_the_cashtags_and_names_of_the_assets() -> None:
    names = {"BTC": ("Bitcoin",), "BNB": ("Binance Coin",), "1INCH": (), "AVAX": ('Aval"anche',)}
    terms = '$BTC OR Bitcoin OR $BNB OR "Binance Coin" OR #1INCH OR $AVAX OR "Avalanche"'
    assert queries_of(names) == [f"({terms}) -is:retweet lang:en"]


def test_many_assets_are_shared_out_among_queries_that_x_takes() -> None:
    names = {f"A{chr(65 + number // 26)}{chr(65 + number % 26)}": (f"name{number}",) for number in range(200)}

    queries = queries_of(names)

    assert len(queries) == -(-sum(len(f"${a} OR {b} OR ") for a, (b,) in names.items()) // 480)
    assert all(len(query) <= 512 for query in queries)
    terms = [term for query in queries for term in query.partition(")")[0].lstrip("(").split(" OR ")]
    assert terms == [term for asset, (name,) in names.items() for term in (f"${asset}", name)]


def test_accounts_and_queries_of_the_settings_take_the_place_of_the_assets() -> None:
    accounts = tuple(f"@account_number_{number}" for number in range(40))

    queries = queries_of({"BTC": ()}, queries=("fear OR greed",), accounts=accounts)

    assert queries[0] == "fear OR greed"
    assert queries[1].startswith("(from:account_number_0 OR from:account_number_1 OR")
    assert sum(query.count("from:") for query in queries) == 40
    assert all(len(query) <= 512 for query in queries)
    assert queries_of({}) == []


def test_a_plan_without_cashtags_is_asked_for_hashtags_from_then_on(x: LocalX) -> None:
    x.knows_cashtags = False
    x.posts = posts_until(NOW - HOUR, 5)

    fetches = list(x_client(x, queries=("$BTC OR price", "$ETH")).fetch({}, NOW))

    assert [asked["query"] for asked in x.searches] == ["$BTC OR price", "#BTC OR price", "#ETH"]
    assert [(each.feed, each.failure, len(each.documents)) for each in fetches] == [
        ("$BTC OR price", None, 5),
        ("$ETH", None, 5),
    ]


def test_a_cursor_older_than_the_search_reaches_begins_with_a_new_day(x: LocalX) -> None:
    x.posts = posts_until(NOW - HOUR, 5)
    old = NOW - timedelta(days=8)

    fetched = fetch(x_client(x), Cursor(newest_id=id_at(old), newest_at=old))

    assert (len(fetched.documents), fetched.failure) == (5, None)
    assert [("since_id" in asked, "start_time" in asked) for asked in x.searches] == [(False, True)]


def test_a_cursor_that_is_not_of_x_begins_anew(x: LocalX) -> None:
    x.posts = posts_until(NOW - HOUR, 5)
    fetched = fetch(x_client(x), Cursor(newest_id="twitter-BTC-493210-3", newest_at=NOW - HOUR))
    assert (len(fetched.documents), fetched.failure, fetched.cursor.newest_id) == (5, None, x.posts[0]["id"])


def test_an_id_that_x_finds_too_old_is_asked_without(x: LocalX) -> None:
    x.posts = posts_until(NOW - HOUR, 5)
    x.now = NOW + HOUR  # our clock is behind
    nearly = NOW - timedelta(days=7) + MINUTE

    fetched = fetch(x_client(x), Cursor(newest_id=id_at(nearly), newest_at=nearly))

    assert (len(fetched.documents), fetched.failure, fetched.requests) == (5, None, 2)
    assert fetched.cursor.history_from == NOW - DAY


def test_a_months_posts_are_spread_over_the_month(x: LocalX) -> None:
    begin, plan, every = datetime(2026, 4, 1, tzinfo=UTC), 900, timedelta(hours=6)
    x.posts = posts_until(begin + timedelta(days=30), 4320, 10 * MINUTE)
    cursor, read = None, []
    for number in range(1, 120):
        x.now = begin + number * every
        x.quota = 60
        fetched = fetch(x_client(x, posts_left=plan - sum(read)), cursor, x.now)
        cursor = fetched.cursor
        read.append(len(fetched.documents))
        assert (fetched.failure is None) or plan - sum(read) < 10

    assert 0.9 * plan < sum(read) <= plan
    assert 0.4 < sum(read[:60]) / sum(read) < 0.6
    assert set(read[1:]) <= {0, *range(10, 21)}  # waits until ten are due


def test_a_query_whose_share_is_too_small_waits_without_a_request(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 30)
    just_now = Cursor(newest_id=id_at(NOW - HOUR), newest_at=NOW - HOUR)

    fetched = fetch(x_client(x, posts_left=1500), just_now)

    assert (fetched.is_unchanged, fetched.failure, fetched.requests) == (True, None, 0)
    assert fetched.cursor == just_now
    assert x.searches == []


def test_a_query_that_never_found_anything_may_always_ask(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 30)

    fetches = list(x_client(x, queries=tuple(f"query {number}" for number in range(5)), posts_left=60).fetch({}, NOW))

    assert [len(each.documents) for each in fetches] == [10] * 5


def test_a_share_is_used_for_the_newest_posts_and_the_older_ones_are_given_up(x: LocalX) -> None:
    x.posts = posts_until(NOW - MINUTE, 300)

    first = fetch(x_client(x, posts_left=1750))
    second = fetch(x_client(x, posts_left=15_000), first.cursor, NOW + HOUR)

    assert ids(first) == [post["id"] for post in x.posts[:100]]
    assert (first.failure, second.documents, second.requests) == (None, [], 1)


def test_progress_is_told_after_each_query(x: LocalX) -> None:
    told: list[tuple[int, int]] = []
    list(x_client(x, queries=("a", "b")).fetch({}, NOW, lambda done, wanted: told.append((done, wanted))))
    assert told == [(1, 2), (2, 2)]


def test_the_key_is_not_written_to_the_log(x: LocalX, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        fetch(x_client(x))
        fetch(x_client(x, bearer_token="another-secret"))
    assert x.searches
    assert TOKEN not in caplog.text
    assert "another-secret" not in caplog.text


def test_a_recorded_answer_of_x_is_read(x: LocalX) -> None:
    recorded = json.loads(
        real_data("wire", "x_tweepy", "test_client_search_recent_tweets.yaml.decoded.json").read_text(encoding="utf-8")
    )
    answer = recorded[0]["body"]
    x.orders.order(refusal(200, answer))
    x.orders.order(refusal(200, {"meta": {"result_count": 0}}))

    fetched = fetch(x_client(x))

    assert ids(fetched) == [post["id"] for post in answer["data"]]
    assert [document.body for document in fetched.documents] == [post["text"] for post in answer["data"]]
    assert fetched.cursor.newest_id == answer["meta"]["newest_id"]
    assert x.searches[1]["next_token"] == answer["meta"]["next_token"]
