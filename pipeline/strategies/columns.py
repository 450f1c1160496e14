"""Which columns a strategy may read: of the bar itself, of extra indicators, and of other series beside it."""

from pipeline.indicators.extra.choice import PREFIX as EXTRA
from pipeline.indicators.structure import BAR_COLUMNS

HIGHER = "higher."  # the same symbol's, on the newest bar of the higher timeframe that has closed by then
REFERENCE = "reference."  # the reference symbol's, on the same bar

READ_OFF_CANDLES = ("open", "high", "low", "close", "volume")
READABLE = (*BAR_COLUMNS, *READ_OFF_CANDLES)  # of every bar; each may also stand behind HIGHER and REFERENCE

__all__ = ["EXTRA", "HIGHER", "READABLE", "READ_OFF_CANDLES", "REFERENCE", "is_beside", "is_readable"]


def is_beside(name: str) -> bool:
    """Whether a column is none of the bar's own."""
    return name.startswith((EXTRA, HIGHER, REFERENCE))


def is_readable(name: str) -> bool:
    """Whether there is, or the settings may give, a column of that name."""
    if name.startswith(EXTRA):
        return len(name) > len(EXTRA)
    return name.removeprefix(HIGHER).removeprefix(REFERENCE) in READABLE if is_beside(name) else name in READABLE
