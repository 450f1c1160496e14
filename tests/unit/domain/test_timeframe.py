"""The grid of bars: every bar has its place in UTC, whatever clocks and calendars do."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import EPOCH, Timeframe, parse_instant, parse_timeframe
from pipeline.pricing import expiry

SECONDS = st.integers(0, int(timedelta(days=36_500) / timedelta(seconds=1)))
INSTANTS = st.builds(lambda seconds: EPOCH + timedelta(seconds=seconds), SECONDS)
BERLIN = ZoneInfo("Europe/Berlin")


@given(instant=INSTANTS, timeframe=st.sampled_from(list(Timeframe)))
def test_every_instant_lies_in_exactly_one_bar(instant: datetime, timeframe: Timeframe) -> None:
    position = timeframe.position(instant)
    assert timeframe.open_of(position) <= instant < timeframe.open_of(position + 1)
    assert timeframe.floor(instant) == timeframe.open_of(position)
    assert timeframe.floor(instant) <= instant <= timeframe.ceil(instant)
    assert timeframe.ceil(instant) - timeframe.floor(instant) in (timedelta(0), timeframe.duration)


@pytest.mark.parametrize("timeframe", Timeframe)
def test_a_boundary_is_its_own_floor_and_ceiling(timeframe: Timeframe) -> None:
    boundary = timeframe.open_of(1_000)
    assert timeframe.floor(boundary) == boundary == timeframe.ceil(boundary)
    assert timeframe.floor(boundary - timedelta(microseconds=1)) == timeframe.open_of(999)


def test_an_instant_without_a_zone_has_no_place() -> None:
    with pytest.raises(DataContractError, match=r"^an instant must carry its time zone, was 2024-01-01T00:00:00$"):
        Timeframe.H1.position(datetime(2024, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("timeframe", Timeframe)
def test_a_timeframe_is_read_back_from_its_name(timeframe: Timeframe) -> None:
    assert parse_timeframe(str(timeframe)) is timeframe


@pytest.mark.parametrize("text", ["99d", "1H", "60m", "", "1 h", "1M"])
def test_another_timeframe_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(DataContractError) as refused:
        parse_timeframe(text)
    assert str(refused.value) == f"timeframe must be one of 1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d 1w, was {text!r}"


@pytest.mark.parametrize("day", [datetime(2024, 3, 31, tzinfo=UTC), datetime(2024, 10, 27, tzinfo=UTC)])
@pytest.mark.parametrize("timeframe", [each for each in Timeframe if each is not Timeframe.W1])
def test_f20_a_day_on_which_clocks_change_has_as_many_bars_as_any_other(timeframe: Timeframe, day: datetime) -> None:
    bars = timeframe.position(day + timedelta(days=1)) - timeframe.position(day)
    assert bars == timedelta(days=1) // timeframe.duration


def test_f20_an_hour_that_a_local_clock_shows_twice_is_two_bars() -> None:
    first, second = (datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert Timeframe.H1.floor(first) == datetime(2024, 10, 27, 0, tzinfo=UTC)
    assert Timeframe.H1.floor(second) == datetime(2024, 10, 27, 1, tzinfo=UTC)


def test_f20_an_hour_that_a_local_clock_leaves_out_is_no_gap() -> None:
    before = datetime(2024, 3, 31, 1, 59, tzinfo=BERLIN)
    after = datetime(2024, 3, 31, 3, 0, tzinfo=BERLIN)
    assert Timeframe.H1.position(after) - Timeframe.H1.position(before) == 1


@pytest.mark.parametrize("text", ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60+00:00"])
def test_f20_a_leap_second_is_refused_as_text_for_no_bar_holds_it(text: str) -> None:
    with pytest.raises(DataContractError, match="an instant must read like"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:00-02:00"])
def test_an_instant_whose_offset_leads_out_of_the_years_there_are_is_refused(text: str) -> None:
    with pytest.raises(DataContractError, match="an instant must read like"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["1796101200", " 1796101200000", "1717243200.5", "202406011200", "20240601120000"])
def test_a_count_of_seconds_or_milliseconds_is_refused_and_not_read_as_a_day(text: str) -> None:
    with pytest.raises(DataContractError, match=r"2024-06-01T12:00Z and not be a count of seconds or milliseconds"):
        parse_instant(text)


@pytest.mark.parametrize("text", ["20240601", "20240601T000000Z", "2024-06-01"])
def test_a_day_may_be_written_with_digits_alone(text: str) -> None:
    assert parse_instant(text) == datetime(2024, 6, 1, tzinfo=UTC)


def test_f20_a_leap_second_adds_no_bar() -> None:
    before, after = datetime(2016, 12, 31, 23, 59, tzinfo=UTC), datetime(2017, 1, 1, tzinfo=UTC)
    assert Timeframe.M1.position(after) - Timeframe.M1.position(before) == 1


@pytest.mark.parametrize("timeframe", Timeframe)
def test_f20_the_turn_of_the_year_is_a_bar_boundary_like_any_other(timeframe: Timeframe) -> None:
    midnight = datetime(2025, 1, 1, tzinfo=UTC)
    if timeframe is Timeframe.W1:
        assert timeframe.floor(midnight) == datetime(2024, 12, 30, tzinfo=UTC)
    else:
        assert timeframe.floor(midnight) == midnight
        assert timeframe.floor(midnight - timedelta(microseconds=1)) == midnight - timeframe.duration


def test_f20_the_29th_of_february_is_a_day() -> None:
    first_of_march = datetime(2024, 3, 1, tzinfo=UTC)
    assert Timeframe.D1.floor(first_of_march - timedelta(hours=1)) == datetime(2024, 2, 29, tzinfo=UTC)


@given(instant=INSTANTS)
def test_f20_a_week_begins_on_monday_at_midnight(instant: datetime) -> None:
    opened = Timeframe.W1.floor(instant)
    assert (opened.weekday(), opened.hour, opened.minute, opened.second, opened.microsecond) == (0, 0, 0, 0, 0)
    assert timedelta(0) <= instant - opened < timedelta(days=7)


def test_f20_a_signal_of_the_last_bar_of_a_year_expires_in_the_next() -> None:
    close_at = datetime(2025, 1, 1, tzinfo=UTC)
    assert expiry(close_at, Timeframe.H1) == datetime(2025, 1, 1, 1, tzinfo=UTC)
    assert expiry(datetime(2024, 12, 30, tzinfo=UTC), Timeframe.W1) == datetime(2025, 1, 6, tzinfo=UTC)


def test_f20_bars_before_1970_are_on_the_same_grid() -> None:
    assert Timeframe.H4.floor(EPOCH - timedelta(minutes=1)) == EPOCH - timedelta(hours=4)
