"""Growth is foretold from sizes that were measured, and from nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.growth import Growth, days_until_full, growth

START = datetime(2026, 3, 1, 2, 20, tzinfo=UTC)


def sizes(*values: int) -> dict[datetime, int]:
    """One a day."""
    return {START + timedelta(days=day): value for day, value in enumerate(values)}


def test_steady_growth_goes_on():
    assert growth(sizes(100, 110, 120, 130), 130) == Growth(130, 10.0)
    assert growth(sizes(100, 110, 120, 130), 130).bytes_in_a_year == 130 + 3650


@pytest.mark.parametrize(
    "measured", [{}, sizes(100), sizes(100, 110), {START + timedelta(hours=h): h for h in range(40)}]
)
def test_few_sizes_or_a_short_time_tell_nothing(measured):
    found = growth(measured, 120)
    assert (found.bytes_now, found.bytes_per_day, found.bytes_in_a_year) == (120, None, None)


def test_a_single_backfill_is_no_growth():
    assert growth(sizes(100, 100, 100, 100, 100, 100, 100, 100, 9_000), 9_000).bytes_per_day == 0


def test_a_file_that_grows_in_steps_grows():
    assert growth(sizes(100, 100, 120, 120, 140, 140, 160), 160).bytes_per_day == pytest.approx(10, abs=1)


def test_days_that_were_not_measured_count():
    measured = {START: 100, START + timedelta(days=1): 110, START + timedelta(days=5): 150}
    assert growth(measured, 150).bytes_per_day == 10


def test_what_lies_more_than_two_weeks_back_is_forgotten():
    earlier = {START - timedelta(days=20 + day): 10_000 - 1_000 * day for day in range(5)}
    assert growth({**earlier, **sizes(100, 110, 120)}, 120).bytes_per_day == 10


def test_what_shrinks_does_not_become_less_than_nothing():
    shrinking = growth(sizes(1_000, 900, 800), 800)
    assert shrinking.bytes_per_day == -100
    assert shrinking.bytes_in_a_year == 0


def test_a_disk_is_full_when_what_is_free_is_used_up():
    assert days_until_full(1_000, Growth(130, 10.0)) == 100
    assert days_until_full(1_000, Growth(130, 0.0)) is None
    assert days_until_full(1_000, Growth(130, -5.0)) is None
    assert days_until_full(1_000, Growth(130, None)) is None
