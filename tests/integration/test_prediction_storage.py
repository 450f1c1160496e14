"""What models are told and say of bars: stored for a span as a whole, read to the bit, and never out of bounds."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.errors import DataContractError
from pipeline.domain.model import ModelKind
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.models.features import FEATURES
from pipeline.storage import tables
from pipeline.storage.bulk import Changes
from pipeline.storage.database import Database
from pipeline.storage.history import Series, SeriesGroup, read_block
from pipeline.storage.predictions import flagged_before, store_features, store_predictions
from pipeline.storage.spans import Span
from tests.support.candle_rows import START
from tests.support.database import a_series_of
from tests.support.trained_models import HOUR, a_model


def a_group(database: Database) -> SeriesGroup:
    members = [
        Series(SeriesKey("binance", s, Timeframe.H1), a_series_of(database, s)) for s in ("BTC/USDT", "ETH/USDT")
    ]
    return SeriesGroup("binance", Timeframe.H1, tuple(members))


def spans_of(group: SeriesGroup, first_bar: int, last_bar: int) -> list[Span]:
    """The bars with these numbers since `START`, of every series."""
    return [Span(each, START + first_bar * HOUR, START + (last_bar + 1) * HOUR) for each in group.series]


def keys(group: SeriesGroup, bars: range) -> dict[str, Any]:
    opens = pd.DatetimeIndex([START + bar * HOUR for bar in bars] * 2).as_unit(TIME_UNIT)
    ids = np.repeat(np.array(group.ids, dtype=np.int32), len(bars))
    return {"series_id": ids, "open_at": opens, "close_at": opens + HOUR}


def directions(group: SeriesGroup, bars: range, probability: float = 0.6) -> pd.DataFrame:
    said = {"model_id": str(a_model().model_id), "raw_probability": 0.55, "probability": probability}
    return pd.DataFrame(keys(group, bars) | said)


def ranges(group: SeriesGroup, bars: range) -> pd.DataFrame:
    quantiles = {
        "high_q10": 0.001,
        "high_q50": 0.01,
        "high_q90": 0.02,
        "low_q10": -0.02,
        "low_q50": 0.0,
        "low_q90": 0.0,
    }
    return pd.DataFrame(keys(group, bars) | {"model_id": str(a_model().model_id)} | quantiles)


def anomalies(group: SeriesGroup, bars: range, flagged: set[int]) -> pd.DataFrame:
    """Scores of the bars; the flagged ones of the first series are anomalies."""
    key = keys(group, bars)
    is_flagged = np.isin(np.tile(np.array(bars), 2), list(flagged)) & (key["series_id"] == group.ids[0])
    drivers = json.dumps([{"feature": "volume_share", "drop": 0.1}])
    return pd.DataFrame(
        key
        | {
            "model_id": str(a_model().model_id),
            "score": np.where(is_flagged, 0.8, 0.4),
            "is_anomaly": is_flagged,
            "is_ignored": False,
            "drivers": [drivers if flag else None for flag in is_flagged],
        }
    )


def features(group: SeriesGroup, bars: range) -> pd.DataFrame:
    key = keys(group, bars)
    random = np.random.default_rng(1)
    values = {name: random.normal(size=len(key["open_at"])).astype(np.float32) for name in FEATURES}
    values[FEATURES[0]][0] = np.nan
    return pd.DataFrame(key | values)


WRITERS = {
    "direction": (
        tables.direction_predictions,
        lambda conn, spans, rows: store_predictions(conn, spans, {ModelKind.DIRECTION: rows}),
        directions,
    ),
    "price_range": (
        tables.price_range_predictions,
        lambda conn, spans, rows: store_predictions(conn, spans, {ModelKind.PRICE_RANGE: rows}),
        ranges,
    ),
    "anomaly": (
        tables.anomaly_scores,
        lambda conn, spans, rows: store_predictions(conn, spans, {ModelKind.ANOMALY: rows}),
        lambda group, bars: anomalies(group, bars, {2}),
    ),
}


@pytest.mark.parametrize("what", WRITERS)
def test_a_repeated_write_changes_nothing_and_what_is_no_longer_said_is_gone(database, what):
    table, store, rows = WRITERS[what]
    group = a_group(database)
    all_rows = rows(group, range(10))
    with database.begin() as conn:
        assert list(store(conn, spans_of(group, 0, 9), all_rows).values()) == [Changes(written=20, removed=0)]
        assert list(store(conn, spans_of(group, 0, 9), all_rows).values()) == [Changes(written=0, removed=0)]
        some = all_rows[all_rows["open_at"].isin([START + bar * HOUR for bar in (3, 5)])]
        assert list(store(conn, spans_of(group, 3, 5), some).values()) == [Changes(written=0, removed=2)]
        opens = conn.scalars(sa.select(table.c.open_at).where(table.c.series_id == group.ids[1]).order_by("open_at"))
        assert [(at - START) // HOUR for at in opens] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
        nothing = store(conn, spans_of(group, 8, 9), all_rows.iloc[:0])
        assert list(nothing.values()) == [Changes(written=0, removed=4)]


def test_features_written_again_change_nothing_and_a_changed_one_is_written(database):
    group = a_group(database)
    rows = features(group, range(10))
    with database.begin() as conn:
        assert store_features(conn, rows.iloc[:12]) == 12
        assert store_features(conn, rows) == 8
        assert store_features(conn, rows) == 0
        changed = rows.assign(**{FEATURES[0]: rows[FEATURES[0]].where(rows.index != 3, np.float32(0.5))})
        assert store_features(conn, changed) == 1


def test_what_is_stored_is_read_to_the_bit(database):
    group = a_group(database)
    said, told = anomalies(group, range(4), {2}), features(group, range(4))
    with database.begin() as conn:
        store_predictions(conn, spans_of(group, 0, 3), {ModelKind.ANOMALY: said})
        store_features(conn, told)
    at = (group, START, START + 3 * HOUR)
    scores = read_block(database, tables.anomaly_scores, ("score", "is_anomaly"), *at)
    assert scores["score"]["BTC/USDT"].tolist() == [0.4, 0.4, 0.8, 0.4]
    assert scores["is_anomaly"]["BTC/USDT"].tolist() == [0.0, 0.0, 1.0, 0.0]
    block = read_block(database, tables.model_features, FEATURES, *at)
    for name in FEATURES:
        found = block[name].to_numpy().T.ravel().astype(np.float32)
        assert np.array_equal(found, told[name].to_numpy(), equal_nan=True), name


def test_a_changed_prediction_is_written_once(database):
    group = a_group(database)
    with database.begin() as conn:
        store_predictions(conn, spans_of(group, 0, 9), {ModelKind.DIRECTION: directions(group, range(10))})
        changed = directions(group, range(10))
        changed.loc[3, "probability"] = 0.7
        found = store_predictions(conn, spans_of(group, 0, 9), {ModelKind.DIRECTION: changed})
    assert found == {ModelKind.DIRECTION: Changes(written=1, removed=0)}


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan, np.inf])
@pytest.mark.parametrize("column", ["probability", "raw_probability"])
def test_f33_a_probability_that_is_none_is_refused(database, column, value):
    group = a_group(database)
    rows = directions(group, range(2)).assign(**{column: value})
    with database.begin() as conn:
        with pytest.raises(DataContractError, match=f"DirectionPredictions: {column}"):
            store_predictions(conn, spans_of(group, 0, 1), {ModelKind.DIRECTION: rows})
        with pytest.raises(sa.exc.IntegrityError, match=r"is_a_fraction|null value"):
            conn.execute(sa.insert(tables.direction_predictions).values(_first(rows)))


@pytest.mark.parametrize(
    "change",
    [
        {"high_q50": 0.0},
        {"low_q90": -0.01},
        {"low_q50": 0.015, "low_q90": 0.02},
        {"low_q10": -1.0},
        {"high_q90": np.inf},
    ],
    ids=str,
)
def test_f33_a_range_that_crosses_or_leaves_the_market_is_refused(database, change):
    group = a_group(database)
    rows = ranges(group, range(2)).assign(**change)
    with database.begin() as conn:
        with pytest.raises(DataContractError, match="PriceRangePredictions"):
            store_predictions(conn, spans_of(group, 0, 1), {ModelKind.PRICE_RANGE: rows})
        with pytest.raises(sa.exc.IntegrityError, match="check constraint"):
            conn.execute(sa.insert(tables.price_range_predictions).values(_first(rows)))


@pytest.mark.parametrize("change", [{"score": 1.5}, {"is_ignored": True}, {"drivers": "[]"}], ids=str)
def test_f33_a_score_that_contradicts_itself_is_refused(database, change):
    group = a_group(database)
    rows = anomalies(group, range(2), set()).assign(**change)
    with database.begin() as conn:
        with pytest.raises(DataContractError, match="AnomalyScores"):
            store_predictions(conn, spans_of(group, 0, 1), {ModelKind.ANOMALY: rows})
        first = _first(rows)
        first["drivers"] = first["drivers"] and []
        with pytest.raises(sa.exc.IntegrityError, match="check constraint"):
            conn.execute(sa.insert(tables.anomaly_scores).values(first))


def _first(rows: pd.DataFrame) -> dict[str, Any]:
    return {name: getattr(value, "item", lambda value=value: value)() for name, value in rows.iloc[0].items()}


@pytest.mark.parametrize("wrong", [np.float32(np.inf), 0.1], ids=["infinite", "double precision"])
def test_f32_a_feature_that_is_no_number_of_single_precision_is_refused(database, wrong):
    group = a_group(database)
    rows = features(group, range(2)).assign(**{FEATURES[3]: wrong})
    with database.begin() as conn, pytest.raises(DataContractError, match=f"finite_and_float32, was {{'{FEATURES[3]}'"):
        store_features(conn, rows)


def test_the_flags_of_the_last_bars_are_known_per_series(database):
    group = a_group(database)
    with database.begin() as conn:
        said = anomalies(group, range(300), {10, 50, 60, 248, 250})
        store_predictions(conn, spans_of(group, 0, 299), {ModelKind.ANOMALY: said})
        flags = flagged_before(conn, group, START + 250 * HOUR, 200)
        assert flagged_before(conn, group, START, 200).to_numpy().sum() == 0
    assert flags.shape == (200, 2)
    assert list(flags.columns) == group.symbols
    assert [(at - START) // HOUR for at in flags.index[flags["BTC/USDT"]]] == [50, 60, 248]
    assert not flags["ETH/USDT"].any()


def test_the_newest_predictions_of_each_series_stand_side_by_side(database):
    group = a_group(database)
    with database.begin() as conn:
        said = {ModelKind.DIRECTION: directions(group, range(5)), ModelKind.ANOMALY: anomalies(group, range(5), {4})}
        done = store_predictions(conn, spans_of(group, 0, 4), said)
        assert done == dict.fromkeys(said, Changes(written=10, removed=0))
        store_predictions(conn, spans_of(group, 0, 3), {ModelKind.PRICE_RANGE: ranges(group, range(4))})
        rows = conn.execute(sa.text("SELECT * FROM v_latest_predictions ORDER BY symbol")).mappings().all()
        assert conn.scalar(sa.text("SELECT count(*) FROM v_direction_predictions WHERE symbol = 'ETH/USDT'")) == 5
    assert [(row["symbol"], row["close_at"]) for row in rows] == [(s, START + 5 * HOUR) for s in group.symbols]
    assert (rows[0]["probability"], rows[0]["high_q90"], rows[0]["is_anomaly"]) == (0.6, None, True)
    assert rows[0]["drivers"] == [{"feature": "volume_share", "drop": 0.1}]
