"""Models as they come from a training: right as they are; a test changes what it is about."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.models.artefact import pack
from pipeline.storage.models import TrainedModel
from tests.support.candle_rows import START

WEEK, DAY, HOUR = timedelta(weeks=1), timedelta(days=1), timedelta(hours=1)
VERSIONS = {"numpy": "2.4.6"}


def a_model(
    week: int = 0, *, seed: int = 1, status: ModelStatus = ModelStatus.CHAMPION, **changes: Any
) -> TrainedModel:
    """A model of the week that begins ``week`` weeks after the first Monday of 2024; its bytes follow from the seed."""
    through = START + (week + 1) * WEEK
    facts: dict[str, Any] = {
        "kind": ModelKind.DIRECTION,
        "exchange": "binance",
        "timeframe": Timeframe.H1,
        "trained_from": through - 104 * WEEK,
        "trained_through": through,
        "effective_from": through + 24 * HOUR,
        "n_rows": 1000,
        "feature_schema": "abc",
        "library_versions": VERSIONS,
        "parameters": {"seed": seed, "units": [32, 16]},
        "metrics": {"auc": 0.55, "hit_rate_above": float("nan")},
        "decision": {"rule": "log_loss not worse", "challenger": 0.69, "champion": None},
        "artefact": pack({"w": np.full(5, float(seed))}, {"feature_schema": "abc", "library_versions": VERSIONS}),
        "status": status,
        "status_reason": None if status is ModelStatus.CHAMPION else "its log loss is higher",
        "training_seconds": 12.5,
    }
    return TrainedModel(**(facts | changes))


def an_evaluation() -> pd.DataFrame:
    """Two folds and both together, of the model and of the base rate."""
    rows = [
        {
            "fold": fold,
            "test_from": START + (fold - 4) * WEEK,
            "test_to": START + (fold - 3) * WEEK,
            "predictor": predictor,
            "metric": "auc",
            "value": 0.55 if predictor == "model" else np.nan,
            "lower": 0.5,
            "upper": 0.6,
            "n_rows": 500,
        }
        for fold in range(3)
        for predictor in ("model", "base_rate")
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(("test_from", "test_to"), f"datetime64[{TIME_UNIT}, UTC]"))
