"""A text becomes words that say what happened and not to whom."""

import pytest

from pipeline.sentiment.signs import is_like_talk
from pipeline.sentiment.wording import READ_CHARACTERS, terms, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Shares RISE", ["shares", "rise"]),
        ("$TSLA by @desk https://t.co/abc", ["<cashtag>", "by", "<account>", "<link>"]),
        ("up 3.5%, down -2 percent at $1,200.50", ["up", "0%", "down", "-0%", "at", "$0"]),
        ("+4% to 100k", ["+0%", "to", "0"]),
        ("better-than-expected", ["better", "than", "expected"]),
        ("it doesn't, it won\u2019t; Tesla's", ["it", "doesnt", "it", "wont", "tesla"]),
        ("#bitcoin!! 🚀 :)", ["bitcoin", "!", "!", "🚀", ":)"]),
        ("  \n\u200b ", []),
    ],
)
def test_words(text, found):
    assert words(text) == found


def test_terms_are_words_neighbours_the_negated_and_both_ends_once_each():
    assert terms(["not", "good", "not", "good"]) == [
        *("not", "good", "not good", "good not", "<begin> not", "good <end>", "not_good")
    ]
    assert terms([]) == []


def test_a_negation_reaches_four_words_and_never_beyond_a_but():
    reached = [term for term in terms(words("never a b c d e")) if term.startswith("not_")]
    assert reached == ["not_a", "not_b", "not_c", "not_d"]
    assert "not_b" not in terms(words("never a but b"))


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
    assert is_like_talk(text, words(text)) is expected
