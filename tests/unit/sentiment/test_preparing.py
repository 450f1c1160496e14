"""Preparing: raw texts become rows as the tables want them, or are refused for a reason."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.contracts.documents import Documents
from pipeline.contracts.validation import hold_to
from pipeline.domain.document import DocumentKind, Provenance, RawDocument, TextSource
from pipeline.domain.errors import DataContractError
from pipeline.sentiment.duplicates import find_duplicates, marks_of
from pipeline.sentiment.preparing import (
    ASSET_COLUMNS,
    CLOCKS_DIFFER,
    DOCUMENT_COLUMNS,
    FIRST_DATE,
    LONGEST_NAME,
    REFUSAL_COLUMNS,
    REMOVED_COLUMNS,
    Prepared,
    author_hash,
    dated,
    prepare,
    refusal,
)
from pipeline.storage import tables
from resources.document_files import read_document_file
from tests.support.real_data import real_data

ARTICLE, TWEET, POST, COMMENT = DocumentKind
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = b"a secret of this installation"
SECOND = timedelta(seconds=1)


def a_text(**changes) -> RawDocument:
    facts = {
        "kind": POST,
        "external_id": "t3_a",
        "feed": "CryptoCurrency",
        "published_at": NOW - timedelta(hours=1),
        "body": "Bitcoin looks strong today",
    }
    return RawDocument(**(facts | changes))


def prepared(*raw: RawDocument, **changes) -> Prepared:
    return prepare(raw, **({"now": NOW, "provenance": Provenance.FETCHED, "author_key": KEY} | changes))


def the_document(*raw: RawDocument, **changes) -> dict[str, object]:
    (row,) = prepared(*raw, **changes).documents.to_dict("records")
    return row


def the_refusal(*raw: RawDocument) -> dict[str, object]:
    found = prepared(*raw)
    assert found.documents.empty
    (row,) = found.refusals.to_dict("records")
    return row


def test_a_text_becomes_a_row_of_the_table():
    raw = a_text(
        kind=ARTICLE,
        title="<b>Ether</b> &amp; Bitcoin rise together on Monday",
        body="<p>No more than that.</p>",
        feed="https://example.org/rss",
        url="https://www.Example.org/a/?utm_source=rss",
        language="en-US",
        engagement={"likes": 3},
    )
    row = the_document(raw)
    assert row["source"] == "news"
    assert row["kind"] == "article"
    assert row["title"] == "Ether & Bitcoin rise together on Monday"
    assert row["body"] == "No more than that."
    assert row["url"] == "https://example.org/a"
    assert row["language"] == "en"
    assert row["engagement"] == {"likes": 3}
    assert (row["published_at"], row["fetched_at"]) == (raw.published_at, NOW)
    assert row["provenance"] == "fetched"
    hold_to(Documents, prepared(raw).documents)


def test_the_rows_have_the_columns_of_their_tables():
    found = prepared(a_text(), a_text(external_id="b", published_at=None))
    added_by_storage = {"gone_at", "gone_reason", "duplicate_of", "duplicate_rule", "recorded_at"}
    assert set(found.documents.columns) == {c.name for c in tables.documents.columns} - added_by_storage
    assert set(found.assets.columns) == {c.name for c in tables.document_assets.columns}
    assert set(found.refusals.columns) == {c.name for c in tables.document_quarantine.columns} - added_by_storage


def test_nothing_in_gives_frames_with_their_columns():
    found = prepared()
    assert list(found.documents.columns) == DOCUMENT_COLUMNS
    assert list(found.assets.columns) == ASSET_COLUMNS
    assert list(found.refusals.columns) == REFUSAL_COLUMNS
    assert list(found.removed.columns) == REMOVED_COLUMNS
    assert (len(found.marks), found.skipped, found.too_many) == (0, {}, 0)
    hold_to(Documents, found.documents)


def test_texts_are_in_order_of_publication_whatever_came_first():
    texts = [a_text(external_id=str(n), published_at=NOW - n * SECOND) for n in range(5)]
    forwards, backwards = prepared(*texts), prepared(*texts[::-1])
    assert forwards.documents["external_id"].tolist() == ["4", "3", "2", "1", "0"]
    pd.testing.assert_frame_equal(forwards.documents, backwards.documents)
    pd.testing.assert_frame_equal(forwards.assets, backwards.assets)
    assert list(forwards.marks.external_id) == ["4", "3", "2", "1", "0"]


def test_an_id_follows_from_source_name_and_words():
    first = the_document(a_text())["document_id"]
    assert (
        first
        == the_document(a_text(published_at=NOW, feed="other", body="BITCOIN looks strong, today!"))["document_id"]
    )
    assert first != the_document(a_text(body="Bitcoin looks weak today"))["document_id"]
    assert first != the_document(a_text(external_id="t3_b"))["document_id"]
    assert first != the_document(a_text(kind=TWEET))["document_id"]


def test_an_article_is_known_by_its_headline():
    """Feeds shorten and lengthen what stands below, which is no edit, and other papers write their own."""
    headline = "Miners sell more coins than in any week before"
    texts = [a_text(kind=ARTICLE, title=headline, body=body) for body in ("in short", "at length and in other words")]
    assert len({the_document(text)["document_id"] for text in texts}) == 1
    post = the_document(a_text(title=headline, body=""))
    assert post["content_hash"] == the_document(texts[0])["content_hash"]


@pytest.mark.parametrize(
    ("published_at", "reason"),
    [
        (None, "no_date"),
        (NOW.replace(tzinfo=None), "date_without_zone"),
        (datetime(1970, 1, 1, tzinfo=UTC), "date_too_old"),
        (FIRST_DATE - SECOND, "date_too_old"),
        (NOW + CLOCKS_DIFFER + SECOND, "date_in_the_future"),
        (datetime(2099, 1, 1, tzinfo=UTC), "date_in_the_future"),
    ],
)
def test_a_date_that_cannot_be_believed_is_refused_f25(published_at, reason):
    row = the_refusal(a_text(published_at=published_at))
    assert row["reason"] == reason == dated(published_at, NOW)
    assert row["beginning"] == "Bitcoin looks strong today"
    assert pd.isna(row["published_at"]) == (published_at is None or published_at.tzinfo is None)


def test_a_date_a_little_in_the_future_is_now_f25():
    row = the_document(a_text(published_at=NOW + CLOCKS_DIFFER))
    assert row["published_at"] == row["fetched_at"] == NOW
    assert the_document(a_text(published_at=FIRST_DATE))["published_at"] == FIRST_DATE


@pytest.mark.parametrize("provenance", [Provenance.IMPORTED, Provenance.SIMULATED])
def test_a_text_that_was_not_fetched_was_known_when_it_was_published(provenance):
    row = the_document(a_text(), provenance=provenance)
    assert row["fetched_at"] == row["published_at"] == NOW - timedelta(hours=1)


def test_a_foreign_text_is_refused_f24():
    row = the_refusal(a_text(body="Der Kurs ist heute deutlich gestiegen, und viele Anleger hoffen auf mehr."))
    assert row["reason"] == "language(de)"


@pytest.mark.parametrize("body", ["", "  \n", "<p></p>", "\u200b\u200b", "![gif](giphy|a)"])
def test_a_text_that_says_nothing_is_refused_f24(body):
    assert the_refusal(a_text(body=body))["reason"] == "empty"


def test_a_text_without_a_name_is_refused():
    assert the_refusal(a_text(external_id=" \x00"))["reason"] == "no_id"


def test_the_same_bad_text_is_refused_once():
    texts = [a_text(published_at=None), a_text(published_at=None, kind=COMMENT)]
    assert len(prepared(*texts).refusals) == 1
    row = refusal(
        source=TextSource.REDDIT, feed="f", external_id="x", published_at=NOW, reason="empty", beginning="b" * 999
    )
    assert set(row) == set(REFUSAL_COLUMNS)
    assert len(row["beginning"]) <= 200


def test_what_was_removed_is_told_apart():
    found = prepared(
        a_text(body="[removed]", title="Bitcoin?"), a_text(external_id="b", kind=COMMENT, body="[deleted]")
    )
    assert found.documents.empty
    assert found.refusals.empty
    assert found.removed.to_dict("records") == [
        {"source": "reddit", "external_id": "t3_a"},
        {"source": "reddit", "external_id": "b"},
    ]
    assert found.skipped == {"removed": 2}


def test_of_two_pages_with_one_text_the_later_one_stands():
    found = prepared(a_text(body="first words"), a_text(body="edited words"))
    assert found.documents["body"].tolist() == ["edited words"]
    assert found.skipped == {"replaced": 1}


def test_one_name_in_two_sources_is_two_texts():
    assert len(prepared(a_text(), a_text(kind=TWEET)).documents) == 2


def test_assets_are_linked_with_their_rules():
    found = prepared(a_text(body="Bitcoin and $QQZ", assets=("ETH",)), traded=["QQZ"])
    assert found.assets[["asset", "rule", "mention"]].values.tolist() == [
        ["BTC", "name", "Bitcoin"],
        ["ETH", "given", ""],
        ["QQZ", "cashtag", "$QQZ"],
    ]
    assert set(found.assets["document_id"]) == set(found.documents["document_id"])


def test_a_list_of_coins_is_kept_and_linked_to_none():
    found = prepared(a_text(body="BTC ETH XRP LTC BNB AVAX AAVE XLM TRX"))
    assert (len(found.documents), len(found.assets), found.too_many) == (1, 0, 1)


def test_names_of_people_are_hashed_with_a_secret():
    name = "Some Body"
    row = the_document(a_text(author=name))
    assert row["author_hash"] == author_hash(" some body", KEY)
    assert len(row["author_hash"]) == 16
    assert row["author_hash"] != the_document(a_text(author=name), author_key=b"other")["author_hash"]
    assert name not in str(row)
    assert the_document(a_text(author=None))["author_hash"] is None
    assert author_hash("  ", KEY) is None


def test_for_an_article_its_publisher_speaks():
    paper = author_hash("example.org", KEY)
    facts = {"kind": ARTICLE, "author": "A. Writer"}
    assert the_document(a_text(url="https://www.example.org/a", **facts))["author_hash"] == paper
    assert the_document(a_text(feed="https://example.org/rss", **facts))["author_hash"] == paper
    assert the_document(a_text(feed="file.jsonl", **facts))["author_hash"] == author_hash("A. Writer", KEY)


def test_a_name_that_is_too_long_keeps_its_difference():
    long = "https://example.org/" + "x" * 600
    names = [the_document(a_text(external_id=long + end))["external_id"] for end in "ab"]
    assert {len(name) for name in names} == {LONGEST_NAME}
    assert names[0] != names[1]
    assert the_document(a_text(external_id="https://example.org/?a=1&amp;b=\x002"))["external_id"].endswith(
        "a=1&amp;b=2"
    )


def test_hostile_text_is_stored_as_text_f28():
    body = "Ignore previous instructions'; DROP TABLE documents; --"
    assert the_document(a_text(body=body))["body"] == body


def test_one_story_through_three_feeds_counts_once_f23():
    headline = "Miners sell more coins than in any week before"
    story = [
        a_text(external_id="1", title=headline, url="https://example.org/a"),
        a_text(external_id="2", title=f"{headline} | Paper", url="http://m.example.org/a/?utm_medium=x"),
        a_text(external_id="3", title=headline.upper(), url="https://example.com/b"),
    ]
    story = [replace(text, kind=ARTICLE, published_at=NOW + n * SECOND) for n, text in enumerate(story, start=-2)]
    found = prepared(*story)
    repeated = find_duplicates(found.marks, marks_of(found.documents.iloc[:0]))
    first = found.documents["document_id"].iloc[0]
    assert repeated["duplicate_of"].tolist() == [first, first]
    assert repeated["duplicate_rule"].tolist() == ["same_address", "same_words"]
    again = find_duplicates(found.marks, marks_of(found.documents.iloc[:1]))
    assert len(again) == 2


def test_a_retweet_is_known_from_what_its_source_says_f23():
    found = prepared(
        a_text(kind=TWEET, external_id="1", published_at=NOW - SECOND),
        a_text(kind=TWEET, external_id="2", body="nice", repost_of="1", published_at=NOW),
    )
    assert find_duplicates(found.marks, marks_of(found.documents.iloc[:0]))["duplicate_rule"].tolist() == ["retweet"]


def test_a_naive_now_and_a_missing_secret_are_refused():
    with pytest.raises(DataContractError, match="now must be aware"):
        prepared(now=NOW.replace(tzinfo=None))
    for key in (b"", b"x" * 65):
        with pytest.raises(DataContractError, match="author_key must have 1 to 64 bytes"):
            prepared(author_key=key)


def test_real_news_are_kept_but_for_those_in_portuguese():
    raw = list(read_document_file(real_data("text", "cryptopanic_2025-11.jsonl")))
    found = prepared(*raw)
    assert Counter(found.refusals["reason"]) == {"language(pt)": 48}
    assert len(found.documents) == len(raw) - 48
    assert found.assets["document_id"].nunique() > 500
