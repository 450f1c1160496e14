"""Exposure: what counts, from when until when, and who goes first."""

from datetime import timedelta

import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.risk.exposure import Pending, Position, fold, weight
from pipeline.risk.profile import RiskProfile
from tests.support.signals import CLOSE_AT, a_group

HOUR = timedelta(hours=1)


def a_pending(**changes):
    fields = {
        "symbol": "BTC/USDT",
        "timeframe": Timeframe.H4,
        "close_at": CLOSE_AT - HOUR,
        "weight": 0.18,
        "expires_at": CLOSE_AT + 3 * HOUR,
    }
    return Pending(**(fields | changes))


def a_position(**changes):
    return Position(**({"symbol": "BTC/USDT", "weight": 0.18, "valid_from": CLOSE_AT} | changes))


def reasons(groups, profile=None, **earlier):
    return [verdict.reasons for verdict in fold(groups, profile or RiskProfile(), **earlier)]


def kept_symbols(groups, profile=None):
    return [v.group.series.symbol for v in fold(groups, profile or RiskProfile()) if v.is_kept]


def test_a_group_weighs_five_percent_times_its_highest_confidence():
    assert weight(0.65) == pytest.approx(0.0325)
    assert weight(1.0, position_size=0.1) == 0.1


def test_four_full_weights_fill_one_asset_and_a_fifth_is_dropped():
    timeframes = [Timeframe.H12, Timeframe.H6, Timeframe.H4, Timeframe.H2, Timeframe.H1]
    groups = [a_group(timeframe=timeframe) for timeframe in timeframes]
    assert reasons(groups) == [(), (), (), (), ("asset_exposure",)]


def test_sixteen_full_weights_fill_the_portfolio_in_spite_of_rounding():
    groups = [a_group(symbol=f"C{i:02d}/USDT") for i in range(17)]
    assert reasons(groups) == [()] * 16 + [("total_exposure",)]


def test_a_weight_that_exceeds_the_limit_by_more_than_rounding_is_dropped():
    assert reasons([a_group(weight=0.2 + 2e-12)]) == [("asset_exposure",)]
    assert reasons([a_group(weight=0.2 + 5e-13)]) == [()]


def test_both_limits_may_be_exceeded_at_once():
    assert reasons([a_group()], positions=[a_position(weight=0.79)]) == [("asset_exposure", "total_exposure")]


def test_an_asset_is_its_base_currency_whatever_it_is_quoted_in():
    groups = [a_group(symbol=symbol, weight=0.15) for symbol in ("BTC/EUR", "BTC/USDT", "ETH/BTC")]
    assert reasons(groups) == [(), ("asset_exposure",), ()]


def test_a_group_that_was_dropped_ties_up_nothing():
    first, second = (
        a_group(rank_score=0.9, weight=0.3),
        a_group(rank_score=0.8, weight=0.2, exchange="kraken"),
    )
    assert reasons([first, second]) == [("asset_exposure",), ()]


def test_within_a_close_the_longer_timeframe_goes_first_then_the_rank_then_the_symbol():
    groups = [
        a_group(symbol="A/USDT", rank_score=0.9),
        a_group(symbol="Z/USDT", rank_score=0.1, timeframe=Timeframe.H4),
        a_group(symbol="B/USDT", rank_score=0.5),
        a_group(symbol="C/USDT", rank_score=0.5),
    ]
    order = [v.group.series.symbol for v in fold(reversed(groups), RiskProfile())]
    assert order == ["Z/USDT", "A/USDT", "B/USDT", "C/USDT"]
    assert kept_symbols(groups, RiskProfile(max_total_exposure=0.15, max_asset_exposure=0.1)) == order[:3]


def test_closes_are_taken_oldest_first_whatever_their_order():
    later, earlier = a_group(hours=1, bars=3), a_group(bars=3, weight=0.2)
    verdicts = fold([later, earlier], RiskProfile())
    assert [(v.group, v.is_kept) for v in verdicts] == [(earlier, True), (later, False)]


def test_a_kept_group_counts_until_it_expires_and_no_longer():
    full = a_group(weight=0.2, bars=2)
    assert reasons([full, a_group(hours=1), a_group(hours=2)]) == [(), ("asset_exposure",), ()]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"close_at": CLOSE_AT}, False),
        ({"close_at": CLOSE_AT + HOUR}, False),
        ({"expires_at": CLOSE_AT}, False),
        ({"expires_at": CLOSE_AT + timedelta(microseconds=1)}, True),
        ({"ended_at": CLOSE_AT}, False),
        ({"ended_at": CLOSE_AT - timedelta(minutes=1)}, False),
        ({"ended_at": CLOSE_AT + timedelta(microseconds=1)}, True),
        ({"ended_at": CLOSE_AT + 9 * HOUR, "expires_at": CLOSE_AT}, False),
        ({"symbol": "BTC/EUR"}, True),
        ({"symbol": "ETH/USDT"}, False),
    ],
)
def test_pending_counts_strictly_between_its_close_and_its_end(changes, counts):
    expected = ("asset_exposure",) if counts else ()
    assert reasons([a_group()], pending=[a_pending(**changes)]) == [expected]


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"valid_from": CLOSE_AT + timedelta(microseconds=1)}, False),
        ({"valid_to": CLOSE_AT}, False),
        ({"valid_to": CLOSE_AT + timedelta(microseconds=1)}, True),
        ({"symbol": "ETH/USDT"}, False),
    ],
)
def test_a_position_counts_from_its_start_on_and_up_to_its_end(changes, counts):
    expected = ("asset_exposure",) if counts else ()
    assert reasons([a_group()], positions=[a_position(**changes)]) == [expected]


LATER = CLOSE_AT + HOUR


@pytest.mark.parametrize(
    ("span", "counts"),
    [
        ({"valid_from": CLOSE_AT + HOUR / 2}, True),  # after the close, before the request
        ({"valid_from": LATER}, True),
        ({"valid_from": LATER + HOUR}, False),
        ({"valid_from": CLOSE_AT - HOUR, "valid_to": LATER}, False),  # held at the close, and no longer
        ({"valid_from": CLOSE_AT - HOUR, "valid_to": LATER + HOUR}, True),
    ],
)
def test_a_position_counts_as_of_the_request_where_one_judges(span, counts):
    found = reasons([a_group(weight=0.03)], positions=[a_position(**span)], as_of=LATER)
    assert found == ([("asset_exposure",)] if counts else [()])


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"ended_at": CLOSE_AT + HOUR / 2}, False),  # executed since: what came of it is a position
        ({"ended_at": LATER + HOUR}, True),
        ({"expires_at": LATER}, False),
    ],
)
def test_a_group_counts_as_of_the_request_where_one_judges(changes, counts):
    found = reasons([a_group(weight=0.03)], pending=[a_pending(**changes)], as_of=LATER)
    assert found == ([("asset_exposure",)] if counts else [()])


def test_leverage_leaves_room_for_nothing():
    levered = a_position(symbol="ETH/USDT", weight=2.5)
    assert reasons([a_group()], positions=[levered]) == [("total_exposure",)]


def test_a_verdict_says_what_was_tied_up_before():
    positions = [a_position(weight=0.125), a_position(symbol="ETH/USDT", weight=0.25)]
    (verdict,) = fold([a_group()], RiskProfile(), positions=positions)
    assert (verdict.asset_exposure, verdict.total_exposure) == (0.125, 0.375)


def test_no_groups_are_no_verdicts():
    assert fold([], RiskProfile(), [a_pending()], [a_position()]) == []


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: a_group(weight=1.1), r"weight must be in \[0, 1\], was 1.1"),
        (lambda: a_group(expires_at=CLOSE_AT), "expires_at must be after close_at"),
        (lambda: a_group(close_at=CLOSE_AT.replace(tzinfo=None)), "close_at must carry its time zone"),
        (lambda: a_pending(weight=float("nan")), r"weight must be in \[0, 1\], was nan"),
        (lambda: a_position(weight=-0.1), "weight must be a fraction of the portfolio, 0 or more, was -0.1"),
        (lambda: a_position(weight=float("inf")), "was inf"),
        (lambda: weight(1.2), r"confidence must be in \[0, 1\], was 1.2"),
    ],
)
def test_what_cannot_be_is_refused(build, message):
    with pytest.raises(DataContractError, match=message):
        build()
