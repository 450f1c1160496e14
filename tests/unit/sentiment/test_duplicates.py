"""Duplicates: what repeats what, and what only sounds alike."""

from datetime import timedelta
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.document import TextSource
from pipeline.sentiment.duplicates import LEAST_ALIKE, WINDOW, DuplicateRule, Marks, find_duplicates, marks_of
from pipeline.sentiment.sketches import LEAST_WORDS, SKETCH_BYTES, agreement, content_hash, sketches, words_of
from tests.support.retold_texts import strangers_and_retellings
from tests.support.texts import NOON

NEWS, TWITTER, REDDIT, _ = TextSource
SAME_ADDRESS, RETWEET, SAME_WORDS, RETOLD = DuplicateRule
STORY = (
    "The largest holder of coins said on Monday that it would sell none of them before the next halving, and that it "
    "had bought more in the week before, while miners moved theirs to exchanges"
)
OTHER = "An exchange in the north has stopped all withdrawals for a day because one of its wallets was emptied at night"
SAYING = "to the moon"


def row(number: int, text: str, source: TextSource = REDDIT, **facts) -> dict[str, object]:
    """A text as its table has it, so many hours after `NOON`; ``number`` makes its id and its name."""
    words = words_of(text)
    return {
        "document_id": UUID(int=number),
        "source": source.value,
        "kind": {NEWS: "article", TWITTER: "tweet", REDDIT: "post"}[source],
        "external_id": f"name-{number}",
        "published_at": NOON + timedelta(hours=number),
        "url": None,
        "author_hash": None,
        "content_hash": content_hash(words, text),
        "sketch": sketches([words])[0],
        "duplicate_of": None,
        "repost_of": None,
        **facts,
    }


def marks(*rows: dict[str, object]) -> Marks:
    columns = row(0, "").keys()
    frame = pd.DataFrame(list(rows), columns=list(columns)).astype(object)
    frame["published_at"] = pd.to_datetime(frame["published_at"], utc=True)
    return marks_of(frame, frame["repost_of"].tolist())


def found(*new: dict[str, object], known: tuple[dict[str, object], ...] = ()) -> dict[int, tuple[int, str]]:
    """Number of a new text -> number of the text that it repeats, and the rule."""
    rows = find_duplicates(marks(*new), marks(*known))
    assert list(rows.columns) == ["document_id", "duplicate_of", "duplicate_rule"]
    return {r.document_id.int: (r.duplicate_of.int, r.duplicate_rule) for r in rows.itertuples()}


def test_nothing_repeats_nothing():
    assert found() == {}
    assert found(row(1, STORY)) == {}
    assert found(row(1, STORY), row(2, OTHER)) == {}


def test_the_same_words_count_once():
    copy = f"RT @someone: {STORY.upper()}!!! https://t.co/abc via @other"
    assert found(row(1, STORY), row(2, copy)) == {2: (1, SAME_WORDS)}
    assert found(row(2, copy), known=(row(1, STORY),)) == {2: (1, SAME_WORDS)}


def test_of_two_new_texts_the_one_published_later_is_the_repetition():
    assert found(row(2, STORY), row(1, STORY)) == {2: (1, SAME_WORDS)}


def test_what_is_known_stays_even_where_it_was_published_later():
    assert found(row(1, STORY), known=(row(2, STORY),)) == {1: (2, SAME_WORDS)}


def test_a_story_that_is_retold_counts_once():
    retold = STORY.replace("Monday", "Tuesday")
    assert agreement(row(1, STORY)["sketch"], row(2, retold)["sketch"]) >= LEAST_ALIKE
    assert found(row(1, STORY), row(2, retold)) == {2: (1, RETOLD)}
    assert found(row(2, retold), known=(row(1, STORY),)) == {2: (1, RETOLD)}


def test_half_a_story_is_another_story():
    half = " ".join(STORY.split()[:15])
    assert found(row(1, STORY), row(2, f"{half} but nobody believes a word of what is said there")) == {}


def test_words_that_are_said_again_much_later_count_again():
    late = row(2, STORY, published_at=NOON + WINDOW + timedelta(hours=2))
    later = row(3, STORY, published_at=NOON + WINDOW + timedelta(hours=3))
    assert found(row(1, STORY), late, later) == {3: (2, SAME_WORDS)}


def test_a_story_cannot_drift_away_by_small_steps():
    words = STORY.split()
    steps = [" ".join(["new"] * n + words[n:]) for n in range(0, len(words), 2)]
    repeated = found(*(row(n + 1, text) for n, text in enumerate(steps)))
    originals = {original for original, _ in repeated.values()}
    assert len(steps) in originals | (set(range(1, len(steps) + 1)) - repeated.keys())
    for number, (original, _) in repeated.items():
        assert original not in repeated
        assert agreement(row(1, steps[number - 1])["sketch"], row(1, steps[original - 1])["sketch"]) >= LEAST_ALIKE


def test_a_saying_by_two_people_is_two_opinions():
    assert len(words_of(SAYING)) < LEAST_WORDS
    assert found(row(1, SAYING, author_hash="a"), row(2, SAYING, author_hash="b")) == {}
    assert found(row(1, SAYING), row(2, SAYING)) == {}


def test_a_saying_repeated_by_one_person_counts_once():
    assert found(row(1, SAYING, author_hash="a"), row(2, SAYING, author_hash="a")) == {2: (1, SAME_WORDS)}


def test_a_short_headline_in_two_papers_is_one():
    assert found(row(1, "Bitcoin falls", NEWS), row(2, "Bitcoin falls", NEWS)) == {2: (1, SAME_WORDS)}


def test_articles_at_one_address_are_one_however_old():
    first = row(1, STORY, NEWS, url="http://example.org/a")
    second = row(2, OTHER, NEWS, url="https://example.org/a", published_at=NOON + timedelta(days=6))
    assert found(first, second) == {2: (1, SAME_ADDRESS)}
    assert found(second, known=(first,)) == {2: (1, SAME_ADDRESS)}


def test_the_address_of_a_publisher_says_nothing():
    assert found(*(row(n, text, NEWS, url="https://example.org") for n, text in ((1, STORY), (2, OTHER)))) == {}


def test_posts_that_link_one_page_are_opinions_of_their_own():
    assert found(*(row(n, text, url="https://example.org/a") for n, text in ((1, STORY), (2, OTHER)))) == {}


def test_a_retweet_counts_once():
    again = [row(n, f"{SAYING} {n}", TWITTER, repost_of="name-1") for n in (2, 3)]
    assert found(row(1, SAYING, TWITTER), *again) == {2: (1, RETWEET), 3: (1, RETWEET)}
    assert found(*again, known=(row(1, SAYING, TWITTER),)) == {2: (1, RETWEET), 3: (1, RETWEET)}


def test_of_retweets_of_an_unknown_tweet_the_first_counts():
    again = [row(n, f"{SAYING} {n}", TWITTER, repost_of="unknown") for n in (2, 3)]
    assert found(*again) == {3: (2, RETWEET)}


def test_names_of_one_source_mean_nothing_in_another():
    assert found(row(1, STORY, REDDIT), row(2, OTHER, TWITTER, repost_of="name-1")) == {}


@pytest.mark.parametrize("source", [TWITTER, REDDIT])
def test_who_passes_on_a_headline_says_nothing_new(source):
    assert found(row(2, f"{STORY} https://t.co/x", source), known=(row(1, STORY, NEWS),)) == {2: (1, SAME_WORDS)}


def test_an_article_is_worth_what_it_is_though_people_talked_first():
    assert found(row(1, STORY, REDDIT), row(2, STORY, NEWS)) == {}


def test_what_is_said_on_x_and_on_reddit_is_said_by_different_crowds():
    assert found(row(1, STORY, TWITTER), row(2, STORY, REDDIT)) == {}


def test_a_repetition_of_a_repetition_repeats_the_original():
    known = (row(1, STORY, NEWS), row(2, OTHER, NEWS, url="https://example.org/a", duplicate_of=UUID(int=1)))
    assert found(row(3, SAYING, NEWS, url="https://example.org/a"), known=known) == {3: (1, SAME_ADDRESS)}


def test_words_of_a_repetition_are_not_compared():
    known = (row(1, STORY), row(2, OTHER, duplicate_of=UUID(int=1)))
    assert found(row(3, OTHER), known=known) == {}


def test_an_edit_does_not_repeat_what_it_replaces():
    old = row(1, STORY, NEWS, url="https://example.org/a")
    new = row(2, STORY.replace("Monday", "Tuesday"), NEWS, url="https://example.org/a", external_id="name-1")
    assert found(new, known=(old,)) == {}
    copy = row(3, OTHER, NEWS, url="https://example.org/a", duplicate_of=UUID(int=1))
    assert found(new, known=(old, copy)) == {}


def test_an_edit_of_a_repetition_stays_one():
    known = (row(1, STORY), row(2, STORY, duplicate_of=UUID(int=1)))
    assert found(row(3, STORY + " indeed", external_id="name-2"), known=known) == {3: (1, RETOLD)}


def test_identifiers_may_come_as_text():
    frame = pd.DataFrame([row(1, STORY), row(2, OTHER, duplicate_of=UUID(int=1))])
    as_text = frame.assign(document_id=frame["document_id"].map(str), duplicate_of=[None, str(UUID(int=1))])
    assert marks_of(as_text).original == marks_of(frame).original == [UUID(int=1), UUID(int=1)]


def test_emoji_alone_repeat_only_the_same_emoji():
    rockets, tears = "\U0001f680" * 3, "\U0001f62d" * 3
    assert content_hash(words_of(rockets), rockets) != content_hash(words_of(tears), tears)


def test_a_number_with_its_decimals_is_one_word():
    assert words_of("BTC at $23,472.08 (12:30)!") == ["btc", "at", "23,472.08", "12:30"]


def test_sketches_are_the_same_on_every_machine():
    assert sketches([words_of(STORY)])[0][:8].hex() == "3b2b0053749f7d5d"
    assert content_hash(words_of(STORY), STORY) == "ec02f4115a9f4be7"


def test_a_sketch_does_not_depend_on_the_texts_beside_it():
    words = [words_of(text) for text in (STORY, SAYING, OTHER, "")]
    assert sketches(words) == [sketches([each])[0] for each in words]
    assert [len(sketch) for sketch in sketches(words)] == [SKETCH_BYTES, 0, SKETCH_BYTES, 0]


def test_agreement_estimates_what_word_groups_have_in_common():
    draw = np.random.default_rng(5)
    off = []
    for _ in range(60):
        words = [f"w{n}" for n in draw.integers(0, 10_000, 60)]
        kept = int(draw.integers(20, 60))
        other = words[:kept] + [f"x{n}" for n in range(60 - kept)]
        one, two = ({tuple(text[n : n + 3]) for n in range(58)} for text in (words, other))
        off.append(agreement(*sketches([words, other])) - len(one & two) / len(one | two))
    assert abs(np.mean(off)) < 0.03
    assert np.std(off) < 0.08


def test_what_is_retold_is_found_among_thousands():
    new, known = strangers_and_retellings(n_known=5_000, n_new=200)
    repeated = find_duplicates(new, known)
    assert repeated["duplicate_rule"].tolist() == [RETOLD] * 100
    originals = dict(zip(repeated["document_id"], repeated["duplicate_of"], strict=True))
    assert originals == dict(zip(new.document_id[:100], known.document_id[-100:], strict=True))
