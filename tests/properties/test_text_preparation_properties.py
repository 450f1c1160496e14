"""Whatever a text holds, preparing it keeps its promises; and duplicates are what a slow loop over pairs finds."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pandas.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.documents import Documents
from pipeline.contracts.validation import hold_to
from pipeline.domain.document import SOURCE_OF_KIND, DocumentKind, Provenance, RawDocument
from pipeline.sentiment.addresses import canonical
from pipeline.sentiment.cleaning import BODY_CHARACTERS, TITLE_CHARACTERS, clean_body, clean_title
from pipeline.sentiment.duplicates import LEAST_ALIKE, WINDOW, DuplicateRule, Marks, find_duplicates, marks_of
from pipeline.sentiment.entities import MOST_ASSETS, AssetFinder
from pipeline.sentiment.preparing import prepare
from pipeline.sentiment.sketches import agreement, content_hash, sketches

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
PIECES = st.sampled_from(
    [
        *("<p>", "</div>", "<b", "&amp;", "&#0;", "[a](", "> ", "\u202e", "\u200d", "\ud800", "\x00", "\u0301", "$BTC"),
        *(
            "#ETH",
            "BTC/USDT",
            "LINK",
            "bitcoin ",
            "https://a.org/?b=1",
            "@x",
            "\U0001f680",
            "\ufdfa",
            "\n",
            " ",
            "the ",
        ),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=40).map("".join)
FINDER = AssetFinder()
RULES = [rule.value for rule in DuplicateRule]
RAW = st.builds(
    RawDocument,
    kind=st.sampled_from(DocumentKind),
    external_id=st.text(max_size=6),
    feed=st.sampled_from(["Bitcoin", "https://example.org/rss", "", "\x00"]),
    published_at=st.one_of(
        st.none(),
        st.just(NOW.replace(tzinfo=None)),
        st.integers(-20_000, 2_000).map(lambda days: NOW + timedelta(days=days)),
    ),
    title=TEXTS,
    body=TEXTS,
    url=st.one_of(st.none(), TEXTS, st.just("https://example.org/a")),
    author=st.one_of(st.none(), st.text(max_size=5)),
    language=st.sampled_from([None, "en", "de", "und"]),
    assets=st.lists(st.sampled_from(["BTC", "A", "xrp", ""]), max_size=3).map(tuple),
    repost_of=st.sampled_from([None, "a"]),
)


@given(raw=TEXTS, kind=st.sampled_from(DocumentKind))
@settings(max_examples=60, deadline=None)
def test_a_cleaned_text_can_be_stored_and_shown(raw, kind):
    title, body = clean_title(raw), clean_body(raw, kind)
    assert len(title) <= TITLE_CHARACTERS
    assert len(body) <= BODY_CHARACTERS
    assert "\n" not in title
    for text in (title, body):
        text.encode("utf-8")
        assert unicodedata.is_normalized("NFC", text)
        assert text == text.strip()
        assert not {char for char in text if unicodedata.category(char) == "Cc" and char != "\n"}
        assert not set(text) & set("\u200b\u200e\u202a\u202e\u2066\ufeff")


@given(text=TEXTS)
@settings(max_examples=60, deadline=None)
def test_what_a_text_is_about_is_bounded_sorted_and_said_by_it(text):
    body = clean_body(text, DocumentKind.TWEET)
    found = FINDER.find("", body)
    assets = [link.asset for link in found.links]
    assert assets == sorted(set(assets))
    assert len({link.mention for link in found.links}) <= MOST_ASSETS
    for link in found.links:
        assert all(word in body.replace("/", "") for word in link.mention.split())


@given(address=st.one_of(TEXTS, TEXTS.map("https://example.org/{}".format)))
@settings(max_examples=60, deadline=None)
def test_a_canonical_address_is_its_own_canonical_address(address):
    once = canonical(address)
    assert once is None or canonical(once) == once


@given(raw=st.lists(RAW, max_size=6), provenance=st.sampled_from(Provenance))
@settings(max_examples=15, deadline=None)
def test_whatever_comes_in_can_be_stored_or_is_refused(raw, provenance):
    prepared = prepare(raw, now=NOW, provenance=provenance, author_key=b"key", traded=["BTC"])
    documents = hold_to(Documents, prepared.documents)
    assert not documents.duplicated(["source", "external_id"]).any()
    assert (documents["published_at"] <= NOW).all()
    assert (documents["fetched_at"] >= documents["published_at"]).all()
    assert set(prepared.assets["document_id"]) <= set(documents["document_id"])
    assert not prepared.assets.duplicated(["document_id", "asset"]).any()
    assert not prepared.refusals["fingerprint"].duplicated().any()
    assert len(documents) + len(prepared.refusals) + len(prepared.removed) <= len(raw)
    again = prepare(raw, now=NOW, provenance=provenance, author_key=b"key", traded=["BTC"])
    pandas.testing.assert_frame_equal(again.documents, documents)
    pandas.testing.assert_frame_equal(again.refusals, prepared.refusals)


class Text(NamedTuple):
    """What the slow loop needs of a text."""

    id: UUID
    source: str
    name: str
    at: int
    original: UUID
    marks: Marks
    place: int

    def of(self, column: str):
        return getattr(self.marks, column)[self.place]


def texts_of(marks: Marks) -> list[Text]:
    """By publication."""
    columns = (marks.document_id, marks.source, marks.external_id, marks.published_at.tolist(), marks.original)
    texts = [Text(*row, marks, place) for place, row in enumerate(zip(*columns, strict=True))]
    return sorted(texts, key=lambda text: (text.at, text.id))


def rule_between(text: Text, other: Text, is_original: bool) -> str | None:
    """The first rule by which a text repeats another one."""
    is_near = abs(text.at - other.at) <= WINDOW / timedelta(microseconds=1)
    is_heard = other.source in (text.source, "news")
    are_articles = text.of("is_article") and other.of("is_article")
    if text.source == other.source and text.name == other.name:
        return None
    if are_articles and text.of("address") and text.of("address") == other.of("address"):
        return "same_address"
    repost = text.of("repost_of")
    if repost and text.source == other.source and repost in (other.name, other.of("repost_of")):
        return "retweet"
    if not (is_original and is_near and is_heard):
        return None
    is_long = bool(text.of("sketch"))
    author = text.of("author_hash")
    is_same_voice = author is not None and author == other.of("author_hash") and not other.of("is_article")
    is_alone_enough = are_articles or is_same_voice
    if text.of("content_hash") == other.of("content_hash") and (is_long or is_alone_enough):
        return "same_words"
    return "retold" if agreement(text.of("sketch"), other.of("sketch")) >= LEAST_ALIKE else None


def by_loop(new: Marks, known: Marks) -> list[tuple[UUID, UUID, str]]:
    """Every new text against everything before it, rule by rule, the earliest first."""
    seen = [(text, text.original) for text in texts_of(known)]
    found = []
    for text in texts_of(new):
        name_of = {original.id: (original.source, original.name) for original, stands_for in seen}
        matches = [
            (RULES.index(rule), place, original)
            for place, (other, original) in enumerate(seen)
            if (rule := rule_between(text, other, other.id == original))
            and name_of.get(original) != (text.source, text.name)
        ]
        if matches:
            rule, _, original = min(matches, key=lambda match: match[:2])
            found.append((text.id, original, RULES[rule]))
        seen.append((text, found[-1][1] if matches else text.id))
    return found


def random_marks(seed: int, n_known: int, n_new: int) -> tuple[Marks, Marks]:
    """New and known texts that often have something in common; some known ones repeat an earlier one."""
    draw = np.random.default_rng(seed)
    stories = [[f"w{story}{n}" for n in range(24)] for story in range(2)] + [["to", "the", "moon"]]

    def rows(numbers: range, days: float) -> list[dict[str, object]]:
        made: list[dict[str, object]] = []
        for number in numbers:
            words = list(stories[int(draw.integers(3))])
            if len(words) > 6:
                for _ in range(int(draw.integers(0, 3))):
                    words[int(draw.integers(24))] = f"x{draw.integers(3)}"
            kind = DocumentKind(draw.choice(["article", "tweet", "post"]))
            text = " ".join(words)
            made.append(
                {
                    "document_id": UUID(int=number + 1),
                    "source": SOURCE_OF_KIND[kind].value,
                    "kind": kind.value,
                    "external_id": f"n{number}",
                    "published_at": NOW + timedelta(days=float(draw.uniform(0, days))),
                    "url": draw.choice([None, "https://a.org/1", "https://a.org/2"]),
                    "author_hash": draw.choice([None, "a", "b"]),
                    "content_hash": content_hash(words, text),
                    "sketch": sketches([words])[0],
                    "duplicate_of": None,
                    "repost_of": draw.choice([None, None, "n0", "n1", "n2", "n99"]) if kind == "tweet" else None,
                }
            )
        return made

    known, new = rows(range(n_known), 6.0), rows(range(n_known, n_known + n_new), 6.0)
    for each in known[2:]:
        if draw.random() < 0.3:
            each["duplicate_of"] = known[0]["document_id"]
    for each, old in zip(new, known, strict=False):
        if draw.random() < 0.3:  # an edit
            each.update(external_id=old["external_id"], source=old["source"], kind=old["kind"])
    return marks(new), marks(known)


def marks(rows: list[dict[str, object]]) -> Marks:
    columns = (
        *("document_id", "source", "kind", "external_id", "published_at", "url", "author_hash", "content_hash"),
        *("sketch", "duplicate_of", "repost_of"),
    )
    frame = pd.DataFrame(rows, columns=list(columns)).astype(object)
    frame["published_at"] = pd.to_datetime(frame["published_at"], utc=True)
    return marks_of(frame, frame["repost_of"].tolist())


@given(seed=st.integers(0, 2**32 - 1), n_known=st.integers(0, 10), n_new=st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_duplicates_are_what_a_loop_over_pairs_finds(seed, n_known, n_new):
    new, known = random_marks(seed, n_known, n_new)
    found = [tuple(row) for row in find_duplicates(new, known).itertuples(index=False)]
    assert found == by_loop(new, known)
