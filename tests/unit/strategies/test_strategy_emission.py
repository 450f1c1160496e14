"""Sides become signals: on which bars, in which order, with which evidence."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Signal, SignalType, Source
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.strategies.emission import signals_of
from pipeline.strategies.registry import STRATEGIES
from pipeline.strategies.rsi import RsiParameters
from pipeline.strategies.sma_crossover import SmaCrossoverParameters
from tests.support.market import START
from tests.support.strategy_columns import SYMBOL, columns_of, wandering_columns

RSI, SMA = STRATEGIES["rsi"], STRATEGIES["sma_crossover"]


def everywhere(columns) -> pd.DataFrame:
    close = columns["close"]
    return pd.DataFrame(True, index=close.index, columns=close.columns)


def emitted(columns, strategy=RSI, parameters=None, usable=None, timeframe=Timeframe.H1) -> list[Signal]:
    return signals_of(
        strategy,
        strategy.parameters() if parameters is None else parameters,
        columns,
        exchange="binance",
        timeframe=timeframe,
        usable=everywhere(columns) if usable is None else usable,
    )


def test_a_signal_states_its_bar_its_rule_and_what_was_seen():
    (signal,) = emitted(columns_of(rsi_14=[50, 28.5], close=[100, 90]))
    assert signal == Signal(
        series=SeriesKey("binance", SYMBOL, Timeframe.H1),
        signal_type=SignalType.BUY,
        strategy="RSI_OVERSOLD",
        source=Source.TECHNICAL,
        strength=0.8,
        confidence=0.7,
        created_at=START + timedelta(hours=2),
        description="RSI is oversold at 28.50",
        inputs={"rsi_14": 28.5, "close": 90.0},
    )


def test_a_signal_is_created_at_its_close_in_utc():
    columns = columns_of(rsi_14=[20], close=[100])
    for timeframe in (Timeframe.M1, Timeframe.D1, Timeframe.W1):
        (signal,) = emitted(columns, timeframe=timeframe)
        assert signal.created_at == START + timeframe.duration
        assert signal.created_at.tzinfo is UTC


def test_each_side_has_the_name_and_type_of_its_strategy():
    signals = emitted(columns_of(rsi_14=[20, 80], close=[100, 100]))
    assert [(each.strategy, each.signal_type) for each in signals] == [
        ("RSI_OVERSOLD", SignalType.BUY),
        ("RSI_OVERBOUGHT", SignalType.SELL),
    ]


def test_a_cross_shows_the_bar_before_it_too():
    (signal,) = emitted(columns_of(sma_20=[99, 101], sma_50=[100, 100.5], close=[98, 105]), SMA)
    assert signal.inputs == {
        "sma_20": 101.0,
        "sma_50": 100.5,
        "close": 105.0,
        "previous_sma_20": 99.0,
        "previous_sma_50": 100.0,
        "previous_close": 98.0,
    }


def test_what_is_unknown_or_before_the_first_bar_is_none():
    level = SmaCrossoverParameters(trigger="level")
    (signal,) = emitted(columns_of(sma_20=[101], sma_50=[100], close=[None]), SMA, level)
    assert signal.inputs["sma_20"] == 101.0
    assert signal.inputs["close"] is None
    assert signal.inputs["previous_sma_20"] is None


def test_f03_no_signal_on_a_filled_bar():
    columns = columns_of(rsi_14=[50, 20, 50, 20], close=[100] * 4)
    usable = everywhere(columns)
    usable.iloc[1, 0] = False
    assert [each.created_at for each in emitted(columns)] == [START + timedelta(hours=h) for h in (2, 4)]
    assert [each.created_at for each in emitted(columns, usable=usable)] == [START + timedelta(hours=4)]


def test_f03_a_trip_on_a_filled_bar_is_not_made_up_for_on_the_next_bar():
    columns = columns_of(rsi_14=[50, 20, 20, 20], close=[100] * 4)
    usable = everywhere(columns)
    usable.iloc[1, 0] = False
    assert emitted(columns, usable=usable) == []


def test_bars_that_are_there_as_history_stay_silent():
    columns = wandering_columns(seed=1, n_candles=300)
    usable = everywhere(columns)
    usable.iloc[:-20] = False
    newest = columns["close"].index[-20] + timedelta(hours=1)
    whole = emitted(columns, SMA)
    assert emitted(columns, SMA, usable=usable) == [each for each in whole if each.created_at >= newest]
    assert len(whole) > len(emitted(columns, SMA, usable=usable)) > 0


def test_signals_come_by_close_then_symbol_whatever_the_order_of_the_columns():
    columns = wandering_columns(seed=2, n_candles=200, n_symbols=4)
    turned = {name: frame.iloc[:, [2, 0, 3, 1]] for name, frame in columns.items()}
    signals = emitted(turned, SMA)
    assert signals == sorted(signals, key=lambda each: (each.created_at, each.symbol))
    assert signals == emitted(columns, SMA)
    assert len({each.created_at for each in signals}) < len(signals)


def test_every_side_on_a_usable_bar_is_one_signal():
    for strategy in STRATEGIES.values():
        names = {*strategy.columns(strategy.parameters()), "close"}
        columns = wandering_columns(7, strategy.lookback + 200, n_symbols=48, names=tuple(sorted(names)))
        sides = strategy.sides(columns, strategy.parameters())
        signals = emitted(columns, strategy)
        assert len(signals) == int((sides != 0).to_numpy().sum()) > 0
        for each in signals:
            side = sides.loc[each.created_at - timedelta(hours=1), each.symbol]
            assert each.signal_type is {1: SignalType.BUY, -1: SignalType.SELL, 2: SignalType.ALERT}[side]


def test_inputs_are_plain_numbers_that_json_can_hold():
    signals = emitted(wandering_columns(seed=8, n_candles=100), STRATEGIES["bollinger_breakout"])
    kinds = {type(value) for each in signals for value in each.inputs.values()}
    assert kinds <= {float, type(None)}
    assert signals


def test_a_disabled_strategy_emits_nothing():
    columns = columns_of(rsi_14=[50, 20], close=[100, 100])
    assert emitted(columns, parameters=RsiParameters(is_enabled=False)) == []


def test_stated_strength_and_confidence_come_from_the_parameters():
    parameters = RsiParameters(strength=0.11, confidence=0.22)
    (signal,) = emitted(columns_of(rsi_14=[20], close=[100]), parameters=parameters)
    assert (signal.strength, signal.confidence) == (0.11, 0.22)


def test_an_empty_block_emits_nothing():
    columns = {name: frame.iloc[:0] for name, frame in columns_of(rsi_14=[20], close=[100]).items()}
    assert emitted(columns) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda usable: usable.iloc[1:],
        lambda usable: usable.rename(columns={SYMBOL: "ETH/USDT"}),
        lambda usable: usable.shift(1),
        lambda usable: usable.astype(float),
    ],
    ids=["shorter", "other symbols", "with unknowns", "numbers"],
)
def test_usable_bars_that_do_not_match_the_columns_are_refused(spoil):
    columns = columns_of(rsi_14=[50, 20], close=[100, 100])
    with pytest.raises(DataContractError, match="usable must be bool on the bars and symbols"):
        emitted(columns, usable=spoil(everywhere(columns)))


def test_an_index_without_time_zone_is_refused():
    columns = {name: frame.tz_localize(None) for name, frame in columns_of(rsi_14=[20], close=[100]).items()}
    with pytest.raises(DataContractError, match="must carry its time zone"):
        emitted(columns)


def test_created_at_is_a_plain_datetime():
    (signal,) = emitted(columns_of(rsi_14=[20], close=[100]))
    assert type(signal.created_at) is datetime
