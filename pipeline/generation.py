"""The stages that make signals, in order: analyse, candidates, judge, finish.

Each asset calls one of them; a replay and the API call all, with the same functions, so that what is tested on the
past is what runs live. Nothing here fetches, stores, logs or asks what time it is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.aggregation import (
    WEAKER_OF_CONFLICT,
    Boost,
    Combined,
    ConflictPolicy,
    StrategyPreference,
    combine_all,
    resolve_conflicts,
    weights_of,
)
from pipeline.contracts.blocks import Block
from pipeline.domain.context import MarketContext
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Signal, SignalType, TradingSignal
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.indicators.compute import compute
from pipeline.indicators.structure import BAR_COLUMNS, STRUCTURE_BARS, Structure, structure
from pipeline.indicators.volume import Carry
from pipeline.market.health import block_reasons, filled_share
from pipeline.models import flags
from pipeline.models.price_range import RANGES
from pipeline.pricing import EXPIRY_BARS, expiry, prices
from pipeline.risk.conditions import WINDOW_BARS, MarketConditions, atr_ratio, market_conditions
from pipeline.risk.exposure import POSITION_SIZE, ExposureGroup, Pending, Position, fold, weight
from pipeline.risk.filters import RiskFilter, screen
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.columns import SENTIMENT, SENTIMENTS
from pipeline.strategies.emission import SIGNAL_TYPES, signals_of
from pipeline.strategies.higher_timeframe import TrendFilter, objection
from pipeline.strategies.registry import MAX_REACH, STRATEGIES, Strategy, StrategyParameters

# Bars of indicators before the first judged one: what the strategies look back on, or what makes flags too many.
LOOKBACK_BARS = max(MAX_REACH, flags.WINDOW_BARS - 1)
# Bars before the first analysed one for which candles and ATR must be known: the market conditions' window, or what
# levels and patterns look back on.
CONDITION_BARS = max(WINDOW_BARS - 1, STRUCTURE_BARS)
# Bars before a tick's first one whose stored rows it reads.
PRIOR_BARS = max(LOOKBACK_BARS, CONDITION_BARS)

BarKey = tuple[SeriesKey, datetime]  # a series and the close of one of its bars
BarValues = Mapping[str, float | None]  # what is known about one bar, by column; None is unknown

# What models say of a bar, as `BarValues` hold it: the calibrated probability of a rise, and quantiles of its range.
PREDICTED = ("probability_up", *RANGES)

# What texts say of its symbol, as `BarValues` and `metadata` name it.
FELT = {SENTIMENT + name: f"{name}_score" for name in SENTIMENTS}

# Which of them says how far the price is expected to go along an advice: one time in ten it goes further.
REACHES: Mapping[SignalType, str] = {SignalType.BUY: "high_q90", SignalType.SELL: "low_q10"}

# The description's names for what an indicator column is called here.
PUBLISHED_NAMES = {"rsi_14": "rsi"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the settings say about making signals."""

    parameters: Mapping[str, StrategyParameters]
    families: Mapping[str, Sequence[str]] = field(default_factory=dict)
    position_size: float = POSITION_SIZE
    boost: Boost = Boost.SPEC
    conflict_policy: ConflictPolicy = ConflictPolicy.KEEP
    strategy_preference: StrategyPreference = StrategyPreference.BALANCED
    expiry_bars: Mapping[Timeframe, int] = field(default_factory=lambda: EXPIRY_BARS)
    context: MarketContext = field(default_factory=MarketContext)
    tighten_targets: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is computed per bar; all frames of shape (n_bars, n_symbols) on one index (open_at, oldest first)."""

    indicators: Block  # `BAR_COLUMNS`
    conditions: Block  # the columns of `risk.conditions`, and filled_share
    block_reasons: pd.DataFrame  # object: why no signal may come from a bar, None if one may
    structure: Structure  # changes of levels, and completed patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the risk filters decided about one candidate; an empty tuple of reasons lets it pass."""

    signal: Signal
    reasons: tuple[str, ...]
    exposure_weight: float | None
    expires_at: datetime

    @property
    def is_kept(self) -> bool:
        """Whether the candidate passed every filter."""
        return not self.reasons


def analyse(
    candles: Block,
    timeframe: Timeframe,
    keep_from: datetime,
    keep_to: datetime,
    *,
    carry: Carry | None,
    jumped_at: Mapping[str, datetime],
    known_ratios: pd.DataFrame | None = None,
) -> Analysis:
    """Indicators, structure and market conditions of the bars with ``keep_from <= open_at <= keep_to``.

    Parameters
    ----------
    candles : Block
        open, high, low, close, volume, is_filled; from `analysed_from`.
    carry
        On-balance volume and close on the bar before the first one computed, of symbols that have one.
    jumped_at
        Open of the first price jump that nobody has accepted, by symbol.
    known_ratios
        `atr_ratio` of the `CONDITION_BARS` before ``keep_from``, which are then not computed once more.
    """
    conditions_from = keep_from - CONDITION_BARS * timeframe.duration
    compute_from = conditions_from if known_ratios is None else keep_from
    columns = compute(candles, timeframe, compute_from, keep_to, carry)
    ratios = atr_ratio(columns["atr_14"], candles["close"].loc[compute_from:keep_to])
    if known_ratios is not None:
        ratios = pd.concat([known_ratios, ratios])
    # The range is taken from its ratio, which is stored, so that a tick has the same bits as a replay.
    found = structure(candles, ratios * candles["close"].loc[conditions_from:keep_to], keep_from)
    filled = candles["is_filled"].loc[conditions_from:keep_to]
    share = filled_share(filled).loc[keep_from:]
    jumps = np.array([np.datetime64("NaT", "us")] * len(share.columns))
    for place, symbol in enumerate(share.columns):
        if symbol in jumped_at:
            jumps[place] = np.datetime64(jumped_at[symbol].replace(tzinfo=None), "us")
    opens = pd.DatetimeIndex(share.index).tz_localize(None).to_numpy(dtype="datetime64[us]")
    is_jumped = pd.DataFrame(opens[:, np.newaxis] >= jumps, index=share.index, columns=share.columns)
    return Analysis(
        indicators={name: frame.loc[keep_from:] for name, frame in columns.items()} | found.columns,
        conditions=market_conditions(ratios, keep_from) | {"filled_share": share},
        block_reasons=block_reasons(share, is_jumped & share.notna()),
        structure=found,
    )


def usable_bars(is_filled: pd.DataFrame, reasons: pd.DataFrame, is_wanted: pd.DataFrame) -> pd.DataFrame:
    """The bars that signals may come from: wanted, really traded, of a series that nothing blocks."""
    usable: pd.DataFrame = (is_filled == 0.0) & reasons.isna() & is_wanted
    return usable


def advice_of(columns: Block, usable: pd.DataFrame, exchange: str, timeframe: Timeframe, rules: Rules) -> list[Signal]:
    """Every advice of every enabled strategy on the usable bars, by close, symbol, then strategy.

    ``columns`` holds what `column_depths` names, as far before the first usable bar as it says; each strategy sees
    the bars that it declares and no others.
    """
    is_usable = usable.to_numpy().any(axis=1)
    if not is_usable.any():
        return []
    first = int(is_usable.argmax())
    found: list[Signal] = []
    for strategy, parameters in _enabled(rules):
        begin = max(first - strategy.reach, 0)
        seen = {name: columns[name].iloc[begin:] for name in (*strategy.columns(parameters), "close")}
        found += signals_of(
            strategy, parameters, seen, exchange=exchange, timeframe=timeframe, usable=usable.iloc[begin:]
        )
    return sorted(found, key=lambda s: (s.created_at, s.symbol, s.strategy, s.signal_type))


def column_depths(rules: Rules) -> dict[str, int]:
    """The columns that the enabled strategies read, each with the bars before a judged one that they may look at."""
    depths = {"close": 0}
    for strategy, parameters in _enabled(rules):
        for name in (*strategy.columns(parameters), "close"):
            depths[name] = max(depths.get(name, 0), strategy.reach)
    return depths


def _enabled(rules: Rules) -> Iterator[tuple[Strategy, StrategyParameters]]:
    for key, strategy in STRATEGIES.items():
        if rules.parameters[key].is_enabled:
            yield strategy, rules.parameters[key]


def strategy_filters(rules: Rules) -> tuple[RiskFilter, ...]:
    """The filters that the strategies' own settings ask for, as those of `risk.filters` are called."""
    modes = {
        name: parameters.higher_timeframe_trend
        for key, parameters in rules.parameters.items()
        for name in STRATEGIES[key].names.values()
        if parameters.higher_timeframe_trend is TrendFilter.REQUIRE
    }
    if not modes:
        return ()

    def higher_timeframe_trend(signal: Signal, profile: RiskProfile, market: MarketConditions) -> str | None:
        """Drop what the trend of the higher timeframe does not confirm."""
        side = next((side for side, kind in SIGNAL_TYPES.items() if kind is signal.signal_type), None)
        if side is None or signal.strategy not in modes:
            return None
        return objection(modes[signal.strategy], side, signal.inputs)

    return (higher_timeframe_trend,)


def judge(
    signals: Iterable[Signal],
    conditions: Mapping[BarKey, MarketConditions],
    profile: RiskProfile,
    rules: Rules,
    pending: Iterable[Pending] = (),
    positions: Iterable[Position] = (),
    *,
    as_of: datetime | None = None,
) -> list[Decision]:
    """Decide about each candidate: the filters first, then conflicts, then exposure; every drop has its reasons.

    A BUY that loses against a SELL ties up nothing, so it goes before exposure is counted; a SELL that would lose
    against a BUY stays if exposure drops that BUY. ``as_of`` is when somebody asked; exposure counts what is tied up
    then, and at the closes if None.
    """
    screened = screen(signals, profile, conditions, strategy_filters(rules))
    reasons: dict[int, tuple[str, ...]] = {id(signal): why for signal, why in screened.dropped}
    is_settled = rules.conflict_policy is not ConflictPolicy.KEEP
    groups = _combine((s for s in screened.kept if is_settled or s.signal_type is SignalType.BUY), rules)
    weaker_buys = [group for group in _weaker(groups, rules) if group.signal_type is SignalType.BUY]
    weaker_bars = {(group.series, group.created_at) for group in weaker_buys}
    _drop(reasons, weaker_buys, (WEAKER_OF_CONFLICT,))

    buys: dict[BarKey, Combined] = {
        (g.series, g.created_at): g
        for g in groups
        if g.signal_type is SignalType.BUY and (g.series, g.created_at) not in weaker_bars
    }
    weights = {bar: weight(max(s.confidence for s in g.components), rules.position_size) for bar, g in buys.items()}
    verdicts = fold(
        [
            ExposureGroup(
                series=g.series,
                close_at=g.created_at,
                weight=weights[bar],
                rank_score=g.rank_score,
                expires_at=expiry(g.created_at, g.series.timeframe, rules.expiry_bars),
            )
            for bar, g in buys.items()
        ],
        profile,
        pending,
        positions,
        as_of=as_of,
    )
    for verdict in verdicts:
        if not verdict.is_kept:
            _drop(reasons, [buys[verdict.group.series, verdict.group.close_at]], verdict.reasons)
    standing = [g for g in groups if id(g.components[0]) not in reasons]
    _drop(reasons, _weaker(standing, rules), (WEAKER_OF_CONFLICT,))

    everything = [*screened.kept, *(signal for signal, _ in screened.dropped)]
    return [
        Decision(
            signal=signal,
            reasons=reasons.get(id(signal), ()),
            exposure_weight=weights.get((signal.series, signal.created_at))
            if signal.signal_type is SignalType.BUY
            else None,
            expires_at=expiry(signal.created_at, signal.timeframe, rules.expiry_bars),
        )
        for signal in sorted(everything, key=lambda s: (s.created_at, s.series, s.strategy, s.signal_type))
    ]


def finish(
    kept: Iterable[Signal], bars: Mapping[BarKey, BarValues], profile: RiskProfile, rules: Rules
) -> list[TradingSignal]:
    """Aggregate, price and rank what passed the filters; best first within a close, closes in order.

    ``bars`` holds, for the bar of every signal, its close, all indicators, what models said of it (`PREDICTED`), and
    what texts said of its symbol (`FELT`).
    """
    combined = resolve_conflicts(_combine(kept, rules)).signals
    return [_priced(group, bars, profile, rules) for group in sorted(combined, key=lambda g: g.created_at)]


def _combine(signals: Iterable[Signal], rules: Rules) -> list[Combined]:
    weights = weights_of(rules.strategy_preference, rules.families)
    return combine_all(signals, boost=rules.boost, weights=weights)


def _weaker(groups: Iterable[Combined], rules: Rules) -> list[Combined]:
    """Those that the policy drops in favour of the opposite advice on the same bar."""
    if rules.conflict_policy is ConflictPolicy.KEEP:
        return []
    return [group for group, _ in resolve_conflicts(groups, rules.conflict_policy).dropped]


def _drop(reasons: dict[int, tuple[str, ...]], groups: Iterable[Combined], why: tuple[str, ...]) -> None:
    for group in groups:
        for signal in group.components:
            reasons[id(signal)] = why


def _priced(group: Combined, bars: Mapping[BarKey, BarValues], profile: RiskProfile, rules: Rules) -> TradingSignal:
    values = bars[group.series, group.created_at]
    close = values["close"]
    if close is None:
        raise DataContractError(f"close must be known on the bar of a signal, was not for {group.series}")
    reach = reach_of(group.signal_type, values, rules)
    priced = prices(group.signal_type, close, values["atr_14"], profile.stop_atr_multiple, reach=reach)
    return TradingSignal(
        series=group.series,
        signal_type=group.signal_type,
        strategy=group.strategy,
        source=group.source,
        strength=group.strength,
        confidence=group.confidence,
        base_confidence=group.base_confidence,
        agreement_boost=group.agreement_boost,
        rank_score=group.rank_score,
        is_conflicting=group.is_conflicting,
        description=group.description,
        entry_price=priced.entry_price,
        stop_loss_price=priced.stop_loss_price,
        target_prices=priced.target_prices,
        created_at=group.created_at,
        expires_at=expiry(group.created_at, group.series.timeframe, rules.expiry_bars),
        profile=profile.name,
        user_id=profile.user_id,
        metadata=_metadata(group, values),
    )


def reach_of(signal_type: SignalType, values: BarValues, rules: Rules) -> float | None:
    """How far the next bar is expected to go along an advice, a fraction of the close, where the rules ask for it."""
    predicted = values.get(REACHES.get(signal_type, "")) if rules.tighten_targets else None
    if predicted is None:
        return None
    return predicted if signal_type is SignalType.BUY else -predicted


def _metadata(group: Combined, values: BarValues) -> dict[str, object]:
    """The description's shape: how many components, which sources, and what they were computed from."""
    return {
        "component_signals": group.component_signals,
        "sources": group.sources,
        "components": [
            {"strategy": s.strategy, "source": s.source, "strength": s.strength, "confidence": s.confidence}
            for s in group.components
        ],
        "raw_data": {
            "technical_indicators": {PUBLISHED_NAMES.get(name, name): values[name] for name in BAR_COLUMNS},
            "ml_prediction": values.get("probability_up"),
            "price_range": _named(values, {name: name for name in RANGES}),
            "sentiment": _named(values, FELT),
        },
    }


def _named(values: BarValues, names: Mapping[str, str]) -> dict[str, float | None] | None:
    """Some values by their published names; None where the first of them is unknown."""
    found = {published: values.get(name) for name, published in names.items()}
    return None if next(iter(found.values())) is None else found


def by_bar(
    block: Mapping[str, pd.DataFrame], wanted: Iterable[BarKey], timeframe: Timeframe
) -> dict[BarKey, dict[str, float | None]]:
    """The values of some bars, by series and close; NaN becomes None. The symbols must be columns of the block."""
    index = next(iter(block.values())).index
    columns = {symbol: place for place, symbol in enumerate(next(iter(block.values())).columns)}
    keys = [key for key in wanted if key[0].timeframe is timeframe]
    opens = pd.DatetimeIndex([close_at - timeframe.duration for _, close_at in keys], tz="UTC")
    rows = index.get_indexer(opens)
    places = np.array([columns[series.symbol] for series, _ in keys], dtype=np.intp)
    table = np.stack([frame.to_numpy(dtype=np.float64)[rows, places] for frame in block.values()], axis=1)
    values = table.astype(object)
    values[np.isnan(table)] = None
    return {key: dict(zip(block, row, strict=True)) for key, row in zip(keys, values.tolist(), strict=True)}
