"""An explanation: one bar from its candle to its signal, or to the reason why there is none.

`advised` gives the bar's candidates, so that who reads can fetch what else their close holds; `explain` gives the
whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Signal, TradingSignal
from pipeline.domain.universe import SeriesKey
from pipeline.explain.arithmetic import Aggregation, Pricing, aggregations, pricings
from pipeline.explain.differences import Difference, StoredRows, differences
from pipeline.explain.judgement import (
    CandidateFinding,
    Company,
    ConflictFinding,
    ExposureFinding,
    came_to_exposure,
    candidate_findings,
    combined,
    conflict_finding,
    exposure_finding,
    volatility_in_words,
)
from pipeline.explain.models import ModelFinding
from pipeline.explain.rules import ShortHistory, StrategyFinding, Verdict, short_histories
from pipeline.explain.sentiment import SentimentFinding
from pipeline.generation import BarKey, Decision, Rules, advice_of, by_bar, finish, judge
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.profile import RiskProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class BarEvidence:
    """What is stored about one bar, and the settings that it is judged by."""

    series: SeriesKey
    close_at: datetime
    candle: Mapping[str, float]  # open, high, low, close, volume
    columns: Block  # what strategies read, shape (n_bars, 1), the bar last; see `rules.strategy_findings`
    market: MarketConditions  # of the bar, with is_filled and block_reason
    filled_share: float | None
    first_open: datetime  # of the series' first stored candle
    rules: Rules
    absent: frozenset[str]  # strategies that the settings do not know
    profile: RiskProfile

    @property
    def key(self) -> BarKey:
        """Series and close."""
        return self.series, self.close_at

    @property
    def n_bars(self) -> int:
        """Bars of the series up to this one."""
        timeframe = self.series.timeframe
        return timeframe.position(self.close_at) - timeframe.position(self.first_open)

    @property
    def silenced_by(self) -> str | None:
        """Why no strategy may speak on the bar."""
        if self.market.is_filled:
            return "filled_bar"
        return None if self.market.block_reason is None else f"blocked:{self.market.block_reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BarFinding:
    """The bar itself."""

    open_at: datetime
    close_at: datetime
    candle: Mapping[str, float]
    is_filled: bool
    n_bars: int  # of the series, up to this one
    filled_share: float | None  # of the newest 500 bars
    volatility: str
    is_volatile: bool | None
    silenced_by: str | None  # filled_bar or blocked:<reason>: why no strategy may speak


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the stages make of one bar, with all that they compared."""

    outcome: str  # signal, dropped, no_advice, silenced
    summary: str
    bar: BarFinding
    short_history: tuple[ShortHistory, ...]
    strategies: tuple[StrategyFinding, ...]
    candidates: tuple[CandidateFinding, ...]
    conflict: ConflictFinding | None
    exposure: ExposureFinding | None
    aggregation: tuple[Aggregation, ...]
    prices: tuple[Pricing, ...]
    differences: tuple[Difference, ...]  # against the rows that were given


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsUsed:
    """Which settings a bar was judged by, and how they were found."""

    configuration_hash: str | None  # None for those of today where no row was made by them
    found: str  # row (they made the bar's rows), in_force (they made rows before it), current
    code_version: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whether a series may be trusted as of an instant, and what a run recorded last."""

    as_of: datetime
    status: str
    reason: str | None
    recorded_status: str | None
    recorded_reason: str | None
    recorded_as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding:
    """What is stored about the bar on the occasion that it is compared with."""

    origin: str
    scope: str
    profile: str
    candidates: int
    decisions: int
    signals: tuple[Mapping[str, Any], ...]  # id, type, revision, status, how each ended, calibrated confidence
    others: tuple[str, ...]  # further occasions that have rows of the bar: "replay fast"
    live_pass_at: datetime | None  # when the live run that processed the close was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything about one bar."""

    exchange: str
    symbol: str
    timeframe: str
    asked_at: datetime | None
    settings: SettingsUsed
    state: State
    stored: StoredFinding
    models: tuple[ModelFinding, ...]  # one of each kind
    sentiment: SentimentFinding
    remarks: tuple[str, ...]  # what else must be known to read the rest rightly
    findings: Findings

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain objects, the findings beside the rest."""
        fields = asdict(self)
        findings: dict[str, Any] = fields.pop("findings")
        return fields | findings


def advised(bar: BarEvidence, strategies: Sequence[StrategyFinding]) -> list[Signal]:
    """The candidates of the bar; none where it may not speak.

    ``strategies`` are the bar's findings: those that take no side are not asked again.
    """
    if bar.silenced_by is not None:
        return []
    takes_side = {each.key for each in strategies if each.takes_side}
    if not takes_side:
        return []
    parameters = {
        key: own if key in takes_side else own.model_copy(update={"is_enabled": False})
        for key, own in bar.rules.parameters.items()
    }
    close = bar.columns["close"]
    usable = pd.DataFrame(False, index=close.index, columns=close.columns)
    usable.iloc[-1, 0] = True
    speaking = replace(bar.rules, parameters=parameters)
    return advice_of(bar.columns, usable, bar.series.exchange, bar.series.timeframe, speaking)


def explain(
    bar: BarEvidence,
    strategies: Sequence[StrategyFinding],
    signals: Sequence[Signal],
    company: Company,
    stored: StoredRows | None = None,
) -> Findings:
    """Judge one bar anew and keep what was compared on the way.

    Parameters
    ----------
    strategies
        What the strategies say of the bar, `rules.strategy_findings`.
    signals
        The bar's candidates: `advised`, and those of other sources as they are stored.
    company
        The candidates of other series at the same close, and what ties up money then. Exposure goes through a close
        in order, so that a bar's verdict depends on them.
    stored
        The bar's rows to compare with; None where there is nothing to compare.
    """
    everything = [*signals, *company.signals]
    conditions = {**dict(company.conditions), bar.key: bar.market}
    tied_up = company.pending, company.positions
    everywhere = judge(everything, conditions, bar.profile, bar.rules, *tied_up, as_of=company.asked_at)
    decisions = [d for d in everywhere if d.signal.series == bar.series]
    kept = [d for d in decisions if d.is_kept]
    values = by_bar(bar.columns, [bar.key], bar.series.timeframe)
    finished = finish([d.signal for d in kept], values, bar.profile, bar.rules)
    passed = came_to_exposure(everywhere)
    groups = combined(passed, bar.rules)
    is_standing = {(d.signal.series, d.signal.signal_type) for d in everywhere if d.is_kept}
    standing = [group for group in groups if (group.series, group.signal_type) in is_standing]
    outcome, summary = _summary(bar, strategies, decisions, finished)
    return Findings(
        outcome=outcome,
        summary=summary,
        bar=_bar_finding(bar),
        short_history=tuple(short_histories(bar.columns, bar.n_bars)),
        strategies=tuple(strategies),
        candidates=tuple(candidate_findings(decisions, bar.profile, bar.market, bar.rules)),
        conflict=conflict_finding(decisions, bar.profile, bar.rules),
        exposure=exposure_finding(bar.key, passed, groups, bar.profile, bar.rules, company),
        aggregation=tuple(aggregations(finished, standing, bar.rules)),
        prices=tuple(pricings(finished, values.get(bar.key, {}), bar.profile, bar.rules)),
        differences=() if stored is None else tuple(differences(stored, signals, decisions, finished)),
    )


def _bar_finding(bar: BarEvidence) -> BarFinding:
    return BarFinding(
        open_at=bar.close_at - bar.series.timeframe.duration,
        close_at=bar.close_at,
        candle=bar.candle,
        is_filled=bar.market.is_filled,
        n_bars=bar.n_bars,
        filled_share=bar.filled_share,
        volatility=volatility_in_words(bar.market),
        is_volatile=bar.market.is_volatile,
        silenced_by=bar.silenced_by,
    )


def _summary(
    bar: BarEvidence,
    strategies: Sequence[StrategyFinding],
    decisions: Sequence[Decision],
    finished: Sequence[TradingSignal],
) -> tuple[str, str]:
    """In one word and in one sentence, what came of the bar."""
    dropped = [
        f"{d.signal.strategy} {d.signal.signal_type.value} was dropped ({', '.join(d.reasons)})"
        for d in decisions
        if not d.is_kept
    ]
    if finished:
        made = [
            f"{s.signal_type.value} of {s.strategy}, confidence {s.confidence:.3f}, rank {s.rank_score:.3f}"
            for s in finished
        ]
        return "signal", f"signal: {'; '.join([*made, *dropped])}"
    if dropped:
        return "dropped", f"no signal: {'; '.join(dropped)}"
    if bar.silenced_by is not None:
        muted = [f"{each.key} {each.would_say}" for each in strategies if each.takes_side]
        instead = f"; else there would be advice of {', '.join(muted)}" if muted else ""
        return "silenced", f"no signal: no strategy may speak on this bar ({bar.silenced_by}){instead}"
    return "no_advice", f"no signal: no strategy advises anything ({_counted(strategies)})"


def _counted(strategies: Sequence[StrategyFinding]) -> str:
    """How many strategies said what: "4 nothing, 2 unknown"."""
    counts = {verdict: sum(each.verdict is verdict for each in strategies) for verdict in Verdict}
    return ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
