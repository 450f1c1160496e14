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


def test_a_packed_file_is_read_and_one_in_another_encoding_is_refused(tmp_path):
    line = json.dumps({"source": "twitter", "timestamp": NOON, "text": "grün"}, ensure_ascii=False)
    packed, wrong = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + line.encode()))
    wrong.write_bytes(line.encode("latin-1"))

    assert next(read_document_file(packed)).body == "grün"
    with pytest.raises(UnreadableFileError, match="UTF-8"):
        list(read_document_file(wrong))


def test_every_line_of_the_real_texts_can_be_read():
    files = sorted(real_data("text").glob("*.jsonl"))

    lines = [line for file in files for line in read_document_file(file)]

    assert len(lines) > 20_000
    assert [line for line in lines if isinstance(line, UnreadableLine)] == []
