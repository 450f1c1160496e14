"""Segments: from where each bar is computed."""

import pytest

from pipeline.indicators.catalogue import WARM_UP_BARS
from pipeline.indicators.windows import SEGMENT, Segment, history_start, segments


def test_every_bar_of_a_segment_has_the_same_start():
    starts = {history_start(position) for position in range(5 * SEGMENT, 6 * SEGMENT)}

    assert starts == {5 * SEGMENT - WARM_UP_BARS}


@pytest.mark.parametrize("position", [-SEGMENT - 1, -1, 0, 1, SEGMENT - 1, SEGMENT, 478_000])
def test_history_reaches_back_over_the_warm_up(position):
    assert WARM_UP_BARS <= position - history_start(position) < WARM_UP_BARS + SEGMENT


@pytest.mark.parametrize(
    ("first", "last"), [(10, 10), (0, SEGMENT - 1), (SEGMENT - 1, SEGMENT), (-70, 3 * SEGMENT + 5)]
)
def test_segments_cover_every_bar_once_and_in_order(first, last):
    pieces = list(segments(first, last))

    assert [bar for piece in pieces for bar in range(piece.keep_from, piece.keep_to + 1)] == list(
        range(first, last + 1)
    )
    assert all(piece.load_from == history_start(piece.keep_from) == history_start(piece.keep_to) for piece in pieces)


def test_no_bar_needs_no_segment():
    assert list(segments(11, 10)) == []


def test_one_bar_is_one_segment():
    assert list(segments(3 * SEGMENT + 7, 3 * SEGMENT + 7)) == [
        Segment(3 * SEGMENT - WARM_UP_BARS, 3 * SEGMENT + 7, 3 * SEGMENT + 7)
    ]
