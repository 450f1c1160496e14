"""Flat markets, short histories, filled gaps, tiny and huge prices: no exception and no made-up value."""

import numpy as np
import pytest

from pipeline.indicators.catalogue import COLUMNS, INDICATORS
from pipeline.indicators.compute import evaluate
from tests.support.market import flat_market, random_walk, scaled, with_filled

IN_QUOTE_CURRENCY = {
    *("sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "macd", "macd_signal", "macd_histogram"),
    *("bb_middle", "bb_upper", "bb_lower", "atr_14"),
}


def test_f09_a_flat_market_has_an_rsi_of_50_and_bands_of_no_width():
    columns = evaluate(flat_market(n_candles=600, price=100.1))

    last = {name: columns[name].iloc[-1, 0] for name in COLUMNS}
    assert last["rsi_14"] == 50
    assert last["bb_width"] == 0
    assert np.isnan(last["bb_percent"])
    assert last["bb_upper"] == last["bb_lower"] == 100.1


@pytest.mark.parametrize("price", [100.1, 0.1, 1 / 3, 6.1e-6, 64_123.45])
def test_f09_averages_of_a_flat_market_are_its_price_so_that_none_cross(price):
    columns = evaluate(flat_market(n_candles=600, price=price))

    for name in ("sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "bb_middle"):
        assert (columns[name].dropna() == price).all(axis=None), name
    for name in (
        "macd",
        "macd_signal",
        "macd_histogram",
        "atr_14",
        "adx_14",
        "trend_state",
        "realised_volatility_20",
    ):
        assert (columns[name].dropna() == 0).all(axis=None), name


def test_f09_a_market_that_stands_still_for_a_while_is_flat_to_every_window():
    block = random_walk(seed=3, n_candles=800)
    for symbol in block["close"]:
        block = with_filled(block, symbol, at=300, n_candles=300)
    columns = {name: frame.iloc[599] for name, frame in evaluate(block).items()}

    assert (columns["sma_20"] == block["close"].iloc[599]).all()
    assert (columns["trend_state"] == 0).all()
    assert (columns["rsi_14"] == 50).all()
    assert (columns["bb_width"] == 0).all()
    assert (columns["realised_volatility_20"] == 0).all()
    assert (columns["volume_median_20"] == 0).all()


@pytest.mark.parametrize("n_candles", [1, 13, 14, 26, 27, 28, 99])
def test_f10_a_short_history_leaves_unknown_what_it_is_too_short_for(n_candles):
    long = random_walk(seed=7, n_candles=400)
    whole = evaluate(long)
    columns = evaluate({field: frame.iloc[:n_candles] for field, frame in long.items()})

    for name in COLUMNS:
        assert columns[name].equals(whole[name].iloc[:n_candles]), name
    first = {name: whole[name]["BTC/USDT"].notna().to_numpy().argmax() for name in COLUMNS}
    assert first == {
        **{"sma_20": 19, "sma_50": 49, "sma_200": 199, "ema_12": 11, "ema_26": 25, "rsi_14": 13, "macd": 25},
        **{
            "macd_signal": 33,
            "macd_histogram": 33,
            "atr_14": 13,
            "adx_14": 27,
            "obv": 0,
            "volume_median_20": 19,
        },
        **{"bb_middle": 19, "bb_upper": 19, "bb_lower": 19, "bb_width": 19, "bb_percent": 19},
        **{"realised_volatility_20": 20, "trend_state": 199},
        **{"bullish_candles": 19, "bearish_candles": 19, "doji_candles": 19},
    }


def test_f10_no_symbol_and_no_candle_give_empty_columns():
    block = random_walk(seed=7, n_candles=30)

    for empty in ({k: v.iloc[:, :0] for k, v in block.items()}, {k: v.iloc[:0] for k, v in block.items()}):
        columns = evaluate(empty)
        assert {frame.shape for frame in columns.values()} == {empty["close"].shape}


def test_f03_filled_rows_count_as_bars_without_movement_or_volume():
    block = with_filled(random_walk(seed=9), "ETH/USDT", at=300, n_candles=3)
    columns = evaluate(block)

    assert (columns["obv"]["ETH/USDT"].iloc[300:303] == columns["obv"]["ETH/USDT"].iloc[299]).all()
    atr = columns["atr_14"]["ETH/USDT"]
    assert atr.iloc[302] == pytest.approx(atr.iloc[299] * (13 / 14) ** 3)
    assert all(frame["ETH/USDT"].iloc[250:].notna().all() for frame in columns.values())


@pytest.mark.parametrize("factor", [2.0**-40, 2.0**-20, 2.0**40])
def test_the_size_of_a_price_changes_no_digit(factor):
    block = random_walk(seed=10)
    plain, other = evaluate(block), evaluate(scaled(block, factor))

    for name in COLUMNS:
        expected = plain[name] * factor if name in IN_QUOTE_CURRENCY else plain[name]
        assert other[name].equals(expected), name


@pytest.mark.parametrize("price", [1e-6, 1e-12, 1e9])
def test_no_price_gives_an_infinity(price):
    for name, frame in evaluate(random_walk(seed=11, price=price, volatility=0.05)).items():
        assert np.isfinite(frame.iloc[250:]).all(axis=None), name


def test_indexes_stay_between_0_and_100():
    for seed in range(5):
        columns = evaluate(random_walk(seed=seed, volatility=0.2), ["rsi_14", "adx_14"])
        for frame in columns.values():
            assert frame.min(axis=None) >= 0
            assert frame.max(axis=None) <= 100


def test_asking_for_one_indicator_gives_its_columns_only():
    block = random_walk(seed=1, n_candles=50)

    for name, indicator in INDICATORS.items():
        assert tuple(evaluate(block, [name])) == indicator.columns
