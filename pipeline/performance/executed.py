"""What was executed, in the shape that the description gives it: by source, with zeros where there is nothing."""

from collections.abc import Iterable
from typing import Any, NamedTuple

SOURCES = ("technical", "ml_model", "sentiment", "multi")


class Count(NamedTuple):
    """Signals of one source."""

    source_group: str
    is_alert: bool
    stored: int  # whatever became of them
    executed: int
    expired: int
    known: int  # executed ones with a profit or loss
    profitable: int
    losing: int  # a profit of 0 among them
    breakeven: int
    profit_loss: float  # their sum


def n_advised(counts: Iterable[Count]) -> int:
    """BUYs and SELLs: of each there will be an outcome."""
    return sum(count.stored for count in counts if not count.is_alert)


def spec_performance(counts: Iterable[Count], timeframe: str) -> dict[str, Any]:
    """The description's report: every field, every source, and no division by nothing.

    ALERTs count as signals and are outside every rate, since nothing of them can be executed. A profit of exactly 0 is
    a loss, and counted as breakeven as well.
    """
    counts = list(counts)
    whole = _part(counts)
    return {
        "timeframe": timeframe,
        "total_signals": whole["total"],
        "executed_signals": whole["executed"],
        "expired_signals": whole["expired"],
        "execution_rate": _share(whole["executed"], sum(c.executed + c.expired for c in counts if not c.is_alert)),
        "profitable_signals": sum(c.profitable for c in counts),
        "losing_signals": sum(c.losing for c in counts),
        "breakeven_signals": sum(c.breakeven for c in counts),
        "win_rate": whole["win_rate"],
        "avg_profit_loss": whole["avg_profit_loss"],
        "by_source": {source: _part([c for c in counts if c.source_group == source]) for source in SOURCES},
    }


def _part(counts: list[Count]) -> dict[str, Any]:
    known = sum(c.known for c in counts)
    return {
        "total": sum(c.executed + c.expired for c in counts),
        "executed": sum(c.executed for c in counts),
        "expired": sum(c.expired for c in counts),
        "avg_profit_loss": _share(sum(c.profit_loss for c in counts), known),
        "win_rate": _share(sum(c.profitable for c in counts), known),
    }


def _share(part: float, whole: int) -> float:
    return part / whole if whole else 0.0
