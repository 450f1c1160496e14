"""Signals refuse to be wrong, and their identity follows from what they are about."""

from datetime import timedelta, timezone
from math import inf, nan
from typing import Any

import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Origin, SignalType, Source, signal_id, signal_key
from pipeline.domain.timeframe import Timeframe
from tests.support.signals import CLOSE_AT, a_series, a_signal

ABOUT: dict[str, Any] = {
    "series": a_series(),
    "close_at": CLOSE_AT,
    "signal_type": SignalType.BUY,
    "profile": "house",
    "revision": 1,
}


@pytest.mark.parametrize("name", ["strength", "confidence"])
@pytest.mark.parametrize("value", [-0.01, 1.0000001, nan, inf, -inf])
def test_f54_a_fraction_outside_zero_to_one_is_refused(name: str, value: float) -> None:
    with pytest.raises(DataContractError) as refused:
        a_signal(**{name: value})
    assert str(refused.value) == f"{name} must be in [0, 1], was {value} (SMA_CROSSOVER)"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_both_ends_of_a_fraction_belong_to_it(value: float) -> None:
    assert a_signal(strength=value, confidence=value).strength == value


def test_a_signal_without_a_time_zone_is_refused() -> None:
    with pytest.raises(DataContractError, match=r"^created_at must carry its time zone, was 2024-03-01T12:00:00$"):
        a_signal(created_at=CLOSE_AT.replace(tzinfo=None))


def test_a_signal_never_changes() -> None:
    with pytest.raises(AttributeError):
        a_signal().strength = 0.5


def test_the_same_facts_give_the_same_key_in_every_process() -> None:
    key = signal_key(**ABOUT)
    assert str(key) == "683edbc0-fff0-5c0c-8a3a-bc22359c3e98"
    assert str(signal_id(key, Origin.LIVE, "default")) == "e62d6ac7-af0b-501b-a2d7-c80a5c8cf31c"


@pytest.mark.parametrize(
    "change",
    [
        {"series": a_series(exchange="kraken")},
        {"series": a_series(symbol="ETH/USDT")},
        {"series": a_series(timeframe=Timeframe.H4)},
        {"close_at": CLOSE_AT + timedelta(hours=1)},
        {"signal_type": SignalType.SELL},
        {"profile": "other"},
        {"revision": 2},
    ],
    ids=["exchange", "symbol", "timeframe", "close", "type", "profile", "revision"],
)
def test_another_fact_gives_another_key(change: dict[str, Any]) -> None:
    assert signal_key(**{**ABOUT, **change}) != signal_key(**ABOUT)


def test_a_live_signal_and_its_replay_share_the_key_and_not_the_id() -> None:
    key = signal_key(**ABOUT)
    ids = {signal_id(key, origin, scope) for origin in Origin for scope in ("default", "patient")}
    assert len(ids) == 4


def test_buy_and_sell_contradict_each_other_and_an_alert_nothing() -> None:
    assert {kind: kind.opposite for kind in SignalType} == {
        SignalType.BUY: SignalType.SELL,
        SignalType.SELL: SignalType.BUY,
        SignalType.ALERT: None,
    }


def test_sources_stand_in_the_order_in_which_they_are_joined() -> None:
    assert [source.value for source in Source] == ["technical", "ml_model", "sentiment"]


def test_a_close_told_in_another_zone_is_another_spelling_of_the_same_bar() -> None:
    elsewhere = CLOSE_AT.astimezone(timezone(timedelta(hours=9)))
    assert signal_key(**{**ABOUT, "close_at": elsewhere}) == signal_key(**ABOUT)
