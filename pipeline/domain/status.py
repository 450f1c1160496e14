"""A signal's life: which status may follow which. The database trigger is generated from this table."""

from enum import StrEnum

from pipeline.domain.errors import IllegalTransitionError
from pipeline.domain.signal import SignalType


class SignalStatus(StrEnum):
    """Where a signal is in its life; everything but ACTIVE is final."""

    ACTIVE = "ACTIVE"
    EXECUTED = "EXECUTED"
    EXPIRED = "EXPIRED"
    INVALIDATED = "INVALIDATED"


TRANSITIONS: dict[SignalStatus, frozenset[SignalStatus]] = {
    SignalStatus.ACTIVE: frozenset({SignalStatus.EXECUTED, SignalStatus.EXPIRED, SignalStatus.INVALIDATED}),
    SignalStatus.EXECUTED: frozenset(),
    SignalStatus.EXPIRED: frozenset(),
    SignalStatus.INVALIDATED: frozenset(),
}

NEVER_EXECUTED = frozenset({SignalType.ALERT})  # an alert advises attention, not a trade


def check_transition(before: SignalStatus, after: SignalStatus, signal_type: SignalType) -> None:
    """Refuse a change of status that the table does not allow."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransitionError(f"a signal that is {before} cannot become {after}")
    if after is SignalStatus.EXECUTED and signal_type in NEVER_EXECUTED:
        raise IllegalTransitionError(f"a signal of type {signal_type} cannot become {after}")
