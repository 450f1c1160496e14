"""Signals that somebody asks for: the stages over the newest stored bars, judged as the request says.

Indicators, predictions and texts are those that the chain has stored; candidates, risk, aggregation and prices are made
anew by the functions of the chain, and stored in a scope of the request's own kind. Nothing is computed of candles.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline import __version__
from pipeline.aggregation import StrategyPreference
from pipeline.domain.errors import DataContractError
from pipeline.domain.evaluation import Outcome
from pipeline.domain.signal import REQUESTED, Origin, Signal, Source
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.evaluating import Evaluation, evaluations_of, stands
from pipeline.generation import Decision, Rules, finish, judge
from pipeline.risk.profile import RiskLevel, RiskProfile, at_level
from pipeline.settings import Settings
from pipeline.stages import rules_of, stored_candidates
from pipeline.storage.accounts import profile_for, read_positions
from pipeline.storage.candidates import (
    Occasion,
    note_judged,
    read_conditions,
    read_pending,
    store_candidates,
    store_configuration,
    store_decisions,
)
from pipeline.storage.database import Database
from pipeline.storage.history import Series
from pipeline.storage.requests import has_candidates, hold_scope, newest_bars, series_asked, signals_of
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
        Now: bars that closed later do not count, what is held now does, and signals that expired by then are not given.
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
        if advice or has_candidates(conn, spans, occasion):  # most bars have none, and then there is nothing to store
            store_configuration(conn, configuration_hash, content, __version__)
            decisions = _judged_and_stored(conn, spans, advice, profile, rules, occasion, as_of)
        signals = signals_of(conn, spans, occasion, profile.name)
    told = evaluations_of(conn, bars, wanted.sources, decisions, signals, as_of) | unknown
    return Requested(
        signals=[row for row in signals if stands(row, as_of)],
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
    profile: RiskProfile,
    rules: Rules,
    occasion: Occasion,
    as_of: datetime,
) -> list[Decision]:
    """Store candidates, decisions and signals of the spans, each as a tick does; the decisions.

    Exposure alone is as of the request, where a tick's is as of the close: who asks means what they hold now.
    """
    store_candidates(conn, spans, advice, None, occasion)
    decisions = judge(
        advice,
        read_conditions(conn, spans, occasion.origin, occasion.scope),
        profile,
        rules,
        read_pending(conn, spans, occasion.origin, occasion.scope, profile.name),
        read_positions(conn, profile.name),
        as_of=as_of,
    )
    store_decisions(conn, spans, decisions, profile.name, occasion)
    note_judged(conn, spans, profile.name, occasion, as_of)
    kept = [decision.signal for decision in decisions if decision.is_kept]
    values = read_bars(conn, spans, occasion.origin, occasion.scope)
    finished = finish(kept, values, profile, rules)
    store_replayed(conn, spans, finished, profile.name, occasion, as_of, keeps=ACTED_ON)
    return decisions
