"""How far back a stage reads."""

from datetime import UTC, datetime

import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.generation import CONDITION_BARS, LOOKBACK_BARS
from pipeline.indicators.windows import SEGMENT, history_start
from pipeline.stages import signal_history_from


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.H1, Timeframe.W1])
def test_a_signals_history_begins_before_the_warm_up_of_every_bar_that_it_depends_on(timeframe):
    last = timeframe.position(timeframe.floor(datetime(2024, 3, 5, tzinfo=UTC)))
    for position in range(last, last + SEGMENT):
        bars = range(position - max(LOOKBACK_BARS, CONDITION_BARS) - CONDITION_BARS, position + 1)

        begin = signal_history_from(timeframe, timeframe.open_of(position))

        assert timeframe.position(begin) == min(history_start(bar) for bar in bars)
