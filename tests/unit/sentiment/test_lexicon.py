"""Lexicons: what words add up to, and the file that ours is kept in."""

import pytest

from pipeline.domain.errors import DataContractError
from pipeline.sentiment.coin_words import COIN, COIN_WORDS
from pipeline.sentiment.lexicon import FLIP, Lexicon, own_lexicon, social_lexicon, sums, toned
from pipeline.sentiment.wording import words

SMALL = Lexicon.of({"good": 2.0, "bad": -1.5, "bad news": -3.0, "bad news bears": 1.0})


def read(tmp_path, text):
    path = tmp_path / "lexicon.txt"
    path.write_text(text, encoding="utf-8")
    return own_lexicon(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("good and bad", (2.0, 1.5)),
        ("bad news", (0.0, 3.0)),
        ("bad news bears", (1.0, 0.0)),
        ("bad new", (0.0, 1.5)),
        ("not good", (0.0, 2.0 * FLIP)),
        ("never bad news", (3.0 * FLIP, 0.0)),
        ("not so, but good", (2.0, 0.0)),
        ("nothing", (0.0, 0.0)),
    ],
)
def test_a_phrase_counts_in_place_of_its_words_and_a_negation_turns_it(text, expected):
    assert sums(words(text), SMALL) == pytest.approx(expected)


def test_tones_take_the_place_of_words_ours_before_the_other():
    other = Lexicon.of({"good": -1.0, "sad": -1.0})
    assert toned(["a", "good", "sad", "bad"], SMALL, other) == ["a", "<good>", "<bad>", "<bad>"]


def test_our_lexicon_holds_only_what_a_text_can_be_read_as():
    values = own_lexicon().values
    assert len(values) > 2000
    assert [phrase for phrase in values if " ".join(words(phrase.replace(COIN, "btc"))) != phrase] == []


def test_no_lexicon_values_a_coin():
    assert COIN_WORDS.isdisjoint(own_lexicon().values)
    assert COIN_WORDS.isdisjoint(social_lexicon().values)


def test_both_lexicons_know_which_way_is_up():
    market, social = own_lexicon(), social_lexicon()
    assert sums(words("rug pull"), market)[1] > 0.0 < sums(words("beats estimates"), market)[0]
    assert sums(words("horrible"), social)[1] > 0.0 < sums(words("wonderful :)"), social)[0]


@pytest.mark.parametrize("line", ["much\tgood", "0\tnil", "5\tbest", "1\tgood, \n", "1\tgood\n2\tgood"])
def test_a_line_that_cannot_be_meant_is_refused_by_its_number(tmp_path, line):
    with pytest.raises(DataContractError, match=r"lexicon\.txt:\d must"):
        read(tmp_path, line)


def test_a_lexicon_is_lines_of_a_value_and_phrases(tmp_path):
    assert read(tmp_path, "# remark\n\n-2\tbad, very bad\n").values == {"bad": -2.0, "very bad": -2.0}
