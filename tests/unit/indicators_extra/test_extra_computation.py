"""The same extra values whatever was loaded, from the declared warm-up on, one symbol beside others or alone."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.catalogue import Memory
from pipeline.indicators.compute import evaluate
from pipeline.indicators.extra.compute import compute_extras, extra_history_start, load_from
from pipeline.indicators.extra.definition import ExtraIndicator
from tests.support.extra_indicators import EXTRAS, FORGETFUL, RELATIVE, an_extra
from tests.support.market import flat_market, random_walk, with_delisting, with_filled, with_listing
from tests.support.real_market import real_block

H1 = Timeframe.H1
HOUR = timedelta(hours=1)
BOUNDED = [name for name, extra in EXTRAS.items() if extra.memory is not Memory.CUMULATIVE]
SUMS = [name for name, extra in EXTRAS.items() if extra.memory is Memory.CUMULATIVE]


def rows(block: Block, first: int, last: int | None = None) -> Block:
    return {field: frame.iloc[first:last] for field, frame in block.items()}


def worst_error(extra: ExtraIndicator, candles: Block, bars: int = 4) -> float:
    """Largest difference, in tolerances, between values from the declared warm-up and from the whole history."""
    full = extra.compute(candles)
    worst = 0.0
    for bar in range(len(candles["close"]) - bars, len(candles["close"])):
        given = extra.compute(rows(candles, bar - extra.warm_up, bar + 1))
        floor = 1e-6 * candles["close"].iloc[bar]
        for column, frame in full.items():
            expected, value = frame.iloc[bar], given[column].iloc[-1]
            assert (expected.isna() == value.isna()).all(), (column, bar)
            tolerance = 1e-9 * np.maximum(expected.abs(), floor)
            worst = max(worst, ((expected - value).abs() / tolerance).max(skipna=True))
    return worst


@pytest.mark.parametrize("name", BOUNDED)
def test_a_value_from_the_declared_warm_up_is_the_one_from_the_whole_history(name):
    extra = EXTRAS[name]
    for seed in (1, 2):
        candles = random_walk(seed, n_candles=extra.warm_up + 400)
        assert worst_error(extra, candles) <= 1.0


def test_an_own_indicator_that_declares_too_little_is_caught():
    extra = FORGETFUL.in_section("x", FORGETFUL.parameters())
    assert worst_error(extra, random_walk(1, n_candles=100)) > 1.0


@pytest.mark.parametrize("name", BOUNDED)
def test_a_value_is_known_after_its_warm_up_and_unknown_before_its_first_row(name):
    extra = EXTRAS[name]
    values = extra.compute(random_walk(4, n_candles=extra.warm_up + 2, symbols=["A/USDT"]))
    one_sided = {"x_up", "x_down"} if name == "PSARIndicator" else set()  # the stop is below the price, or above it
    assert all(frame.iloc[-1].notna().all() for column, frame in values.items() if column not in one_sided)
    if extra.memory is Memory.WINDOW and extra.warm_up:
        assert any(frame.iloc[extra.warm_up - 1].isna().all() for frame in values.values())


@pytest.mark.parametrize("name", EXTRAS)
def test_f10_a_history_of_any_length_is_unknown_or_known_and_never_an_exception(name):
    extra = EXTRAS[name]
    candles = random_walk(5, n_candles=80)
    for n_bars in (0, 1, 2, 3, 13, 14, 15, 27, 28, 29, 55):
        values = extra.compute(rows(candles, 0, n_bars))
        assert {frame.shape for frame in values.values()} == {(n_bars, 2)}
    assert all(
        frame.isna().all(axis=None) for frame in extra.compute(rows(with_listing(candles, "BTC/USDT", 80), 80)).values()
    )


@pytest.mark.parametrize("name", EXTRAS)
def test_f09_a_market_that_stands_still_gives_numbers_or_nothing_but_no_infinity(name):
    flat = with_filled(flat_market(n_candles=120), "BTC/USDT", 60, n_candles=50)
    for frame in EXTRAS[name].compute(flat).values():
        assert not np.isinf(frame.to_numpy()).any()


def test_f09_the_strength_of_a_flat_market_is_50_as_it_is_in_the_catalogue():
    values = an_extra(ta="RSIIndicator", window=14).compute(flat_market(n_candles=60))["x"]
    expected = evaluate(flat_market(n_candles=60), ["rsi_14"])["rsi_14"]
    pd.testing.assert_frame_equal(values, expected, check_names=False)


@pytest.mark.parametrize(("section", "column"), [("RSIIndicator", "rsi_14"), ("AverageTrueRange", "atr_14")])
def test_the_extra_of_a_stored_indicator_equals_it(section, column):
    candles = random_walk(6, n_candles=600)
    found = an_extra(ta=section, window=14).compute(candles)["x"]
    pd.testing.assert_frame_equal(found, evaluate(candles, [column])[column], rtol=1e-9)


@pytest.mark.parametrize("name", EXTRAS)
def test_a_symbol_has_the_same_bits_beside_others_and_alone(name):
    candles = random_walk(7, n_candles=150, symbols=[f"{letter}/USDT" for letter in "ABCDE"])
    candles = with_delisting(with_listing(candles, "B/USDT", 40), "D/USDT", 120)
    together = EXTRAS[name].compute(candles)
    for symbol in candles["close"].columns:
        alone = EXTRAS[name].compute({field: frame[[symbol]] for field, frame in candles.items()})
        assert all(alone[column].equals(together[column][[symbol]]) for column in together)


def test_an_own_indicator_that_compares_symbols_is_caught():
    extra = RELATIVE.in_section("x", RELATIVE.parameters())
    candles = random_walk(7, n_candles=50)
    alone = extra.compute({field: frame[["ETH/USDT"]] for field, frame in candles.items()})["x"]
    assert not alone.equals(extra.compute(candles)["x"][["ETH/USDT"]])


QUICK = [name for name in EXTRAS if EXTRAS[name].warm_up < 700]  # the others differ in length alone


@pytest.mark.parametrize("name", QUICK)
def test_bars_have_the_same_bits_computed_one_by_one_in_parts_and_at_once(name):
    extra = EXTRAS[name]
    n_bars = extra.warm_up + 128 + 300
    candles = with_listing(random_walk(8, n_candles=n_bars), "BTC/USDT", n_bars - 250)
    index = candles["close"].index
    listed = {"BTC/USDT": index[n_bars - 250], "ETH/USDT": index[0]}
    first, last = index[n_bars - 300].to_pydatetime(), index[-1].to_pydatetime()
    at_once = compute_extras([extra], candles, H1, first, last, listed)
    for begin, end in ((0, 9), (0, 150), (100, 101), (260, 299)):
        keep_from, keep_to = first + begin * HOUR, first + end * HOUR
        loaded = load_from([extra], H1, keep_from, listed)
        part = {field: frame.loc[loaded:keep_to] for field, frame in candles.items()}
        found = compute_extras([extra], part, H1, keep_from, keep_to, listed)
        assert all(found[column].equals(at_once[column].iloc[begin : end + 1]) for column in at_once)


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_begins_at_the_first_stored_candle_however_much_emptiness_is_before_it(name):
    candles = random_walk(9, n_candles=200)
    index = candles["close"].index
    empty = pd.date_range(index[0] - 50 * HOUR, periods=250, freq=HOUR).as_unit("us")
    longer = {field: frame.reindex(empty) for field, frame in candles.items()}
    listed = dict.fromkeys(candles["close"].columns, index[0].to_pydatetime())
    first, last = index[150].to_pydatetime(), index[-1].to_pydatetime()
    short = compute_extras([EXTRAS[name]], candles, H1, first, last, listed)
    long = compute_extras([EXTRAS[name]], longer, H1, first, last, listed)
    assert all(short[column].equals(long[column]) and short[column].notna().all(axis=None) for column in short)


def test_a_sum_over_a_part_of_a_series_is_refused():
    candles = random_walk(9, n_candles=200)
    index = candles["close"].index
    first, last = index[100].to_pydatetime(), index[-1].to_pydatetime()
    listed = {"BTC/USDT": index[0], "ETH/USDT": index[0] - HOUR}
    with pytest.raises(DataContractError, match="first one that is stored of ETH/USDT"):
        compute_extras([an_extra(ta="OnBalanceVolumeIndicator")], candles, H1, first, last, listed)
    with pytest.raises(DataContractError, match="must begin at the first one"):
        compute_extras([an_extra(ta="OnBalanceVolumeIndicator")], candles, H1, first, last)


def test_a_block_that_is_too_short_is_refused_with_what_it_needs():
    candles = random_walk(9, n_candles=200)
    last = candles["close"].index[-1].to_pydatetime()
    with pytest.raises(DataContractError, match="indicator x must reach back to 2023"):
        compute_extras([an_extra(ta="RSIIndicator")], candles, H1, last, last)


@pytest.mark.parametrize("name", ["RSIIndicator", "know_sure_thing"])
def test_the_history_that_is_asked_for_begins_the_warm_up_before_the_segment(name):
    extra = EXTRAS[name]
    assert extra_history_start(1300, [extra]) == 1280 - extra.warm_up
    assert extra_history_start(1300, [extra, an_extra(ta="AccDistIndexIndicator")]) is None
    assert extra_history_start(1300, []) == 1300


def test_a_hole_in_a_series_is_refused():
    candles = random_walk(10, n_candles=100)
    candles["close"].iloc[50, 0] = np.nan
    with pytest.raises(DataContractError, match="must be one run"):
        an_extra(ta="RSIIndicator").compute(candles)


def test_no_extra_indicator_costs_nothing_and_gives_nothing():
    candles = random_walk(10, n_candles=10)
    assert compute_extras([], candles, H1, candles["close"].index[0], candles["close"].index[-1]) == {}


@pytest.mark.parametrize("name", BOUNDED)
def test_on_real_candles_too_a_value_from_the_declared_warm_up_is_the_one_from_the_whole_history(name):
    extra = EXTRAS[name]
    candles = real_block("genetrader_binance_2024", "1h")
    if extra.warm_up >= len(candles["close"]) - 10:
        pytest.skip(f"the real candles are fewer than the {extra.warm_up} bars of its warm-up")
    symbols = list(candles["close"].columns)[::15]
    assert worst_error(extra, {field: frame[symbols] for field, frame in candles.items()}, bars=2) <= 1.0
