"""Models that are missing, damaged, old, strange or excited: they fall silent with a reason, and the rest goes on."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.models.artefact import library_versions
from pipeline.models.flags import MOST_FLAGGED
from pipeline.models.recipes import RECIPES
from pipeline.replay import replay
from pipeline.run_tags import range_tags
from pipeline.settings import load_settings
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from tests.support.chain import FILES, days, rows, store_block, tick
from tests.support.database import a_copy_of, a_database
from tests.support.market import flat_market, random_walk, with_listing
from tests.support.model_chain import (
    PREDICTIONS,
    a_direction,
    a_price_range,
    an_anomaly,
    health,
    packed,
    publish_all,
    publish_each_kind,
    speaking,
)
from tests.support.trained_models import HOUR

SYMBOLS = ("BTC/USDT", "ETH/USDT")
DAY = date(2024, 2, 14)
NOON = datetime(2024, 2, 14, 12, tzinfo=UTC)
TRAINED = "2024-02-12"  # through which the models of week 5 are
WHOLE = 24 * len(SYMBOLS)  # bars of the day
TABLES = dict(zip(ModelKind, PREDICTIONS, strict=True))
MUTE = ModelKind.DIRECTION  # the kind that is damaged
OTHERS = [kind for kind in ModelKind if kind is not MUTE]


@pytest.fixture(scope="module")
def origin(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """Six weeks of hours of two symbols, and no model."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=21, n_candles=46 * 24, symbols=SYMBOLS))
        database.close()
        yield database.address


@pytest.fixture
def market(origin: DatabaseAddress) -> Iterator[Database]:
    """A database of the test's own."""
    with a_copy_of(origin) as database:
        yield database


@pytest.fixture(scope="module")
def sound(origin: DatabaseAddress) -> Iterator[Database]:
    """The day with whole, young models; only read."""
    with a_copy_of(origin) as database:
        publish_each_kind(database, 5)
        days(database, DAY, DAY)
        yield database


def advice(database: Database, where: str) -> list[dict[str, Any]]:
    return rows(database, "candidate_signals", where, ("id", "origin", "scope", "configuration_hash"))


def counts(database: Database) -> list[int]:
    """Predicted bars, by kind."""
    return [len(rows(database, table)) for table in PREDICTIONS]


def checked(database: Database, first: date, last: date) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """Do the days, and give the checks of all assets."""
    from pipeline.definitions import defs
    from pipeline.jobs import CHAIN

    resources = {
        "database": {"config": {"url": database.address.libpq}},
        "settings": {"config": {"changes": FILES}},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("generate_signals").execute_in_process(
            instance=instance,
            tags=range_tags(first, last),
            asset_selection=[dg.AssetKey(name) for name in CHAIN],
            run_config={"resources": resources, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    found = result.get_asset_check_evaluations()
    return {(check.asset_key.to_user_string(), check.check_name): check for check in found}


def others_speak_and_technical_advice_is_the_same(database: Database, sound: Database) -> None:
    for kind in OTHERS:
        assert len(rows(database, TABLES[kind])) == WHOLE
        assert health(database)[kind] is None
    technical = advice(database, "source = 'technical'")
    assert technical == advice(sound, "source = 'technical'")
    assert technical
    assert advice(database, "strategy = 'MARKET_ANOMALY'") == advice(sound, "strategy = 'MARKET_ANOMALY'")
    assert rows(database, TABLES[MUTE]) == []
    assert advice(database, "strategy = 'ML_PREDICTION'") == []


# F29, F31: what cannot be read, or must not be believed

BREAK_HASH = "ALTER TABLE models DROP CONSTRAINT ck_models_hash_is_the_artefacts; "
ONE_BYTE = "artefact = set_byte(artefact, length(artefact) / 2, 255 - get_byte(artefact, length(artefact) / 2))"
REHASH = "UPDATE models SET artefact_sha256 = encode(sha256(artefact), 'hex')"
OF_MUTE = f"WHERE kind = '{MUTE}'"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("DELETE FROM models " + OF_MUTE, "no_model"),
        ("UPDATE models SET status = 'retired', status_reason = 'wrong' " + OF_MUTE, "no_model"),
        (
            BREAK_HASH + "UPDATE models SET artefact = substr(artefact, 1, length(artefact) - 40) " + OF_MUTE,
            "artefact_truncated",
        ),
        (BREAK_HASH + f"UPDATE models SET {ONE_BYTE} {OF_MUTE}", "artefact_corrupt"),
        (BREAK_HASH + f"UPDATE models SET {ONE_BYTE} {OF_MUTE}; {REHASH}", "artefact_corrupt"),
        (BREAK_HASH + f"UPDATE models SET artefact = '' {OF_MUTE}; {REHASH}", "artefact_corrupt"),
    ],
)
def test_f29_without_a_whole_model_one_kind_is_silent_and_the_rest_goes_on(market, sound, damage, reason):
    publish_each_kind(market, 5)
    with market.begin() as conn:
        conn.exec_driver_sql(damage)

    days(market, DAY, DAY)

    assert health(market)[MUTE] == f"unavailable({reason})"
    others_speak_and_technical_advice_is_the_same(market, sound)


def falling() -> dict[str, Any]:
    """The arrays of a model whose calibrator turns probabilities round."""
    return a_direction().to_arrays() | {"calibrator.x": -np.ones(1)}


def of_another_kind() -> dict[str, Any]:
    return dict(a_price_range().to_arrays())


@pytest.mark.parametrize("arrays", [falling, of_another_kind, dict])
def test_f29_an_artefact_that_is_whole_and_no_model_of_its_kind_is_refused(market, sound, arrays):
    publish_all(market, *(speaking(kind, 5) for kind in OTHERS), speaking(MUTE, 5, artefact=packed(MUTE, arrays())))

    days(market, DAY, DAY)

    assert health(market)[MUTE] == "unavailable(artefact_corrupt)"
    others_speak_and_technical_advice_is_the_same(market, sound)


def test_f29_a_silent_kind_is_warned_of_with_a_remedy_and_nothing_fails(market):
    publish_all(market, *(speaking(kind, 5) for kind in OTHERS))

    checks = checked(market, DAY, DAY)

    check = checks[TABLES[MUTE], "speaks"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["unavailable"].value == "1h: no_model"
    assert "signals train" in check.metadata["remedy"].value
    assert all(checks[TABLES[kind], "speaks"].passed for kind in OTHERS)


def other_versions() -> dict[str, str]:
    """The installed ones, but for numpy's."""
    return {name: library_versions()[name] for name in RECIPES[MUTE].libraries} | {"numpy": "1.26.4"}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"feature_schema": "of another time"}, "feature_schema_mismatch"),
        (
            {"library_versions": other_versions()},
            f"library_mismatch(numpy 1.26 != {'.'.join(library_versions()['numpy'].split('.')[:2])})",
        ),
        ({"library_versions": {"torch": "2.9.0"}}, "library_mismatch(torch 2.9 != none)"),
    ],
)
def test_f31_a_model_of_other_features_or_libraries_is_refused_without_a_warning(market, sound, header, reason):
    strange = packed(MUTE, a_direction().to_arrays(), **header)
    publish_all(market, *(speaking(kind, 5) for kind in OTHERS), speaking(MUTE, 5, artefact=strange))

    days(market, DAY, DAY)  # warnings are errors here

    assert health(market)[MUTE] == f"unavailable({reason})"
    others_speak_and_technical_advice_is_the_same(market, sound)


def test_f29_f31_a_replay_is_as_silent_as_the_days(market, sound):
    strange = packed(MUTE, a_direction().to_arrays(), feature_schema="of another time")
    publish_all(market, *(speaking(kind, 5) for kind in OTHERS), speaking(MUTE, 5, artefact=strange))

    replay(
        market,
        load_settings(FILES),
        *("binance", "again", datetime(2024, 2, 14, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC)),
        as_of=datetime(2024, 3, 1, tzinfo=UTC),
    )

    assert advice(market, "strategy <> 'ML_PREDICTION'") == advice(sound, "strategy <> 'ML_PREDICTION'")
    assert advice(market, "strategy = 'ML_PREDICTION'") == []


# F30: what has grown old


def test_f30_a_model_older_than_its_greatest_age_falls_silent_at_that_close(market):
    publish_each_kind(market, 5)
    changes = {"models.max_age_days": "2"}

    days(market, DAY - timedelta(days=1), DAY, changes)

    oldest = datetime(2024, 2, 14, tzinfo=UTC)  # two days after the newest close that it learned from
    for table in PREDICTIONS:
        assert max(row["close_at"] for row in rows(market, table)) == oldest
        assert len(rows(market, table)) == 25 * len(SYMBOLS)
    assert health(market) == {kind.value: f"unavailable(model_expired({TRAINED}))" for kind in ModelKind}
    assert advice(market, f"source = 'ml_model' AND candle_close_at > '{oldest}'") == []
    assert advice(market, f"source = 'technical' AND candle_close_at > '{oldest}'")


def test_f30_a_younger_model_speaks_again_and_what_had_expired_stays_unsaid(market):
    publish_each_kind(market, 4)
    publish_all(market, speaking(MUTE, 5))
    days(market, date(2024, 2, 12), date(2024, 2, 13), {"models.max_age_days": "7"})

    silent = {row["close_at"].date() for row in rows(market, "anomaly_scores")}
    spoken = {row["close_at"] for row in rows(market, TABLES[MUTE])}
    midnight = datetime(2024, 2, 12, tzinfo=UTC)
    assert silent == {midnight.date()}  # that close alone
    assert spoken == {midnight, *(midnight + timedelta(days=1) + hour * HOUR for hour in range(24))}
    assert health(market)[MUTE] is None


# F32, F33: what is unknown, and what cannot be


def test_f32_bars_of_which_a_feature_is_unknown_are_counted_and_not_predicted(postgres_server, migrated_template):
    block = random_walk(seed=21, n_candles=46 * 24, symbols=SYMBOLS)
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, with_listing(block, "ETH/USDT", datetime(2024, 2, 10, tzinfo=UTC)))
        publish_each_kind(database, 5)

        made = days(database, DAY, DAY)

        for table in PREDICTIONS:
            assert (made[table]["predicted"], made[table]["unknown"], made[table]["rejected"]) == (24, 24, 0)
        assert made["model_features"]["rows_written"] > 24
        assert health(database) == dict.fromkeys(ModelKind, None)


def test_f32_a_market_that_does_not_move_is_unknown_and_stops_nobody(postgres_server, migrated_template):
    moving = random_walk(seed=21, n_candles=46 * 24, symbols=("BTC/USDT",))
    flat = flat_market(46 * 24, symbols=("ETH/USDT",))
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, moving)
        store_block(database, flat)
        publish_each_kind(database, 5)

        made = days(database, DAY, DAY)

        for table in PREDICTIONS:
            assert (made[table]["predicted"], made[table]["unknown"]) == (24, 24)


def without_a_number() -> Any:
    found = a_direction()
    return replace(found, network=replace(found.network, head_bias=np.array([np.nan], dtype=np.float32)))


IMPOSSIBLE = {
    "NaN as probability": (ModelKind.DIRECTION, without_a_number),
    "NaN as range": (ModelKind.PRICE_RANGE, lambda: a_price_range(np.nan)),
    "a price below 0": (ModelKind.PRICE_RANGE, lambda: a_price_range(1e6)),
    "infinity": (ModelKind.PRICE_RANGE, lambda: a_price_range(np.inf)),
    "2.0 as score": (ModelKind.ANOMALY, lambda: an_anomaly(0.0, score=2.0)),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_f33_what_cannot_be_is_rejected_and_counted(market, what):
    kind, model = IMPOSSIBLE[what]
    publish_each_kind(market, 5, **{kind.value: model()})

    made = tick(market, NOON)

    numbers = made[TABLES[kind]]
    assert (numbers["predicted"], numbers["rejected"]) == (0, len(SYMBOLS))
    assert rows(market, TABLES[kind]) == []
    for other in {*ModelKind} - {kind}:
        assert (made[TABLES[other]]["predicted"], made[TABLES[other]]["rejected"]) == (len(SYMBOLS), 0)


# F38: too many anomalies


@pytest.fixture(scope="module")
def crowded(origin: DatabaseAddress) -> Iterator[tuple[Database, dict[tuple[str, str], dg.AssetCheckEvaluation]]]:
    """Four days of a forest that calls every fifth bar unusual, and the checks of that run; only read."""
    with a_copy_of(origin) as database:
        publish_each_kind(database, 4, anomaly=an_anomaly(1.2))
        yield database, checked(database, DAY - timedelta(days=3), DAY)


def test_f38_flags_beyond_what_is_rare_are_stored_and_ignored_and_a_check_warns(crowded):
    database, checks = crowded
    for number in (1, 2):
        flagged = [
            row["is_ignored"]
            for row in sorted(rows(database, "anomaly_scores", f"series_id = {number}"), key=lambda r: r["close_at"])
            if row["is_anomaly"]
        ]
        assert flagged == [False] * MOST_FLAGGED + [True] * (len(flagged) - MOST_FLAGGED)
        assert len(flagged) > MOST_FLAGGED
    check = checks["anomaly_scores", "outliers"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["ignored"].value == len(rows(database, "anomaly_scores", "is_ignored")) > 0


def test_f38_ignored_flags_make_no_alert_and_block_nobody(crowded):
    database, _ = crowded
    query = """SELECT a.is_ignored, x.strategy, d.reasons FROM anomaly_scores a
JOIN candidate_signals x ON x.series_id = a.series_id AND x.candle_close_at = a.close_at
JOIN market_conditions m ON m.series_id = a.series_id AND m.close_at = a.close_at
JOIN risk_decisions d ON d.series_id = x.series_id AND d.candle_close_at = x.candle_close_at
  AND d.strategy = x.strategy AND d.signal_type = x.signal_type
WHERE a.is_anomaly AND NOT m.is_volatile"""
    with database.begin() as conn:
        found = conn.execute(sa.text(query)).all()
    alerts = [row.is_ignored for row in found if row.strategy == "MARKET_ANOMALY"]
    assert alerts.count(False) > 0
    assert alerts.count(True) == 0
    ignored = [row for row in found if row.is_ignored]
    assert ignored
    assert not any("high_volatility" in row.reasons for row in ignored)


def test_f38_flags_are_ignored_alike_whatever_is_made_at_once(market, crowded, monkeypatch):
    expected = rows(crowded[0], "anomaly_scores")
    monkeypatch.setattr("assets.predictions.MAX_BARS", 60)
    publish_each_kind(market, 4, anomaly=an_anomaly(1.2))

    days(market, DAY - timedelta(days=3), DAY)

    assert rows(market, "anomaly_scores") == expected


def test_f38_a_replay_ignores_the_flags_that_the_days_ignore(market):
    publish_each_kind(market, 3, anomaly=an_anomaly(1.2))
    first = DAY - timedelta(days=9)  # more bars than the rule looks back over
    days(market, first, DAY)
    begin = datetime(2024, 2, 14, tzinfo=UTC)
    assert rows(market, "anomaly_scores", f"is_ignored AND close_at >= '{begin}'")

    replay(
        market,
        load_settings(FILES),
        *("binance", "again", begin, begin + timedelta(days=1)),
        as_of=datetime(2024, 3, 1, tzinfo=UTC),
    )

    today = f"candle_close_at >= '{begin}' AND strategy = 'MARKET_ANOMALY'"
    assert advice(market, f"{today} AND scope = 'again'") == advice(market, f"{today} AND scope = 'default'")
