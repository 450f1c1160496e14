"""The slow reference of outcomes, against numbers that were worked out by hand."""

from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from itertools import product

import pytest

from tests.support.outcome_cases import CASES
from tests.support.outcome_notation import A_BUY, CLOSE_AT, FEE, HOUR, Case, bars
from tests.support.slow_outcomes import BUY, SELL, Outcome, outcome


def asked(case: Case) -> Outcome | None:
    return outcome(
        case.advice,
        case.horizon_bars,
        case.bars,
        case.duration,
        case.costs,
        entry=case.entry,
        as_of=case.as_of,
        delisted_at=case.delisted_at,
        lower=case.lower,
    )


def values(told: Outcome) -> dict[str, object]:
    """All columns; numbers may differ by what floats cannot say."""
    every = {column.name: getattr(told, column.name) for column in fields(told)}
    return {name: pytest.approx(x, rel=1e-12, abs=1e-12) if isinstance(x, float) else x for name, x in every.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hand_worked_case_comes_out_as_on_paper(case):
    told = asked(case)
    if case.expected is None:
        assert told is None
    else:
        assert told is not None
        assert {column.name: getattr(told, column.name) for column in fields(told)} == values(case.expected)


def test_every_way_out_is_worked_by_hand_on_both_sides():
    worked = {(case.expected.exit_reason, case.advice.side) for case in CASES if case.expected is not None}
    reasons = ["entry_gap", "stop_gap", "target_gap", "stop", "target", "horizon", "no_trade", "delisted", "no_entry"]
    assert worked == set(product(reasons, (BUY, SELL)))


def test_no_two_cases_have_the_same_name():
    assert {name: n for name, n in Counter(case.name for case in CASES).items() if n > 1} == {}


def ended_before_its_candles_did(case: Case) -> bool:
    """Whether candles came in after the delisting was noticed: then one is told at once, and another one with them."""
    return case.delisted_at is not None and case.expected is not None and case.delisted_at < case.expected.resolved_at


TOLD = [case for case in CASES if case.expected is not None]


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.name)
def test_an_outcome_is_the_same_from_the_instant_on_at_which_it_is_known(case):
    told = asked(case)
    assert told is not None
    assert asked(replace(case, as_of=told.resolved_at)) == told


@pytest.mark.parametrize(
    "case", [case for case in TOLD if not ended_before_its_candles_did(case)], ids=lambda case: case.name
)
def test_nothing_is_told_before_it_is_known(case):
    told = asked(case)
    assert told is not None
    assert asked(replace(case, as_of=told.resolved_at - timedelta(seconds=1))) is None


def test_a_horizon_without_a_bar_is_refused():
    with pytest.raises(ValueError, match="horizon_bars must be 1 or more, was 0"):
        outcome(A_BUY, 0, bars(), HOUR, FEE, as_of=CLOSE_AT)
