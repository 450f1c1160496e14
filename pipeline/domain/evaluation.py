"""What may come of a symbol that signals were asked for."""

from enum import StrEnum


class Outcome(StrEnum):
    """What came of one symbol; the first four are the words of `signals explain`."""

    SIGNAL = "signal"
    DROPPED = "dropped"
    SILENCED = "silenced"
    NO_ADVICE = "no_advice"
    ENDED = "ended"  # there was a signal, and it is void by now
    NOT_COMPUTED = "not_computed"  # candles are stored, indicators are not
    UNKNOWN = "unknown"  # no candles are stored, or those of several exchanges
