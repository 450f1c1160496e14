"""Replays: every stage over the past, in memory and in parts, stored under a name.

The same functions judge as in the assets; only the bookkeeping between the stages is missing. Indicators are computed
and not stored, so that two replays with different settings never meet.
"""

import gc
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from pipeline import __version__, progress
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin, Signal, SignalType, Source
from pipeline.domain.timeframe import RESOLUTION
from pipeline.generation import (
    LOOKBACK_BARS,
    BarKey,
    BarValues,
    Decision,
    Rules,
    by_bar,
    finish,
    judge,
)
from pipeline.predicting import predictions_of
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.exposure import Pending
from pipeline.settings import Settings
from pipeline.side_columns import side_columns
from pipeline.stages import analyse_group, find_candidates, first_open, last_open, rules_of
from pipeline.storage.accounts import read_profile
from pipeline.storage.candidates import (
    Occasion,
    configurations_of,
    read_pending,
    store_candidates,
    store_configuration,
    store_decisions,
)
from pipeline.storage.comparison import BACKFILLED, LIVE
from pipeline.storage.database import Database
from pipeline.storage.document_scores import score_missing
from pipeline.storage.signals import StoredSignals, store_replayed
from pipeline.storage.spans import Span, groups_of, no_candles, split, window_spans
from pipeline.storage.universe import universe
from pipeline.strategies.columns import PREDICTION

# Bars of all series that are judged and stored at once: the memory of a replay, however many years it has. Each part
# also computes some 1,200 bars a series before its own.
BARS_AT_ONCE = 100_000
NAME_PATTERN = r"[\w.-]+"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay made."""

    scope: str
    n_series: int
    n_bars: int
    n_candidates: int
    n_kept: int
    stored: StoredSignals
    held_other_settings: bool  # whether the name's rows were made with settings that are not these


def replay(
    database: Database,
    settings: Settings,
    exchange: str,
    name: str,
    start: datetime,
    end: datetime,
    as_of: datetime,
) -> ReplayResult:
    """Replay the closes with ``start <= close < end`` under ``name`` and store what comes out.

    ``as_of`` bounds the closes and decides which signals are past. Running it again with the same settings changes
    nothing; with other settings the scope's rows in the window become theirs.

    Raises
    ------
    DataContractError
        The name is that of live or backfilled rows or cannot be typed, or there is nothing to replay.
    """
    if name in (DEFAULT_SCOPE, LIVE, BACKFILLED):
        raise DataContractError(f"a replay's name must be its own, was {name!r}, which means the house's own signals")
    if not re.fullmatch(NAME_PATTERN, name):
        raise DataContractError(f"a replay's name must be letters, digits, dots, dashes or underscores, was {name!r}")
    score_missing(database, settings.sentiment.scorer)
    with database.chain_lock(name):
        with database.begin() as conn:
            series = universe(conn, exchange, settings.market.symbols, settings.market.timeframes)
            spans = window_spans(conn, series, start - RESOLUTION, min(end - RESOLUTION, as_of))
            profile = read_profile(conn, settings.risk)
            pending = read_pending(conn, spans, Origin.REPLAY, name, profile.name)
        if not spans:
            raise no_candles(exchange, start, end)
        configuration_hash, content = settings.fingerprint({profile.name: profile})
        occasion = Occasion(origin=Origin.REPLAY, scope=name, configuration_hash=configuration_hash)
        rules = rules_of(settings)
        counts: Counter[str] = Counter()
        parts = split(spans, BARS_AT_ONCE)
        # One transaction: a replay that is cut short leaves nothing of itself.
        with _collector_paused(), database.begin() as conn:
            held_other_settings = bool(configurations_of(conn, Origin.REPLAY, name) - {configuration_hash})
            store_configuration(conn, configuration_hash, content, __version__)
            for done, part in enumerate(parts):
                progress.report("replay", done, len(parts))
                found, conditions, bars = _analysed_part(database, part, settings, rules)
                judged = judge(found, conditions, profile, rules, pending)
                pending = _still_pending([*pending, *_pending_of(judged)], max(span.until for span in part))
                kept = [decision.signal for decision in judged if decision.is_kept]
                for source in Source:
                    of_source = [signal for signal in found if signal.source is source]
                    store_candidates(conn, part, of_source, source, occasion)
                store_decisions(conn, part, judged, profile.name, occasion)
                finished = finish(kept, bars, profile, rules)
                stored = store_replayed(conn, part, finished, profile.name, occasion, as_of)
                counts.update(asdict(stored), candidates=len(found), kept=len(kept))
                gc.collect(0)  # once a part, so that nothing piles up while the collector is paused
            progress.report("replay", len(parts), len(parts))
        return ReplayResult(
            scope=name,
            n_series=len(spans),
            n_bars=sum((s.last_open - s.first_open) // s.series.key.timeframe.duration + 1 for s in spans),
            n_candidates=counts["candidates"],
            n_kept=counts["kept"],
            stored=StoredSignals(**{field.name: counts[field.name] for field in fields(StoredSignals)}),
            held_other_settings=held_other_settings,
        )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No search for garbage among the signals of a part, which took a quarter of the time and finds none of it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _analysed_part(
    database: Database, part: Sequence[Span], settings: Settings, rules: Rules
) -> tuple[list[Signal], dict[BarKey, MarketConditions], dict[BarKey, BarValues]]:
    """Candidates of all groups, and what risk and prices need to know about their bars."""
    signals: list[Signal] = []
    conditions: dict[BarKey, MarketConditions] = {}
    bars: dict[BarKey, BarValues] = {}
    for group, spans in groups_of(part):
        keep_from = first_open(spans) - LOOKBACK_BARS * group.timeframe.duration
        analysed = analyse_group(database, group, keep_from, last_open(spans))
        predictions = predictions_of(database, settings, analysed, rules.context.reference_symbol)
        columns = analysed.columns | side_columns(database, settings, analysed, rules, predictions)
        found = find_candidates(columns, analysed.candles["is_filled"], analysed.analysis.block_reasons, spans, rules)
        keys = {(signal.series, signal.created_at) for signal in found}
        bars |= by_bar(columns, keys, group.timeframe)
        flags = {"is_anomaly": columns[PREDICTION + "is_anomaly"]}
        market = by_bar(analysed.analysis.conditions | flags, keys, group.timeframe)
        conditions |= {
            key: MarketConditions.of_bar(_with_nan(values), is_anomalous=values["is_anomaly"] == 1.0)
            for key, values in market.items()
        }
        signals += found
    return signals, conditions, bars


def _with_nan(values: BarValues) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in values.items()}


def _pending_of(decisions: Sequence[Decision]) -> list[Pending]:
    """The BUY groups that were kept, one each."""
    groups = {
        (d.signal.series, d.signal.created_at): d
        for d in decisions
        if d.is_kept and d.signal.signal_type is SignalType.BUY
    }
    return [
        Pending(
            symbol=d.signal.symbol,
            timeframe=d.signal.timeframe,
            close_at=d.signal.created_at,
            weight=d.exposure_weight or 0.0,
            expires_at=d.expires_at,
        )
        for d in groups.values()
    ]


def _still_pending(pending: Sequence[Pending], instant: datetime) -> list[Pending]:
    return [each for each in pending if each.expires_at > instant]
