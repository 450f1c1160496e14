"""Health: when a series is used with a caveat or left out, and the word that says why."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.market.health import (
    HealthStatus,
    SeriesState,
    block_reasons,
    filled_share,
    price_jumps,
    series_state,
)
from tests.support.market import flat_market, random_walk, with_delisting, with_filled, with_listing

AS_OF = datetime(2024, 3, 1, 12, tzinfo=UTC)
SYMBOL = "BTC/USDT"


def state(timeframe: Timeframe = Timeframe.H1, as_of: datetime = AS_OF, **changes) -> SeriesState:
    """The state of a series without a fault, but for the changes."""
    facts = {
        "newest_close": AS_OF,
        "share_filled": 0.0,
        "is_jumped": False,
        "n_bars": 500,
        "n_needed": 200,
    }
    return series_state(timeframe, as_of, **(facts | changes))


def blocked(reason: str) -> SeriesState:
    return SeriesState(HealthStatus.BLOCKED, reason)


def partial(reason: str) -> SeriesState:
    return SeriesState(HealthStatus.PARTIAL, reason)


def test_a_series_without_fault_is_ok_and_has_no_reason():
    assert state() == SeriesState(HealthStatus.OK, None)


@pytest.mark.parametrize(("ratio", "is_jump"), [(1.31, True), (1.30, False), (0.69, True), (0.71, False)])
def test_f08_a_jump_is_an_open_more_than_30_percent_from_the_close_before(ratio, is_jump):
    block = flat_market(5, price=100.0)
    block["open"].loc[block["open"].index[3], SYMBOL] = 100.0 * ratio

    jumps = price_jumps(block)

    assert jumps[SYMBOL].tolist() == [False, False, False, is_jump, False]
    assert not jumps["ETH/USDT"].any()


def test_f08_a_large_move_within_a_bar_is_market_and_no_jump():
    block = flat_market(5, price=100.0)
    for field in ("close", "low"):
        block[field].loc[block[field].index[2:], SYMBOL] = 50.0
    for field in ("open", "high"):
        block[field].loc[block[field].index[3:], SYMBOL] = 50.0

    assert not price_jumps(block).any(axis=None)


def test_f08_a_jump_is_seen_across_a_gap_and_not_at_a_listing():
    block = with_listing(random_walk(1, 20), SYMBOL, 5)
    gap = block["close"].index[10:12]
    for field in block:
        block[field].loc[gap, SYMBOL] = np.nan
    block["open"].iloc[12, 0] = block["close"].iloc[9, 0] * 2

    assert np.flatnonzero(price_jumps(block)[SYMBOL]).tolist() == [12]


def test_f03_the_filled_share_counts_the_newest_bars_that_exist():
    block = with_filled(with_listing(flat_market(12), SYMBOL, 2), SYMBOL, 4, n_candles=1)

    share = filled_share(block["is_filled"], window=5)[SYMBOL]

    expected = [np.nan, np.nan, 0, 0, 1 / 3, 1 / 4, 1 / 5, 1 / 5, 1 / 5, 0, 0, 0]
    np.testing.assert_array_equal(share.to_numpy(), np.array(expected))


def test_f03_the_filled_share_is_unknown_after_delisting():
    block = with_delisting(flat_market(6), SYMBOL, 4)

    assert filled_share(block["is_filled"])[SYMBOL].isna().tolist() == [False] * 4 + [True] * 2


def test_f03_the_filled_share_does_not_depend_on_how_much_history_is_loaded():
    rng = np.random.default_rng(1)
    is_filled = random_walk(1, 2000)["is_filled"].map(lambda _: float(rng.random() < 0.03))

    full, recent = filled_share(is_filled, window=100), filled_share(is_filled.iloc[1500:], window=100)

    pd.testing.assert_frame_equal(full.iloc[1600:], recent.iloc[100:], check_exact=True)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.01, SeriesState(HealthStatus.OK)),
        (0.0234, partial("filled(2.3%)")),
        (0.05, partial("filled(5.0%)")),
        (0.061, blocked("gapped(6.1%)")),
    ],
)
def test_f03_filled_bars_warn_above_1_and_block_above_5_percent(share, expected):
    assert state(share_filled=share) == expected


@pytest.mark.parametrize(
    ("timeframe", "missing", "expected"),
    [
        (Timeframe.M1, 2, SeriesState(HealthStatus.OK)),
        (Timeframe.M1, 3, blocked("missing(3 newest bars)")),
        (Timeframe.M3, 3, blocked("missing(3 newest bars)")),
        (Timeframe.M5, 3, blocked("missing(3 newest bars)")),
        (Timeframe.H1, 2, SeriesState(HealthStatus.OK)),
    ],
)
def test_f03_three_missing_newest_bars_block_before_the_clock_does(timeframe, missing, expected):
    assert state(timeframe, newest_close=AS_OF - missing * timeframe.duration) == expected


@pytest.mark.parametrize("timeframe", [Timeframe.M15, Timeframe.H1, Timeframe.D1])
def test_f11_a_series_is_stale_after_two_bars_and_five_minutes(timeframe):
    close = datetime(2024, 2, 1, tzinfo=UTC)
    limit = close + 2 * timeframe.duration + timedelta(minutes=5)

    assert state(timeframe, limit, newest_close=close).status is HealthStatus.OK
    assert state(timeframe, limit + timedelta(seconds=1), newest_close=close) == blocked(
        "stale(newest close 2024-02-01 00:00)"
    )


def test_f11_a_stale_series_says_since_when():
    old = datetime(2024, 2, 28, 7, tzinfo=UTC)

    assert state(newest_close=old) == blocked("stale(newest close 2024-02-28 07:00)")


@pytest.mark.parametrize("n_bars", [1, 13, 27, 99, 199])
def test_f10_short_history_is_said_with_both_numbers(n_bars):
    assert state(n_bars=n_bars) == partial(f"insufficient_history({n_bars}<200)")


def test_f10_history_that_just_suffices_is_ok():
    assert state(n_bars=200).status is HealthStatus.OK


def test_a_series_without_candles_is_blocked():
    assert state(newest_close=None, share_filled=float("nan"), n_bars=0) == blocked("no_candles")


def test_f08_an_unaccepted_jump_blocks():
    assert state(is_jumped=True) == blocked("price_jump")


def test_the_reason_that_needs_a_person_first_is_the_one_that_is_given():
    faults = {
        "newest_close": AS_OF - timedelta(days=3),
        "is_jumped": True,
        "share_filled": 0.2,
        "n_bars": 10,
    }
    given = []
    for cured in ({}, {"newest_close": AS_OF}, {"is_jumped": False}, {"share_filled": 0.02}, {"n_bars": 300}):
        faults |= cured
        given.append(str(state(**faults).reason).partition("(")[0])

    assert given == ["stale", "price_jump", "gapped", "insufficient_history", "filled"]


@pytest.mark.parametrize(
    "changes", [{"newest_close": AS_OF.replace(tzinfo=None)}, {"share_filled": 1.1}, {"share_filled": np.nan}]
)
def test_facts_that_cannot_be_are_refused(changes):
    with pytest.raises(DataContractError):
        state(**changes)


def test_bars_are_blocked_for_the_same_reasons_as_their_series():
    index, columns = [0, 1, 2], ["A/USD", "B/USD"]
    share = pd.DataFrame([[0.0, np.nan], [0.061, 0.05], [0.07, 0.0]], index=index, columns=columns)
    is_jumped = pd.DataFrame([[False, False], [False, True], [True, True]], index=index, columns=columns)

    reasons = block_reasons(share, is_jumped)

    assert reasons.to_numpy().tolist() == [
        [None, None],
        ["gapped(6.1%)", "price_jump"],
        ["price_jump", "price_jump"],
    ]
