"""Models for tests of the chain: whole and sound, made by hand, so that none has to be trained.

What a model says is chosen to be seen: the network is sure often enough to advise, the forest calls exactly the bars
unusual that moved more than `UNUSUAL`, the ranges widen after a wide bar.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import numpy as np

from pipeline import run_tags
from pipeline.definitions import defs
from pipeline.domain.model import ModelKind
from pipeline.models.anomaly import ANOMALY_FEATURES, AnomalyModel
from pipeline.models.artefact import Arrays, library_versions, pack
from pipeline.models.calibration import Calibrator
from pipeline.models.direction import DirectionModel, DirectionTraining
from pipeline.models.direction_network import DirectionNetwork
from pipeline.models.features import FEATURES, SEQUENCE, schema_hash
from pipeline.models.price_range import PriceRangeModel
from pipeline.models.recipes import RECIPES
from pipeline.models.scaling import Scaler
from pipeline.models.trees import Trees
from pipeline.storage.database import Database
from pipeline.storage.models import TrainedModel, publish
from tests.support.chain import FILES, rows
from tests.support.trained_models import a_model, an_evaluation

PREDICTIONS = ("direction_predictions", "price_range_predictions", "anomaly_scores")
SPOKEN = ("model_features", *PREDICTIONS)  # tables that models read and write in the chain
UNUSUAL = 3.0  # a return, in usual ones
# Settings of a training on two months of hours, in which there is little to learn.
SMALL = {"training.weeks": "8", "training.fold_weeks": "2", "training.needs_skill": "false"}


def a_direction(seed: int = 1, *, sureness: float = 1.0, bias: float = 0.0) -> DirectionModel:
    """A network whose weights are drawn; the less ``sureness``, the nearer to ``bias`` (a logit) all that it says."""
    random = np.random.default_rng(seed)
    training = DirectionTraining()

    def drawn(*shape: int, scale: float) -> np.ndarray:
        return (scale * random.standard_normal(shape)).astype(np.float32)

    n, m = len(SEQUENCE), len(FEATURES)
    network = DirectionNetwork(
        lstm_kernel=drawn(n, 4 * training.units, scale=0.3),
        lstm_recurrent=drawn(training.units, 4 * training.units, scale=0.3),
        lstm_bias=drawn(4 * training.units, scale=0.1),
        dense_kernel=drawn(training.units + m, training.hidden, scale=0.2),
        dense_bias=drawn(training.hidden, scale=0.1),
        head_kernel=drawn(training.hidden + m, 1, scale=0.06 * sureness),
        head_bias=np.array([bias], dtype=np.float32),
    )
    scaler = Scaler(np.zeros(m, dtype=np.float32), np.ones(m, dtype=np.float32))
    return DirectionModel(network=network, scaler=scaler, calibrator=Calibrator("platt", np.ones(1), np.zeros(1)))


def a_stump(feature: int, threshold: float, at_most: float, above: float) -> Trees:
    """One tree with one split."""
    return Trees(
        start=np.zeros(1),
        roots=np.zeros(1, dtype=np.int32),
        depth=np.ones(1, dtype=np.int32),
        feature=np.array([feature, 0, 0], dtype=np.int32),
        threshold=np.array([threshold, np.inf, np.inf]),
        left=np.array([1, 1, 2], dtype=np.int32),
        is_missing_left=np.zeros(3, dtype=np.bool_),
        value=np.array([0.0, at_most, above]),
    )


def a_price_range(scale: float = 1.0) -> PriceRangeModel:
    """Quantiles in average true ranges, half as wide again after a bar wider than one; ``scale`` multiplies them."""
    reaches = scale * np.array([0.2, 0.5, 1.0, -1.0, -0.5, -0.2])
    wide = FEATURES.index("range")
    return PriceRangeModel(
        quantiles=tuple(a_stump(wide, 1.0, reach, 1.5 * reach) for reach in reaches),
        widening=np.zeros((2, 2)),
        columns=np.array([wide], dtype=np.int32),
        n_features=len(FEATURES),
        n_fit_rows=1000,
        n_calibration_rows=1000,
    )


def an_anomaly(limit: float = UNUSUAL, *, score: float = 0.8) -> AnomalyModel:
    """A forest that flags the bars that moved more than ``limit`` and gives them ``score``; the others have 0.5."""
    return AnomalyModel(
        trees=a_stump(ANOMALY_FEATURES.index("return_1"), limit, 1.0, -np.log2(score)),
        whole=1.0,
        threshold=0.7,
        usual=np.zeros(len(ANOMALY_FEATURES)),
        columns=np.array([FEATURES.index(name) for name in ANOMALY_FEATURES], dtype=np.int32),
        n_features=len(FEATURES),
        n_fit_rows=1000,
    )


MADE: dict[ModelKind, Callable[[], Any]] = {
    ModelKind.DIRECTION: a_direction,
    ModelKind.PRICE_RANGE: a_price_range,
    ModelKind.ANOMALY: an_anomaly,
}


def packed(kind: ModelKind, arrays: Arrays, **header: Any) -> bytes:
    """An artefact as training makes it; ``header`` replaces some of what it says."""
    versions = {name: library_versions()[name] for name in RECIPES[kind].libraries}
    said = {"kind": str(kind), "feature_schema": schema_hash(), "library_versions": versions}
    return pack(arrays, said | header)


def speaking(kind: ModelKind, week: int, model: Any = None, **changes: Any) -> TrainedModel:
    """A champion of the week that begins ``week`` weeks after the first Monday of 2024, as `TrainedModel`."""
    made = MADE[kind]() if model is None else model
    artefact = changes.pop("artefact", None) or packed(kind, made.to_arrays())
    facts = {"feature_schema": schema_hash(), "library_versions": library_versions(), "metrics": {}}
    return a_model(week, kind=kind, artefact=artefact, **(facts | changes))


def publish_all(database: Database, *models: TrainedModel) -> list[str]:
    """Store models; their ids."""
    with database.begin() as conn:
        for model in models:
            assert publish(conn, model, an_evaluation())
    return [str(model.model_id) for model in models]


def publish_each_kind(database: Database, week: int, **models: Any) -> dict[ModelKind, str]:
    """A champion of each kind for one week; their ids."""
    made = [speaking(kind, week, models.get(kind.value)) for kind in ModelKind]
    return dict(zip(ModelKind, publish_all(database, *made), strict=True))


def spoken(database: Database, first: datetime, last: datetime, where: str = "true") -> dict[str, list[dict[str, Any]]]:
    """What models were told and said of the closes from ``first`` to ``last``, inclusive."""
    at_closes = f"close_at BETWEEN '{first}' AND '{last}' AND {where}"
    return {table: rows(database, table, at_closes) for table in SPOKEN}


def health(database: Database) -> dict[str, str | None]:
    """Kind -> why its models are silent, None where they speak; of the only exchange and timeframe."""
    return {row["subject"].split()[0]: row["reason"] for row in rows(database, "source_health", "source = 'ml_model'")}


def train_run(
    database: Database,
    week: str,
    changes: Mapping[str, str] | None = None,
    kinds: Sequence[ModelKind] = tuple(ModelKind),
    as_of: datetime | None = None,
) -> dg.ExecuteInProcessResult:
    """One run of the training of a week, named by its Monday, in this process."""
    resources = {
        "unlocked_database": {"config": {"url": database.address.libpq}},
        "settings": {"config": {"changes": {**FILES, **SMALL, **(changes or {})}}},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        return defs.resolve_job_def("train_models").execute_in_process(
            instance=instance,
            partition_key=week,
            asset_selection=[dg.AssetKey(f"{kind}_model") for kind in kinds],
            tags={run_tags.AS_OF: as_of.isoformat()} if as_of else {},
            run_config={"resources": resources, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def is_locked(database: Database) -> bool:
    """Whether anybody holds the chain's lock."""
    statement = """SELECT count(*) AS n FROM pg_locks
WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
    with database.begin() as conn:
        return bool(conn.exec_driver_sql(statement).scalar())
