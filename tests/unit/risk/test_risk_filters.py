"""The filters: who passes, who does not, and what they are told."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import SignalType
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.filters import FILTERS, screen
from pipeline.risk.profile import RiskProfile
from tests.support.signals import CLOSE_AT, a_signal

CALM = MarketConditions(is_volatile=False)
VOLATILE = MarketConditions(is_volatile=True)


def judge(signals, profile=None, market=CALM):
    screened = screen(signals, profile or RiskProfile(), lambda signal: market)
    return screened.kept, screened.dropped


def test_alerts_pass_in_a_volatile_market():
    alert, buy = a_signal(signal_type=SignalType.ALERT), a_signal()
    assert judge([alert, buy], market=VOLATILE) == ([alert], [(buy, ("high_volatility",))])


def test_a_sell_is_dropped_in_a_volatile_market_like_a_buy():
    sell = a_signal(signal_type=SignalType.SELL)
    assert judge([sell], market=VOLATILE) == ([], [(sell, ("high_volatility",))])


def test_a_profile_may_trade_in_a_volatile_market():
    buy = a_signal()
    assert judge([buy], RiskProfile(avoid_high_volatility=False), VOLATILE) == ([buy], [])


def test_unknown_volatility_blocks_nothing():
    buy = a_signal()
    assert judge([buy], market=MarketConditions(is_volatile=None)) == ([buy], [])


def test_a_confidence_at_the_minimum_passes_and_below_it_does_not():
    at, below = a_signal(confidence=0.5), a_signal(confidence=0.4999999)
    assert judge([at, below]) == ([at], [(below, ("low_confidence",))])


def test_the_minimum_confidence_holds_for_alerts_too():
    alert = a_signal(signal_type=SignalType.ALERT, confidence=0.1)
    assert judge([alert]) == ([], [(alert, ("low_confidence",))])


@pytest.mark.parametrize(
    ("start", "end", "open_hours"),
    [
        (0, 24, set(range(24))),
        (8, 17, set(range(8, 17))),
        (22, 4, {22, 23, 0, 1, 2, 3}),
        (8, 0, set(range(8, 24))),
        (23, 24, {23}),
    ],
)
def test_trading_hours_include_the_start_exclude_the_end_and_wrap_midnight(start, end, open_hours):
    profile = RiskProfile(trading_hours_start=start, trading_hours_end=end)
    closes = [a_signal(created_at=datetime(2024, 3, 1, hour, 59, 59, tzinfo=UTC)) for hour in range(24)]
    kept, dropped = judge(closes, profile)
    assert {signal.created_at.hour for signal in kept} == open_hours
    assert {reasons for _, reasons in dropped} <= {("outside_trading_hours",)}


def test_trading_hours_are_utc_whatever_zone_the_instant_carries():
    profile = RiskProfile(trading_hours_start=8, trading_hours_end=17)
    in_tokyo = timezone(timedelta(hours=9))
    noon_utc, noon_in_tokyo = a_signal(), a_signal(created_at=datetime(2024, 3, 1, 12, tzinfo=in_tokyo))
    assert judge([noon_utc, noon_in_tokyo], profile) == (
        [noon_utc],
        [(noon_in_tokyo, ("outside_trading_hours",))],
    )


def test_trading_hours_hold_for_alerts_too():
    alert = a_signal(signal_type=SignalType.ALERT)
    profile = RiskProfile(trading_hours_start=13, trading_hours_end=24)
    assert judge([alert], profile) == ([], [(alert, ("outside_trading_hours",))])


def test_a_blocked_series_gives_its_own_reason():
    alert = a_signal(signal_type=SignalType.ALERT)
    assert judge([alert], market=MarketConditions(block_reason="stale")) == (
        [],
        [(alert, ("blocked:stale",))],
    )


def test_f03_a_filled_bar_makes_no_signal():
    buy = a_signal()
    assert judge([buy], market=MarketConditions(is_filled=True)) == ([], [(buy, ("filled_bar",))])


def test_every_reason_that_applies_is_given_in_the_order_of_the_description():
    hopeless = a_signal(confidence=0.1)
    profile = RiskProfile(trading_hours_start=13, trading_hours_end=24)
    market = MarketConditions(is_volatile=True, block_reason="gaps", is_filled=True)
    assert judge([hopeless], profile, market) == (
        [],
        [
            (
                hopeless,
                ("low_confidence", "high_volatility", "outside_trading_hours", "blocked:gaps", "filled_bar"),
            )
        ],
    )


def test_signals_keep_their_order():
    signals = [a_signal(symbol=f"{base}/USDT") for base in ("ETH", "BTC", "ADA")]
    assert judge(signals) == (signals, [])


def test_reasons_are_counted_once_for_each_signal_that_has_them():
    weak = a_signal(confidence=0.1)
    screened = screen([weak, a_signal()], RiskProfile(), lambda signal: VOLATILE)
    assert screened.reasons() == {"low_confidence": 1, "high_volatility": 2}


def test_conditions_may_be_a_mapping_by_series_and_close():
    btc, eth = a_signal(), a_signal(symbol="ETH/USDT")
    conditions = {(btc.series, CLOSE_AT): VOLATILE, (eth.series, CLOSE_AT): CALM}
    screened = screen([btc, eth], RiskProfile(), conditions)
    assert (screened.kept, screened.dropped) == ([eth], [(btc, ("high_volatility",))])


def test_conditions_that_were_forgotten_are_an_error_and_not_a_calm_market():
    with pytest.raises(DataContractError, match="missing for binance BTC/USDT 1h at 2024-03-01T12:00"):
        screen([a_signal()], RiskProfile(), {})


def test_every_filter_passes_an_ordinary_signal_on_an_ordinary_bar():
    assert [judge_one(a_signal(), RiskProfile(), CALM) for judge_one in FILTERS] == [None] * len(FILTERS)
