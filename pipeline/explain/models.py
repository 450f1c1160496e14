"""What the models said of one bar, which they were, and why a kind said nothing.

Add here what is told of a prediction; who speaks about a close is known to `pipeline.predicting`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.domain.model import ModelKind, short_id
from pipeline.models.price_range import RANGES
from pipeline.strategies.checks import rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """A feature that made a bar an anomaly."""

    feature: str
    part: float  # how much lower the score would be, were the feature at its usual value


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFinding:
    """One kind of model on one bar."""

    kind: str
    model_id: str | None  # which spoke, or was not asked, or could not be; None where nobody has a turn
    trained_through: datetime | None
    said: Mapping[str, float] = field(default_factory=dict)  # by column of its predictions; empty where nothing
    drivers: Sequence[Driver] = ()  # of an anomaly, strongest first
    silence: str | None = None  # why no model speaks about the close; `docs/models.md` lists the reasons
    unasked: str | None = None  # why a model that speaks about the close said nothing of this bar

    @property
    def words(self) -> str:
        """The finding as a person reads it."""
        if self.silence is not None:
            return f"no model speaks: {self.silence}"
        through = "" if self.trained_through is None else f", trained through {self.trained_through:%Y-%m-%d}"
        speaker = f"{short_id(self.model_id or '')}{through}"
        return f"{speaker}: {_WORDS[ModelKind(self.kind)](self.said) if self.said else f'nothing, {self.unasked}'}"


def drivers_in_words(drivers: Sequence[Driver]) -> str:
    """What made a bar an anomaly, strongest first."""
    return ", ".join(f"{each.feature} {rounded(each.part)}" for each in drivers)


def _direction(said: Mapping[str, float]) -> str:
    return f"the next close is higher with a probability of {rounded(said['probability'])}"


def _price_range(said: Mapping[str, float]) -> str:
    quantiles = [f"{100.0 * said[name]:+.3g} %" for name in RANGES]
    half = len(quantiles) // 2
    return f"10, 50, 90 % quantiles of the next high {' '.join(quantiles[:half])}, low {' '.join(quantiles[half:])}"


def _anomaly(said: Mapping[str, float]) -> str:
    if not said["is_anomaly"]:
        word = "not flagged"
    elif said["is_ignored"]:
        word = "flagged, and ignored because too many bars before it are"
    else:
        word = "flagged"
    return f"score {rounded(said['score'])}, {word}"


_WORDS = {ModelKind.DIRECTION: _direction, ModelKind.PRICE_RANGE: _price_range, ModelKind.ANOMALY: _anomaly}
