"""What is told of a kind of model: which spoke and what it said, or why nothing was said."""

from datetime import UTC, datetime

import pytest

from pipeline.explain.models import Driver, ModelFinding, drivers_in_words
from pipeline.models.price_range import RANGES

SPEAKER = {"model_id": "1a2b3c4d-0000-0000-0000-000000000000", "trained_through": datetime(2024, 1, 29, tzinfo=UTC)}
QUANTILES = dict(zip(RANGES, (0.001, 0.004, 0.0105, -0.0105, -0.004, -0.001), strict=True))


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        (
            "direction",
            {"raw_probability": 0.5, "probability": 0.6205419999999999},
            "the next close is higher with a probability of 0.620542",
        ),
        (
            "price_range",
            QUANTILES,
            "10, 50, 90 % quantiles of the next high +0.1 % +0.4 % +1.05 %, low -1.05 % -0.4 % -0.1 %",
        ),
        ("anomaly", {"score": 0.5, "is_anomaly": 0.0, "is_ignored": 0.0}, "score 0.5, not flagged"),
        ("anomaly", {"score": 0.8, "is_anomaly": 1.0, "is_ignored": 0.0}, "score 0.8, flagged"),
        (
            "anomaly",
            {"score": 0.8, "is_anomaly": 1.0, "is_ignored": 1.0},
            "score 0.8, flagged, and ignored because too many bars before it are",
        ),
    ],
)
def test_what_a_model_said_is_told_with_its_name(kind, said, words):
    found = ModelFinding(kind=kind, said=said, **SPEAKER)
    assert found.words == f"1a2b3c4d, trained through 2024-01-29: {words}"


def test_a_silent_kind_tells_why():
    expired = ModelFinding(kind="direction", silence="model_expired(2022-01-03)", **SPEAKER)
    nobody = ModelFinding(kind="anomaly", model_id=None, trained_through=None, silence="no_model")
    assert expired.words == "no model speaks: model_expired(2022-01-03)"
    assert nobody.words == "no model speaks: no_model"


def test_a_model_that_was_not_asked_is_told_from_a_silent_one():
    found = ModelFinding(kind="direction", unasked="filled_bar", **SPEAKER)
    assert found.words == "1a2b3c4d, trained through 2024-01-29: nothing, filled_bar"


def test_drivers_are_told_in_their_order():
    drivers = [Driver(feature="return_1", part=0.3), Driver(feature="volume_share", part=0.12)]
    assert drivers_in_words(drivers) == "return_1 0.3, volume_share 0.12"
