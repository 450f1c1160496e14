"""`signals profile` and `signals positions`: what is typed, what is stored, what is refused."""

import re

import pytest

from tests.support.cli import line_with, words


def test_a_profile_shows_each_value_and_where_it_comes_from(signals, monkeypatch):
    monkeypatch.setenv("SIGNALS_RISK__MIN_SIGNAL_CONFIDENCE", "0.6")
    changed = signals("profile", "set", "max_asset_exposure=0.1", "avoid_high_volatility=no", "--json").json
    assert changed["max_asset_exposure"] == {"value": 0.1, "origin": "database"}
    assert changed["min_signal_confidence"] == {"value": 0.6, "origin": "settings"}

    signals("profile", "set", "max_asset_exposure=default")

    assert words(line_with(signals("profile", "show"), "max_asset_exposure")) == [
        "max_asset_exposure",
        "0.2",
        "settings",
    ]
    assert words(line_with(signals("profile", "show"), "avoid_high_volatility"))[1:] == ["false", "database"]


def test_a_named_profile_is_made_by_setting_it(signals):
    assert signals("profile", "show", "bot").code == 2
    assert signals("profile", "set", "bot", "is_scheduled=yes", "max_total_exposure=0.3").code == 0
    shown = signals("profile", "show", "bot", "--json").json
    assert (shown["profile"], shown["is_scheduled"]["value"], shown["max_total_exposure"]["value"]) == (
        "bot",
        True,
        0.3,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("max_asset_exposure=9",), "max_asset_exposure must be a fraction in [0, 1]"),
        (("colour=red",), "colour is not a setting of a risk profile; these are: min_signal_confidence"),
        (("bot",), "say what to change"),
        (("bot", "max_asset_exposure"), "must read KEY=VALUE, was 'max_asset_exposure'"),
        (("is_scheduled=no",), "always scheduled"),
        (("is_scheduled=maybe", "min_signal_confidence=0.6"), "'maybe' is not a valid boolean"),
        (("trading_hours_end=8", "trading_hours_end=9"), "given once"),
    ],
    ids=str,
)
def test_a_wrong_change_of_a_profile_is_refused(signals, arguments, message):
    said = signals("profile", "set", *arguments)
    assert said.code == 2
    assert message in said.err


def test_positions_are_set_listed_and_ended(signals):
    signals("positions", "set", "BTCUSDT", "0.05", "--from", "2024-01-01")
    signals("positions", "set", "BTC/USDT", "0", "--from", "2024-02-01T12:00+02:00")
    signals("positions", "set", "ETH/USDT", "0.9")

    said = signals("positions", "list")

    assert words(line_with(said, "BTC/USDT")) == words("BTC/USDT 0.05 2024-01-01 00:00 2024-02-01 10:00 ended")
    assert words(line_with(said, "ETH/USDT"))[-1] == "held"
    assert "held now: 0.9 of the portfolio, of 0.8 allowed; no BUY passes" in said.err
    assert [row["state"] for row in signals("positions", "list", "--json").json] == ["ended", "held"]


def test_a_file_of_positions_is_read_whole_and_reading_it_again_changes_nothing(signals, tmp_path):
    rows = ["symbol,weight,valid_from,valid_to", "BTC/USDT,0.1,2024-01-01,", "BTC/USDT,0.2,2024-02-01,"]
    (tmp_path / "held.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")

    first, again = (signals("positions", "import", "held.csv") for _ in range(2))

    assert (first.code, again.code) == (0, 0)
    assert "all were known" in again.out
    found = signals("positions", "list", "--json").json
    assert [(row["weight"], row["valid_to"]) for row in found] == [(0.1, "2024-02-01T00:00:00Z"), (0.2, None)]


def test_of_a_file_with_wrong_positions_each_is_named_with_its_line_and_none_is_taken(signals, tmp_path):
    rows = [
        "symbol,weight,valid_from,valid_to",
        "BTC/USDT,0.1,2024-01-01,",
        "ETH/USDT,ten,2024-01-01,",
        "ETH/USDT,5,2024-01-01,",
        "",
        "ETH/USDT,0.1,soon,",
        "ETH/USDT,0.1,2024-02-01,2024-01-01",
        ",0.1,2024-02-01,",
        "SOL/USDT,0.1,2024-01-01,2024-03-01",
        "SOL/USDT,0.1,2024-02-01,",
        "ETH/USDT,0.1",
    ]
    (tmp_path / "held.csv").write_text("\n".join(rows), encoding="utf-8")

    said = signals("positions", "import", "held.csv")

    assert said.code == 1
    assert re.findall(r"held\.csv:(\d+): (\w+)", said.err) == [
        ("3", "weight"),
        ("4", "weight"),
        ("6", "an"),
        ("7", "valid_to"),
        ("8", "symbol"),
        ("11", "must"),
        ("10", "SOL"),
    ]
    assert signals("positions", "list", "--json").json == []


@pytest.mark.parametrize("text", ["", "BTC/USDT,0.1,2024-01-01\n", "symbol,weight,valid_from,colour\n"])
def test_a_file_of_positions_without_its_header_is_refused(signals, tmp_path, text):
    (tmp_path / "held.csv").write_text(text, encoding="utf-8")
    said = signals("positions", "import", "held.csv")
    assert said.code == 1
    assert "held.csv:1: must be the header symbol,weight,valid_from,valid_to" in said.err
