"""Where what is stored about a bar is not what is computed now, field by field.

Equal inputs and settings give equal rows, so a difference says that something has changed since: candles, settings,
code, positions, or a price jump that was accepted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.domain.signal import Signal, TradingSignal
from pipeline.generation import Decision

Row = Mapping[str, Any]  # a stored row, by column


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """What is stored about a bar on one occasion, for one profile."""

    candidates: Sequence[Row] = ()
    decisions: Sequence[Row] = ()
    signals: Sequence[Row] = ()  # the newest revision of each type


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field of one row; ``field`` is ``row`` where only one side has it, and that side says ``there``."""

    table: str
    row: str
    field: str
    stored: Any
    computed: Any


def differences(
    stored: StoredRows, signals: Sequence[Signal], decisions: Sequence[Decision], finished: Sequence[TradingSignal]
) -> list[Difference]:
    """Every difference between a bar's stored rows and what it gives now, by table.

    A stored candidate that a data revision made void is no longer said, and so compared with nothing; a signal that
    was invalidated likewise.
    """
    void = {_name(row) for row in stored.candidates if row["superseded_at"] is not None}
    candidates = {_name(row): row for row in stored.candidates if row["superseded_at"] is None}
    judged = {_name(row): row for row in stored.decisions if _name(row) not in void}
    made = {row["signal_type"]: row for row in stored.signals if row["status"] != "INVALIDATED"}
    return [
        *_compared("candidate_signals", candidates, {_of(s): _candidate(s) for s in signals}),
        *_compared("risk_decisions", judged, {_of(d.signal): _decision(d) for d in decisions}),
        *_compared("trading_signals", made, {s.signal_type.value: _trading_signal(s) for s in finished}),
    ]


def _compared(table: str, stored: Mapping[str, Row], computed: Mapping[str, Row]) -> Iterator[Difference]:
    for name in sorted({*stored, *computed}):
        if name not in stored or name not in computed:
            there, missing = ("there", None) if name in stored else (None, "there")
            yield Difference(table=table, row=name, field="row", stored=there, computed=missing)
            continue
        for field, value in computed[name].items():
            for path, ours, theirs in _leaves(field, value, stored[name][field]):
                if ours != theirs:
                    yield Difference(table=table, row=name, field=path, stored=theirs, computed=ours)


def _leaves(path: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Both values, taken apart where they are objects with names."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in dict.fromkeys((*ours, *theirs)):
            yield from _leaves(f"{path}.{key}", ours.get(key), theirs.get(key))
    else:
        yield path, ours, theirs


def _of(signal: Signal) -> str:
    return f"{signal.strategy} {signal.signal_type.value}"


def _name(row: Row) -> str:
    return f"{row['strategy']} {row['signal_type']}"


def _candidate(signal: Signal) -> Row:
    return {
        "source": signal.source.value,
        "strength": signal.strength,
        "confidence": signal.confidence,
        "description": signal.description,
        "inputs": dict(signal.inputs),
    }


def _decision(decision: Decision) -> Row:
    return {
        "is_kept": decision.is_kept,
        "reasons": list(decision.reasons),
        "exposure_weight": decision.exposure_weight,
        "expires_at": decision.expires_at,
    }


def _trading_signal(signal: TradingSignal) -> Row:
    names = (
        *("strategy", "source", "strength", "confidence", "base_confidence", "agreement_boost", "rank_score"),
        *("is_conflicting", "description", "entry_price", "stop_loss_price", "target_prices", "expires_at"),
    )
    return {name: getattr(signal, name) for name in names} | {"metadata": _plain(signal.metadata)}


def _plain(value: Any) -> Any:
    """As JSON gives it back: enumerations are their text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
