"""SMA crossover, golden and death cross, MACD crossover: which columns they compare and what they say."""

import pytest
from pydantic import ValidationError

from pipeline.strategies.crossing import BUY, SELL
from pipeline.strategies.golden_cross import GoldenCrossParameters, golden_cross
from pipeline.strategies.macd_crossover import MacdCrossoverParameters, macd_crossover
from pipeline.strategies.sma_crossover import SmaCrossoverParameters, sma_crossover
from tests.support.strategy_columns import columns_of

FAST, SLOW = [99.0, 101.0, 102.0, 100.0, 98.0], [100.0] * 5
CROSSES = [0, BUY, 0, 0, SELL]
LEVELS = [SELL, BUY, BUY, 0, SELL]


def test_sma_20_crossing_sma_50_is_the_crossover():
    columns = columns_of(sma_20=FAST, sma_50=SLOW)
    assert sma_crossover.sides(columns, SmaCrossoverParameters()).iloc[:, 0].tolist() == CROSSES


def test_the_averages_of_the_crossover_are_chosen_by_parameters():
    parameters = SmaCrossoverParameters(fast=50, slow=200)
    assert sma_crossover.columns(parameters) == ("sma_50", "sma_200")
    columns = columns_of(sma_50=FAST, sma_200=SLOW)
    assert sma_crossover.sides(columns, parameters).iloc[:, 0].tolist() == CROSSES
    assert sma_crossover.describe(SELL, {}, parameters) == "SMA 50 crossed below SMA 200"


def test_the_level_trigger_compares_as_the_specification_does():
    columns = columns_of(sma_20=FAST, sma_50=SLOW)
    assert sma_crossover.sides(columns, SmaCrossoverParameters(trigger="level")).iloc[:, 0].tolist() == LEVELS
    columns = columns_of(sma_50=FAST, sma_200=SLOW)
    assert golden_cross.sides(columns, GoldenCrossParameters(trigger="level")).iloc[:, 0].tolist() == LEVELS
    columns = columns_of(macd=FAST, macd_signal=SLOW, close=SLOW)
    assert macd_crossover.sides(columns, MacdCrossoverParameters(trigger="level")).iloc[:, 0].tolist() == LEVELS


def test_the_crossover_is_described_as_in_the_specification():
    parameters = SmaCrossoverParameters()
    assert sma_crossover.describe(BUY, {}, parameters) == "SMA 20 crossed above SMA 50"
    assert sma_crossover.describe(SELL, {}, parameters) == "SMA 20 crossed below SMA 50"
    assert sma_crossover.stated(BUY, {}, parameters) == (0.7, 0.65)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fast": 30}, r"length must be one of the stored averages \(20, 50, 200\), was 30"),
        ({"fast": 50}, "fast must be a shorter average than slow, was 50 and 50"),
        ({"fast": 200, "slow": 20}, "fast must be a shorter average than slow, was 200 and 20"),
    ],
)
def test_averages_that_are_not_stored_or_not_faster_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        SmaCrossoverParameters(**changes)


def test_lengths_may_be_the_text_of_environment_variables():
    assert SmaCrossoverParameters.model_validate({"fast": "50", "slow": "200"}).fast == 50


def test_sma_50_crossing_sma_200_is_golden_upwards_and_deadly_downwards():
    columns = columns_of(sma_50=FAST, sma_200=SLOW)
    assert golden_cross.sides(columns, GoldenCrossParameters()).iloc[:, 0].tolist() == CROSSES
    assert golden_cross.names == {BUY: "GOLDEN_CROSS", SELL: "DEATH_CROSS"}
    parameters = GoldenCrossParameters()
    assert golden_cross.describe(BUY, {}, parameters) == "Golden cross: SMA 50 crossed above SMA 200"
    assert golden_cross.describe(SELL, {}, parameters) == "Death cross: SMA 50 crossed below SMA 200"


def test_the_macd_line_crossing_its_signal_line_is_the_crossover():
    columns = columns_of(macd=[-2.0, -1.0, -0.5], macd_signal=[-1.5] * 3, close=[100.0] * 3)
    assert macd_crossover.sides(columns, MacdCrossoverParameters()).iloc[:, 0].tolist() == [0, BUY, 0]
    parameters = MacdCrossoverParameters()
    assert macd_crossover.describe(BUY, {}, parameters) == "MACD crossed above its signal line"
    assert macd_crossover.describe(SELL, {}, parameters) == "MACD crossed below its signal line"
    assert macd_crossover.stated(BUY, {}, parameters) == (0.7, 0.65)


def test_macd_lines_that_faded_to_rounding_noise_do_not_cross():
    noise = 1e-14
    columns = columns_of(macd=[noise, -noise] * 4, macd_signal=[0.0] * 8, close=[100.0] * 8)
    assert not macd_crossover.sides(columns, MacdCrossoverParameters()).to_numpy().any()


def test_the_macd_of_a_cheap_coin_is_judged_on_its_own_scale():
    columns = columns_of(macd=[-1e-12, 1e-12], macd_signal=[0.0] * 2, close=[1e-6] * 2)
    assert macd_crossover.sides(columns, MacdCrossoverParameters()).iloc[:, 0].tolist() == [0, BUY]
