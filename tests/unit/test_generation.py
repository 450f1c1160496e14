"""The stages that make signals: who is dropped, in which order and why, and what a finished signal holds."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregation import ConflictPolicy
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Signal, SignalType, Source
from pipeline.domain.timeframe import Timeframe
from pipeline.generation import (
    LOOKBACK_BARS,
    BarKey,
    BarValues,
    Decision,
    Rules,
    advice_of,
    by_bar,
    finish,
    judge,
    usable_bars,
)
from pipeline.indicators.structure import BAR_COLUMNS
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.exposure import Pending, Position
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.registry import STRATEGIES
from tests.support.signals import CLOSE_AT, a_series, a_signal
from tests.support.strategy_columns import wandering_columns

PARAMETERS = {key: each.parameters.model_validate({}) for key, each in STRATEGIES.items()}
HOUSE = RiskProfile()
CALM = MarketConditions(is_volatile=False)
VALUES: BarValues = {**dict.fromkeys(BAR_COLUMNS), "close": 100.0, "atr_14": 1.0, "rsi_14": 28.5}


def rules(**changes: Any) -> Rules:
    return Rules(**{"parameters": PARAMETERS, **changes})


def sell(**changes: Any) -> Signal:
    return a_signal(**{"signal_type": SignalType.SELL, "strategy": "DEATH_CROSS", **changes})


def decide(
    signals: Sequence[Signal],
    *,
    profile: RiskProfile = HOUSE,
    market: MarketConditions = CALM,
    pending: Sequence[Pending] = (),
    positions: Sequence[Position] = (),
    **changes: Any,
) -> list[Decision]:
    conditions = {(s.series, s.created_at): market for s in signals}
    return judge(signals, conditions, profile, rules(**changes), pending, positions)


def reasons(decisions: Sequence[Decision]) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(d.signal.symbol, d.signal.signal_type.value): d.reasons for d in decisions}


def finished(signals: Sequence[Signal], profile: RiskProfile = HOUSE, **changes: Any) -> list[Any]:
    bars = {(s.series, s.created_at): VALUES for s in signals}
    return finish(signals, bars, profile, rules(**changes))


def full(symbol: str = "BTC/USDT", weight: float = 0.18) -> Position:
    return Position(symbol=symbol, weight=weight, valid_from=CLOSE_AT - timedelta(days=1))


def test_a_signal_that_nothing_speaks_against_is_kept_with_its_weight_and_expiry() -> None:
    (decision,) = decide([a_signal(confidence=0.6)])
    assert (decision.is_kept, decision.reasons) == (True, ())
    assert decision.exposure_weight == pytest.approx(0.03)
    assert decision.expires_at == CLOSE_AT + timedelta(hours=1)


def test_only_a_buy_has_a_weight() -> None:
    decisions = decide([sell(), a_signal(signal_type=SignalType.ALERT)])
    assert [d.exposure_weight for d in decisions] == [None, None]


def test_the_filters_come_before_exposure_and_a_filtered_buy_ties_up_nothing() -> None:
    unsure = a_signal(confidence=0.4, symbol="BTC/EUR")
    kept = a_signal(confidence=1.0)
    found = decide([unsure, kept], positions=[full(weight=0.15)])
    assert reasons(found) == {("BTC/EUR", "BUY"): ("low_confidence",), ("BTC/USDT", "BUY"): ()}


def test_a_filtered_signal_has_only_the_reasons_of_the_filters() -> None:
    (decision,) = decide([a_signal(confidence=0.4)], positions=[full(weight=0.2)])
    assert (decision.reasons, decision.exposure_weight) == (("low_confidence",), None)


def test_a_filtered_signal_is_no_opponent() -> None:
    found = decide([a_signal(), sell(confidence=0.4)], conflict_policy=ConflictPolicy.DROP_WEAKER)
    assert reasons(found) == {("BTC/USDT", "BUY"): (), ("BTC/USDT", "SELL"): ("low_confidence",)}


def test_a_weaker_buy_goes_before_exposure_is_counted() -> None:
    lost = a_signal(symbol="BTC/EUR", confidence=0.9)
    winner = sell(symbol="BTC/EUR", confidence=0.95)
    other = a_signal(confidence=0.6)
    found = decide([lost, winner, other], positions=[full(weight=0.14)], conflict_policy=ConflictPolicy.DROP_WEAKER)
    assert reasons(found) == {
        ("BTC/EUR", "BUY"): ("weaker_of_conflict",),
        ("BTC/EUR", "SELL"): (),
        ("BTC/USDT", "BUY"): (),
    }


def test_without_the_conflict_that_same_buy_would_take_the_other_one_s_place() -> None:
    lost, other = a_signal(symbol="BTC/EUR", confidence=0.9), a_signal(confidence=0.6)
    found = decide([lost, other], positions=[full(weight=0.14)])
    assert reasons(found) == {("BTC/EUR", "BUY"): (), ("BTC/USDT", "BUY"): ("asset_exposure",)}


def test_a_weaker_sell_stays_if_exposure_drops_the_buy() -> None:
    signals = [a_signal(confidence=0.9), sell(confidence=0.6)]
    with_room = decide(signals, conflict_policy=ConflictPolicy.DROP_WEAKER)
    without = decide(signals, positions=[full(weight=0.2)], conflict_policy=ConflictPolicy.DROP_WEAKER)
    assert reasons(with_room) == {("BTC/USDT", "BUY"): (), ("BTC/USDT", "SELL"): ("weaker_of_conflict",)}
    assert reasons(without) == {("BTC/USDT", "BUY"): ("asset_exposure",), ("BTC/USDT", "SELL"): ()}


def test_both_of_a_conflict_stay_by_default() -> None:
    assert all(d.is_kept for d in decide([a_signal(), sell()]))


def test_a_group_is_kept_or_dropped_whole_and_weighs_as_much_as_its_surest() -> None:
    group = [a_signal(confidence=0.6), a_signal(strategy="GOLDEN_CROSS", confidence=0.8)]
    kept, dropped = decide(group), decide(group, positions=[full(weight=0.17)])
    assert [d.exposure_weight for d in kept] == [pytest.approx(0.04)] * 2
    assert [d.reasons for d in dropped] == [("asset_exposure",)] * 2


def test_what_is_pending_counts_and_what_was_kept_counts_for_the_next_close() -> None:
    pending = Pending(
        symbol="BTC/EUR",
        timeframe=Timeframe.H4,
        close_at=CLOSE_AT - timedelta(hours=1),
        weight=0.16,
        expires_at=CLOSE_AT + timedelta(hours=3),
    )
    first = a_signal(confidence=0.8)
    later = a_signal(confidence=0.8, created_at=CLOSE_AT + timedelta(minutes=30), timeframe=Timeframe.M30)
    found = decide([later, first], pending=[pending])
    assert [(d.signal.created_at, d.reasons) for d in found] == [
        (CLOSE_AT, ()),
        (CLOSE_AT + timedelta(minutes=30), ("asset_exposure",)),
    ]


def test_the_expiry_follows_the_rules_and_decides_how_long_a_weight_counts() -> None:
    first, next_bar = a_signal(confidence=0.8), a_signal(confidence=0.8, created_at=CLOSE_AT + timedelta(hours=1))
    positions = [full(weight=0.13)]
    short = decide([first, next_bar], positions=positions)
    long = decide([first, next_bar], positions=positions, expiry_bars={Timeframe.H1: 2})
    assert [d.is_kept for d in short] == [True, True]
    assert [d.is_kept for d in long] == [True, False]
    assert long[0].expires_at == CLOSE_AT + timedelta(hours=2)


def test_forgotten_conditions_are_an_error_and_no_permission() -> None:
    with pytest.raises(DataContractError, match="market conditions must be given for every signal"):
        judge([a_signal()], {}, HOUSE, rules())


TYPES = st.sampled_from(list(SignalType))


@st.composite
def candidates(draw: st.DrawFn) -> list[Signal]:
    """Candidates as a table can hold them: no strategy advises the same thing twice on one bar."""
    places = st.tuples(
        st.sampled_from(["BTC/USDT", "BTC/EUR", "ETH/USDT"]),
        st.integers(0, 3),
        st.sampled_from(["SMA_CROSSOVER", "RSI_OVERSOLD", "MACD_CROSSOVER"]),
        TYPES,
    )
    return [
        a_signal(
            symbol=symbol,
            created_at=CLOSE_AT + timedelta(hours=hours),
            strategy=strategy,
            signal_type=kind,
            confidence=draw(st.sampled_from([0.4, 0.6, 0.8, 1.0])),
            strength=draw(st.sampled_from([0.5, 0.7])),
        )
        for symbol, hours, strategy, kind in draw(st.lists(places, unique=True, max_size=20))
    ]


POLICIES = st.sampled_from(list(ConflictPolicy))
TIGHT = RiskProfile(max_asset_exposure=0.08, max_total_exposure=0.1)


@given(signals=candidates(), policy=POLICIES)
def test_every_candidate_is_decided_exactly_once(signals: list[Signal], policy: ConflictPolicy) -> None:
    found = decide(signals, profile=TIGHT, conflict_policy=policy)
    assert sorted(map(id, signals)) == sorted(id(d.signal) for d in found)
    assert all(d.is_kept == (d.reasons == ()) for d in found)


@given(signals=candidates(), policy=POLICIES, shuffler=st.randoms(use_true_random=False))
def test_neither_decisions_nor_signals_depend_on_the_order_given(
    signals: list[Signal], policy: ConflictPolicy, shuffler: Any
) -> None:
    shuffled = shuffler.sample(signals, len(signals))
    assert decide(signals, profile=TIGHT, conflict_policy=policy) == decide(
        shuffled, profile=TIGHT, conflict_policy=policy
    )
    assert finished(signals, conflict_policy=policy) == finished(shuffled, conflict_policy=policy)


@given(signals=candidates(), policy=POLICIES)
def test_what_was_kept_is_finished_whole(signals: list[Signal], policy: ConflictPolicy) -> None:
    kept = [d.signal for d in decide(signals, profile=TIGHT, conflict_policy=policy) if d.is_kept]
    made = finished(kept, conflict_policy=policy)
    assert sum(signal.metadata["component_signals"] for signal in made) == len(kept)
    assert len({signal.key for signal in made}) == len(made)


def test_several_strategies_become_one_signal_with_all_that_it_was_made_of() -> None:
    rsi = a_signal(strategy="RSI_OVERSOLD", strength=0.8, confidence=0.7, description="RSI is oversold at 28.50")
    model = a_signal(strategy="ML_PREDICTION", source=Source.ML_MODEL, strength=0.9, confidence=0.75, description="up")
    (signal,) = finished([rsi, model])
    assert (signal.strategy, signal.source) == ("MULTI_STRATEGY", "technical, ml_model")
    assert signal.description == "up; RSI is oversold at 28.50"
    assert (signal.strength, signal.confidence) == (pytest.approx(0.85), pytest.approx(0.925))
    assert signal.rank_score == pytest.approx(0.7 * 0.925 + 0.3 * 0.85)
    assert signal.metadata["component_signals"] == 2
    assert signal.metadata["sources"] == ["technical", "ml_model"]
    assert signal.metadata["components"] == [
        {"strategy": "ML_PREDICTION", "source": "ml_model", "strength": 0.9, "confidence": 0.75},
        {"strategy": "RSI_OVERSOLD", "source": "technical", "strength": 0.8, "confidence": 0.7},
    ]


def test_the_metadata_always_has_the_shape_of_the_description() -> None:
    (signal,) = finished([a_signal()])
    raw = signal.metadata["raw_data"]
    assert set(signal.metadata) == {"component_signals", "sources", "components", "raw_data"}
    assert set(raw) == {"technical_indicators", "ml_prediction", "price_range", "sentiment"}
    assert (raw["ml_prediction"], raw["price_range"], raw["sentiment"]) == (None, None, None)
    assert raw["technical_indicators"]["rsi"] == 28.5
    assert set(raw["technical_indicators"]) == {"rsi", *BAR_COLUMNS} - {"rsi_14"}
    assert raw["technical_indicators"]["sma_20"] is None


def test_a_finished_signal_has_prices_expiry_and_profile() -> None:
    (signal,) = finished([a_signal()], RiskProfile(name="calm", stop_atr_multiple=2.0))
    assert (signal.entry_price, signal.stop_loss_price) == (100.0, 98.0)
    assert signal.target_prices == {"tp1": 102.0, "tp2": 104.0, "tp3": 106.0}
    assert (signal.created_at, signal.expires_at) == (CLOSE_AT, CLOSE_AT + timedelta(hours=1))
    assert (signal.profile, signal.user_id, signal.revision) == ("calm", None, 1)


def test_an_alert_has_an_entry_and_nothing_to_aim_at() -> None:
    (signal,) = finished([a_signal(signal_type=SignalType.ALERT)])
    assert (signal.entry_price, signal.stop_loss_price, signal.target_prices) == (100.0, None, None)


def test_opposite_signals_of_one_bar_are_marked_and_others_are_not() -> None:
    made = finished([a_signal(), sell(), a_signal(symbol="ETH/USDT")])
    assert {(s.series.symbol, s.signal_type.value): s.is_conflicting for s in made} == {
        ("BTC/USDT", "BUY"): True,
        ("BTC/USDT", "SELL"): True,
        ("ETH/USDT", "BUY"): False,
    }


def test_signals_come_by_close_and_the_best_first_within_one() -> None:
    later = CLOSE_AT + timedelta(hours=1)
    made = finished(
        [
            a_signal(created_at=later, confidence=1.0),
            a_signal(symbol="ETH/USDT", confidence=0.6),
            a_signal(symbol="SOL/USDT", confidence=0.9),
        ]
    )
    assert [(s.created_at, s.series.symbol) for s in made] == [
        (CLOSE_AT, "SOL/USDT"),
        (CLOSE_AT, "ETH/USDT"),
        (later, "BTC/USDT"),
    ]


def test_a_signal_of_a_bar_without_a_close_is_an_error() -> None:
    signal = a_signal()
    bars: dict[BarKey, BarValues] = {(signal.series, signal.created_at): {**VALUES, "close": None}}
    with pytest.raises(DataContractError, match=r"^close must be known on the bar of a signal, was not for binance"):
        finish([signal], bars, HOUSE, rules())


def found_on(usable: pd.DataFrame, columns: dict[str, pd.DataFrame], **changes: Any) -> list[Signal]:
    return advice_of(columns, usable, "binance", Timeframe.H1, rules(**changes))


def bars_of(signals: Sequence[Signal]) -> set[tuple[datetime, str]]:
    return {(s.created_at, s.symbol) for s in signals}


def test_candidates_come_from_usable_bars_only_and_from_all_of_them() -> None:
    columns = wandering_columns(seed=3, n_candles=LOOKBACK_BARS + 200)
    close = columns["close"]
    everywhere = pd.DataFrame(True, index=close.index, columns=close.columns)
    half = everywhere & (np.arange(everywhere.size).reshape(everywhere.shape) % 2 == 0)
    everything, some = found_on(everywhere, columns), found_on(half, columns)
    usable = {
        (close.index[row].to_pydatetime() + timedelta(hours=1), close.columns[place])
        for row, place in np.argwhere(half.to_numpy())
    }
    assert some == [s for s in everything if (s.created_at, s.symbol) in usable]
    assert bars_of(some) < bars_of(everything)
    assert found_on(~everywhere, columns) == []


def test_candidates_are_in_order_and_unique() -> None:
    columns = wandering_columns(seed=4, n_candles=LOOKBACK_BARS + 100)
    usable = pd.DataFrame(True, index=columns["close"].index, columns=columns["close"].columns)
    order = [(s.created_at, s.symbol, s.strategy, s.signal_type) for s in found_on(usable, columns)]
    assert order == sorted(set(order))
    assert len({strategy for _, _, strategy, _ in order}) > 5


def test_a_strategy_that_is_switched_off_is_silent() -> None:
    columns = wandering_columns(seed=5, n_candles=LOOKBACK_BARS + 100)
    usable = pd.DataFrame(True, index=columns["close"].index, columns=columns["close"].columns)
    off = {**PARAMETERS, "rsi": STRATEGIES["rsi"].parameters.model_validate({"is_enabled": False})}
    with_rsi, without = found_on(usable, columns), found_on(usable, columns, parameters=off)
    assert without == [s for s in with_rsi if not s.strategy.startswith("RSI_")]
    assert len(without) < len(with_rsi)


def test_f03_filled_blocked_unwanted_and_missing_bars_are_not_usable() -> None:
    index = pd.date_range("2024-03-01", periods=5, freq="h", tz="UTC")
    filled = pd.DataFrame({"BTC/USDT": [0.0, 1.0, np.nan, 0.0, 0.0]}, index=index)
    blocked = pd.DataFrame({"BTC/USDT": [None, None, None, "gapped", None]}, index=index, dtype=object)
    wanted = pd.DataFrame({"BTC/USDT": [True, True, True, True, False]}, index=index)
    assert usable_bars(filled, blocked, wanted)["BTC/USDT"].tolist() == [True, False, False, False, False]


def test_values_are_read_at_the_close_and_unknown_ones_are_none() -> None:
    index = pd.date_range("2024-03-01 10:00", periods=2, freq="h", tz="UTC")
    block = {"close": pd.DataFrame({"BTC/USDT": [1.0, 2.0]}, index=index)}
    block["rsi_14"] = block["close"] * np.nan
    key = (a_series(), CLOSE_AT)
    other = (a_series(timeframe=Timeframe.H4), CLOSE_AT)
    assert by_bar(block, [key, other], Timeframe.H1) == {key: {"close": 2.0, "rsi_14": None}}
