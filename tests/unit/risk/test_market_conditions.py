"""The high-volatility rule, against a loop that anybody can read."""

from math import floor, isnan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import DataContractError
from pipeline.risk.conditions import COLUMNS, MIN_BARS, WINDOW_BARS, MarketConditions, atr_ratio, market_conditions


def frames(n_candles, seed=0, n_symbols=2, ties=False):
    """Random ATR and close; the second symbol is listed late, and a bar in fifty is a spike."""
    rng = np.random.default_rng(seed)
    index = pd.date_range("2023-01-01", periods=n_candles, freq="h", tz="UTC", unit="us", name="open_at")
    columns = [f"C{i}/USDT" for i in range(n_symbols)]
    close = pd.DataFrame(np.exp(rng.standard_normal((n_candles, n_symbols)).cumsum(axis=0) * 0.01), index, columns)
    level = rng.gamma(9.0, 1 / 9, (n_candles, n_symbols)) * np.where(rng.random((n_candles, n_symbols)) < 0.02, 3, 1)
    atr = close * 0.01 * level
    if ties:
        close, atr = close * 0 + 2.0, (atr / close * 500).round() / 250
    if n_symbols > 1:
        late = int(rng.integers(0, n_candles))
        atr.iloc[: late + 13, 1], close.iloc[:late, 1] = np.nan, np.nan
    return atr, close


def linear_quantile(values, hundredths):
    """The textbook's linear interpolation between order statistics."""
    ordered = sorted(values)
    steps = hundredths * (len(ordered) - 1)
    below = floor(steps / 100)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (steps % 100 / 100)


def obvious_conditions(atr, close):
    """The rule, one bar after another."""
    rows = {name: np.full(close.shape, np.nan) for name in COLUMNS}
    ratio = (atr / close).to_numpy()
    for column in range(close.shape[1]):
        for row in range(len(close)):
            now = ratio[row, column]
            if isnan(now):
                continue
            recent = [r for r in ratio[max(0, row - 499) : row + 1, column] if not isnan(r)]
            rows["atr_ratio"][row, column], rows["atr_ratio_bars"][row, column] = now, len(recent)
            if len(recent) < 100:
                continue
            p95, median = linear_quantile(recent, 95), linear_quantile(recent, 50)
            rows["atr_ratio_p95"][row, column], rows["atr_ratio_median"][row, column] = p95, median
            rows["is_volatile"][row, column] = now > 0 and now >= p95 and now >= 1.5 * median
    return {name: pd.DataFrame(values, close.index, close.columns) for name, values in rows.items()}


def assert_same(one, other):
    for name in COLUMNS:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True, obj=name)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_candles", [1, 99, 100, 101, 700])
def test_the_block_equals_the_obvious_loop(n_candles, ties):
    atr, close = frames(n_candles, seed=n_candles, ties=ties)
    assert_same(market_conditions(atr_ratio(atr, close)), obvious_conditions(atr, close))


def test_the_rule_fires_on_these_frames_and_not_everywhere():
    flags = market_conditions(atr_ratio(*frames(700)))["is_volatile"].stack()
    assert 0.005 < flags.mean() < 0.06


@given(seed=st.integers(0, 2**32 - 1), kept=st.integers(1, 150), more=st.integers(0, 200), ties=st.booleans())
def test_a_value_depends_on_the_last_500_bars_alone_to_the_bit(seed, kept, more, ties):
    atr, close = frames(WINDOW_BARS - 1 + more + kept, seed, ties=ties)
    whole = market_conditions(atr_ratio(atr, close))
    keep_from = close.index[-kept]
    few = market_conditions(atr_ratio(atr, close).iloc[more:], keep_from)
    assert_same(few, {name: frame.loc[keep_from:] for name, frame in whole.items()})


@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 599))
def test_later_candles_never_change_earlier_conditions(seed, cut):
    atr, close = frames(600, seed)
    whole = market_conditions(atr_ratio(atr, close))
    past = market_conditions(atr_ratio(atr, close).iloc[:cut])
    assert_same(past, {name: frame.iloc[:cut] for name, frame in whole.items()})


def test_only_the_rows_asked_for_are_answered():
    atr, close = frames(600)
    assert [len(frame) for frame in market_conditions(atr_ratio(atr, close), close.index[-3]).values()] == [3] * 5


def test_nothing_is_answered_after_the_last_candle():
    atr, close = frames(150)
    after = close.index[-1] + pd.Timedelta(hours=1)
    assert [len(frame) for frame in market_conditions(atr_ratio(atr, close), after).values()] == [0] * 5


def test_fewer_than_100_bars_are_unknown():
    atr, close = frames(MIN_BARS, n_symbols=1)
    block = market_conditions(atr_ratio(atr, close))
    assert block["is_volatile"].isna().to_numpy().ravel().tolist() == [True] * 99 + [False]
    assert block["atr_ratio_bars"].iloc[98, 0] == 99


def test_a_percentile_is_not_enough_the_bar_must_stand_out_from_the_median_too():
    _, close = frames(200, n_symbols=1)
    slowly_rising = close * np.linspace(0.010, 0.012, 200)[:, None]
    block = market_conditions(atr_ratio(slowly_rising, close))
    assert (block["atr_ratio"] >= block["atr_ratio_p95"]).iloc[-1, 0]
    assert block["is_volatile"].iloc[-1, 0] == 0.0


def test_standing_out_from_the_median_is_not_enough_either():
    _, close = frames(200, n_symbols=1)
    half_calm_half_wild = close * np.r_[np.full(120, 0.01), np.full(79, 0.05), 0.03][:, None]
    block = market_conditions(atr_ratio(half_calm_half_wild, close))
    assert (block["atr_ratio"] >= 1.5 * block["atr_ratio_median"]).iloc[-1, 0]
    assert block["is_volatile"].iloc[-1, 0] == 0.0


def test_f09_a_flat_market_is_not_volatile_though_zero_equals_its_own_percentile():
    _, close = frames(600, n_symbols=1)
    assert (market_conditions(atr_ratio(close * 0.0, close))["is_volatile"].iloc[100:] == 0.0).all(axis=None)


def test_an_infinite_ratio_is_unknown():
    atr, close = frames(150, n_symbols=1)
    atr.iloc[-1, 0] = np.inf
    assert market_conditions(atr_ratio(atr, close))["is_volatile"].iloc[-1].isna().all()


def test_frames_that_do_not_match_are_refused():
    atr, close = frames(120)
    with pytest.raises(DataContractError, match="must share index and columns"):
        atr_ratio(atr.iloc[1:], close)


def test_a_cell_becomes_conditions_and_nan_becomes_none():
    known = dict(zip(COLUMNS, (0.04, 0.03, 0.01, 500.0, 1.0), strict=True))
    assert MarketConditions.of_bar(known, block_reason="stale") == MarketConditions(
        is_volatile=True, atr_ratio=0.04, threshold=0.03, median_ratio=0.01, bars=500, block_reason="stale"
    )
    assert MarketConditions.of_bar(dict.fromkeys(COLUMNS, float("nan"))) == MarketConditions()
