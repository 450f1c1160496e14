"""RSI, where no other library is the measure."""

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.momentum import rsi


def test_a_market_that_only_rises_has_an_rsi_of_100_and_one_that_only_falls_of_0():
    rise = pd.Series(np.arange(1.0, 60.0))

    assert (rsi(rise, 14).iloc[13:] == 100).all()
    assert (rsi(rise.iloc[::-1], 14).iloc[13:] == 0).all()


def test_equal_gains_and_losses_are_neutral():
    close = pd.Series(np.tile([100.0, 101.0], 300))

    assert rsi(close, 14).iloc[-2:].mean() == pytest.approx(50.0)


def test_rsi_is_unknown_before_the_fourteenth_candle():
    assert rsi(pd.Series(np.arange(1.0, 30.0)), 14).first_valid_index() == 13


def test_f09_rsi_is_50_where_the_last_fourteen_moves_are_zero():
    close = pd.Series(np.r_[np.linspace(100.0, 150.0, 40), np.full(30, 150.0), 151.0])
    index = rsi(close, 14)

    assert (index.iloc[13:53] == 100).all()
    assert (index.iloc[53:70] == 50).all()
    assert index.iloc[70] == 100
