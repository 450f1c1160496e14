"""A text becomes words that say what happened and not to whom."""

import pytest

from pipeline.sentiment.signs import talk_share
from pipeline.sentiment.wording import BAD, GOOD, READ_CHARACTERS, terms, words


def plain_terms(text):
    """Terms of a text whose words have no tone."""
    return terms(words(text), words(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Shares RISE", ["shares", "rise"]),
        ("$TSLA by @desk https://t.co/abc", ["<cashtag>", "by", "<account>", "<link>"]),
        ("up 3.5%, down -2 percent at $1,200.50", ["up", "0%", "down", "-0%", "at", "$0"]),
        ("+4% to 100k", ["+0%", "to", "0"]),
        ("better-than-expected", ["better", "than", "expected"]),
        ("it doesn't, it won\u2019t; Tesla's", ["it", "doesnt", "it", "wont", "tesla"]),
        ("#stocks!! 🚀 :D", ["stocks", "!", "!", "🚀", ":d"]),
        ("WWW.EXAMPLE.ORG DON'T 3K 5 Percent", ["<link>", "dont", "0", "0%"]),
        ("  \n\u200b ", []),
    ],
)
def test_words(text, found):
    assert words(text) == found


def test_terms_are_words_neighbours_the_negated_and_both_ends_once_each():
    assert plain_terms("not good not good") == [
        *("not", "good", "not good", "good not", "<begin> not", "good <end>", "not_good", "<tones>")
    ]
    assert plain_terms("") == []


def test_a_tone_stands_for_every_word_that_has_it():
    found = terms(words("a rise of b"), ["a", GOOD, "of", "b"])
    assert found[-5:] == ["a <good>", "<good> of", "a <good> of", "<good> of b", "<tones> <good>"]


def test_the_first_four_tones_and_the_last_three_of_a_longer_row_are_terms():
    toned = [GOOD, BAD, BAD, BAD, GOOD]
    assert terms(["a"] * 5, toned)[-2:] == ["<tones> <good> <bad> <bad> <bad>", "<bad> <bad> <good> <end>"]
    assert "<end>" not in terms(["a"] * 4, toned[:4])[-1]


def test_a_negation_reaches_four_words_and_never_beyond_a_but():
    reached = [term for term in plain_terms("never a b c d e") if term.startswith("not_")]
    assert reached == ["not_a", "not_b", "not_c", "not_d"]
    assert "not_b" not in plain_terms("never a but b")


def test_what_stands_behind_the_limit_is_not_read():
    assert words("a " * (READ_CHARACTERS // 2) + "hidden")[-1] == "a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i sold all of mine yesterday and feel great about it", True),
        ("Exchange Reports Record Quarterly Revenue", False),
        ("we like it https://t.co/abc", False),
    ],
)
def test_talk_is_told_from_headlines_by_its_style(text, expected):
    assert (talk_share(text, words(text)) > 0.5) is expected
