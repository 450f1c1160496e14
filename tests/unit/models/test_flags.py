"""When flags are ignored: counted by bar and by series, over a window that ends with the flagged bar."""

import numpy as np
import pytest

from pipeline.models.flags import MOST_FLAGGED, WINDOW_BARS, too_many


def counted(flags: np.ndarray) -> np.ndarray:
    """`too_many`, one window at a time."""
    crowded = np.zeros_like(flags)
    for bar in range(flags.shape[0]):
        for series in range(flags.shape[1]):
            window = flags[max(0, bar - WINDOW_BARS + 1) : bar + 1, series].tolist()
            crowded[bar, series] = sum(window) > MOST_FLAGGED
    return crowded


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.06, 0.3, 1.0])
@pytest.mark.parametrize("n_bars", [1, WINDOW_BARS - 1, WINDOW_BARS, WINDOW_BARS + 1, 3 * WINDOW_BARS])
def test_f38_flags_are_ignored_where_a_plain_count_says_so(share, n_bars):
    flags = np.random.default_rng(1).random((n_bars, 3)) < share

    assert np.array_equal(too_many(flags), counted(flags))


def test_f38_the_eleventh_flag_within_the_window_is_ignored_and_the_tenth_is_not():
    flags = np.zeros((50, 1), dtype=bool)
    flags[[3, 5, 8, 13, 14, 20, 21, 30, 31, 40, 44]] = True
    ignored = np.flatnonzero(too_many(flags))

    assert ignored.tolist() == [44, 45, 46, 47, 48, 49]


@pytest.mark.parametrize(("distance", "is_ignored"), [(WINDOW_BARS - 1, True), (WINDOW_BARS, False)])
def test_f38_a_flag_counts_while_it_is_within_the_window(distance, is_ignored):
    flags = np.zeros((2 * WINDOW_BARS, 1), dtype=bool)
    flags[5] = True
    flags[5 + distance - MOST_FLAGGED + 1 : 5 + distance + 1] = True

    assert too_many(flags)[5 + distance, 0] == is_ignored


def test_f38_flags_are_heard_again_once_they_are_rare():
    flags = np.zeros((1_000, 1), dtype=bool)
    flags[100:150] = True
    ignored = np.flatnonzero(too_many(flags))

    # From the eleventh on, until but ten of the fifty are left in the window.
    assert ignored.tolist() == list(range(110, 139 + WINDOW_BARS))


def test_f38_one_symbols_crash_does_not_silence_the_others():
    flags = np.zeros((300, 2), dtype=bool)
    flags[200:, 0] = True
    flags[250, 1] = True

    assert too_many(flags)[250].tolist() == [True, False]


def test_f38_what_is_ignored_does_not_hang_on_how_much_was_loaded_beyond_the_window():
    flags = np.random.default_rng(2).random((900, 4)) < 0.055
    whole = too_many(flags)

    assert 0.1 < whole.mean() < 0.9
    assert np.array_equal(too_many(flags[601:])[WINDOW_BARS - 1 :], whole[800:])


def test_f38_later_flags_ignore_no_earlier_one():
    flags = np.zeros((300, 1), dtype=bool)
    flags[100] = True
    flags[101:] = True

    assert not too_many(flags)[100, 0]


def test_without_bars_there_is_nothing_to_ignore():
    assert too_many(np.zeros((0, 3), dtype=bool)).shape == (0, 3)
