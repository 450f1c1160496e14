"""Finding strategies: what a file in the folder has to hold, what is refused, and what holds for all that are there."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.strategies import registry
from pipeline.strategies.definition import KEY_PATTERN, StrategyParameters
from pipeline.strategies.emission import SIGNAL_TYPES
from pipeline.strategies.registry import MAX_REACH, STRATEGIES, discover
from pipeline.strategies.rsi import RsiParameters
from pipeline.strategies.sma_crossover import SmaCrossoverParameters
from tests.support.strategy_columns import EVERY, columns_of, flat_columns, variants, wandering_columns

STRATEGY_FILE = '''
import pandas as pd
from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.definition import Fraction, StrategyParameters, strategy


class Parameters(StrategyParameters):
    """Nothing to set."""

    strength: Fraction = 0.5
    confidence: Fraction = 0.6


@strategy(
    key="{key}",
    buy="{buy}",
    sell="{sell}",
    parameters=Parameters,
    family="momentum",
    source=Source.TECHNICAL,
    columns=("close",),
    lookback=1,
    describe=lambda side, inputs, parameters: f"moved to {{inputs['close']}}",
)
def {key}(columns: Block, parameters: Parameters) -> pd.DataFrame:
    """Follow the last move.

    And more about it.
    """
    return columns["close"].diff().clip(-1, 1).fillna(0).astype("int8")
'''

RULE = 'columns["close"].diff().clip(-1, 1).fillna(0).astype("int8")'
AddFile = Callable[[str, str], None]


def strategy_file(key: str = "last_move", buy: str = "MOVED_UP", sell: str = "MOVED_DOWN") -> str:
    return STRATEGY_FILE.format(key=key, buy=buy, sell=sell)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AddFile]:
    """A package `dropped_in` of its own; call with a file's name and content."""
    package = tmp_path / "dropped_in"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(name: str, content: str) -> None:
        (package / name).write_text(content, encoding="utf-8")

    yield add
    for name in [name for name in sys.modules if name.partition(".")[0] == "dropped_in"]:
        del sys.modules[name]


def test_every_file_of_the_folder_that_declares_a_strategy_is_found():
    declared = {
        f"pipeline.strategies.{path.stem}"
        for path in Path(registry.__file__).parent.glob("*.py")
        if re.search(r"^@strategy\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {each.module for each in STRATEGIES.values()} == declared
    assert list(STRATEGIES) == sorted(STRATEGIES)


def test_the_technical_strategies_of_the_specification_are_there():
    assert {name for each in STRATEGIES.values() for name in each.names.values()} >= {
        "SMA_CROSSOVER",
        "GOLDEN_CROSS",
        "DEATH_CROSS",
        "RSI_OVERSOLD",
        "RSI_OVERBOUGHT",
        "MACD_CROSSOVER",
        "BOLLINGER_BREAKOUT",
    }
    followers = ("bollinger_breakout", "golden_cross", "macd_crossover", "sma_crossover")
    assert {STRATEGIES[key].family for key in followers} == {"trend_following"}
    assert STRATEGIES["rsi"].family == "mean_reversion"


def test_every_strategy_states_its_family_and_a_summary():
    for each in STRATEGIES.values():
        assert re.fullmatch(KEY_PATTERN, each.family), each.key
        first = SIGNAL_TYPES[next(iter(each.names))].value
        assert each.summary.startswith(f"{first} "), f"the docstring of {each.key} must open with when to {first}"


def test_the_longest_lookback_is_what_a_run_has_to_load():
    longest = max(each.lookback for each in STRATEGIES.values())
    assert longest == MAX_REACH >= STRATEGIES["rsi"].lookback


def test_a_file_dropped_into_the_folder_is_a_strategy(folder):
    folder("last_move.py", strategy_file())
    folder("shared_rule.py", "THRESHOLD = 3\n")
    found = discover("dropped_in")
    assert list(found) == ["last_move"]
    last_move = found["last_move"]
    assert last_move.summary == "Follow the last move."
    assert last_move.stated(1, {}, last_move.parameters()) == (0.5, 0.6)
    sides = last_move.sides(columns_of(close=[1, 2, 2, 1]), last_move.parameters())
    assert sides.iloc[:, 0].tolist() == [0, 1, 0, -1]


def test_a_strategy_imported_by_another_file_counts_once(folder):
    folder("last_move.py", strategy_file())
    folder("other.py", "from dropped_in.last_move import last_move\nagain = last_move\n")
    assert list(discover("dropped_in")) == ["last_move"]


def test_strategies_come_by_key_whatever_their_files_are_called(folder):
    folder("a_file.py", strategy_file("second", "A", "B"))
    folder("b_file.py", strategy_file("first", "C", "D"))
    assert list(discover("dropped_in")) == ["first", "second"]


def test_two_strategies_with_one_key_are_refused_with_both_files(folder):
    folder("first.py", strategy_file("last_move", "A", "B"))
    folder("second.py", strategy_file("last_move", "C", "D"))
    with pytest.raises(ConfigurationError, match=r"'last_move' in dropped_in.first and dropped_in.second"):
        discover("dropped_in")


def test_two_strategies_that_emit_one_name_are_refused_with_both_files(folder):
    folder("first.py", strategy_file("one", "UP", "DOWN"))
    folder("second.py", strategy_file("two", "HIGHER", "DOWN"))
    with pytest.raises(ConfigurationError, match=r"'DOWN' in dropped_in.first and dropped_in.second"):
        discover("dropped_in")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "import no_such_module_anywhere\n",
            "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        ),
        ("def broken(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError"),
        (strategy_file(key="Last"), "strategy key must read like rsi or golden_cross, was 'Last'"),
        (strategy_file(key="last__move"), "strategy key must read like"),
        (strategy_file(buy="moved up"), "signal name must read like RSI_OVERSOLD"),
        (strategy_file(sell="MULTI_STRATEGY"), "was 'MULTI_STRATEGY'"),
        (
            strategy_file().replace('    buy="MOVED_UP",\n    sell="MOVED_DOWN",\n', ""),
            "must name the signals of a side at least, buy, sell or alert, had none (last_move)",
        ),
        (
            strategy_file().replace("    confidence: Fraction = 0.6\n", ""),
            "Parameters must have the fields strength and confidence, lacked confidence; add them, or give",
        ),
        (strategy_file().replace('("close",)', '("prediction.close",)'), "were prediction.close (last_move)"),
        (strategy_file().replace("lookback=1", "lookback=-1"), "lookback must be 0 or more bars, was -1"),
        (strategy_file().replace('("close",)', "()"), "must read a column at least"),
        (strategy_file().replace('("close",)', '("close", "sma_30")'), "obv, volume_median_20, "),
        (strategy_file().replace('("close",)', '("close", "sma_30")'), "extra.<column>; were sma_30 (last_move)"),
        (strategy_file().replace("Fraction = 0.5", "Fraction"), "each parameter must have a default"),
        (strategy_file().replace('"""Follow the last move', 'del parameters; """'), "must have a docstring"),
    ],
)
def test_a_file_that_breaks_is_named_with_its_reason(folder, content, message):
    folder("broken.py", content)
    with pytest.raises(ConfigurationError) as caught:
        discover("dropped_in")
    assert "strategy module dropped_in.broken must import without an error" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("columns['close']", "must be int8 of shape .*, were float64"),
        (
            "columns['close'].iloc[1:].astype('int8')",
            r"must be int8 of shape \(4, 1\), were int8 of shape \(3, 1\)",
        ),
        ("(columns['close'] * 2).astype('int8')", r"must be 1 \(MOVED_UP\), -1 \(MOVED_DOWN\) or 0, were also 2, 4"),
    ],
)
def test_a_rule_that_answers_in_another_form_is_refused(folder, rule, message):
    assert RULE in strategy_file()
    folder("last_move.py", strategy_file().replace(RULE, rule))
    last_move = discover("dropped_in")["last_move"]
    with pytest.raises(DataContractError, match=message):
        last_move.sides(columns_of(close=[1, 2, 2, 1]), last_move.parameters())


ALERTING = strategy_file().replace('buy="MOVED_UP",\n    sell="MOVED_DOWN"', 'alert="MOVED"')


@pytest.mark.parametrize(("rule", "wrong"), [("1", "1"), ("-1", "-1"), ("3", "3")])
def test_a_side_that_the_declaration_does_not_name_is_refused(folder, rule, wrong):
    folder("last_move.py", ALERTING.replace(RULE, f'(columns["close"] * 0 + {rule}).astype("int8")'))
    alerting = discover("dropped_in")["last_move"]
    with pytest.raises(DataContractError, match=rf"must be 2 \(MOVED\) or 0, were also {wrong}; name the signals"):
        alerting.sides(columns_of(close=[1, 2]), alerting.parameters())


def test_a_strategy_may_alert_alone_or_beside_its_advice(folder):
    folder("alone.py", ALERTING.replace(RULE, '((columns["close"] > 1) * 2).astype("int8")'))
    both = strategy_file("beside").replace('buy="MOVED_UP"', 'buy="MOVED_UP",\n    alert="STOOD"')
    folder("beside.py", both.replace(RULE, 'columns["close"].astype("int8")'))
    found = discover("dropped_in")
    assert dict(found["last_move"].names) == {2: "MOVED"}
    assert dict(found["beside"].names) == {1: "MOVED_UP", -1: "MOVED_DOWN", 2: "STOOD"}
    closes = columns_of(close=[1, 2])
    assert found["last_move"].sides(closes, found["last_move"].parameters()).iloc[:, 0].tolist() == [0, 2]
    assert found["beside"].sides(closes, found["beside"].parameters()).iloc[:, 0].tolist() == [1, 2]


def test_strength_and_confidence_may_come_from_the_bar(folder):
    derived = 'stated=lambda side, inputs, parameters: (inputs["close"] / 10, inputs["close"] / 20)'
    fields = "    strength: Fraction = 0.5\n    confidence: Fraction = 0.6\n"
    content = strategy_file().replace("    lookback=1,", f"    lookback=1,\n    {derived},").replace(fields, "")
    folder("last_move.py", content)
    last_move = discover("dropped_in")["last_move"]
    assert last_move.stated(1, {"close": 5.0}, last_move.parameters()) == (0.5, 0.25)


def test_a_missing_column_is_named():
    rsi = STRATEGIES["rsi"]
    with pytest.raises(DataContractError, match="columns for strategy rsi must hold rsi_14, were close, sma_20"):
        rsi.sides(columns_of(close=[1], sma_20=[1]), RsiParameters())


def test_the_parameters_of_another_strategy_are_refused():
    rsi = STRATEGIES["rsi"]
    with pytest.raises(DataContractError, match="strategy rsi must be RsiParameters, were SmaCrossoverParameters"):
        rsi.sides(columns_of(rsi_14=[50]), SmaCrossoverParameters())


@pytest.mark.parametrize("key", STRATEGIES)
def test_every_strategy_reads_only_what_a_run_loads_whatever_its_settings(key):
    for parameters in variants(STRATEGIES[key]):
        assert set(STRATEGIES[key].columns(parameters)) <= set(EVERY)


@pytest.mark.parametrize("key", STRATEGIES)
def test_a_strategy_reads_only_the_columns_that_it_names(key):
    strategy = STRATEGIES[key]
    columns = wandering_columns(seed=2, n_candles=80)
    for parameters in variants(strategy):
        named = {name: columns[name] for name in strategy.columns(parameters)}
        pd.testing.assert_frame_equal(strategy.sides(named, parameters), strategy.sides(columns, parameters))


@pytest.mark.parametrize("key", STRATEGIES)
def test_a_strategy_leaves_its_columns_alone(key):
    columns = wandering_columns(seed=3, n_candles=80)
    before = {name: frame.copy() for name, frame in columns.items()}
    for parameters in variants(STRATEGIES[key]):
        STRATEGIES[key].sides(columns, parameters)
    for name, frame in columns.items():
        pd.testing.assert_frame_equal(frame, before[name])


@pytest.mark.parametrize("key", STRATEGIES)
def test_a_symbol_alone_gets_the_sides_that_it_gets_among_others(key):
    strategy, parameters = STRATEGIES[key], STRATEGIES[key].parameters()
    columns = wandering_columns(4, strategy.lookback + 200, n_symbols=48, names=strategy.columns(parameters))
    frame = strategy.sides(columns, parameters)
    assert frame.to_numpy().any()
    for symbol in frame.columns:
        series = strategy.sides({name: each[symbol] for name, each in columns.items()}, parameters)
        pd.testing.assert_series_equal(series, frame[symbol])


@pytest.mark.parametrize("key", STRATEGIES)
def test_f10_any_short_history_gives_sides_and_no_error(key):
    strategy = STRATEGIES[key]
    whole = wandering_columns(seed=5, n_candles=20)
    for n_candles in (0, 1, 2, 13):
        columns = {name: frame.iloc[:n_candles] for name, frame in whole.items()}
        for parameters in variants(strategy):
            assert strategy.sides(columns, parameters).shape == (n_candles, 3)


@pytest.mark.parametrize("key", STRATEGIES)
def test_f10_a_symbol_that_is_unknown_throughout_gets_no_side(key):
    columns = {name: frame * np.nan for name, frame in wandering_columns(6, 60).items()}
    for parameters in variants(STRATEGIES[key]):
        assert not STRATEGIES[key].sides(columns, parameters).to_numpy().any()


@pytest.mark.parametrize("key", STRATEGIES)
def test_f09_a_flat_market_gives_no_signal_whatever_the_rounding(key):
    strategy = STRATEGIES[key]
    columns = flat_columns(strategy.lookback + 60)
    assert not strategy.sides(columns, strategy.parameters()).to_numpy().any()


def test_parameters_cannot_be_changed_after_they_were_checked():
    parameters: StrategyParameters = RsiParameters()
    with pytest.raises(ValueError, match="frozen"):
        parameters.strength = 0.9  # type: ignore[misc]
