"""Sections of extra indicators as people write them, right and wrong, and what strategies may read of them."""

from dataclasses import replace
from pathlib import Path

import pytest

import pipeline.settings
from pipeline.domain.errors import ConfigurationError
from pipeline.indicators.extra.choice import extras_of, unreadable
from pipeline.settings import load_settings
from pipeline.strategies.registry import STRATEGIES

STOCH = '[indicators.stoch]\nta = "StochasticOscillator"\nwindow = 14\n'


def hash_of(changes: dict[str, str] | None = None) -> str:
    settings = load_settings(changes)
    return settings.fingerprint({"house": settings.risk})[0]


def test_without_a_section_there_is_no_extra_indicator(settings_place: Path) -> None:
    assert extras_of(load_settings().indicators) == ()


def test_a_section_names_a_class_of_ta_and_its_parameters(settings_place: Path) -> None:
    settings_place.write_text(STOCH)
    (extra,) = extras_of(load_settings().indicators)
    assert (extra.name, extra.columns, extra.inputs, extra.warm_up) == (
        "stoch",
        ("stoch", "stoch_signal"),
        ("high", "low", "close"),
        15,
    )


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("MACD", "x x_signal x_diff"),
        ("ADXIndicator", "x x_pos x_neg"),
        ("RSIIndicator", "x"),
        ("DonchianChannel", "x_hband x_lband x_mband x_wband x_pband"),
        ("AroonIndicator", "x_up x_down x_indicator"),
        ("EaseOfMovementIndicator", "x_ease_of_movement x_sma_ease_of_movement"),
    ],
)
def test_columns_are_named_after_the_section_and_the_method(settings_place: Path, name: str, columns: str) -> None:
    (extra,) = extras_of(load_settings({"indicators.x.ta": name}).indicators)
    assert extra.columns == tuple(columns.split())


def test_an_own_indicator_is_named_by_its_key_and_may_stand_there_twice(settings_place: Path) -> None:
    settings_place.write_text(
        '[indicators.kst]\nown = "know_sure_thing"\n[indicators.slow]\nown = "know_sure_thing"\nroc4 = 60\n'
    )
    assert [(e.columns, e.warm_up) for e in extras_of(load_settings().indicators)] == [
        (("kst_line", "kst_signal"), 52),
        (("slow_line", "slow_signal"), 82),
    ]


def test_a_change_wins_over_a_variable_and_a_variable_over_the_file(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_place.write_text(STOCH)
    assert load_settings().indicators["stoch"].model_dump()["window"] == 14
    monkeypatch.setenv("SIGNALS_INDICATORS__STOCH__WINDOW", "9")
    assert load_settings().indicators["stoch"].model_dump()["window"] == 9
    changed = load_settings({"indicators.stoch.window": "7"}).indicators["stoch"].model_dump()
    assert (changed["window"], changed["smooth_window"]) == (7, 3)


def test_a_section_may_come_from_variables_alone(settings_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALS_INDICATORS__RSI_7__TA", "RSIIndicator")
    monkeypatch.setenv("SIGNALS_INDICATORS__RSI_7__WINDOW", "7")
    assert load_settings().indicators["rsi_7"].model_dump() == {"ta": "RSIIndicator", "window": 7}


def test_what_refuses_nothing_may_stand_there(settings_place: Path) -> None:
    settings_place.write_text('[indicators.cloud]\nta = "IchimokuIndicator"\nvisual = false\nfillna = false\n')
    assert load_settings().indicators["cloud"].model_dump()["window3"] == 52


def test_extra_indicators_and_their_parameters_are_part_of_the_fingerprint(settings_place: Path) -> None:
    none = hash_of()
    settings_place.write_text('[indicators.bands]\nta = "BollingerBands"\nwindow_dev = 2\n')
    two = hash_of()
    assert len({none, two, hash_of({"indicators.bands.window_dev": "2.5"})}) == 3
    settings_place.write_text('[indicators.bands]\nta = "BollingerBands"\n')
    assert hash_of() == two


MISTAKES = {
    '[indicators.a]\nta = "StochasticOscilator"\n': (
        "signals.toml:2: indicators.a.ta must be a class of ta, was 'StochasticOscilator'; "
        "did you mean StochasticOscillator?"
    ),
    '[indicators.a]\nta = "KSTIndicator"\n': (
        "signals.toml:2: indicators.a.ta must be an indicator that does not look ahead, was 'KSTIndicator': it takes "
        "the mean of all closes, later ones included, for those before the first, and its running sums keep a trace of "
        'it; own = "know_sure_thing" computes it without'
    ),
    '[indicators.a]\nta = "IchimokuIndicator"\nvisual = true\n': (
        "signals.toml:3: indicators.a.visual must be left out or false: it fills the first bars with the mean of all, "
        "later ones included, was true"
    ),
    '[indicators.a]\nta = "RSIIndicator"\nfillna = true\n': (
        "signals.toml:3: indicators.a.fillna must be left out or false: it invents values where there are none, "
        "was true"
    ),
    '[indicators.a]\nta = "RSIIndicator"\nwindw = 7\n': (
        "signals.toml:3: indicators.a.windw is not a setting, was 7; did you mean indicators.a.window?"
    ),
    '[indicators.a]\nta = "MACD"\nwindow_slow = 0\n': (
        "signals.toml:3: indicators.a.window_slow must be at least 1, was 0"
    ),
    '[indicators.a]\nta = "RSIIndicator"\nwindow = true\n': (
        "signals.toml:3: indicators.a.window must be a number, was true"
    ),
    '[indicators.a]\nta = "DonchianChannel"\noffset = -1\n': (
        "signals.toml:3: indicators.a.offset must be at least 0, was -1"
    ),
    '[indicators.a]\nta = "SMAIndicator"\n': "signals.toml:1: indicators.a.window must be given, there is no default",
    '[indicators.a]\nta = "RSIIndicator"\nwindow = 1000\n': (
        "signals.toml:1: indicators.a must need at most 20,000 bars of warm-up, was 37,822; take shorter windows"
    ),
    "[indicators.a]\nwindow = 7\n": (
        'signals.toml:1: indicators.a must say ta = "Class" or own = "key", was neither; '
        "`signals indicators` lists them"
    ),
    '[indicators.a]\nta = "MACD"\nown = "know_sure_thing"\n': (
        'signals.toml:1: indicators.a must say ta = "Class" or own = "key", was both; `signals indicators` lists them'
    ),
    '[indicators.a]\nown = "know_sure_things"\n': (
        "signals.toml:2: indicators.a.own must be an indicator of one's own, was 'know_sure_things'; "
        "did you mean know_sure_thing?"
    ),
    '[indicators.a]\nown = "know_sure_thing"\nroc1 = 99\n': (
        "signals.toml:3: indicators.a.roc1 must be the smallest of four that grow, was [99, 15, 20, 30]"
    ),
    '[indicators.My__Thing]\nta = "MACD"\n': (
        "signals.toml:1: indicators.My__Thing must be named like stoch or slow_macd: small letters, digits, single "
        "underscores, was 'My__Thing'"
    ),
    "[indicators]\na = 3\n": "signals.toml:2: indicators.a must be a section with keys of its own, was 3",
    "indicators = 3\n": "signals.toml:1: indicators must be a section with keys of its own, was 3",
    '[indicators.a]\nta = "MACD"\n[indicators.a_signal]\nta = "RSIIndicator"\n': (
        "signals.toml:3: indicators.a_signal must give columns of its own, was a_signal, which [indicators.a] gives too"
    ),
}


@pytest.mark.parametrize("written", MISTAKES)
def test_a_mistake_is_told_with_its_place(settings_place: Path, written: str) -> None:
    settings_place.write_text(written)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(refused.value) == MISTAKES[written]


def test_all_mistakes_are_told_at_once(settings_place: Path) -> None:
    settings_place.write_text('[indicators.a]\nta = "MCD"\n[indicators.b]\nta = "MACD"\nwindow_fast = 0\n')
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert [line.split(" ")[0] for line in str(refused.value).splitlines()] == ["signals.toml:2:", "signals.toml:5:"]


def test_a_misspelt_variable_of_a_section_is_refused(settings_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_place.write_text(STOCH)
    monkeypatch.setenv("SIGNALS_INDICATORS__STOCH__WINDW", "7")
    with pytest.raises(ConfigurationError, match="did you mean SIGNALS_INDICATORS__STOCH__WINDOW"):
        load_settings()


def test_a_strategy_may_read_columns_of_windows_and_averages(settings_place: Path) -> None:
    settings_place.write_text(STOCH)
    assert not list(unreadable(("rsi_14", "extra.stoch", "extra.stoch_signal"), load_settings().indicators))


def a_strategy_that_reads(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = replace(STRATEGIES["rsi"], reads=lambda _: ("close", column))
    monkeypatch.setattr(pipeline.settings, "STRATEGIES", {**STRATEGIES, "rsi": reading})


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            "extra.stochastic",
            "strategies.rsi must read columns that [indicators.*] gives, was extra.stochastic; "
            "a section [indicators.stochastic] is missing",
        ),
        (
            "extra.stoch_signl",
            "strategies.rsi must read columns that [indicators.*] gives, was extra.stoch_signl; "
            "did you mean extra.stoch_signal?",
        ),
        (
            "extra.sum",
            "strategies.rsi must not read the level of a sum, which depends on where the series begins, was extra.sum; "
            "read an indicator with a window",
        ),
    ],
)
def test_a_strategy_that_reads_what_it_may_not_is_refused(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch, column: str, message: str
) -> None:
    settings_place.write_text(STOCH + '[indicators.sum]\nta = "OnBalanceVolumeIndicator"\n')
    a_strategy_that_reads(column, monkeypatch)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert message in str(refused.value)
    assert not load_settings({"strategies.rsi.is_enabled": "false"}).strategies["rsi"].is_enabled


def test_a_strategy_that_reads_what_a_section_gives_is_accepted(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_place.write_text(STOCH)
    a_strategy_that_reads("extra.stoch_signal", monkeypatch)
    assert load_settings().strategies["rsi"].is_enabled
