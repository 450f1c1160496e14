"""Prices and expiry: the description's samples, the bounds of R, and that nothing impossible comes out."""

from datetime import UTC, datetime, timedelta
from math import inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.signal import SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.pricing import PriceRules, Prices, expiry, prices

BUY, SELL, ALERT = SignalType.BUY, SignalType.SELL, SignalType.ALERT
CLOSE_AT = datetime(2023, 6, 15, 14, tzinfo=UTC)


def test_the_descriptions_buy_has_a_risk_of_two_percent():
    assert prices(BUY, 42_500.0, None, 1.5) == Prices(
        42_500.0, 41_650.0, {"tp1": 43_350.0, "tp2": 44_200.0, "tp3": 45_050.0}
    )


def test_the_descriptions_sell_is_its_mirror():
    assert prices(SELL, 2_250.0, None, 1.5) == Prices(
        2_250.0, 2_295.0, {"tp1": 2_205.0, "tp2": 2_160.0, "tp3": 2_115.0}
    )


def test_an_alert_has_an_entry_only():
    assert prices(ALERT, 42_500.0, 400.0, 1.5) == Prices(42_500.0, None, None)


def test_the_risk_is_the_multiple_of_the_atr():
    assert prices(BUY, 100.0, 2.0, 1.5).stop_loss_price == 97.0
    assert prices(BUY, 100.0, 2.0, 2.5).stop_loss_price == 95.0


@pytest.mark.parametrize(("atr", "stop"), [(0.0, 99.5), (0.01, 99.5), (50.0, 90.0), (1e300, 90.0)])
def test_the_risk_is_at_least_half_and_at_most_ten_percent(atr, stop):
    assert prices(BUY, 100.0, atr, 1.5).stop_loss_price == stop


def test_an_atr_that_is_nan_is_unknown():
    assert prices(BUY, 100.0, nan, 1.5) == prices(BUY, 100.0, None, 1.5)


def test_targets_of_a_sell_stop_at_the_floor_when_rules_allow_a_huge_risk():
    wide = PriceRules(max_risk=0.8)
    assert prices(SELL, 100.0, 60.0, 1.0, wide).target_prices == {"tp1": 40.0, "tp2": 1.0, "tp3": 1.0}
    assert prices(BUY, 100.0, 120.0, 1.0, PriceRules(max_risk=1.5)).stop_loss_price == 1.0


PRICES = st.floats(1e-12, 1e9)
ATRS = st.none() | st.floats(0.0, 1e9) | st.sampled_from([nan, 5e-324, 1e-12, 1e308])
MULTIPLES = st.floats(1e-6, 1e6)


@given(close=PRICES, atr=ATRS, multiple=MULTIPLES)
def test_prices_are_finite_above_zero_and_in_their_order(close, atr, multiple):
    for signal_type, side in ((BUY, 1), (SELL, -1)):
        found = prices(signal_type, close, atr, multiple)
        ladder = [found.stop_loss_price, found.entry_price, *found.target_prices.values()]
        assert all(isfinite(price) and price > 0 for price in ladder)
        assert ladder[::side] == sorted(set(ladder))


@given(close=PRICES, atr=ATRS, multiple=MULTIPLES)
def test_one_risk_sets_the_stop_and_all_targets(close, atr, multiple):
    found = prices(BUY, close, atr, multiple)
    risk = close - found.stop_loss_price
    assert risk / close * (1 + 1e-9) >= 0.005
    assert risk / close <= 0.1 * (1 + 1e-9)
    expected = [close + risk, close + 2 * risk, close + 3 * risk]
    assert list(found.target_prices.values()) == pytest.approx(expected, rel=1e-9)


@given(close=PRICES, atr=ATRS, multiple=MULTIPLES)
def test_a_sell_mirrors_a_buy(close, atr, multiple):
    buy, sell = prices(BUY, close, atr, multiple), prices(SELL, close, atr, multiple)
    assert sell.stop_loss_price == buy.target_prices["tp1"]
    assert sell.target_prices["tp1"] == buy.stop_loss_price


@pytest.mark.parametrize("signal_type", SignalType)
@pytest.mark.parametrize("close", [0.0, -1.0, nan, inf])
def test_f54_a_close_that_is_no_price_is_refused(signal_type, close):
    with pytest.raises(DataContractError, match=f"entry_price must be finite and above 0, was {close}"):
        prices(signal_type, close, None, 1.5)


@pytest.mark.parametrize(
    ("atr", "multiple", "message"),
    [
        (-1.0, 1.5, "atr must be finite and 0 or more, or unknown, was -1.0"),
        (inf, 1.5, "atr must be finite and 0 or more, or unknown, was inf"),
        (1.0, 0.0, "multiple must be finite and above 0, was 0.0"),
        (1.0, nan, "multiple must be finite and above 0, was nan"),
    ],
)
def test_inputs_out_of_range_are_refused(atr, multiple, message):
    with pytest.raises(DataContractError, match=message):
        prices(BUY, 100.0, atr, multiple)


def test_a_target_beyond_what_a_float_holds_is_refused():
    with pytest.raises(DataContractError, match="tp2 must be finite and above 0, was inf"):
        prices(BUY, 1.5e308, 1.5e307, 1.0)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"min_risk": 0.0}, "min_risk must be a fraction of the entry above 0, was 0.0"),
        ({"max_risk": nan}, "max_risk must be a fraction of the entry above 0, was nan"),
        ({"min_risk": 0.2}, r"min_risk must be at most max_risk \(0.1\), was 0.2"),
        ({"price_floor": 1.0}, r"price_floor must be below 1 \(the entry\), was 1.0"),
    ],
)
def test_rules_that_cannot_hold_are_refused(rules, message):
    with pytest.raises(ConfigurationError, match=message):
        PriceRules(**rules)


@pytest.mark.parametrize("timeframe", Timeframe)
def test_advice_stands_one_bar_and_three_of_the_shortest(timeframe):
    bars = 3 if timeframe in (Timeframe.M1, Timeframe.M5) else 1
    assert expiry(CLOSE_AT, timeframe) == CLOSE_AT + bars * timeframe.duration


def test_bars_of_expiry_can_be_set_for_a_timeframe():
    assert expiry(CLOSE_AT, Timeframe.H1, {Timeframe.H1: 4}) == CLOSE_AT + timedelta(hours=4)
    assert expiry(CLOSE_AT, Timeframe.M1, {Timeframe.H1: 4}) == CLOSE_AT + timedelta(minutes=1)


def test_expiry_needs_a_bar_and_a_time_zone():
    with pytest.raises(ConfigurationError, match="expiry bars of 1h must be 1 or more, was 0"):
        expiry(CLOSE_AT, Timeframe.H1, {Timeframe.H1: 0})
    with pytest.raises(DataContractError, match="close_at must carry its time zone"):
        expiry(CLOSE_AT.replace(tzinfo=None), Timeframe.H1)
