"""The page of a report: one file that holds what it shows, escaped, with every table."""

import re
from html.parser import HTMLParser

import pytest

from pipeline.charts.performance import PICTURES
from pipeline.charts.performance_page import TITLES, performance_page
from pipeline.outcomes.rules import Entry, OutcomeRules
from tests.support.outcome_samples import a_mixed_report, a_report, some_outcomes

RULES = OutcomeRules()
VOID = {"meta", "img", "source", "br"}


class Reader(HTMLParser):
    """What a page holds, and whether its elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "srcset", "href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data


@pytest.fixture(scope="module")
def page():
    return performance_page(a_mixed_report(), RULES)


def test_the_file_holds_all_that_it_shows(page):
    found = Reader(page)

    assert not found.open
    assert len(found.addresses) == 2 * len(PICTURES)  # wide, and narrow
    assert all(address.startswith("data:image/png;base64,") for address in found.addresses)
    assert "script" not in found.tags
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    assert "url(" not in page
    assert "@import" not in page


def test_it_says_figures_rules_and_what_they_mean(page):
    text = Reader(page).text

    for title in (*TITLES.values(), "What was executed", "What this does not say"):
        if title != TITLES["timeframe"]:  # there is but one
            assert title in text
    assert "3 signals wait for candles" in text
    assert "a fee of 0.1 % at each end, and 0.02 % slippage" in text
    assert "the next bar's open" in text
    assert "ML_PREDICTION" in text
    assert "Nothing was executed" in text
    other = OutcomeRules(entry=Entry.SIGNAL_CLOSE, fee=0.002)
    assert "Entered at the signal's close" in Reader(performance_page(a_mixed_report(), other)).text


def test_what_comes_from_the_database_is_escaped():
    hostile = "<script>alert(1)</script>&\"'"
    report = a_report(some_outcomes([0.01] * 4, strategy=[hostile] * 4, symbol=[hostile] * 4), scope=hostile)

    page = performance_page(report, RULES)

    assert "<script" not in page
    assert Reader(page).text.count(hostile) >= 3


def test_an_empty_window_makes_a_whole_page():
    found = Reader(performance_page(a_report(some_outcomes([])), RULES))

    assert not found.open
    assert "No signal of this window has an outcome." in found.text
    assert len(found.addresses) == 2 * len(PICTURES)


def test_equal_reports_give_equal_pages(page):
    assert performance_page(a_mixed_report(), RULES) == page
