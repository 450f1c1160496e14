"""The page on market data says what the code does."""

import re

import pytest

from pipeline.market.reasons import REASONS
from tests.support.pages import ROOT, failures_on

PAGE = (ROOT / "docs" / "market-data.md").read_text(encoding="utf-8")


def test_the_examples_on_the_page_print_what_the_page_says():
    assert failures_on("market-data.md") == []


def test_the_page_lists_the_reasons_of_refusal_in_the_order_of_judgement():
    section = PAGE.partition("\n## Cleaning\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, flags=re.MULTILINE)

    assert dict(rows) == REASONS
    assert [word for word, _ in rows] == list(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_reasons_are_stable_words(reason):
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason)


def test_the_page_lists_the_states_in_the_order_in_which_they_are_judged():
    words = re.findall(r"^\| `(\w+)[^|]*\| (?:BLOCKED|PARTIAL) \|", PAGE, flags=re.MULTILINE)

    assert words == [
        "no_candles",
        "stale",
        "missing",
        "price_jump",
        "gapped",
        "insufficient_history",
        "filled",
    ]
