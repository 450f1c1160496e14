"""The filter `higher_timeframe_trend`: what to do with advice against the trend of the higher timeframe.

Every strategy has it as a setting. `warn` says so in the description; `require` has the advice dropped by the risk
stage with its reason, also where the trend is unknown: what nobody knows confirms nothing. An alert points nowhere, so
that no trend is against it.
"""

from collections.abc import Mapping
from enum import StrEnum
from math import isnan

from pipeline.strategies.columns import HIGHER
from pipeline.strategies.crossing import ALERT

TREND = HIGHER + "trend_state"  # +1 up, -1 down, 0 neither
AGAINST = "against_higher_timeframe"
UNKNOWN = "higher_timeframe_unknown"
WARNING = ", against the trend of the higher timeframe"


class TrendFilter(StrEnum):
    """What the trend of the higher timeframe has to say."""

    OFF = "off"
    WARN = "warn"
    REQUIRE = "require"


def objection(mode: TrendFilter, side: int, inputs: Mapping[str, float | None]) -> str | None:
    """Why advice of a side must be dropped under the filter; None if it may pass."""
    if mode is not TrendFilter.REQUIRE or side == ALERT:
        return None
    trend = inputs.get(TREND)
    if trend is None or isnan(trend):
        return UNKNOWN
    return None if trend == side else AGAINST


def warning(mode: TrendFilter, side: int, inputs: Mapping[str, float]) -> str:
    """What the description of advice of a side says about the filter; nothing where it goes with the trend."""
    return WARNING if mode is not TrendFilter.OFF and inputs.get(TREND) == -side else ""
