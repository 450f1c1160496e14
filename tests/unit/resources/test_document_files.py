"""Document files: what a line says, and what becomes of one that says nothing."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from pipeline.domain.document import ActivityKind, DocumentKind, TextSource
from pipeline.domain.errors import UnreadableFileError
from resources.document_files import AssetEvent, UnreadableLine, read_document_file
from tests.support.real_data import real_data

NOON = "2024-06-30T12:00:00Z"


def written(tmp_path, *lines, name="texts.jsonl"):
    path = tmp_path / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def the_line(tmp_path, line, source=None):
    (found,) = read_document_file(written(tmp_path, line), source)
    return found


def test_a_line_of_news_is_an_article_with_its_headline(tmp_path):
    line = {
        "source": "news",
        "id": "7",
        "timestamp": NOON,
        "text": "Coin rises",
        "body": "It did.",
        "publisher": "Daily",
    }

    found = the_line(tmp_path, line | {"url": "https://daily.example/7", "symbols": ["btc/usdt", "$ETH", "BTC"]})

    assert (found.kind, found.external_id, found.feed) == (DocumentKind.ARTICLE, "7", "texts")
    assert (found.title, found.body, found.author) == ("Coin rises", "It did.", "Daily")
    assert found.published_at == datetime(2024, 6, 30, 12, tzinfo=UTC)
    assert found.assets == ("BTC", "ETH")


def test_a_tweet_has_no_headline_and_a_post_of_a_subreddit_is_of_that_feed(tmp_path):
    tweet = the_line(tmp_path, {"source": "twitter", "timestamp": NOON, "text": "up it goes"})
    post = the_line(tmp_path, {"source": "reddit", "timestamp": NOON, "text": "Up?", "subreddit": "Bitcoin"})
    comment = the_line(tmp_path, {"source": "reddit", "kind": "comment", "timestamp": NOON, "text": "No."})

    assert (tweet.title, tweet.body) == ("", "up it goes")
    assert (post.title, post.body, post.feed) == ("Up?", "", "Bitcoin")
    assert (comment.kind, comment.title, comment.body) == (DocumentKind.COMMENT, "", "No.")


def test_counters_are_read_wherever_they_stand_and_what_is_no_number_is_not(tmp_path):
    line = {"source": "twitter", "timestamp": NOON, "text": "x", "likes": 3, "score": True, "votes": {"lol": 2}}

    found = the_line(tmp_path, json.dumps(line | {"engagement": {"views": 9, "who": "me"}})[:-1] + ', "quotes": NaN}')

    assert found.engagement == {"likes": 3, "lol": 2, "views": 9}


def test_a_text_without_an_id_gets_the_same_one_every_time(tmp_path):
    line = {"source": "twitter", "timestamp": NOON, "text": "x"}

    ids = {the_line(tmp_path, line).external_id for _ in range(2)} | {
        the_line(tmp_path, line | {"text": "y"}).external_id
    }

    assert len(ids) == 2


def test_an_event_says_what_happened_where_and_to_whom_it_belongs(tmp_path):
    line = {"source": "github", "origin": "some/repo git log", "timestamp": NOON, "text": "fix it\n\nwell", "id": "abc"}

    found = the_line(tmp_path, line | {"symbols": ["ETH"]})

    assert isinstance(found, AssetEvent)
    assert (found.asset, found.event.repository, found.event.kind) == ("ETH", "some/repo", ActivityKind.COMMIT)
    assert (found.event.external_id, found.event.title) == ("abc", "fix it")


def test_the_source_of_lines_that_do_not_say_theirs_is_given(tmp_path):
    assert the_line(tmp_path, {"timestamp": NOON, "text": "x"}, TextSource.TWITTER).kind is DocumentKind.TWEET


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "no_json"),
        ("[1]", "no_json"),
        ("[" * 100_000, "no_json"),
        ('{"text": "x"}', "no_source"),
        ('{"source": "carrier pigeon", "text": "x"}', "no_source"),
        ('{"source": "news"}', "no_text"),
        ('{"source": "news", "text": " "}', "no_text"),
        ('{"source": "news", "text": ["x"]}', "wrong_type"),
        ('{"source": "news", "text": "x", "symbols": {"a": 1}}', "wrong_type"),
        ('{"source": "news", "text": "x", "kind": "poem"}', "unknown_kind"),
        ('{"source": "news", "text": "x", "timestamp": "yesterday"}', "unreadable_date"),
        ('{"source": "news", "text": "x", "timestamp": "2024-06-30T12:00:00"}', "unreadable_date"),
        ('{"source": "news", "text": "x", "timestamp": 1e300}', "unreadable_date"),
        ('{"source": "github", "text": "x", "timestamp": "2024-06-30T12:00:00Z"}', "no_repository"),
        ('{"source": "github", "text": "x", "repository": "ab", "timestamp": 1719748800}', "no_repository"),
        ('{"source": "github", "text": "x", "repository": "a/b"}', "no_date"),
    ],
)
def test_a_line_that_cannot_be_read_says_why_and_the_others_go_on(tmp_path, line, reason):
    good = {"source": "twitter", "timestamp": NOON, "text": "x"}

    bad, after = read_document_file(written(tmp_path, "", line, good))

    assert isinstance(bad, UnreadableLine)
    assert (bad.number, bad.reason) == (2, reason)
    assert after.body == "x"


def test_a_date_may_be_missing_here_and_is_judged_later(tmp_path):
    assert the_line(tmp_path, {"source": "news", "text": "x"}).published_at is None


def test_seconds_since_1970_are_a_date(tmp_path):
    found = the_line(tmp_path, {"source": "news", "text": "x", "timestamp": 1_719_748_800})

    assert found.published_at == datetime(2024, 6, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize("given", ["1719748800", " 1719748800 ", "1719748800.0", 1_719_748_800.0])
def test_seconds_are_read_with_a_point_and_in_quotes(tmp_path, given):
    found = the_line(tmp_path, {"source": "news", "text": "x", "timestamp": given})

    assert found.published_at == datetime(2024, 6, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (1_700_000_000_000, "must be seconds since 1970, was milliseconds: 1700000000000"),
        (1_700_000_000_000.0, "must be seconds since 1970, was milliseconds: 1700000000000"),
        ("1700000000000", "must be seconds since 1970, was milliseconds: 1700000000000"),
        (1_700_000_000_000_000, "must be seconds since 1970, was microseconds: 1700000000000000"),
        (1_700_000_000_000_000_000, "must be seconds since 1970, was nanoseconds: 1700000000000000000"),
        ("20240630120000", "must be like 2024-06-30T12:00:00Z, or seconds since 1970, was '20240630120000'"),
        ("20240630", "must have its time zone, as in 20240630Z, was '20240630'"),
        (True, "must be like 2024-06-30T12:00:00Z, or seconds since 1970, was True"),
        (1e300, "must be like 2024-06-30T12:00:00Z, or seconds since 1970, was 1e+300"),
    ],
)
def test_a_timestamp_of_another_kind_is_told_as_what_it_was(tmp_path, given, says):
    found = the_line(tmp_path, {"source": "news", "text": "x", "timestamp": given})

    assert (found.reason, found.says) == ("unreadable_date", f"timestamp {says}")


@pytest.mark.parametrize(
    ("fields", "was"),
    [
        ({}, "missing"),
        ({"repository": " "}, "missing"),
        ({"repository": "https://a.example/b/c"}, "'https://a.example/b/c'"),
    ],
)
def test_a_malformed_repository_is_not_told_as_a_missing_one(tmp_path, fields, was):
    found = the_line(tmp_path, {"source": "github", "timestamp": NOON, "text": "x", **fields})

    assert (found.reason, found.says) == ("no_repository", f"repository must read like owner/name, was {was}")


def test_an_event_knows_its_line(tmp_path):
    line = {"source": "github", "repository": "a/b", "timestamp": NOON, "text": "x"}

    assert [each.number for each in read_document_file(written(tmp_path, line, "", line))] == [1, 3]


def test_a_packed_file_is_read_without_its_mark(tmp_path):
    line = json.dumps({"source": "twitter", "timestamp": NOON, "text": "grün"}, ensure_ascii=False)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + line.encode()))

    (found,) = read_document_file(packed)

    assert found.body == "grün"


def test_a_line_in_another_encoding_does_not_stop_the_others(tmp_path):
    line = json.dumps({"source": "twitter", "timestamp": NOON, "text": "grün"}, ensure_ascii=False)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([line.encode(), line.encode("latin-1"), line.encode()]))

    before, bad, after = read_document_file(path)

    assert (before.body, after.body) == ("grün", "grün")
    assert isinstance(bad, UnreadableLine)
    assert (bad.number, bad.reason) == (2, "no_utf8")
    assert bad.says == f"must be UTF-8, byte {line.index('ü') + 1} was not"
    assert bad.beginning == line.replace("ü", "\ufffd")


def test_a_file_in_utf_16_is_refused_whole(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes("{}\n{}".encode("utf-16"))

    with pytest.raises(UnreadableFileError, match="must be UTF-8, was UTF-16; save it as UTF-8"):
        list(read_document_file(path))


def test_a_packed_file_under_another_name_is_unpacked(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(gzip.compress(json.dumps({"source": "twitter", "timestamp": NOON, "text": "x"}).encode()))

    (found,) = read_document_file(path)

    assert found.body == "x"


def test_every_line_of_the_real_texts_can_be_read():
    files = sorted(real_data("text").glob("*.jsonl"))

    lines = [line for file in files for line in read_document_file(file)]

    assert len(lines) > 20_000
    assert [line for line in lines if isinstance(line, UnreadableLine)] == []
