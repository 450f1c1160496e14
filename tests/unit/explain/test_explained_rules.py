"""What is said of each strategy on one bar: its verdict, what it saw, and which of its columns lack history."""

import pandas as pd
import pytest

from pipeline.contracts.blocks import Block
from pipeline.explain.rules import StrategyFinding, Verdict, short_histories, strategy_findings
from pipeline.generation import Rules
from pipeline.indicators.catalogue import WARM_UP
from pipeline.indicators.compute import evaluate
from pipeline.strategies.columns import READABLE
from pipeline.strategies.definition import Strategy
from pipeline.strategies.registry import MAX_REACH, STRATEGIES
from tests.support.market import random_walk
from tests.support.strategy_columns import SYMBOL, wandering_columns

PARAMETERS = {key: each.parameters() for key, each in STRATEGIES.items()}
RULES = Rules(parameters=PARAMETERS)


@pytest.fixture(scope="module")
def columns() -> Block:
    return wandering_columns(seed=8, n_candles=MAX_REACH + 200, n_symbols=1, names=READABLE)


def up_to(columns: Block, bar: int) -> Block:
    return {name: frame.iloc[max(bar - MAX_REACH, 0) : bar + 1] for name, frame in columns.items()}


def first_bar(columns: Block, strategy: Strategy, side: int) -> int:
    sides = strategy.sides(columns, strategy.parameters()).to_numpy()[MAX_REACH:, 0]
    return MAX_REACH + int((sides == side).argmax())


def of(findings: list[StrategyFinding], key: str) -> StrategyFinding:
    return next(each for each in findings if each.key == key)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("key", ["macd_crossover", "rsi", "sma_crossover"])
def test_the_verdict_is_the_side_that_the_rule_takes(columns, key, side):
    bar = first_bar(columns, STRATEGIES[key], side)
    found = of(strategy_findings(up_to(columns, bar), RULES), key)
    assert found.verdict is (Verdict.BUY if side == 1 else Verdict.SELL)
    assert found.would_say == found.verdict.value
    assert all(check.is_met for check in found.checks if check.side == found.verdict)


def test_every_strategy_is_there_with_its_settings_and_what_it_saw(columns):
    bar = len(columns["close"]) - 1
    findings = strategy_findings(up_to(columns, bar), RULES)
    assert [each.key for each in findings] == list(STRATEGIES)
    sma = of(findings, "sma_crossover")
    assert sma.parameters.items() >= {"fast": 20, "slow": 50, "trigger": "cross"}.items()
    assert sma.inputs["sma_20"] == columns["sma_20"].iloc[bar, 0]
    assert sma.inputs["previous_sma_50"] == columns["sma_50"].iloc[bar - 1, 0]


def test_a_disabled_strategy_says_what_it_would_have_said(columns):
    bar = first_bar(columns, STRATEGIES["rsi"], 1)
    quiet = PARAMETERS | {"rsi": STRATEGIES["rsi"].parameters(is_enabled=False)}
    found = of(strategy_findings(up_to(columns, bar), Rules(parameters=quiet)), "rsi")
    assert (found.verdict, found.would_say) == (Verdict.DISABLED, "BUY")


def test_a_strategy_that_the_settings_of_the_time_did_not_know_is_absent(columns):
    found = of(strategy_findings(up_to(columns, MAX_REACH), RULES, absent={"rsi"}), "rsi")
    assert found.verdict is Verdict.ABSENT


def test_an_unknown_column_makes_a_rule_unknown_unless_it_could_not_matter():
    candles = random_walk(seed=3, n_candles=60, symbols=[SYMBOL])
    columns = evaluate(candles) | {name: candles[name] for name in ("open", "high", "low", "close", "volume")}
    columns = {name: columns.get(name, candles["close"] * float("nan")) for name in (*READABLE, *columns)}
    found = of(strategy_findings(columns, RULES), "golden_cross")
    assert (found.verdict, found.unknown) == (Verdict.UNKNOWN, ("sma_200",))
    assert of(strategy_findings(columns, RULES), "rsi").verdict in (Verdict.NOTHING, Verdict.BUY, Verdict.SELL)


def test_a_strategy_without_checks_is_unknown_where_a_column_is(columns, monkeypatch):
    silent = Strategy(**{**vars(STRATEGIES["rsi"]), "questions": None})
    monkeypatch.setattr("pipeline.explain.rules.STRATEGIES", {"rsi": silent})
    known, unknown = up_to(columns, MAX_REACH), up_to(columns, MAX_REACH)
    unknown["rsi_14"] = pd.DataFrame(float("nan"), index=unknown["rsi_14"].index, columns=unknown["rsi_14"].columns)
    assert strategy_findings(known, RULES)[0].checks == ()
    assert strategy_findings(unknown, RULES)[0].verdict is Verdict.UNKNOWN


def test_a_short_history_is_told_by_column_with_how_much_it_needs():
    candles = random_walk(seed=3, n_candles=34, symbols=[SYMBOL])
    found = {each.column: each for each in short_histories(evaluate(candles), 34)}
    assert found["sma_50"].reason == "insufficient_history(34<50)"
    assert not found["sma_50"].is_known
    assert found["rsi_14"].is_known, "it has a value, which a longer history would change"
    assert "sma_20" not in found


def test_a_column_is_short_of_history_up_to_its_warm_up_and_no_longer():
    candles = random_walk(seed=3, n_candles=250, symbols=[SYMBOL])
    columns = evaluate(candles)
    for n_bars in (WARM_UP["sma_200"], WARM_UP["sma_200"] + 1):
        cut = {name: frame.iloc[:n_bars] for name, frame in columns.items()}
        is_known = bool(cut["sma_200"].iloc[-1].notna().all())
        assert ("sma_200" in {each.column for each in short_histories(cut, n_bars)}) is not is_known
