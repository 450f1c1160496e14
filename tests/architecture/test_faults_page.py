"""Each fault that the documentation promises to survive has a test that carries its number."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
PROMISED = re.findall(r"^\| (F\d\d) \|", PAGE, re.MULTILINE)
SOURCES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))]
NAMES = [name for text in SOURCES for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)]
TESTED = {number.upper() for name in NAMES for number in re.findall(r"f\d\d(?=_)", name)}


@pytest.mark.parametrize("row", PROMISED)
def test_a_promised_row_has_a_test(row: str) -> None:
    assert row in TESTED


def test_a_row_that_is_tested_is_promised() -> None:
    assert set(PROMISED) >= TESTED


def test_each_row_is_promised_once_in_order() -> None:
    assert sorted(set(PROMISED)) == PROMISED
