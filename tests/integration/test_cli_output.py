"""How commands show things, and the pages that describe them."""

import io
import json
import re
import sys
from collections.abc import Callable

import pytest

from pipeline.cli import COMMANDS
from pipeline.cli.display import Column, as_text, price, seconds, show_table
from pipeline.cli.inspecting import leaves
from pipeline.cli.listing import show_signals
from pipeline.domain.timeframe import HIGHER_TIMEFRAMES
from pipeline.json_values import json_text
from pipeline.settings import Settings, load_settings
from tests.support.candle_rows import START
from tests.support.cli import words
from tests.support.database import a_stored_signal
from tests.support.real_data import ROOT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (67123.456, "67,123.46"),
        (0.612345678, "0.612346"),
        (0.0000123456789, "0.0000123457"),
        (0.0, "0.00"),
        (99.5, "99.5000"),
        (-1234.5, "-1,234.50"),
        (float("nan"), "nan"),
    ],
)
def test_a_price_has_the_digits_that_matter(value, text):
    assert price(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0372, "0.04"), (1.3, "1.3"), (34.44, "34.4"), (1234.56, "1,234.6"), (0.0, "0.00")]
)
def test_a_duration_has_one_decimal_and_a_short_one_two(value, text):
    assert seconds(value) == text


def test_a_cell_is_one_line_and_what_is_absent_is_a_dash():
    assert [as_text(v) for v in (None, "a\nb", 1234567, True, START, {"a": START})] == [
        *("-", "a b", "1,234,567", "yes", "2024-01-01 00:00", '{"a": "2024-01-01T00:00:00Z"}')
    ]


def test_json_knows_no_nan():
    assert json.loads(json_text({"a": float("nan"), "b": [float("inf")]})) == {"a": None, "b": [None]}


class Terminal(io.StringIO):
    """A stdout that somebody looks at."""

    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: list[Column], rows: list[list[object]]) -> list[str]:
    return seen(monkeypatch, 40, lambda: show_table(columns, rows))


def seen(monkeypatch: pytest.MonkeyPatch, width: int, show: Callable[[], None]) -> list[str]:
    """The lines that ``show`` prints on a terminal, without colours."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    show()
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in terminal.getvalue().splitlines()]


def test_a_narrow_terminal_wraps_what_may_wrap_and_leaves_out_what_may_be_left_out(monkeypatch):
    columns = [
        Column(title="symbol"),
        Column(title="why", wraps=True),
        Column(title="extra", is_optional=True),
        Column(title="more", is_optional=True),
    ]
    lines = on_a_terminal(monkeypatch, columns, [["BTC/USDT", "word " * 10, "x" * 10, "y" * 10]])
    assert words(lines[0]) == ["symbol", "why"]
    assert [word for line in lines[1:] for word in words(line) if word != "BTC/USDT"] == ["word"] * 10
    assert max(map(len, lines)) <= 40


def test_a_table_that_no_terminal_has_room_for_is_shown_row_by_row(monkeypatch):
    columns = [Column(title=f"column{number}") for number in range(6)]
    lines = on_a_terminal(monkeypatch, columns, [["value"] * 6] * 2)
    assert lines[:2] == ["column0  value", "column1  value"]
    assert len(lines) == 13


@pytest.mark.parametrize(("exchanges", "is_shown"), [(("binance", "binance"), False), (("binance", "kraken"), True)])
def test_signals_of_several_exchanges_name_theirs_however_narrow_the_terminal(monkeypatch, exchanges, is_shown):
    rows = [a_stored_signal(1, exchange=exchange) for exchange in exchanges]
    lines = seen(monkeypatch, 95, lambda: show_signals(rows, has_status=False))
    assert words(lines[0])[:3] == ["score", "symbol", "tf"]
    assert ("exchange" in lines[0]) is is_shown


# The pages


def documented(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


LIST_SHOWN = 3  # items; a longer list would fill the table


def test_every_setting_stands_in_the_settings_page_with_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNALS_HOME", "SIGNALS_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \| (.*?) \|", documented("settings.md"), flags=re.MULTILINE)
    stated = dict(rows)
    # The strategies' own settings stand on their page, where another test asks for them; tables by timeframe in a row.
    told_otherwise = ("expiry", "strategies", "higher_timeframes")
    described = [(path, value) for path, value in leaves(load_settings()) if not {*path[:2]} & {*told_otherwise}]
    defaults = {".".join(path): value for path, value in described}

    assert len(rows) == len(stated)
    assert set(stated) == set(defaults)
    assert "`expiry.bars.<timeframe>`" in documented("settings.md")
    higher = ", ".join(f"`{lower}` {higher}" for lower, higher in HIGHER_TIMEFRAMES.items())
    assert f"| `context.higher_timeframes.<timeframe>` | {higher} |" in documented("settings.md")
    for key, value in defaults.items():
        expected = "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"
        if isinstance(value, list) and len(value) > LIST_SHOWN:
            expected = f"{len(value)}, see `signals config`"
        assert stated[key] == expected, key


def test_every_section_of_the_settings_has_a_heading():
    headings = set(re.findall(r"^## (.+)$", documented("settings.md"), flags=re.MULTILINE))
    sections = {n for n, f in Settings.model_fields.items() if hasattr(f.annotation, "model_fields")} | {"strategies"}
    assert sections <= headings


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section(name):
    assert f"\n## signals {name}\n" in documented("cli.md")


@pytest.mark.parametrize(
    "name",
    [
        *("import", "import candles", "list", "profile show", "profile set", "positions list", "positions set"),
        *("positions import", "sql", "config", "doctor", "users add", "users list", "users remove"),
        *("keys add", "keys list", "keys revoke"),
    ],
)
def test_the_help_of_a_command_teaches_with_an_example(signals, name):
    said = signals(*name.split(), "--help")
    assert said.code == 0
    example = "symbol,weight,valid_from" if name == "positions import" else f"signals {name}"
    assert example in said.out.split("Example", 1)[1]


@pytest.mark.parametrize("name", ["", "import", "profile", "positions", "users", "keys"])
def test_the_summaries_of_commands_are_short_enough_to_stand_on_their_line(signals, name):
    summaries = signals(*name.split(), "--help").out.split("Commands:\n")[1].splitlines()
    assert len(summaries) > 0
    assert [line for line in summaries if line.endswith("...") or not re.match(r"  [\w-]+ +[A-Z]", line)] == []


def test_the_help_of_the_list_says_the_order_of_both_lists(signals):
    for arguments in (("--help",), ("list", "--help")):
        said = " ".join(signals(*arguments).out.split())
        assert "best first" in said
        assert "newest first" in said
