"""Promotion: whether a model that was just trained replaces the one that speaks now."""

from dataclasses import asdict, dataclass
from math import isfinite


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A decision with its rule and numbers, as it is stored beside the model."""

    is_promoted: bool
    rule: str
    metric: str | None = None
    challenger: float | None = None  # mean loss on the rows that both were asked about
    champion: float | None = None
    tolerance: float | None = None
    n_rows: int = 0

    def as_dict(self) -> dict[str, object]:
        """What is stored."""
        return asdict(self)


def refuse(reason: str) -> Promotion:
    """A model that must not speak, whatever its loss."""
    return Promotion(is_promoted=False, rule=reason)


def unopposed(reason: str) -> Promotion:
    """There is nobody to compare it with."""
    return Promotion(is_promoted=True, rule=reason)


def without_skill(metric: str, loss: float, rule: str, simple: float, n_rows: int) -> Promotion:
    """A model that knows no more than a simple rule: what it is sure of would mean nothing."""
    return Promotion(
        is_promoted=False,
        rule=f"no better than the {rule.replace('_', ' ')}: {metric} {loss:.5g}, and {simple:.5g} without a model",
        metric=metric,
        challenger=loss,
        n_rows=n_rows,
    )


def compare(metric: str, challenger: float, champion: float, n_rows: int, tolerance: float) -> Promotion:
    """Promote a challenger whose loss is at most ``tolerance`` (a fraction of the champion's) above the champion's.

    Both losses are means over the same bars, which neither had learned from: the challenger's is that of a model
    trained like it on what was known before them. A strictly lower loss is not asked for: two equal models differ
    by chance, and the newer one knows the newer market.
    """
    if not isfinite(challenger):
        return refuse("its loss is not a number")
    limit = champion * (1.0 + tolerance)
    is_promoted = not challenger > limit
    verdict = "not worse" if is_promoted else "worse"
    return Promotion(
        is_promoted=is_promoted,
        rule=f"{verdict} than the champion by more than {tolerance:.2%}" if not is_promoted else verdict,
        metric=metric,
        challenger=challenger,
        champion=champion,
        tolerance=tolerance,
        n_rows=n_rows,
    )
