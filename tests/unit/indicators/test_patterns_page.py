"""The page on levels and patterns says what the code does, and what it finds on real candles."""

import re

import pytest

from pipeline.domain import patterns
from pipeline.domain.patterns import CHART_PATTERNS, NAMES
from pipeline.indicators import levels, pivots, structure
from pipeline.indicators.compute import evaluate
from pipeline.indicators.patterns import candles, channels, completion, reversals
from tests.support.pages import ROOT, failures_on
from tests.support.real_market import real_block

PAGE = (ROOT / "docs" / "patterns.md").read_text(encoding="utf-8")
STATED = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", PAGE, flags=re.MULTILINE))
CONSTANTS = {
    name: value
    for module in (pivots, levels, reversals, channels, completion, candles)
    for name, value in vars(module).items()
    if re.fullmatch(r"[A-Z][A-Z_]*", name) and isinstance(value, int | float | tuple) and not isinstance(value, bool)
} | {"PATTERN_BARS": structure.PATTERN_BARS}
# What the page tells in words, and names that stand for no tolerance.
TOLD_OTHERWISE = {"LEVEL_HISTORY", "HIGH", "LOW", "FORMED", "BROKEN", "MERGED", "EVENTS", *vars(patterns)}
COUNTED = ("genetrader_binance_2024", "1h")  # the first column of the tables of counts


def test_the_examples_on_the_page_are_true():
    assert failures_on("patterns.md") == []


def test_the_page_states_every_tolerance_with_its_value():
    wanted = {name: value for name, value in CONSTANTS.items() if name not in TOLD_OTHERWISE}
    stated = {name: tuple(float(part) for part in text.split(",")) for name, text in STATED.items()}

    assert stated == {name: tuple(value) if isinstance(value, tuple) else (value,) for name, value in wanted.items()}


def test_the_page_says_on_how_many_bars_a_bar_depends():
    assert f"follow from the {structure.STRUCTURE_BARS} bars before it" in PAGE


def test_the_page_has_the_bit_of_every_chart_pattern():
    rows = re.findall(r"^\| (\d+) \| (\d+) \| `(\w+)` \|$", PAGE, flags=re.MULTILINE)
    assert rows == [(str(bit), str(1 << bit), name) for bit, name in enumerate(CHART_PATTERNS)]


@pytest.fixture(scope="module")
def real_columns():
    block = real_block(*COUNTED)
    columns = evaluate(block, ["atr_14", "candle_patterns"])
    found = structure.structure(block, columns["atr_14"], block["close"].index[0].to_pydatetime())
    return columns | found.columns


def counted(columns, column, name):
    """Bars on which a pattern stands in a column."""
    bits = columns[column].fillna(0.0).to_numpy().astype(int)
    return int((bits >> NAMES[column].index(name) & 1).sum())


def test_the_counts_of_chart_patterns_are_those_of_real_candles(real_columns):
    rows = re.findall(r"^\| `(\w+)`(?: up, down)? \| ([\d, ]+?) \| [\d, ]+ \| [\d, ]+ \|$", PAGE, flags=re.MULTILINE)
    stated = {name: [int(part) for part in cell.split(", ")] for name, cell in rows}

    for name in CHART_PATTERNS:
        found = [counted(real_columns, column, name) for column in ("bullish_patterns", "bearish_patterns")]
        assert stated[name] == [count for count in found if count]
    assert f"**{sum(sum(cell) for cell in stated.values()):,}**" in PAGE


def test_the_counts_of_candle_patterns_are_those_of_real_candles(real_columns):
    rows = re.findall(r"^\| `(\w+)` \| \d \| .*? \| ([\d,]+) \| [\d,]+ \|$", PAGE, flags=re.MULTILINE)
    stated = {name: int(cell.replace(",", "")) for name, cell in rows}
    columns = ("bullish_candles", "bearish_candles", "doji_candles")

    assert stated == {name: counted(real_columns, column, name) for column in columns for name in NAMES[column]}
