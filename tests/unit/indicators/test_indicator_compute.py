"""What is stored: columns of the bars that are asked for, from anchored windows."""

import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.catalogue import COLUMNS
from pipeline.indicators.compute import compute, evaluate
from pipeline.indicators.windows import SEGMENT, history_start
from tests.support.market import START, random_walk, with_delisting, with_filled, with_listing
from tests.support.reference_indicators import error

H1 = Timeframe.H1


def whole_history(seed=1, n_candles=900):
    """Candles from `START` on, and before them the rows without a candle that a first bar needs."""
    block = random_walk(seed, n_candles, symbols=("BTC/USDT", "NEW/USDT", "OLD/USDT"))
    block = with_delisting(with_listing(block, "NEW/USDT", at=450), "OLD/USDT", at=700)
    begin = H1.open_of(history_start(H1.position(START)))
    grid = pd.date_range(begin, block["close"].index[-1], freq=H1.duration, unit="us", name="open_at")
    return {field: frame.reindex(grid) for field, frame in block.items()}


def between(block, first, last):
    return {field: frame.loc[first:last] for field, frame in block.items()}


def bar(number):
    return START + number * H1.duration


def loaded_for(block, number, last):
    """What a careful caller loads to compute the bars from ``number`` to ``last``."""
    return between(block, H1.open_of(history_start(H1.position(bar(number)))), bar(last))


def carry_at(block, columns, number):
    close = block["close"].loc[bar(number)].dropna()
    return {symbol: (columns["obv"].loc[bar(number), symbol], price) for symbol, price in close.items()}


def test_the_bars_that_are_asked_for_come_back_with_every_column():
    block = whole_history()
    columns = compute(block, H1, bar(600), bar(610))

    assert tuple(columns) == COLUMNS
    for frame in columns.values():
        assert frame.index.equals(block["close"].loc[bar(600) : bar(610)].index)
        assert frame.columns.equals(block["close"].columns)
        assert (frame.dtypes == np.float64).all()


def test_bounds_between_two_bars_keep_the_bars_inside():
    columns = compute(whole_history(), H1, bar(600) - timedelta(minutes=20), bar(603) + timedelta(minutes=40))

    assert columns["obv"].index.equals(pd.date_range(bar(600), bar(603), freq=H1.duration, unit="us"))


def test_a_span_without_a_bar_gives_no_row():
    columns = compute(whole_history(), H1, bar(600) + timedelta(minutes=1), bar(600) + timedelta(minutes=59))

    assert {len(frame) for frame in columns.values()} == {0}


def test_stored_values_equal_those_of_the_whole_history():
    block = whole_history()
    stored, plain = compute(block, H1, START, bar(899)), evaluate(block)

    for column in COLUMNS:
        expected, close = plain[column].loc[START:], block["close"].loc[START:]
        assert (stored[column].isna() == expected.isna()).all(axis=None), column
        assert not (error(column, stored[column], expected, close) > 1e-9).any(axis=None), column


def test_a_symbols_values_do_not_depend_on_the_others():
    block = whole_history()
    together = compute(block, H1, bar(300), bar(800))
    alone = compute({field: frame[["BTC/USDT"]] for field, frame in block.items()}, H1, bar(300), bar(800))

    for column in COLUMNS:
        assert alone[column].equals(together[column][["BTC/USDT"]]), column


def test_ticks_one_by_one_store_what_the_range_stores():
    block = whole_history()
    whole = compute(block, H1, START, bar(899))

    for number in range(2 * SEGMENT - 3, 2 * SEGMENT + 4):
        tick = compute(
            loaded_for(block, number, number),
            H1,
            bar(number),
            bar(number),
            carry_at(block, whole, number - 1),
        )
        for column in COLUMNS:
            assert tick[column].equals(whole[column].loc[[bar(number)]]), (number, column)


def test_without_a_carry_on_balance_volume_is_unknown_where_older_candles_may_exist():
    block = loaded_for(whole_history(), 800, 810)

    levels = compute(block, H1, bar(800), bar(810), obv_carry={})["obv"]
    assert levels["BTC/USDT"].isna().all()  # has a candle in the first row that was loaded
    assert levels["NEW/USDT"].notna().all()  # was listed later, so its first candle is there


def test_a_block_that_is_said_to_hold_the_whole_history_needs_no_carry():
    block = whole_history()

    levels = compute(block, H1, bar(800), bar(810))["obv"]
    assert levels.equals(evaluate(block, ["obv"])["obv"].loc[bar(800) : bar(810)])


def test_too_little_history_is_refused_and_the_error_says_what_to_load():
    block = whole_history()
    needed = H1.open_of(history_start(H1.position(bar(600))))

    with pytest.raises(DataContractError, match=re.escape(f"must reach from {needed} to")):
        compute(between(block, needed + H1.duration, bar(600)), H1, bar(600), bar(600))


def test_a_block_that_ends_before_the_last_bar_is_refused():
    with pytest.raises(DataContractError, match="must reach from"):
        compute(whole_history(), H1, bar(600), bar(900))


def test_a_block_that_skips_a_bar_is_refused():
    block = {field: frame.drop(bar(500)) for field, frame in whole_history().items()}

    with pytest.raises(DataContractError, match="every open of 1h"):
        compute(block, H1, bar(600), bar(600))


def test_a_block_off_the_grid_is_refused():
    block = {field: frame.shift(freq=timedelta(minutes=30)) for field, frame in whole_history().items()}

    with pytest.raises(DataContractError, match="every open of 1h"):
        compute(block, H1, bar(600), bar(600))


def test_a_block_without_a_time_zone_is_refused():
    block = {field: frame.tz_localize(None) for field, frame in whole_history().items()}

    with pytest.raises(DataContractError, match="time zone"):
        compute(block, H1, bar(600), bar(600))


def test_f03_a_gap_that_was_not_filled_is_refused_by_the_name_of_its_series():
    block = whole_history()
    block["close"].loc[bar(550), "BTC/USDT"] = np.nan

    with pytest.raises(DataContractError, match="not for BTC/USDT;"):
        compute(block, H1, bar(600), bar(600))


def test_f03_a_gap_that_was_filled_is_history_like_any_other():
    block = whole_history()
    filled = with_filled(block, "BTC/USDT", at=bar(550), n_candles=3)

    assert compute(filled, H1, bar(600), bar(600))["ema_26"].notna().loc[bar(600), "BTC/USDT"]
