"""What the tests of all strategies work on: columns and settings made from a strategy's declaration, and cheats.

Every column that can be read is taken from the indicators of one long market, rounded so coarsely that ties
and exact thresholds happen all the time, and shown in another order, with stand-stills and jumps. So a new
strategy or indicator needs no entry here. A cheat is a real strategy, declared like any other.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, ValidationError

from pipeline.contracts.blocks import Block
from pipeline.domain.patterns import NAMES
from pipeline.domain.signal import Source
from pipeline.indicators.catalogue import INDICATORS
from pipeline.indicators.compute import evaluate
from pipeline.indicators.structure import PATTERN_COLUMNS, structure
from pipeline.strategies.columns import PREDICTION, PREDICTIONS, READ_OFF_CANDLES, READABLE, SENTIMENT, SENTIMENTS
from pipeline.strategies.crossing import ABOVE, BELOW, CROSS_LOOKBACK, as_alerts, as_sides, last_event, relation
from pipeline.strategies.definition import STATED, Fraction, Strategy, StrategyParameters, strategy
from tests.support.market import flat_market, grid, random_walk

SYMBOL = "BTC/USDT"
PREDICTED = tuple(PREDICTION + name for name in PREDICTIONS)
SAID = tuple(SENTIMENT + name for name in SENTIMENTS)
EVERY = (*READABLE, *PREDICTED, *SAID)  # what a strategy may read of every bar
RUNGS = 500  # of the ladder from a column's least value to its largest
ANOMALOUS = 0.65  # a score: the range is nearly two ATR

Rows = npt.NDArray[np.int64]


def wide(values: Sequence[float | None], symbol: str = SYMBOL) -> pd.DataFrame:
    """One symbol's column as a frame of shape (n_candles, 1); None is unknown."""
    return pd.DataFrame({symbol: np.array(values, dtype=np.float64)}, index=grid(len(values)))


def columns_of(**values: Sequence[float | None]) -> Block:
    """A block of one symbol from a list per column, oldest bar first."""
    return {name: wide(each) for name, each in values.items()}


# Columns


@cache
def _seen() -> Mapping[str, npt.NDArray[np.float64]]:
    """`EVERY` column on the bars of one market on which all of them are known, each on a coarse step of its own.

    Steps are 1 or 5 times a power of ten, so that each is a multiple of every smaller one: columns tie with each
    other, and with the round numbers that people choose as thresholds.
    """
    columns = predicted_columns(random_walk(seed=1, n_candles=3_000, symbols=[SYMBOL]))
    known = pd.DataFrame({name: columns[name][SYMBOL] for name in EVERY}).dropna()
    seen = {name: known[name].to_numpy() for name in EVERY}
    return {name: values if is_counted(name) else _coarse(values) for name, values in seen.items()}


def bar_columns(candles: Block) -> Block:
    """All that is computed of every bar of a whole history: `READABLE`."""
    columns = evaluate(candles)
    found = structure(candles, columns["atr_14"], candles["close"].index[0].to_pydatetime())
    return columns | found.columns | {name: candles[name] for name in READ_OFF_CANDLES}


def predicted_columns(candles: Block) -> Block:
    """`bar_columns`, and what models and texts that know little would say: `EVERY` column.

    That prices go on as they went, and that a wide bar is an anomaly; the talk is against whoever is far from the mean.
    """
    columns = bar_columns(candles)
    score = 1.0 / (1.0 + columns["atr_14"] / (candles["high"] - candles["low"]).replace(0.0, np.nan))
    said = (columns["rsi_14"] / 100.0, score, (score > ANOMALOUS).astype(float).where(score.notna()))
    mood, away = (
        columns["rsi_14"] - 50.0,
        (columns["close"] - columns["sma_20"]) / columns["atr_14"].replace(0.0, np.nan),
    )
    felt = (np.tanh(mood / 20.0), np.tanh(mood / 15.0), np.tanh(-away / 2.0))
    return columns | dict(zip((*PREDICTED, *SAID), (*said, *felt), strict=True))


def is_counted(name: str) -> bool:
    """Whether a column counts or names states instead of measuring, so that its values are exact."""
    return name in NAMES or name == "trend_state" or name.endswith(("_touches", ".is_anomaly"))


def _coarse(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values on the largest step that is at most an eighth of the range of their middle half, if it has one."""
    most = (np.subtract(*np.percentile(values, [75, 25])) or np.ptp(values)) / 8
    power = 10.0 ** np.floor(np.log10(most))
    step = 5.0 * power if most >= 5.0 * power else power
    return (step * np.round(values / step)).round(12)


@cache
def _ladders(names: tuple[str, ...]) -> Rows:
    """For each of these columns, rows of `_seen` in which it rises through all its values, each as often.

    Rows taken at random would hardly ever show what a strategy waits for: an RSI is below 30 on few bars.
    """
    shuffled = np.random.default_rng(0).permutation(len(_seen()["close"]))  # so that equal values take turns
    ladders = []
    for name in names:
        values = _seen()[name][shuffled]
        order = np.argsort(values, kind="stable")
        levels = np.unique(values)
        rungs = levels[np.linspace(0, len(levels) - 1, RUNGS).round().astype(int)]
        ladders.append(shuffled[order[np.searchsorted(values[order], rungs)]])
    return np.stack(ladders)


def _wander(rng: np.random.Generator, n_candles: int, n_symbols: int, names: tuple[str, ...]) -> Rows:
    """The row of `_seen` that each bar shows: that of the bar before, the one after it, or any rung.

    Every fourth symbol climbs up and down a ladder instead, so that one column goes the same way for long.
    """
    shape = (n_candles, n_symbols)
    bars = np.arange(n_candles)[:, None]
    step = rng.choice(["stay", "on", "jump"], shape, p=[0.45, 0.4, 0.15])
    step[:1] = "jump"
    jumped = np.maximum.accumulate(np.where(step == "jump", bars, 0), axis=0)
    moved = np.cumsum(step == "on", axis=0)
    rows = np.take_along_axis(rng.choice(_ladders(names).ravel(), shape), jumped, axis=0)
    rows = (rows + moved - np.take_along_axis(moved, jumped, axis=0)) % len(_seen()["close"])
    speed, start = rng.integers(1, 30, n_symbols), rng.integers(0, 2 * RUNGS, n_symbols)
    ladder = rng.integers(0, len(names), n_symbols)
    climbing = _ladders(names)[ladder, np.abs((start + speed * bars) % (2 * RUNGS - 2) - RUNGS + 1)]
    return np.where(np.arange(n_symbols) % 4 == 3, climbing, rows)


def _shown(rows: Rows, names: tuple[str, ...]) -> Block:
    symbols = [f"S{place:04d}/USDT" for place in range(rows.shape[1])]
    index = grid(len(rows))
    return {name: pd.DataFrame(_seen()[name][rows], index=index, columns=symbols) for name in names}


def wandering_columns(seed: int, n_candles: int, n_symbols: int = 3, names: tuple[str, ...] = EVERY) -> Block:
    """Columns of markets that stand still on half of the bars and jump on some.

    Each symbol is unknown at its start, its close for fewer bars than an indicator; the columns of one indicator
    become known together.
    """
    rng = np.random.default_rng(seed)
    block = _shown(_wander(rng, n_candles, n_symbols, names), names)
    listed = rng.integers(0, 4, n_symbols)
    unknown = dict.fromkeys(READ_OFF_CANDLES, listed)
    for indicator in INDICATORS.values():
        unknown |= dict.fromkeys(indicator.columns, listed + rng.integers(0, 4, n_symbols))
    together = (("support", "support_touches"), ("resistance", "resistance_touches"), PATTERN_COLUMNS)
    for columns in (*together, PREDICTED[:1], PREDICTED[1:], SAID):
        unknown |= dict.fromkeys(columns, listed + rng.integers(0, 4, n_symbols))
    bars = np.arange(n_candles)[:, None]
    return {name: frame.mask(bars < unknown[name]) for name, frame in block.items()}


def remembering_columns(
    lookback: int, names: tuple[str, ...], n_symbols: int, seed: int = 0, n_before: int = 0
) -> Block:
    """Columns of many markets in which something old may decide on the newest bar.

    In the last ``lookback + 2`` bars a third of the markets stands still, a third moves once, often near the end,
    and a third wanders, but for the first two bars and the newest, which mostly show any rung. ``n_before``
    wandering bars come before.
    """
    rng = np.random.default_rng(seed)
    n_bars, any_row = lookback + 2, _ladders(names).ravel()
    rows = _wander(rng, n_bars, n_symbols, names)
    still, turning = np.arange(n_symbols) % 3 == 0, np.arange(n_symbols) % 3 == 1
    first, second = rng.choice(any_row, (2, n_symbols))
    turn = np.where(
        rng.random(n_symbols) < 0.5, rng.integers(0, n_bars, n_symbols), n_bars - rng.integers(0, 8, n_symbols)
    )
    turned = np.arange(n_bars)[:, None] >= turn
    rows = np.where(still | (turning & ~turned), first, np.where(turning, second, rows))
    rows[0] = rng.choice(any_row, n_symbols)
    rows[1] = np.where(rng.random(n_symbols) < 0.5, rng.choice(any_row, n_symbols), rows[1])
    rows[-1] = np.where(rng.random(n_symbols) < 0.75, rng.choice(any_row, n_symbols), rows[-1])
    return _shown(np.vstack([_wander(rng, n_before, n_symbols, names), rows]), names)


def flat_columns(n_candles: int) -> Block:
    """What the indicators say of a market that never moves, off by what another order of additions would do.

    The close is as it was traded. A column that counts states instead of measuring (`trend_state`) is exact.
    """
    rng = np.random.default_rng(0)
    candles = flat_market(n_candles + 1_000, symbols=[SYMBOL])
    flat = {name: frame.iloc[-n_candles:] for name, frame in predicted_columns(candles).items()}
    for name, frame in flat.items():
        if not is_counted(name) and name not in READ_OFF_CANDLES:
            noisy = frame * (1.0 + 1e-15 * rng.integers(-1, 2, frame.shape)) + 1e-14 * rng.integers(-2, 3, frame.shape)
            flat[name] = noisy if _seen()[name].min() < 0 else noisy.abs()
    return flat


# Settings

# What is tried on a number: whole ones up to a thousand, and every half and some smaller parts up to a hundred.
_NUMBERS = {int: range(1_001), float: sorted({0.01, 0.05, 0.1, 0.25, *(place / 2 for place in range(201))})}


def variants(strategy: Strategy) -> list[StrategyParameters]:
    """The defaults, and each setting of the rule at its other choices or at its least and its most.

    The least and the most are searched among round numbers, because a validator can refuse for any reason. A whole
    number may count bars, so it is also just beyond the lookback. What the class accepts, an operator may set.
    """
    found = {strategy.parameters(): None}
    for name, field in strategy.parameters.model_fields.items():
        if name in StrategyParameters.model_fields or name in STATED:
            continue
        accepted = [each for value in _choices(field.annotation) if (each := _with(strategy, name, value))]
        if field.annotation in _NUMBERS:
            beyond = [each for each in accepted if getattr(each, name) == strategy.lookback + 2]
            accepted = [*accepted[:1], *beyond, *accepted[-1:]]
        found |= dict.fromkeys(accepted)
    return list(found)


def _choices(annotation: Any) -> Sequence[object]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return list(annotation)
    return [False, True] if annotation is bool else _NUMBERS.get(annotation, [])


def _with(strategy: Strategy, name: str, value: object) -> StrategyParameters | None:
    try:
        return strategy.parameters.model_validate({name: value})
    except ValidationError:
        return None


# Cheats


class CheatParameters(StrategyParameters):
    """A cheat has nothing to set."""

    strength: Fraction = 0.5
    confidence: Fraction = 0.5


class LengthParameters(CheatParameters):
    """A length in bars that nothing bounds."""

    bars: Annotated[int, Field(ge=2)] = 20


def _cheat(key: str, lookback: int = 1, **changes: object) -> dict[str, Any]:
    declaration = {
        "key": key,
        "buy": key.upper(),
        "sell": key.upper(),
        "parameters": CheatParameters,
        "family": "cheat",
        "source": Source.TECHNICAL,
        "columns": ("close",),
        "lookback": lookback,
        "describe": lambda side, inputs, parameters: "it knew",
    }
    return declaration | changes


def _sign(frame: pd.DataFrame) -> pd.DataFrame:
    return np.sign(frame).fillna(0.0).astype("int8")


@strategy(**_cheat("next_candle"))
def next_candle(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy where the next close is higher."""
    return _sign(columns["close"].shift(-1) - columns["close"])


@strategy(**_cheat("centred_window", lookback=2))
def centred_window(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy below the mean of a window that has the bar in its middle."""
    return _sign(columns["close"].rolling(5, center=True).mean() - columns["close"])


@strategy(**_cheat("whole_sample_mean"))
def whole_sample_mean(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy below the mean of everything, the future included."""
    return _sign(columns["close"].mean() - columns["close"])


@strategy(**_cheat("filled_backwards"))
def filled_backwards(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy where the next move, whenever it comes, is upwards."""
    return _sign(columns["close"].diff().replace(0.0, np.nan).bfill())


@strategy(**_cheat("whole_sample_rank"))
def whole_sample_rank(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy in the lower half of all closes."""
    return _sign(0.5 - columns["close"].rank(pct=True))


@strategy(**_cheat("rare_in_hindsight", buy=None, sell=None, alert="RARE_IN_HINDSIGHT", columns=PREDICTED[1:2]))
def rare_in_hindsight(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Alert where the score is among the highest tenth of all scores."""
    score = columns[PREDICTED[1]]
    return as_alerts((score > score.quantile(0.9)).to_numpy(), score)


@strategy(**_cheat("mean_since_listing", lookback=20))
def mean_since_listing(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy below the mean of all closes so far: nothing of the future, but all of the past."""
    return _sign(columns["close"].expanding().mean() - columns["close"])


@strategy(**_cheat("last_move", lookback=3))
def last_move(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy while the last move was upwards, however long ago it was."""
    return _sign(columns["close"].diff().replace(0.0, np.nan).ffill())


@strategy(**_cheat("one_bar_short", lookback=19))
def one_bar_short(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy above the range of the twenty closes before, of which nineteen are declared."""
    close, before = columns["close"], columns["close"].shift(1).rolling(20, min_periods=1)
    return (close > before.max()).astype("int8") - (close < before.min()).astype("int8")


@strategy(**_cheat("distant_bar", lookback=5))
def distant_bar(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy above the close of 300 bars ago, before which it is silent."""
    return _sign(columns["close"] - columns["close"].shift(300))


@strategy(**_cheat("long_touch", lookback=CROSS_LOOKBACK, columns=("sma_20", "sma_50")))
def long_touch(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy on a cross that may have touched for a bar more than is declared."""
    lies = relation(columns["sma_20"], columns["sma_50"], columns["sma_50"])
    before = last_event(lies, CROSS_LOOKBACK + 1)
    return as_sides((lies == ABOVE) & (before == BELOW), (lies == BELOW) & (before == ABOVE), columns["sma_20"])


@strategy(**_cheat("unbounded_setting", lookback=20, parameters=LengthParameters))
def unbounded_setting(columns: Block, parameters: LengthParameters) -> pd.DataFrame:
    """Buy above the close of some bars ago: as many as declared, until somebody sets more."""
    return _sign(columns["close"] - columns["close"].shift(parameters.bars))


def _by_key(*strategies: Strategy) -> Mapping[str, Strategy]:
    return {each.key: each for each in strategies}


PEEKING = _by_key(
    next_candle, centred_window, whole_sample_mean, filled_backwards, whole_sample_rank, rare_in_hindsight
)
FORGETTING_TOO_LATE = _by_key(mean_since_listing, last_move, one_bar_short, distant_bar, long_touch, unbounded_setting)
