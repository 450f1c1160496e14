"""What an outcome is counted by: entry, costs, horizons, and the ways out. See docs/outcomes.md."""

from dataclasses import dataclass
from enum import StrEnum

EXPIRY = "expiry"  # the horizon that ends with the signal itself
BASIS_POINT = 1e-4


class Entry(StrEnum):
    """Where a position begins."""

    NEXT_OPEN = "next_open"
    SIGNAL_CLOSE = "signal_close"


class ExitReason(StrEnum):
    """How a position ended; the order is that of the codes of `outcomes.walk`."""

    HORIZON = "horizon"
    STOP_GAP = "stop_gap"
    TARGET_GAP = "target_gap"
    STOP = "stop"
    TARGET = "target"
    ENTRY_GAP = "entry_gap"
    NO_TRADE = "no_trade"
    DELISTED = "delisted"
    NO_ENTRY = "no_entry"


AT_LIMIT = frozenset({ExitReason.TARGET, ExitReason.TARGET_GAP})  # sold by an order that names its price


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRules:
    """How outcomes are computed."""

    entry: Entry = Entry.NEXT_OPEN
    fee: float = 10 * BASIS_POINT  # of what is traded, at each end
    slippage: float = 2 * BASIS_POINT  # of the price, wherever one takes the market's
    study_bars: tuple[int, ...] = (4, 24)

    @property
    def name(self) -> str:
        """The rules in a word, kept beside each row that they made."""
        fee, slippage = self.fee / BASIS_POINT, self.slippage / BASIS_POINT
        return f"{self.entry} fee={fee:g}bp slippage={slippage:g}bp"

    @property
    def longest(self) -> int:
        """The bars of the longest horizon to study."""
        return max(self.study_bars, default=1)


def horizon_name(bars: int) -> str:
    """What a horizon of so many bars is called in rows and reports."""
    return f"{bars}_bars"
