"""The page on risk says what the code does."""

import re

import pytest

from pipeline.risk.filters import FILTERS
from pipeline.risk.profile import RISK_LEVELS, RiskProfile
from tests.support.pages import ROOT, failures_on

PAGE = (ROOT / "docs" / "risk.md").read_text(encoding="utf-8")
REASONS = {"blocked_market": "blocked:<why>"}


def test_the_examples_on_the_page_print_what_the_page_says():
    assert failures_on("risk.md") == []


@pytest.mark.parametrize("filter_name", [judge.__name__ for judge in FILTERS])
def test_every_filter_has_a_row(filter_name):
    assert f"| `{REASONS.get(filter_name, filter_name)}` |" in PAGE


@pytest.mark.parametrize("field", ["min_signal_confidence", "max_asset_exposure", "max_total_exposure"])
def test_the_table_of_profiles_shows_the_profiles(field):
    (row,) = re.findall(rf"^\| `{field}` \| (.*) \|$", PAGE, flags=re.MULTILINE)
    profiles = [RiskProfile(), *RISK_LEVELS.values()]
    assert [float(cell) for cell in row.split(" | ")] == [getattr(profile, field) for profile in profiles]
