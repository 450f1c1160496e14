"""Our indicators against `ta` from the first value on, and against TA-Lib after the declared warm-up."""

import pytest

from pipeline.indicators.catalogue import WARM_UP
from pipeline.indicators.compute import evaluate
from tests.support.market import random_walk, with_filled, with_listing
from tests.support.real_market import real_block
from tests.support.reference_indicators import candles_of, error, ta_columns, talib_columns

TOLERANCE = 1e-9


def a_market():
    block = random_walk(seed=5, n_candles=900, symbols=("BTC/USDT", "NEW/USDT", "GAP/USDT"))
    return with_filled(with_listing(block, "NEW/USDT", at=211), "GAP/USDT", at=333, n_candles=5)


@pytest.fixture(scope="module")
def real_candles():
    return real_block("genetrader_binance_2024", "1h")


def assert_equals_ta(block):
    ours = evaluate(block)
    for symbol in block["close"].columns:
        candles = candles_of(block, symbol)
        for column, reference in ta_columns(candles).items():
            value = ours[column][symbol].loc[candles.index]
            assert (value.isna() == reference.isna()).all(), (symbol, column)
            assert not (error(column, value, reference, candles["close"]) > TOLERANCE).any(), (symbol, column)


def assert_equals_talib_when_warm(block):
    ours = evaluate(block)
    for symbol in block["close"].columns:
        candles = candles_of(block, symbol)
        for column, reference in talib_columns(candles).items():
            value = ours[column][symbol].loc[candles.index]
            apart = error(column, value, reference, candles["close"]).iloc[WARM_UP[column] :]
            assert apart.notna().all(), (symbol, column)
            assert apart.max() <= TOLERANCE, (symbol, column)


def test_every_indicator_of_ta_equals_it_from_its_first_value():
    assert_equals_ta(a_market())


def test_every_indicator_of_talib_equals_it_after_the_declared_warm_up():
    assert_equals_talib_when_warm(a_market())


def test_on_real_candles_every_indicator_of_ta_equals_it_from_its_first_value(real_candles):
    assert_equals_ta({field: frame.iloc[:1500] for field, frame in real_candles.items()})


def test_on_real_candles_every_indicator_of_talib_equals_it_after_the_declared_warm_up(real_candles):
    assert_equals_talib_when_warm(real_candles)


def test_wilders_first_average_of_movements_is_that_of_ta_and_not_of_talib():
    candles = candles_of(random_walk(seed=2, n_candles=60), "BTC/USDT")
    first = evaluate({field: candles[[field]] for field in candles}, ["adx_14"])["adx_14"].iloc[27, 0]

    assert first == pytest.approx(ta_columns(candles)["adx_14"].iloc[27], rel=1e-12)
    assert abs(first - talib_columns(candles)["adx_14"].iloc[27]) > 0.01
