"""The default scorer, as it is shipped."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.document import TextSource
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.sentiment import scorers
from pipeline.sentiment.coin_words import COIN_WORDS
from pipeline.sentiment.linear import WEIGHTS, read_weights
from pipeline.sentiment.scorers import load_scorer, scorer_name
from pipeline.sentiment.scoring import UNDECIDED, labels_of
from pipeline.sentiment.wording import NEGATED, READ_CHARACTERS

SCORER = load_scorer("default")
TEXTS = (
    "Miner shares soar after record quarterly profit",
    "Exchange files for bankruptcy, shares plunge 40%",
    "Central bank to publish its minutes on Thursday",
    "this is just another rug pull, i lost my savings",
    "so glad i held, we are going to the moon 🚀",
)


def label(text, source=None):
    return labels_of(SCORER.score([text], None if source is None else [source]))[0]


@pytest.mark.parametrize(
    ("text", "expected"), list(zip(TEXTS, ["positive", "negative", "neutral", "negative", "positive"], strict=True))
)
def test_plain_cases_have_the_label_that_anybody_would_give(text, expected):
    assert label(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("analysts are bullish on miners", "analysts are not bullish on miners"),
        ("the upgrade is a success", "the upgrade is never going to be a success"),
    ],
)
def test_a_negation_takes_from_what_is_good(one, other):
    (first, second) = SCORER.score([one, other])
    assert first[0] - first[2] > second[0] - second[2]


def test_which_share_a_cashtag_names_changes_nothing():
    said = SCORER.score(
        [f"${ticker} shares fall {share}% after weak guidance" for ticker, share in (("A", 3), ("BB", 71))]
    )
    assert (said[0] == said[1]).all()


@pytest.mark.parametrize("source", TextSource)
def test_which_coin_a_text_names_changes_nothing(source):
    names = ("bitcoin", "#BTC", "Ethereum", "doge", "LUNA", "terra", "FTT", "Celsius", "SOL", "DOT", "Bitcoin Cash")
    said = SCORER.score(
        [f"i have lost all hope that {name}'s price will rise" for name in names], [source] * len(names)
    )
    assert (said == said[0]).all()


@given(st.lists(st.text(max_size=80), max_size=6))
def test_any_text_gives_probabilities_of_one_together(texts):
    rows = SCORER.score(texts)
    assert rows.shape == (len(texts), 3)
    assert rows.dtype == np.float64
    assert (rows >= 0.0).all()
    assert rows.sum(axis=1) == pytest.approx(np.ones(len(texts)))


@pytest.mark.parametrize("source", [None, *TextSource])
def test_what_is_scored_beside_a_text_changes_no_bit_of_it(source):
    sources = None if source is None else [source] * len(TEXTS)
    together = SCORER.score(TEXTS, sources)
    alone = [SCORER.score([text], sources and sources[:1])[0] for text in TEXTS]
    assert (together == np.array(alone)).all()
    assert (SCORER.score(TEXTS[::-1], sources)[::-1] == together).all()


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b", "()", "Bitcoin", "BTC and $ETH", "@satoshi https://example.com/a", "12,000", "the"]
)
@pytest.mark.parametrize("source", [None, TextSource.NEWS, TextSource.REDDIT])
def test_a_text_that_says_nothing_is_neutral(text, source):
    assert tuple(SCORER.score([text], source and [source])[0]) == UNDECIDED


def test_a_word_beside_a_name_is_heard():
    assert label("Bitcoin soars") == "positive"
    assert label("Bitcoin crashes") == "negative"
    assert tuple(SCORER.score(["BTC +5%"])[0]) != UNDECIDED


@pytest.mark.parametrize("part", ["moon ", "a", "$", "\U0001f680"])
def test_of_a_megabyte_no_more_is_scored_than_its_beginning(part):
    beginning, whole = SCORER.score([(part * READ_CHARACTERS)[:READ_CHARACTERS], part * 1_000_000])
    assert (beginning == whole).all()


def test_talk_on_reddit_is_seldom_neutral_where_a_headline_is():
    text = "next upgrade is planned for march"
    as_talk, as_headline = SCORER.score([text] * 2, [TextSource.REDDIT, TextSource.NEWS])
    assert as_talk[1] < as_headline[1]


def test_sources_are_as_many_as_texts():
    with pytest.raises(DataContractError, match="were 1 for 2"):
        SCORER.score(["a", "b"], [TextSource.NEWS])


def test_a_label_is_the_likeliest_and_of_equals_the_first():
    assert labels_of(np.array([[0.2, 0.2, 0.6], [0.5, 0.5, 0.0], [0.1, 0.8, 0.1]])) == [
        "negative",
        "positive",
        "neutral",
    ]


def test_the_name_changes_with_the_weights(tmp_path, monkeypatch):
    assert SCORER.name == scorer_name("default")
    changed = tmp_path / "weights.tsv"
    changed.write_bytes(WEIGHTS.read_bytes() + b"new\t1\t0.001\t0.000\n")
    monkeypatch.setattr(scorers, "WEIGHTS", changed)
    scorers._default_name.cache_clear()
    try:
        assert scorer_name("default") not in (SCORER.name, "default")
    finally:
        scorers._default_name.cache_clear()


def test_the_name_changes_with_the_coins_that_are_known(monkeypatch):
    monkeypatch.setattr(scorers, "COIN_WORDS", COIN_WORDS | {"newcoin"})
    scorers._default_name.cache_clear()
    try:
        assert scorer_name("default") != SCORER.name
    finally:
        scorers._default_name.cache_clear()


@pytest.mark.parametrize("chosen", ["", "vader", "transformers:", "transformers: "])
def test_an_unknown_scorer_is_refused(chosen):
    with pytest.raises(ConfigurationError, match=r"sentiment\.scorer must be"):
        load_scorer(chosen)


def test_neither_a_name_nor_a_score_loads_what_learns():
    program = (
        "import json, sys; from pipeline.sentiment.scorers import load_scorer, scorer_name; scorer_name('default');"
        "early = [m for m in ('sklearn', 'torch', 'transformers', 'vaderSentiment') if m in sys.modules];"
        "load_scorer('default').score(['up']);"
        "print(json.dumps([early, [m for m in ('sklearn', 'torch', 'transformers') if m in sys.modules]]))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == [[], []]


def test_the_weights_say_where_they_come_from_and_hold_neither_a_coin_nor_a_text():
    weights = read_weights()
    assert {"what", "made by"} < set(weights.about)
    assert not COIN_WORDS & {word for term in weights.terms for word in term.removeprefix(NEGATED).split()}
    assert max(len(term.split()) for term in weights.terms if "<tones>" not in term) <= 4
    assert min(count for count, _, _ in weights.terms.values()) >= 2
    assert WEIGHTS.stat().st_size < 1_500_000
