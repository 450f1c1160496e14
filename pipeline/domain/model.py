"""Models as the house speaks of them: which kinds there are, how one stands, and why one is silent."""

from enum import StrEnum


class ModelKind(StrEnum):
    """What a model predicts of the next bar, or says of this one."""

    DIRECTION = "direction"  # whether the next close is higher
    PRICE_RANGE = "price_range"  # how far the next bar reaches
    ANOMALY = "anomaly"  # whether this bar is unlike those before


class ModelStatus(StrEnum):
    """How a model stands in the registry."""

    CANDIDATE = "candidate"  # trained, and not better than the one before
    CHAMPION = "champion"  # speaks from its effective_from until that of the next champion
    RETIRED = "retired"  # withdrawn, and silent
