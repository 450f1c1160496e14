"""What is told of each symbol that signals were asked for: what was evaluated, what came of it, and what was missing.

A part of `pipeline.requesting`. Reasons are in the words of `risk_decisions`, `source_health` and `signals explain`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.evaluation import Outcome
from pipeline.domain.model import ModelKind
from pipeline.domain.signal import Source
from pipeline.domain.status import SignalStatus
from pipeline.generation import Decision
from pipeline.indicators.catalogue import WARM_UP_BARS
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.storage.health import series_states
from pipeline.storage.queries import silent_models
from pipeline.storage.requests import NewestBar


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was evaluated of one symbol, and why there is no signal, or not more."""

    symbol: str
    exchange: str | None = None
    close_at: datetime | None = None
    outcome: Outcome
    reasons: Sequence[str] = ()
    warnings: Sequence[str] = ()


def evaluations_of(
    conn: sa.Connection,
    bars: Sequence[NewestBar],
    sources: Collection[Source],
    decisions: Sequence[Decision],
    signals: Sequence[RowMapping],
    as_of: datetime,
) -> dict[str, Evaluation]:
    """What is told of each bar's symbol, from the decisions about it, its signals of whatever status, and its state."""
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
        ended = [f"{row['signal_type']}: {_end(row)}" for row in own if not stands(row, as_of)]
        outcome, why = _outcome(bar, n_standing=len(own) - len(ended), ended=ended, dropped=dropped)
        told[key.symbol] = Evaluation(
            symbol=key.symbol,
            exchange=key.exchange,
            close_at=bar.close_at,
            outcome=outcome,
            reasons=[*why, *ended, *dropped],
            warnings=_warnings(bar, states.get(key), sources, silent, as_of),
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


def stands(signal: RowMapping, as_of: datetime) -> bool:
    """Whether a stored signal may be acted on."""
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
