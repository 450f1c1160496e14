"""Models as the house speaks of them: which kinds there are, how one stands, and why one is silent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID


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


def short_id(model_id: UUID | str) -> str:
    """A model's id in as many characters as a person tells models apart by."""
    return str(model_id)[:8]


def expired(trained_through: datetime) -> str:
    """Why a champion is silent whose newest close is too long ago."""
    return f"model_expired({trained_through:%Y-%m-%d})"
