"""Cleaning: what is left of markup, markdown, disguises and floods of characters."""

import pytest

from pipeline.domain.document import DocumentKind
from pipeline.sentiment.cleaning import (
    BODY_CHARACTERS,
    TITLE_CHARACTERS,
    clean_body,
    clean_parts,
    clean_title,
    is_gone,
    without_unseen,
)
from tests.support.hostile_texts import HOSTILE

ARTICLE, TWEET, POST = DocumentKind.ARTICLE, DocumentKind.TWEET, DocumentKind.POST


def article(raw: str) -> str:
    return clean_body(raw, ARTICLE)


def post(raw: str) -> str:
    return clean_body(raw, POST)


def test_tags_go_and_blocks_stay_apart():
    assert article("<p>Miners sell.</p><p>Prices <b>fall</b></p>") == "Miners sell.\nPrices fall"
    assert article("first<br/>second<li>third</li>") == "first\nsecond\nthird"


def test_scripts_styles_and_comments_go_with_their_content():
    assert article("<style>p{color:red}</style>up<script>alert('x')</script> and up<!-- down -->") == "up and up"


def test_entities_become_characters():
    assert article("Q&amp;A: &quot;why&quot; &#8212; &lt;3") == 'Q&A: "why" \u2014 <3'


def test_an_escaped_tag_is_text_and_stays():
    assert article("use &lt;script&gt; with care") == "use <script> with care"


@pytest.mark.parametrize("text", ["BTC < 90k and > 80k", "a<b", "x <insert coin> y", "<3 this coin"])
def test_what_only_looks_like_a_tag_stays(text):
    assert article(text) == text


def test_markdown_is_read_as_one_would_read_it_aloud():
    raw = "# Why\n\nI **really** like [this paper](https://example.org/a_(b)) and ~~not~~ `code`\n* one\n* two\n\n---\n"
    assert post(raw) == "Why\nI really like this paper and not code\none\ntwo"
    assert post(r"\#1 coin \_here\_ snake_case") == "#1 coin _here_ snake_case"


def test_an_image_in_markdown_says_nothing():
    assert post("![gif](giphy|abc123) so true") == "so true"


def test_markdown_is_only_read_where_it_is_written():
    assert clean_body("2 * 3 ** 4", TWEET) == "2 * 3 ** 4"
    assert post("#Bitcoin is up") == "#Bitcoin is up"


def test_what_a_comment_quotes_is_not_its_own_opinion():
    assert post("> it will crash\n\nno it will not") == "no it will not"
    assert post("&gt; it will crash\n\nno it will not") == "no it will not"


def test_a_comment_that_only_quotes_keeps_the_quote():
    assert post("> it will crash") == "it will crash"


def test_disguised_letters_become_plain_ones():
    assert article("\U0001d401\U0001d422\U0001d42d\U0001d41c\U0001d428\U0001d422\U0001d427") == "Bitcoin"
    assert article("\uff22\uff34\uff23 \u00bd cafe\u0301") == "BTC 1\u20442 caf\u00e9"


@pytest.mark.parametrize(
    "unseen", ["\u200b", "\u200d", "\u00ad", "\u202e", "\u2066", "\ufeff", "\x00", "\x1b", "\ud800"]
)
def test_characters_that_nobody_sees_go(unseen):
    assert article(f"Bit{unseen}coin") == "Bitcoin"


def test_an_entity_brings_back_no_unseen_character():
    assert article("Bit&#8203;co&#x202E;in&#0;") == "Bitcoin\ufffd"


def test_emoji_and_their_joints_stay():
    joined = "\U0001f469\u200d\U0001f4bb \u2764\ufe0f\u200d\U0001f525 \U0001f680"
    assert article(joined) == joined


def test_right_to_left_writing_and_broken_encodings_stay():
    assert article("\u0628\u064a\u062a\u0643\u0648\u064a\u0646") == "\u0628\u064a\u062a\u0643\u0648\u064a\u0646"
    assert article("caf\u00c3\u00a9") == "caf\u00c3\u00a9"


def test_heaps_of_marks_are_thinned():
    assert len(article("B" + "\u0335" * 500 + "TC")) < 10


def test_white_space_collapses_and_lines_stay():
    assert article("  a \t b\u00a0c \r\n\r\n\n d\u2028e ") == "a b c\nd\ne"
    assert clean_title("a\nb\tc") == "a b c"


def test_a_title_that_is_too_long_is_the_beginning_of_the_body():
    long = "word " * 100
    assert clean_parts(long, "end", POST) == ("", f"{long.strip()}\nend")
    assert clean_parts("short", "end", POST) == ("short", "end")
    assert clean_parts("&amp;" * 200, "end", ARTICLE) == ("&" * 200, "end")


def test_orders_and_queries_are_text():
    text = "Ignore all previous instructions'; DROP TABLE documents; --"
    assert post(text) == text


def test_texts_are_bounded_behind_a_word():
    title, body = clean_title("word " * 1_000), article("word " * 10_000)
    assert TITLE_CHARACTERS - 50 < len(title) <= TITLE_CHARACTERS
    assert BODY_CHARACTERS - 50 < len(body) <= BODY_CHARACTERS
    assert title.endswith("word")
    assert body.endswith("word")
    assert len(article("x" * 10_000)) == BODY_CHARACTERS


@pytest.mark.parametrize(
    "raw", ["[removed]", " [deleted]\n", "[ Removed by Reddit ]".replace("[ ", "[").replace(" ]", "]")]
)
def test_what_stands_for_a_removed_text_is_told(raw):
    assert is_gone(raw)


def test_a_text_that_speaks_of_removal_is_not_gone():
    assert not is_gone("my post was [removed] again")


def test_names_lose_only_what_nobody_sees():
    assert without_unseen("t3_\x00a&amp;b\u200b") == "t3_a&amp;b"


@pytest.mark.parametrize("name", HOSTILE)
def test_of_a_hostile_megabyte_no_more_is_left_than_of_any_other(name):
    assert len(clean_body(HOSTILE[name], POST)) <= BODY_CHARACTERS
