"""What each strategy says of one bar: its inputs, what it asks for, what it found.

The side is the rule's own; the checks are the strategy's, which tests hold to the rule.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import isnan
from typing import Any

from pipeline.contracts.blocks import Block
from pipeline.generation import Rules
from pipeline.indicators.catalogue import WARM_UP
from pipeline.strategies.checks import Check, value_at
from pipeline.strategies.definition import STATED
from pipeline.strategies.emission import PREVIOUS, SIGNAL_TYPES
from pipeline.strategies.registry import STRATEGIES, Strategy, StrategyParameters

# Settings that are told apart from those of the rule.
_COMMON = frozenset({"is_enabled", *STATED})


class Verdict(StrEnum):
    """What a strategy makes of a bar."""

    BUY = "BUY"
    SELL = "SELL"
    ALERT = "ALERT"
    NOTHING = "nothing"
    UNKNOWN = "unknown"  # a value that would decide is not known
    DISABLED = "disabled"
    ABSENT = "absent"  # the settings of the time did not know it


TAKEN = frozenset({Verdict.BUY, Verdict.SELL, Verdict.ALERT})  # a side, on a bar that may speak or not


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """A `Check` with its side by name."""

    side: str
    asks: str
    found: str
    wanted: str
    is_met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyFinding:
    """One strategy on one bar."""

    key: str
    names: Mapping[str, str]  # by side: what its signals are called
    family: str
    source: str
    rule: str  # the first line of its documentation
    strength: float | None  # of its signal; None where the bar decides on it and the rule takes no side
    confidence: float | None
    parameters: Mapping[str, Any]  # settings of its rule
    verdict: Verdict
    would_say: str | None  # the side that its rule takes, also where it is disabled or the bar may not speak
    inputs: Mapping[str, float | None]  # column -> value on the bar, with `PREVIOUS` on the bar before; None unknown
    unknown: tuple[str, ...]  # of its columns, on the bar
    checks: tuple[CheckFinding, ...]  # empty where the strategy declares none

    @property
    def takes_side(self) -> bool:
        """Whether its verdict is advice, which the bar gives if it may speak."""
        return self.verdict in TAKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortHistory:
    """A column for which a series has too few bars."""

    column: str
    is_known: bool  # known already, but not yet what it would be with a longer history
    n_bars: int
    n_needed: int
    reason: str  # as health words it


def strategy_findings(columns: Block, rules: Rules, absent: Collection[str] = ()) -> list[StrategyFinding]:
    """What every registered strategy says of the last bar of a block of one symbol.

    Parameters
    ----------
    columns : Block
        Every column that a strategy reads, shape (n_candles, 1), the judged bar last, with as many bars before it as
        the strategies look back on, where history has them.
    absent
        Keys of strategies that the settings of the time did not know; they are listed and not judged.
    """
    return [_finding(each, rules.parameters[key], columns, key in absent) for key, each in STRATEGIES.items()]


def short_histories(columns: Block, n_bars: int) -> list[ShortHistory]:
    """The columns of which the last bar has too little history, ``n_bars`` being all there is, itself included.

    Before its warm-up a column is unknown, or known but still bent by where its series begins.
    """
    return [
        ShortHistory(
            column=name,
            is_known=not isnan(_last(columns, name)),
            n_bars=n_bars,
            n_needed=WARM_UP[name] + 1,
            reason=f"insufficient_history({n_bars}<{WARM_UP[name] + 1})",
        )
        for name in columns
        if n_bars <= WARM_UP.get(name, 0)
    ]


def _finding(strategy: Strategy, parameters: StrategyParameters, columns: Block, is_absent: bool) -> StrategyFinding:
    names = dict.fromkeys((*strategy.columns(parameters), "close"))
    unread = columns["close"] * float("nan")  # nobody reads for a strategy that is switched off what no other looks at
    seen = {name: columns.get(name, unread).iloc[-strategy.reach - 1 :] for name in names}
    side = int(strategy.sides(seen, parameters).to_numpy()[-1, 0])
    asked = {name: frame.iloc[-strategy.lookback - 1 :] for name, frame in seen.items()}
    checks = strategy.checks(asked, parameters) or ()
    inputs = dict(_inputs(strategy, seen))
    is_weighed = side != 0 or strategy.weighing is None
    strength, confidence = strategy.stated(side, inputs, parameters) if is_weighed else (None, None)
    unknown = tuple(name for name in strategy.columns(parameters) if isnan(value_at(seen[name])))
    return StrategyFinding(
        key=strategy.key,
        names={SIGNAL_TYPES[each].value: name for each, name in strategy.names.items()},
        family=strategy.family,
        source=strategy.source.value,
        rule=strategy.summary,
        strength=strength,
        confidence=confidence,
        parameters={name: value for name, value in parameters.model_dump(mode="json").items() if name not in _COMMON},
        verdict=_verdict(strategy, side, checks, unknown, is_enabled=parameters.is_enabled, is_absent=is_absent),
        would_say=SIGNAL_TYPES[side].value if side else None,
        inputs={name: None if isnan(value) else value for name, value in inputs.items()},
        unknown=unknown,
        checks=tuple(
            CheckFinding(
                side=SIGNAL_TYPES[check.side].value,
                asks=check.asks,
                found=check.found,
                wanted=check.wanted,
                is_met=check.is_met,
            )
            for check in checks
        ),
    )


def _verdict(
    strategy: Strategy,
    side: int,
    checks: Sequence[Check],
    unknown: Sequence[str],
    *,
    is_enabled: bool,
    is_absent: bool,
) -> Verdict:
    if is_absent:
        return Verdict.ABSENT
    if not is_enabled:
        return Verdict.DISABLED
    if side:
        return Verdict(SIGNAL_TYPES[side].value)
    is_open = any(_is_open(checks, each) for each in strategy.names) if checks else bool(unknown)
    return Verdict.UNKNOWN if is_open else Verdict.NOTHING


def _is_open(checks: Sequence[Check], side: int) -> bool:
    """Whether a side would be taken but for a value that is unknown."""
    met = [check.is_met for check in checks if check.side == side]
    return None in met and False not in met


def _inputs(strategy: Strategy, seen: Block) -> Iterator[tuple[str, float]]:
    """What a signal of the bar is made of, NaN where unknown; see `emission.signals_of`."""
    for name, frame in seen.items():
        yield name, value_at(frame)
    if strategy.shows_previous:
        for name, frame in seen.items():
            yield PREVIOUS + name, value_at(frame, -2) if len(frame) > 1 else float("nan")


def _last(columns: Block, name: str) -> float:
    return value_at(columns[name])
