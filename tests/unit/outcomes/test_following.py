"""Outcomes in arrays, against the hand-worked cases and against the slow reference on random markets."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import outcome_arrays, slow_outcomes
from tests.support.outcome_cases import CASES
from tests.support.outcome_notation import CLOSE_AT, HOUR
from tests.support.slow_outcomes import BUY, SELL, Advice, Bar, Costs, Outcome


def values(told: Outcome) -> dict[str, object]:
    """All columns; numbers may differ by what floats cannot say."""
    every = {column.name: getattr(told, column.name) for column in fields(told)}
    return {name: pytest.approx(x, rel=1e-12, abs=1e-12) if isinstance(x, float) else x for name, x in every.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hand_worked_case_comes_out_as_on_paper(case):
    told = outcome_arrays.outcome(
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
    if case.expected is None:
        assert told is None
    else:
        assert told is not None
        assert {column.name: getattr(told, column.name) for column in fields(told)} == values(case.expected)


def a_candle(chance: Random, open_at: datetime, length: timedelta, within: tuple[int, int] = (80, 120)) -> Bar:
    """A bar that trades within two prices, in whole numbers so that barriers are touched to the cent."""
    low, *inner, high = sorted(float(chance.randint(*within)) for _ in range(4))
    chance.shuffle(inner)
    return Bar(open_at, open_at + length, inner[0], high, low, inner[1], is_filled=chance.random() < 0.15)


def its_quarters(chance: Random, hour: Bar) -> dict[datetime, Bar]:
    """Four candles inside of a bar, of which the first that was traded opens with it; they need not reach its ends."""
    quarters, is_first = {}, True
    for n in range(4):
        at = hour.open_at + n * HOUR / 4
        quarters[at] = a_candle(chance, at, HOUR / 4, (int(hour.low), int(hour.high)))
        if is_first and not quarters[at].is_filled:
            low, high = min(quarters[at].low, hour.open), max(quarters[at].high, hour.open)
            quarters[at] = replace(quarters[at], open=hour.open, low=low, high=high)
            is_first = False
    return quarters


def a_market(seed: int) -> dict[str, Any]:
    """An advice, some hours after it with holes, and the quarters of some of them."""
    chance = Random(seed)
    hours, quarters = {}, {}
    for n in range(chance.randint(1, 8)):
        open_at = CLOSE_AT + n * HOUR
        if chance.random() < 0.9:
            hours[open_at] = a_candle(chance, open_at, HOUR)
            if chance.random() < 0.5:
                quarters |= its_quarters(chance, hours[open_at])
    side, risk = chance.choice([BUY, SELL]), chance.randint(2, 15)
    first, second, third = (100.0 + side * multiple * risk for multiple in (1, 2, 3))
    return {
        "advice": Advice(side, CLOSE_AT, 100.0, 100.0 - side * risk, (first, second, third)),
        "horizon_bars": chance.randint(1, 6),
        "bars": hours,
        "duration": HOUR,
        "costs": Costs(fee=0.001, slippage=0.0002),
        "entry": chance.choice(["next_open", "signal_close"]),
        "as_of": CLOSE_AT + chance.randint(0, 10) * HOUR,
        "delisted_at": chance.choice([None, CLOSE_AT + chance.randint(0, 9) * HOUR]),
        "lower": [(HOUR / 4, quarters)],
    }


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=300, deadline=None)
def test_arrays_say_what_the_slow_reference_says_on_any_market(seed):
    market = a_market(seed)
    slow = slow_outcomes.outcome(**market)
    fast = outcome_arrays.outcome(**market)
    if slow is None:
        assert fast is None
    else:
        assert fast is not None
        assert {column.name: getattr(fast, column.name) for column in fields(fast)} == values(slow)
