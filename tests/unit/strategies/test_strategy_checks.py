"""The checks of a rule say of every bar what the rule says: all of a side's are met where it takes that side."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.contracts.blocks import Block
from pipeline.strategies.checks import Check, bars_ago, cross_checks, written
from pipeline.strategies.crossing import BUY, TOUCH_LIMIT
from pipeline.strategies.definition import Strategy, StrategyParameters
from pipeline.strategies.registry import STRATEGIES
from tests.support.real_market import real_block
from tests.support.strategy_columns import predicted_columns, remembering_columns, variants, wandering_columns, wide

CHECKED = [each for each in STRATEGIES.values() if each.questions is not None]
FAIR_SHARE = 6  # bars of each verdict, of each symbol of real candles

few_markets = settings(max_examples=2, phases=[Phase.generate])


def cut(columns: Block, symbol: str, bar: int, lookback: int) -> Block:
    """What `Strategy.checks` is given: one symbol, the judged bar last, the lookback before it."""
    return {name: frame[[symbol]].iloc[max(bar - lookback, 0) : bar + 1] for name, frame in columns.items()}


def met_sides(strategy: Strategy, checks: tuple[Check, ...] | None) -> set[int]:
    """The sides of which every check is met."""
    assert checks
    assert {check.side for check in checks} == set(strategy.names)
    return {side for side in strategy.names if all(check.is_met for check in checks if check.side == side)}


def disagreements(
    strategy: Strategy, parameters: StrategyParameters, columns: Block, bars: range | list[int]
) -> Iterator[tuple[str, int, int, tuple[Check, ...] | None]]:
    """Where the checks say another side than the rule."""
    sides = strategy.sides(columns, parameters)
    for symbol in sides.columns:
        for bar in bars:
            side = int(sides[symbol].iloc[bar])
            checks = strategy.checks(cut(columns, symbol, bar, strategy.lookback), parameters)
            if met_sides(strategy, checks) != ({side} if side else set()):
                yield symbol, bar, side, checks


def test_the_houses_own_strategies_have_checks():
    assert {each.key for each in CHECKED} >= {"bollinger_breakout", "golden_cross", "macd_crossover", "rsi"}


@pytest.mark.parametrize("strategy", CHECKED, ids=lambda strategy: strategy.key)
@few_markets
@given(seed=st.integers(0, 2**32 - 1))
def test_all_checks_of_a_side_are_met_where_the_rule_takes_it(strategy, seed):
    for parameters in variants(strategy):
        names = strategy.columns(parameters)
        newest = remembering_columns(strategy.lookback, names, n_symbols=24, seed=seed)
        assert not list(disagreements(strategy, parameters, newest, [len(newest[names[0]]) - 1]))
        young = wandering_columns(seed, 40, n_symbols=2, names=names)
        assert not list(disagreements(strategy, parameters, young, range(40)))


@pytest.fixture(scope="module")
def real_columns() -> Block:
    candles = real_block("genetrader_binance_2024", "1h", 1_500)
    return predicted_columns({name: frame.iloc[:, :8] for name, frame in candles.items()})


@pytest.mark.parametrize("strategy", CHECKED, ids=lambda strategy: strategy.key)
def test_checks_agree_with_the_rule_on_real_candles(strategy, real_columns):
    parameters = strategy.parameters()
    sides = strategy.sides(real_columns, parameters)
    rng = np.random.default_rng(0)
    judged = dict.fromkeys((*strategy.names, 0), 0)
    for symbol in sides.columns:
        one = {name: frame[[symbol]] for name, frame in real_columns.items()}
        for side in judged:
            bars = np.flatnonzero(sides[symbol].to_numpy() == side)
            chosen = rng.permutation(bars)[:FAIR_SHARE]
            assert not list(disagreements(strategy, parameters, one, chosen.tolist()))
            judged[side] += len(chosen)
    assert min(judged.values()) > 0, "the test means something only where every side happens"


@pytest.mark.parametrize("strategy", CHECKED, ids=lambda strategy: strategy.key)
def test_an_unknown_value_is_unknown_and_not_a_no(strategy):
    names = strategy.columns(strategy.parameters())
    columns = {name: wide([None] * (strategy.lookback + 1)) for name in names}
    checks = strategy.checks(columns, strategy.parameters())
    assert checks
    for side in strategy.names:
        assert any(check.is_met is None and "unknown" in check.found for check in checks if check.side == side)
        assert not all(check.is_met for check in checks if check.side == side)


def touching(n_bars: int) -> tuple[Check, ...]:
    """The fast line was below, then on the slow one for ``n_bars``, and is above now."""
    fast, slow = wide([90.0] + [100.0] * n_bars + [110.0]), wide([100.0] * (n_bars + 2))
    return cross_checks(fast, slow, slow, ("fast", "slow"))


def test_a_cross_says_how_long_the_lines_touched():
    now, before, *_ = touching(3)
    assert (now.found, now.wanted, now.is_met) == ("fast 110, slow 100: above", "above", True)
    assert (before.found, before.is_met) == ("below 4 bars before, touching on 3 since", True)


def test_a_cross_says_that_a_touch_was_too_long():
    assert touching(TOUCH_LIMIT)[1].is_met
    before = touching(TOUCH_LIMIT + 1)[1]
    assert before.is_met is False
    assert before.found == "touching on the 51 bars before, no side is remembered"


def rsi_checks(*values: float, side: int = BUY) -> list[Check]:
    strategy = STRATEGIES["rsi"]
    checks = strategy.checks({"rsi_14": wide(values)}, strategy.parameters())
    assert checks
    return [check for check in checks if check.side == side]


def test_the_rsi_says_when_it_tripped_and_that_it_is_not_armed_again():
    now, armed = rsi_checks(40.0, 29.0, 31.0, 28.5)
    assert (now.found, now.wanted, now.is_met) == ("28.5", "below 30", True)
    assert (armed.found, armed.is_met) == ("no: beyond 2 bars before (29), not back above 35 since", False)


def test_the_rsi_says_what_armed_it():
    assert rsi_checks(29.0, 36.0, 28.5)[1].found == "yes: back above 35 on the bar before (36)"
    assert rsi_checks(32.0, 33.0, 28.5)[1].found == "yes: neither beyond nor back above 35 in the 2 bars before"


def test_a_breakout_says_by_how_much_the_bands_widened():
    strategy = STRATEGIES["bollinger_breakout"]
    columns = {
        "close": wide([100.0, 106.0]),
        "bb_upper": wide([103.0, 104.0]),
        "bb_lower": wide([97.0, 96.0]),
        "bb_width": wide([6.0, 6.0]),
    }
    checks = strategy.checks(columns, strategy.parameters())
    assert checks
    now, before, width = (check for check in checks if check.side == BUY)
    assert (now.found, now.is_met, before.is_met) == ("close 106, band 104", True, True)
    assert (width.found, width.is_met) == ("6 %, 6 % on the bar before", False)


@pytest.mark.parametrize(("value", "text"), [(30.0, "30"), (29.999999999999996, "29.999999999999996"), (0.1, "0.1")])
def test_numbers_are_written_with_every_digit_that_decided(value, text):
    assert written(value) == text
    assert float(text) == value


def test_a_strategy_without_checks_has_none():
    without = Strategy(**{**vars(STRATEGIES["rsi"]), "questions": None})
    assert without.checks({}, STRATEGIES["rsi"].parameters()) is None
    assert bars_ago(2) == "2 bars before"
