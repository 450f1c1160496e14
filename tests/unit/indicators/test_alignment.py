"""Joining a higher timeframe and a reference symbol: as of the same close, never later, never stale."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.timeframe import HIGHER_TIMEFRAMES, Timeframe
from pipeline.indicators.alignment import as_of_close, higher_opens, spread
from tests.support.market import START, grid

PAIRS = sorted(HIGHER_TIMEFRAMES.items())


@pytest.mark.parametrize(("timeframe", "higher"), PAIRS)
@given(bars=st.integers(0, 5_000))
def test_the_joined_bar_has_closed_and_the_next_one_has_not(timeframe, higher, bars):
    opened = START + bars * timeframe.duration
    (found,) = higher_opens(pd.DatetimeIndex([opened]), timeframe, higher)

    close = opened + timeframe.duration
    assert found + higher.duration <= close < found + 2 * higher.duration
    assert higher.floor(found.to_pydatetime()) == found


def test_a_bar_of_four_hours_is_seen_from_the_close_that_they_share():
    opens = grid(12)
    fours = pd.DataFrame({"BTC/USDT": [1.0, 2.0, 3.0]}, index=grid(3, Timeframe.H4))

    joined = as_of_close(fours, opens, pd.Index(["BTC/USDT"]), Timeframe.H1, Timeframe.H4)["BTC/USDT"]

    assert joined.tolist()[3:] == [1.0] * 4 + [2.0] * 4 + [3.0]
    assert joined.iloc[:3].isna().all()


def test_a_missing_bar_is_unknown_and_a_missing_symbol_too():
    opens = grid(12)
    fours = pd.DataFrame({"BTC/USDT": [1.0, 3.0]}, index=grid(3, Timeframe.H4)[[0, 2]])

    joined = as_of_close(fours, opens, pd.Index(["ETH/USDT", "BTC/USDT"]), Timeframe.H1, Timeframe.H4)

    assert joined["BTC/USDT"].iloc[7:11].isna().all()
    assert joined["BTC/USDT"].iloc[11] == 3.0
    assert joined["ETH/USDT"].isna().all()


@pytest.mark.parametrize(("timeframe", "higher"), PAIRS)
def test_later_bars_never_change_what_was_joined(timeframe, higher):
    opens = pd.date_range(
        START, periods=3 * (higher.duration // timeframe.duration), freq=timeframe.duration, unit="us"
    )
    above = pd.date_range(START, periods=4, freq=higher.duration, unit="us")
    frame = pd.DataFrame({"A": np.arange(4.0)}, index=above)

    whole = as_of_close(frame, opens, frame.columns, timeframe, higher)
    for cut in range(1, len(opens)):
        known = frame[above + higher.duration <= opens[cut - 1] + timeframe.duration]
        part = as_of_close(known, opens[:cut], frame.columns, timeframe, higher)
        pd.testing.assert_frame_equal(part, whole.iloc[:cut], check_freq=False)


def test_a_reference_stands_beside_every_symbol_and_is_unknown_where_it_is_not_there():
    opens = grid(3)
    symbols = pd.Index(["ETH/USDT", "SOL/USDT"])
    beside = spread(pd.DataFrame({"BTC/USDT": [1.0, 2.0]}, index=opens[:2]), "BTC/USDT", opens, symbols)

    assert beside["SOL/USDT"].tolist()[:2] == [1.0, 2.0]
    assert beside.iloc[2].isna().all()
    assert spread(pd.DataFrame(index=opens), "BTC/USDT", opens, symbols).isna().all(axis=None)


def test_a_longer_timeframe_is_a_whole_number_of_bars_and_starts_with_one():
    for lower, higher in PAIRS:
        assert (higher.duration % lower.duration, higher.seconds > lower.seconds) == (timedelta(0), True)
        assert lower.floor(higher.floor(START)) == higher.floor(START)
