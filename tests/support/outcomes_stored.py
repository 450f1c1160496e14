"""Rows of `signal_outcomes` and of reports, as they are stored."""

from datetime import datetime, timedelta
from typing import Any

from tests.support.candle_rows import START


def a_stored_outcome(signal_id: object, series_id: int, at: datetime = START, **changes: Any) -> dict[str, Any]:
    """What following a live BUY brought over its expiry: a tenth of a per cent, if nothing else is said."""
    row = {
        "signal_id": signal_id,
        "horizon": "expiry",
        "series_id": series_id,
        "candle_close_at": at,
        "signal_type": "BUY",
        "strategy": "SMA_CROSSOVER",
        "strategies": ["SMA_CROSSOVER"],
        "source_group": "technical",
        "confidence": 0.65,
        "origin": "live",
        "scope": "default",
        "profile": "house",
        "exit_reason": "horizon",
        "bars_held": 1,
        "resolved_at": at + timedelta(hours=1),
        "net_return": 0.001,
        "r_multiple": 0.05,
        "ladder_return": 0.002,
        "long_return": 0.003,
        "targets_reached": 0,
        "is_ambiguous": False,
        "rules": "next_open fee=10bp slippage=2bp",
    }
    return row | changes


NO_ENTRY = {"exit_reason": "no_entry", "bars_held": 0} | dict.fromkeys(
    ("net_return", "r_multiple", "ladder_return", "long_return")
)
