"""Signals that somebody asks for: the stages over the newest stored bars, judged as the request says.

Indicators, predictions and texts are those that the chain has stored; candidates, risk, aggregation and prices are made
anew by the functions of the chain, and stored in a scope of the request's own kind. Nothing is computed of candles.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline import __version__
from pipeline.aggregation import StrategyPreference
from pipeline.domain.errors import DataContractError
from pipeline.domain.model import ModelKind
from pipeline.domain.signal import REQUESTED, Origin, Signal, Source
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.generation import Decision, Rules, finish, judge
from pipeline.indicators.catalogue import WARM_UP_BARS
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.risk.profile import RiskLevel, RiskProfile, at_level
from pipeline.settings import Settings
from pipeline.stages import rules_of, stored_candidates
from pipeline.storage.accounts import profile_for, read_positions
from pipeline.storage.candidates import (
    Occasion,
    read_conditions,
    read_pending,
    store_candidates,
    store_configuration,
    store_decisions,
)
from pipeline.storage.database import Database
from pipeline.storage.health import series_states
from pipeline.storage.history import Series
from pipeline.storage.queries import silent_models
from pipeline.storage.requests import NewestBar, hold_scope, newest_bars, series_asked, signals_of
from pipeline.storage.signals import read_bars, store_replayed
from pipeline.storage.spans import Span, groups_of
from pipeline.storage.universe import exchanges_shown, known_series, stored_instead
from pipeline.strategies.registry import STRATEGIES

# What somebody did to a signal; it stays so when the signal is asked for again and would not come.
ACTED_ON = (SignalStatus.EXECUTED, SignalStatus.INVALIDATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRequest:
    """What is asked for; what is None is as the settings, or the profile of whoever asks, have it."""

    symbols: Sequence[str]  # each once
    timeframe: Timeframe = Timeframe.H1
    sources: Collection[Source] = tuple(Source)
    exchange: str | None = None
    risk_level: RiskLevel | None = None
    strategy_preference: StrategyPreference | None = None


class Outcome(StrEnum):
    """What came of one symbol; the first four are the words of `signals explain`."""

    SIGNAL = "signal"
    DROPPED = "dropped"
    SILENCED = "silenced"
    NO_ADVICE = "no_advice"
    ENDED = "ended"  # there was a signal, and it is void by now
    NOT_COMPUTED = "not_computed"  # candles are stored, indicators are not
    UNKNOWN = "unknown"  # no candles are stored, or those of several exchanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was evaluated of one symbol, and why there is no signal, or not more."""

    symbol: str
    exchange: str | None = None
    close_at: datetime | None = None
    outcome: Outcome
    reasons: Sequence[str] = ()
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The answer: stored signals that may be acted on, best first, and every symbol in the order asked for."""

    signals: Sequence[RowMapping]
    evaluations: Sequence[Evaluation]


class UnknownSymbolsError(DataContractError):
    """None of the symbols can be evaluated; ``reasons`` says of each why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(f"no symbol can be evaluated: {'; '.join(reasons)}")
        self.reasons = reasons


def signals_on_request(
    database: Database,
    conn: sa.Connection,
    settings: Settings,
    wanted: SignalRequest,
    *,
    as_of: datetime,
    user_id: UUID | None = None,
) -> Requested:
    """Make the signals of the newest stored bars, store them, and give back those that stand.

    Parameters
    ----------
    conn
        The transaction that everything is stored in. Requests of one scope take turns.
    as_of
        Now: bars that closed later do not count, and signals that expired by then are not given.
    user_id
        Whose profile and positions count; the house's, if None.

    Raises
    ------
    UnknownSymbolsError
        No symbol has candles.
    """
    settings = _as_asked(settings, wanted)
    series, unknown = _series(conn, settings, wanted)
    if not series:
        raise UnknownSymbolsError([f"{each.symbol}: {each.reasons[0]}" for each in unknown.values()])
    profile = profile_for(conn, settings.risk, user_id)
    if wanted.risk_level is not None:
        profile = at_level(profile, wanted.risk_level)
    configuration_hash, content = settings.fingerprint({profile.name: profile})
    scope = scope_of(wanted.sources, profile, settings.aggregation.strategy_preference)
    occasion = Occasion(origin=Origin.REPLAY, scope=scope, configuration_hash=configuration_hash)
    hold_scope(conn, scope)
    bars = newest_bars(conn, series, as_of)
    spans = [bar.span for bar in bars if bar.span is not None]
    decisions: list[Decision] = []
    signals: Sequence[RowMapping] = []
    if spans:
        rules = rules_of(settings)
        advice = _advice(database, spans, rules)
        store_configuration(conn, configuration_hash, content, __version__)
        decisions = _judged_and_stored(conn, spans, advice, wanted.sources, profile, rules, occasion, as_of)
        signals = signals_of(conn, spans, occasion, profile.name)
    told = _told(conn, bars, wanted, decisions, signals, as_of) | unknown
    return Requested(
        signals=[row for row in signals if _stands(row, as_of)],
        evaluations=[told[symbol] for symbol in wanted.symbols],
    )


def scope_of(sources: Iterable[Source], profile: RiskProfile, preference: StrategyPreference) -> str:
    """The scope of all requests of one kind: the same sources, limits of the same name, and preference."""
    facts = [sorted(sources), profile.model_dump(mode="json"), preference]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    return REQUESTED + digest[:16]


def _as_asked(settings: Settings, wanted: SignalRequest) -> Settings:
    """The settings of today as the request changes them, so that what they made is explained by them as well."""
    strategies = {
        key: own if STRATEGIES[key].source in wanted.sources else own.model_copy(update={"is_enabled": False})
        for key, own in settings.strategies.items()
    }
    preference = wanted.strategy_preference or settings.aggregation.strategy_preference
    aggregation = settings.aggregation.model_copy(update={"strategy_preference": preference})
    return settings.model_copy(update={"strategies": strategies, "aggregation": aggregation})


def _series(
    conn: sa.Connection, settings: Settings, wanted: SignalRequest
) -> tuple[list[Series], dict[str, Evaluation]]:
    """The series of the symbols, and the symbols that have none, or several."""
    exchanges = exchanges_shown(conn, settings.market) if wanted.exchange is None else (wanted.exchange,)
    having: defaultdict[str, list[Series]] = defaultdict(list)
    for each in series_asked(conn, wanted.symbols, wanted.timeframe, exchanges):
        having[each.key.symbol].append(each)
    known = known_series(conn) if len(having) < len(wanted.symbols) else []
    unknown = {}
    for symbol in wanted.symbols:
        if len(having[symbol]) == 1:
            continue
        if having[symbol]:
            names = ", ".join(each.key.exchange for each in having[symbol])
            reason = f"exchange must be named, {names} have {symbol} {wanted.timeframe}"
        else:
            where = f" on {exchanges[0]}" if len(exchanges) == 1 else ""
            hint = stored_instead(known, symbol, wanted.exchange)
            reason = f"no candles are stored of {symbol} {wanted.timeframe}{where}: {hint}"
        unknown[symbol] = Evaluation(symbol=symbol, outcome=Outcome.UNKNOWN, reasons=[reason])
    return [found[0] for symbol, found in having.items() if symbol not in unknown], unknown


def _advice(database: Database, spans: Sequence[Span], rules: Rules) -> list[Signal]:
    """What strategies advise on the bars; those of one close together, so that an old one makes no long read."""
    by_close: defaultdict[datetime, list[Span]] = defaultdict(list)
    for span in spans:
        by_close[span.until].append(span)
    return [
        signal
        for of_close in by_close.values()
        for group, members in groups_of(of_close)
        for signal in stored_candidates(database, group, members, rules)
    ]


def _judged_and_stored(
    conn: sa.Connection,
    spans: Sequence[Span],
    advice: Sequence[Signal],
    sources: Iterable[Source],
    profile: RiskProfile,
    rules: Rules,
    occasion: Occasion,
    as_of: datetime,
) -> list[Decision]:
    """Store candidates, decisions and signals of the spans, each as a tick does; the decisions."""
    for source in sources:
        store_candidates(conn, spans, [signal for signal in advice if signal.source is source], source, occasion)
    decisions = judge(
        advice,
        read_conditions(conn, spans, occasion.origin, occasion.scope),
        profile,
        rules,
        read_pending(conn, spans, occasion.origin, occasion.scope, profile.name),
        read_positions(conn, profile.name),
    )
    store_decisions(conn, spans, decisions, profile.name, occasion)
    kept = [decision.signal for decision in decisions if decision.is_kept]
    values = read_bars(conn, spans, occasion.origin, occasion.scope)
    finished = finish(kept, values, profile, rules)
    store_replayed(conn, spans, finished, profile.name, occasion, as_of, keeps=ACTED_ON)
    return decisions


# What is told of each symbol


def _told(
    conn: sa.Connection,
    bars: Sequence[NewestBar],
    wanted: SignalRequest,
    decisions: Sequence[Decision],
    signals: Sequence[RowMapping],
    as_of: datetime,
) -> dict[str, Evaluation]:
    states = series_states(conn, [bar.series for bar in bars], as_of, WARM_UP_BARS)
    silent = {(each["kind"], each["exchange"], each["timeframe"]): each["reason"] for each in silent_models(conn)}
    told = {}
    for bar in bars:
        key = bar.series.key
        dropped = [
            f"{d.signal.strategy} {d.signal.signal_type.value}: {', '.join(d.reasons)}"
            for d in decisions
            if d.signal.series == key and not d.is_kept
        ]
        own = [row for row in signals if row["series_id"] == bar.series.series_id]
        ended = [f"{row['signal_type']}: {_end(row)}" for row in own if not _stands(row, as_of)]
        outcome, why = _outcome(bar, n_standing=len(own) - len(ended), ended=ended, dropped=dropped)
        told[key.symbol] = Evaluation(
            symbol=key.symbol,
            exchange=key.exchange,
            close_at=bar.close_at,
            outcome=outcome,
            reasons=[*why, *ended, *dropped],
            warnings=_warnings(bar, states.get(key), wanted.sources, silent, as_of),
        )
    return told


def _outcome(
    bar: NewestBar, *, n_standing: int, ended: Sequence[str], dropped: Sequence[str]
) -> tuple[Outcome, Sequence[str]]:
    """What came of a bar, and why, as far as its decisions and signals do not tell."""
    if bar.close_at is None:
        return Outcome.NOT_COMPUTED, ["no indicators are stored; `signals run` makes those of the newest close"]
    if n_standing:
        return Outcome.SIGNAL, []
    if ended:
        return Outcome.ENDED, []
    if dropped:
        return Outcome.DROPPED, []
    if silenced_by := _silenced_by(bar):
        return Outcome.SILENCED, [silenced_by]
    return Outcome.NO_ADVICE, ["no strategy advises anything"]


def _silenced_by(bar: NewestBar) -> str | None:
    """Why no strategy may speak on a bar, in the words of `signals explain`."""
    if bar.is_filled:
        return "filled_bar"
    return None if bar.block_reason is None else f"blocked:{bar.block_reason}"


def _stands(signal: RowMapping, as_of: datetime) -> bool:
    return bool(signal["status"] == SignalStatus.ACTIVE and signal["expires_at"] > as_of)


def _end(signal: RowMapping) -> str:
    if signal["status"] == SignalStatus.EXECUTED:
        return f"executed({signal['executed_at']:%Y-%m-%d %H:%M})"
    if signal["status"] == SignalStatus.INVALIDATED:
        return f"invalidated({signal['end_reason']})"
    return f"expired({signal['expires_at']:%Y-%m-%d %H:%M})"


def _warnings(
    bar: NewestBar,
    state: SeriesState | None,
    sources: Collection[Source],
    silent: Mapping[tuple[str, str, str], str],
    as_of: datetime,
) -> list[str]:
    """What keeps the evaluation from being all that it could be: old candles, sources that say nothing."""
    timeframe = bar.series.key.timeframe
    found = []
    if state is not None and state.status is not HealthStatus.OK:
        found.append(f"candles: {state.reason}")
    if bar.newest_close is not None and (state is None or state.status is not HealthStatus.BLOCKED):
        late = timeframe.position(as_of) - timeframe.position(bar.newest_close)
        found += [f"candles: missing({late} newest bars)"] if late else []
    if bar.close_at is None:
        return found
    if bar.newest_close is not None and bar.newest_close > bar.close_at:
        found.append(f"indicators: not_computed({bar.newest_close:%Y-%m-%d %H:%M})")
    if bar.dirty_from is not None and bar.dirty_from < bar.close_at:
        found.append(f"indicators: candles_changed({bar.dirty_from:%Y-%m-%d %H:%M})")
    if _silenced_by(bar) is not None:  # by which nobody was asked
        return found
    if Source.ML_MODEL in sources:
        found += dict.fromkeys(f"ml: {reason}" for reason in _silent_models(bar, silent))
    if Source.SENTIMENT in sources and (bar.silence is not None or not bar.is_surveyed):
        found.append(f"sentiment: {bar.silence or 'not_computed'}")
    return found


def _silent_models(bar: NewestBar, silent: Mapping[tuple[str, str, str], str]) -> list[str]:
    """Why the models that give advice said nothing of the bar, as the run that asked them found."""
    exchange, _, timeframe = bar.series.key
    recorded = [
        silent.get((kind, exchange, timeframe.value), "unavailable(not_predicted)")
        for kind, has_spoken in ((ModelKind.DIRECTION, bar.is_predicted), (ModelKind.ANOMALY, bar.is_scored))
        if not has_spoken
    ]
    return [reason.removeprefix("unavailable(").removesuffix(")") for reason in recorded]
