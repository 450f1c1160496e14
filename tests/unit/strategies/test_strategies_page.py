"""The documentation of strategies agrees with the strategies."""

import re
import tomllib
from pathlib import Path

import pytest

from pipeline.strategies.registry import STRATEGIES, discover
from tests.support.pages import failures_on
from tests.support.strategy_columns import columns_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "strategies.md"
EMITTED = {name: each for each in STRATEGIES.values() for name in each.names.values()}


def section(name: str) -> str:
    """What stands under a signal's heading, up to the next one."""
    text = PAGE.read_text(encoding="utf-8")
    assert f"\n## {name}\n" in text, f"docs/strategies.md must have a section '## {name}'"
    return text.split(f"\n## {name}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", sorted(EMITTED))
def test_every_emitted_name_has_a_section_with_rule_reason_and_inputs(name):
    text = section(name)
    for part in ("**Rule.**", "**Reads**", "**Why**", "**Says**"):
        assert part in text
    strategy = EMITTED[name]
    for column in strategy.columns(strategy.parameters()):
        assert f"`{column}`" in text


@pytest.mark.parametrize("name", sorted(EMITTED))
def test_every_section_shows_the_settings_with_their_defaults(name):
    strategy = EMITTED[name]
    block = re.search(r"```toml\n(.*?)```", section(name), re.DOTALL)
    assert block, "a section must show its settings in a toml block"
    defaults = strategy.parameters().model_dump(mode="json")
    assert tomllib.loads(block[1]) == {"strategies": {strategy.key: defaults}}


@pytest.mark.parametrize("name", sorted(EMITTED))
def test_every_section_states_family_and_lookback(name):
    strategy = EMITTED[name]
    assert f"Family `{strategy.family}`" in section(name)
    assert re.search(rf"looks back {strategy.lookback} bars?\b", section(name))


def test_no_section_describes_a_strategy_that_does_not_exist():
    headings = set(re.findall(r"^## ([A-Z_]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert headings == set(EMITTED)


def test_the_examples_on_the_page_are_true():
    assert failures_on("strategies.md") == []


def test_the_page_lists_every_strategy_in_one_table():
    table = PAGE.read_text(encoding="utf-8").split("\n## ")[0]
    for name, strategy in EMITTED.items():
        row = next((line for line in table.splitlines() if f"`{name}`" in line), None)
        assert row, f"the table of docs/strategies.md must have a row for `{name}`"
        defaults = strategy.parameters().model_dump()
        stated = "by bar" if strategy.weighing else f"{defaults['strength']}, {defaults['confidence']}"
        for cell in (f"`strategies.{strategy.key}`", f"`{strategy.family}`", stated):
            assert cell in row


def test_the_file_that_the_page_shows_is_a_strategy(tmp_path, monkeypatch):
    example = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert example
    package = tmp_path / "shown_on_the_page"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "three_up.py").write_text(example[1], encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    three_up = discover("shown_on_the_page")["three_up"]
    sides = three_up.sides(columns_of(close=[1, 2, 3, 4, 3, 2, 1]), three_up.parameters())
    assert sides.iloc[:, 0].tolist() == [0, 0, 0, 1, 0, 0, -1]
