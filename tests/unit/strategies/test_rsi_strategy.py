"""The RSI rule: trips, re-arms, forgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.strategies.crossing import BUY, SELL
from pipeline.strategies.rsi import RsiParameters, rsi
from tests.support.strategy_columns import columns_of

NAN = float("nan")


def sides(values: list[float], **changes: object) -> list[int]:
    return rsi.sides(columns_of(rsi_14=values), RsiParameters(**changes)).iloc[:, 0].tolist()


def sides_bar_by_bar(values: list[float]) -> list[int]:
    """The rule as a person would read it off a chart, for 30/35 and 70/65."""
    found = []
    for bar, value in enumerate(values):
        past = values[max(0, bar - 200) : bar][::-1]  # newest first
        buys = next((v > 35 for v in past if v < 30 or v > 35), True)
        sells = next((v < 65 for v in past if v > 70 or v < 65), True)
        found.append(BUY if value < 30 and buys else SELL if value > 70 and sells else 0)
    return found


LEVELS = (20.0, 29.9, 30.0, 30.1, 33.0, 35.0, 35.1, 50.0, 64.9, 65.0, 67.0, 70.0, 70.1, 80.0, NAN)
STRETCHES = st.lists(st.tuples(st.sampled_from(LEVELS), st.sampled_from([1, 1, 2, 3, 99, 199, 200, 201])), max_size=7)


@given(stretches=STRETCHES)
def test_the_sides_are_those_of_a_bar_by_bar_reading(stretches):
    values = [value for value, length in stretches for _ in range(length)]
    assert sides(values) == sides_bar_by_bar(values)


def test_oversold_buys_and_overbought_sells_once():
    assert sides([50, 29, 20, 28]) == [0, BUY, 0, 0]
    assert sides([50, 71, 80, 72]) == [0, SELL, 0, 0]


def test_a_threshold_must_be_re_armed_before_it_trips_again():
    assert sides([29, 32, 29]) == [BUY, 0, 0]
    assert sides([29, 36, 29]) == [BUY, 0, BUY]
    assert sides([71, 66, 71]) == [SELL, 0, 0]
    assert sides([71, 64, 71]) == [SELL, 0, SELL]


def test_the_other_threshold_re_arms_this_one():
    assert sides([29, 71, 29]) == [BUY, SELL, BUY]


@pytest.mark.parametrize("value", [30.0, 70.0])
def test_exactly_on_a_threshold_is_nothing(value):
    assert sides([value]) == [0]


@pytest.mark.parametrize(("trip", "level"), [(29.0, 35.0), (71.0, 65.0)])
def test_exactly_on_a_re_arming_level_does_not_arm(trip, level):
    assert sides([trip, level, trip])[-1] == 0


def test_a_trip_stands_for_two_hundred_bars_and_no_longer():
    assert sides([29, *[32] * 199, 29])[-1] == 0
    assert sides([29, *[32] * 200, 29])[-1] == BUY


def test_an_unknown_value_neither_trips_nor_arms():
    assert sides([29, NAN, 29]) == [BUY, 0, 0]
    assert sides([NAN, 29]) == [0, BUY]


def test_the_level_trigger_advises_on_every_bar_beyond_as_the_specification_does():
    assert sides([29, 28, 30, 71, 72, NAN], trigger="level") == [BUY, BUY, 0, SELL, SELL, 0]


def test_thresholds_come_from_the_parameters():
    values = [22, 18, 24, 26, 18]
    assert sides(values, oversold=20, rearm_above=25) == [0, BUY, 0, 0, BUY]


def test_the_description_states_the_value_as_the_specification_does():
    described = rsi.describe(BUY, {"rsi_14": 28.5}, RsiParameters())
    assert described == "RSI is oversold at 28.50"
    assert rsi.describe(SELL, {"rsi_14": 71.236}, RsiParameters()) == "RSI is overbought at 71.24"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"oversold": 75, "rearm_above": 80}, r"oversold must be below overbought, was 75.0 and 70.0"),
        ({"oversold": 36}, r"rearm_above must be above oversold \(36.0\), was 35.0"),
        ({"rearm_above": 30}, r"rearm_above must be above oversold \(30.0\), was 30.0"),
        ({"rearm_below": 71}, r"rearm_below must be below overbought \(70.0\), was 71.0"),
        ({"oversold": 0}, "greater than 0"),
        ({"overbought": 100}, "less than 100"),
        ({"overbought": float("nan")}, "finite number"),
        ({"trigger": "sometimes"}, "'cross' or 'level'"),
        ({"confidence": 1.01}, "less than or equal to 1"),
        ({"strenght": 0.5}, "Extra inputs are not permitted"),
    ],
)
def test_parameters_that_cannot_work_are_refused_with_their_values(changes, message):
    with pytest.raises(ValidationError, match=message):
        RsiParameters(**changes)


def test_parameters_read_the_text_of_environment_variables():
    parameters = RsiParameters.model_validate({"is_enabled": "false", "oversold": "25.5"})
    assert (parameters.is_enabled, parameters.oversold) == (False, 25.5)
