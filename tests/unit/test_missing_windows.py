"""Which bars a run asks a source for."""

from datetime import UTC, datetime, timedelta

import pytest

from assets.market import CHECKED_BARS, failed_state, missing_windows
from pipeline.domain.timeframe import RESOLUTION, Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.stages import signal_history_from
from pipeline.storage.health import SeriesExtent
from resources.market import SeriesWindow

KEY = SeriesKey("binance", "BTC/USDT", Timeframe.H1)
HOUR = timedelta(hours=1)
DAY = datetime(2024, 6, 1, tzinfo=UTC)
AFTER, UNTIL = DAY - RESOLUTION, DAY + 5 * HOUR
BEGIN = signal_history_from(KEY.timeframe, DAY - HOUR)


def asked(first: datetime | None, last: datetime | None, searched: datetime | None = None) -> list[SeriesWindow]:
    return missing_windows(KEY, SeriesExtent(first, last), searched, AFTER, UNTIL)


def test_a_new_series_is_asked_for_with_its_whole_history():
    assert asked(None, None) == [SeriesWindow(KEY, BEGIN, UNTIL)]


def test_with_a_new_close_the_last_stored_bars_are_asked_for_again():
    newest = DAY + 2 * HOUR

    assert asked(BEGIN, newest) == [SeriesWindow(KEY, newest + HOUR - CHECKED_BARS * HOUR, UNTIL)]


@pytest.mark.parametrize("newest", [DAY + 4 * HOUR, DAY + 100 * HOUR])
def test_nothing_is_asked_for_where_all_closes_are_stored(newest):
    assert asked(BEGIN, newest) == []


def test_older_bars_come_up_to_what_is_stored_the_newest_first():
    listed = BEGIN + 30 * HOUR

    assert asked(listed, DAY + 4 * HOUR) == [SeriesWindow(KEY, BEGIN, listed, is_backward=True)]


def test_a_source_that_has_no_older_bars_is_not_asked_for_them_again():
    listed = BEGIN + 30 * HOUR

    assert asked(listed, DAY + 4 * HOUR, searched=BEGIN) == []
    assert asked(listed, DAY + 4 * HOUR, searched=BEGIN + HOUR) == [SeriesWindow(KEY, BEGIN, listed, is_backward=True)]


@pytest.mark.parametrize(
    ("newest", "status"), [(DAY + 3 * HOUR, "BLOCKED"), (DAY + 4 * HOUR, "PARTIAL"), (None, "BLOCKED")]
)
def test_a_series_that_failed_is_blocked_unless_its_newest_candle_is_there(newest, status):
    assert failed_state(KEY, SeriesExtent(newest and BEGIN, newest), UNTIL, "unavailable").status == status


def test_days_before_all_that_is_stored_are_asked_for_up_to_it_so_that_no_gap_is_left():
    first, last = DAY + 1000 * HOUR, DAY + 2000 * HOUR

    assert asked(first, last) == [SeriesWindow(KEY, BEGIN, first, is_backward=True)]
