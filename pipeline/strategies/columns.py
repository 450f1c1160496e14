"""Which columns a strategy may read: of the bar itself, and of extra indicators, models, texts, other series beside."""

from pipeline.indicators.extra.choice import PREFIX as EXTRA
from pipeline.indicators.structure import BAR_COLUMNS

HIGHER = "higher."  # the same symbol's, on the newest bar of the higher timeframe that has closed by then
REFERENCE = "reference."  # the reference symbol's, on the same bar
PREDICTION = "prediction."  # what models say of the bar at its close
SENTIMENT = "sentiment."  # what texts and development activity say of the symbol at the bar's close

READ_OFF_CANDLES = ("open", "high", "low", "close", "volume")
READABLE = (*BAR_COLUMNS, *READ_OFF_CANDLES)  # of every bar; each may also stand behind HIGHER and REFERENCE
# Behind `PREDICTION`; NaN where no model speaks. `probability_up` is the calibrated probability that the next close is
# higher; `anomaly_score` is in (0, 1], higher is more unusual; `is_anomaly` is 1 or 0, and 0 while flags are ignored.
PREDICTIONS = ("probability_up", "anomaly_score", "is_anomaly")
# Behind `SENTIMENT`; scores from -1 to 1, NaN where too few sources or texts have something to say. `overall` is of all
# sources, `social` of X and Reddit.
SENTIMENTS = ("overall", "news", "social")

__all__ = [
    "EXTRA",
    "HIGHER",
    "PREDICTION",
    "PREDICTIONS",
    "READABLE",
    "READ_OFF_CANDLES",
    "REFERENCE",
    "SENTIMENT",
    "SENTIMENTS",
    "is_beside",
    "is_readable",
]


def is_beside(name: str) -> bool:
    """Whether a column is none of the bar's own."""
    return name.startswith((EXTRA, HIGHER, PREDICTION, REFERENCE, SENTIMENT))


def is_readable(name: str) -> bool:
    """Whether there is, or the settings may give, a column of that name."""
    if name.startswith(EXTRA):
        return len(name) > len(EXTRA)
    if name.startswith(PREDICTION):
        return name.removeprefix(PREDICTION) in PREDICTIONS
    if name.startswith(SENTIMENT):
        return name.removeprefix(SENTIMENT) in SENTIMENTS
    return name.removeprefix(HIGHER).removeprefix(REFERENCE) in READABLE if is_beside(name) else name in READABLE
