"""A signal's life: which status may follow which. The database trigger is generated from this table."""

from enum import StrEnum

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
