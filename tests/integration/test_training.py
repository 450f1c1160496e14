"""Training through Dagster: a week's models are trained, judged, published once, and speak a day after the week."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.models.artefact import library_versions, unpack
from pipeline.models.direction import DirectionModel
from pipeline.models.features import FEATURES, schema_hash
from pipeline.models.panel import Panel
from pipeline.models.recipes import RECIPES
from pipeline.progress import watched_by
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.views import VIEWS
from tests.support.chain import days, rows, store_block
from tests.support.chaos_market import a_copy
from tests.support.database import a_copy_of, a_database
from tests.support.market import START, random_walk
from tests.support.model_chain import (
    PREDICTIONS,
    a_direction,
    a_price_range,
    is_locked,
    publish_all,
    speaking,
    train_run,
)
from tests.support.processes import python
from tests.support.trained_models import WEEK

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")  # so few that a pass over them is one step: Keras compiles for each size
MONDAY = "2024-03-18"  # of the training week
THROUGH = START + 12 * WEEK
SERVED = THROUGH + timedelta(days=1)
TOO_EARLY = "2024-01-08"  # when a fortnight is stored
TREES = (ModelKind.PRICE_RANGE, ModelKind.ANOMALY)  # which take a second or two to train
PNG = b"\x89PNG\r\n\x1a\n"
PROGRESS: list[tuple[str, int, int]] = []  # what the first training reported

TRAIN_AGAIN = """
    import sys
    from pipeline.storage.address import DatabaseAddress
    from pipeline.storage.database import Database
    from tests.support.model_chain import train_run
    result = train_run(Database(DatabaseAddress.parse(sys.argv[1])), sys.argv[2])
    events = result.get_asset_materialization_events()
    print([e.step_materialization_data.materialization.metadata["rows_written"].value for e in events])
"""


@pytest.fixture(scope="module")
def origin(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A quarter of hours of three symbols; nobody is connected."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=31, n_candles=91 * 24, symbols=SYMBOLS))
        database.close()
        yield database.address


@pytest.fixture
def market(origin: DatabaseAddress) -> Iterator[Database]:
    """A database in which nothing has been trained."""
    with a_copy_of(origin) as database:
        yield database


@pytest.fixture(scope="module")
def address(origin: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A database in which all kinds of models have been trained."""
    with a_copy(origin) as copy:
        yield copy


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What jax compiles is compiled once for all trainings here, those of other processes included."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path_factory.mktemp("jax")))
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
        yield


@pytest.fixture(scope="module")
def trained(address: DatabaseAddress) -> Iterator[tuple[Database, dg.ExecuteInProcessResult]]:
    """The database after the training of a week, which was done while somebody else held the chain's lock."""
    database, other = Database(address), Database(address)
    with database.begin() as conn:
        conn.exec_driver_sql(f"ALTER DATABASE {address.database} SET lock_timeout = '20s'")
    database.close()
    with other.chain_lock(), watched_by(lambda *said: PROGRESS.append(said)):
        result = train_run(database, MONDAY)
    assert not is_locked(database)
    yield database, result
    PROGRESS.clear()
    database.close()
    other.close()


def test_progress_counts_the_folds_and_the_last_training_of_a_kind_as_one(trained):
    n_parts = 2  # a fold and the model itself
    for kind, n_steps in ((ModelKind.DIRECTION, None), (ModelKind.PRICE_RANGE, 6), (ModelKind.ANOMALY, 1)):
        told = [(done, total) for step, done, total in PROGRESS if step == kind.value]
        counts, totals = [done for done, _ in told], {total for _, total in told}
        assert counts == sorted(counts), kind
        assert counts[-1] == max(totals), kind
        assert len(totals) == 1
        assert n_steps is None or counts == list(range(1, n_parts * n_steps + 1))


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """What each asset reported."""
    events = (event.step_materialization_data.materialization for event in result.get_asset_materialization_events())
    return {event.asset_key.to_user_string(): {k: v.value for k, v in event.metadata.items()} for event in events}


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    return {(each.asset_key.to_user_string(), each.check_name): each for each in result.get_asset_check_evaluations()}


def registry(database: Database) -> dict[str, Any]:
    """The registered models of the week, by kind."""
    statement = sa.text("SELECT * FROM models WHERE trained_through = :through")
    with database.begin() as conn:
        return {row.kind: row for row in conn.execute(statement, {"through": THROUGH})}


def test_each_kind_is_registered_with_what_it_was_made_of_and_speaks_a_day_later(trained):
    models = registry(trained[0])
    assert set(models) == set(ModelKind)
    for kind, row in models.items():
        assert (row.exchange, row.timeframe, row.status) == ("binance", "1h", "champion")
        assert row.trained_from == THROUGH - 8 * WEEK
        assert row.effective_from == SERVED
        assert row.feature_schema == schema_hash()
        assert row.library_versions == {name: library_versions()[name] for name in RECIPES[kind].libraries}
        assert (row.parameters["weeks"], row.parameters["seed"], row.parameters["symbols"]) == (8, 7, len(SYMBOLS))
        assert row.n_rows > 4_000
        assert row.decision["is_promoted"]
        arrays, header = unpack(
            bytes(row.artefact),
            sha256=row.artefact_sha256,
            feature_schema=schema_hash(),
            library_versions=library_versions(),
        )
        assert header["kind"] == kind
        assert RECIPES[kind].load(arrays)


def test_each_model_is_judged_beside_simple_rules_with_intervals(trained):
    database, _ = trained
    for kind, metric, rivals in (
        ("direction", "auc", {"model", "logistic_regression", "persistence", "base_rate"}),
        ("price_range", "pinball", {"model", "atr_band"}),
    ):
        judged = rows(
            database, "model_evaluations", f"metric = '{metric}' AND model_id = '{registry(database)[kind].model_id}'"
        )
        assert {row["predictor"] for row in judged} >= rivals
        assert {row["fold"] for row in judged} == {0, 1}
        assert all(row["lower"] <= row["value"] <= row["upper"] for row in judged if row["value"] is not None)
        assert {row["test_to"] for row in judged} == {THROUGH}
    auc = registry(database)["direction"].metrics["auc"]
    assert 0.4 < auc < 0.6  # a random walk


def test_views_of_models_can_be_selected(trained):
    database, _ = trained
    names = [view.name for view in VIEWS if "model" in view.name]
    assert names
    with database.begin() as conn:
        for name in names:
            assert conn.execute(sa.text(f"SELECT * FROM {name}")).all(), name


def test_a_training_reports_numbers_tables_and_pictures_and_its_checks_pass(trained):
    _, result = trained
    reported = metadata(result)
    assert set(reported) == {f"{kind}_model" for kind in ModelKind}
    for asset, numbers in reported.items():
        assert numbers["rows_written"] == 1
        assert numbers["models"].records
        assert numbers["evaluation 1h"].records
        pictures = [value for name, value in numbers.items() if isinstance(value, str) and "base64" in value]
        assert pictures, asset
        for picture in pictures:
            assert base64.b64decode(picture.partition("base64,")[2].rstrip(")")).startswith(PNG)
    found = checks(result)
    assert all(check.passed for check in found.values())
    assert found.keys() >= {("direction_model", "leakage"), *((f"{kind}_model", "trained") for kind in ModelKind)}


def test_f37_the_same_week_trained_in_another_process_gives_the_same_bytes_and_nothing_new(trained):
    database, _ = trained
    before = rows(database, "models"), rows(database, "model_evaluations")

    with python(TRAIN_AGAIN, database.address.libpq, MONDAY) as process:
        said = process.communicate(timeout=180)[0]

    assert said.splitlines()[-1] == "[0, 0, 0]"
    assert (rows(database, "models"), rows(database, "model_evaluations")) == before


def test_what_was_trained_speaks_of_the_closes_from_a_day_after_its_week_on(trained):
    database, _ = trained
    days(database, THROUGH.date(), SERVED.date())

    for table in PREDICTIONS:
        found = rows(database, table)
        assert min(row["close_at"] for row in found) == SERVED
        assert len(found) == 24 * len(SYMBOLS)
        kind = next(kind for kind in ModelKind if table.startswith(kind.value))
        assert {row["model_id"] for row in found} == {registry(database)[kind].model_id}


# Challengers and champions


def a_training_that_gives(model: DirectionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the training of directions end with this model, in no time."""
    recipe = replace(RECIPES[ModelKind.DIRECTION], train=lambda *_: model)
    monkeypatch.setitem(RECIPES, ModelKind.DIRECTION, recipe)


def test_a_challenger_that_is_worse_stays_a_candidate_and_the_champion_goes_on(market, monkeypatch):
    wise = speaking(ModelKind.DIRECTION, 4, a_direction(sureness=0.0))  # says 1/2: hard to beat on a random walk
    (champion,) = publish_all(market, wise)
    a_training_that_gives(a_direction(2), monkeypatch)  # and this one is sure of nothing in particular

    result = train_run(market, MONDAY, kinds=[ModelKind.DIRECTION])

    challenger = registry(market)["direction"]
    assert (challenger.status, challenger.status_reason) == (
        "candidate",
        "worse than the champion by more than 0.10%",
    )
    decision = challenger.decision
    assert decision["metric"] == "log_loss"
    assert decision["challenger"] > 1.001 * decision["champion"]
    assert decision["n_rows"] > 900
    assert result.success
    days(market, SERVED.date(), SERVED.date())
    assert {str(row["model_id"]) for row in rows(market, "direction_predictions")} == {champion}


def test_a_challenger_that_is_no_worse_follows_and_the_champion_of_its_time_stays_one(market, monkeypatch):
    (before,) = publish_all(market, speaking(ModelKind.DIRECTION, 4, a_direction(2)))
    a_training_that_gives(a_direction(sureness=0.0), monkeypatch)

    train_run(market, MONDAY, kinds=[ModelKind.DIRECTION])

    assert registry(market)["direction"].status == "champion"
    with market.begin() as conn:
        assert conn.scalar(sa.text("SELECT status FROM models WHERE model_id = :id"), {"id": before}) == "champion"


def test_a_range_is_compared_with_the_champion_by_its_pinball_loss(market):
    publish_all(market, speaking(ModelKind.PRICE_RANGE, 4, a_price_range(5.0)))

    train_run(market, MONDAY, kinds=TREES)

    models = registry(market)
    assert models["price_range"].decision["metric"] == "pinball"
    assert models["price_range"].decision["challenger"] < models["price_range"].decision["champion"]
    assert models["anomaly"].decision["rule"] == "nothing to compare: it is measured by no loss"
    assert {model.status for model in models.values()} == {"champion"}


def test_a_model_that_knows_no_more_than_a_simple_rule_does_not_speak_unless_it_is_let(market, monkeypatch):
    a_training_that_gives(a_direction(sureness=5.0), monkeypatch)  # sure, and right by chance only
    train_run(market, MONDAY, {"training.needs_skill": "true"}, [ModelKind.DIRECTION])
    refused = registry(market)["direction"]
    train_run(market, MONDAY, kinds=[ModelKind.DIRECTION])
    let = registry(market)["direction"]

    assert (refused.status, let.status) == ("candidate", "champion")
    assert refused.model_id == let.model_id
    assert refused.decision["challenger"] == pytest.approx(refused.metrics["log_loss"])
    assert refused.status_reason.startswith("no better than the base rate: log_loss ")


def test_a_champion_that_cannot_be_asked_is_replaced(market):
    publish_all(market, speaking(ModelKind.PRICE_RANGE, 4, a_price_range(), artefact=b"no model"))

    train_run(market, MONDAY, kinds=[ModelKind.PRICE_RANGE])

    assert registry(market)["price_range"].decision["rule"] == "the champion cannot be asked: artefact_corrupt"


def test_a_training_in_the_middle_of_its_week_learns_from_what_has_closed(market):
    now = THROUGH - timedelta(days=3)

    train_run(market, MONDAY, kinds=[ModelKind.ANOMALY], as_of=now)

    (model,) = rows(market, "models")
    assert (model["trained_through"], model["effective_from"]) == (now, now + timedelta(days=1))


# What is not to be trained, or not to be believed


@pytest.mark.parametrize(("week", "reason"), [(TOO_EARLY, "must be"), ("2023-01-02", "candles to learn from")])
def test_f34_too_little_to_learn_from_is_said_and_the_models_before_stay(market, week, reason):
    kept = publish_all(market, *(speaking(kind, -60) for kind in ModelKind))

    result = train_run(market, week)

    assert result.success
    assert result.get_asset_materialization_events() == []
    found = checks(result)
    for kind in ModelKind:
        check = found[f"{kind}_model", "trained"]
        assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
        assert reason in check.metadata["left_alone"].value
    assert {str(row["model_id"]) for row in rows(market, "models")} == set(kept)


def test_f34_a_market_that_only_falls_trains_no_direction_but_the_others(market):
    with market.begin() as conn:
        statement = """UPDATE candles SET open = v, high = v * 1.001, low = v * .997, close = v * .999 FROM (
  SELECT series_id s, open_at o, 100 * exp(-.001 * extract(epoch FROM open_at - '2024-01-01') / 3600) v FROM candles
) a WHERE s = series_id AND o = open_at"""
        conn.execute(sa.text(statement))

    result = train_run(market, MONDAY, kinds=[ModelKind.DIRECTION])

    left = checks(result)["direction_model", "trained"].metadata["left_alone"].value
    assert result.success
    assert rows(market, "models") == []
    assert "the same" in left or "both kinds" in left or "one outcome" in left, left


def test_f35_a_feature_that_knows_the_next_close_fails_the_leakage_check_and_its_model_stays_silent(
    market, monkeypatch
):
    from pipeline import training

    place = FEATURES.index("return_1")
    read_panel = training.read_panel

    def leaking(*arguments: Any) -> Panel:
        panel = read_panel(*arguments)
        features = panel.features.copy()
        features[:, :-1, place] = 100.0 * (panel.close[:, 1:] / panel.close[:, :-1] - 1.0)  # shifted once too often
        return replace(panel, features=features)

    monkeypatch.setattr(training, "read_panel", leaking)
    knowing = a_direction(sureness=0.0)
    head = knowing.network.head_kernel.copy()
    head[len(head) - len(FEATURES) + place] = 1.0
    a_training_that_gives(replace(knowing, network=replace(knowing.network, head_kernel=head)), monkeypatch)

    result = train_run(market, MONDAY, kinds=[ModelKind.DIRECTION])

    check = checks(result)["direction_model", "leakage"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "1h: " in check.metadata["alarms"].value
    model = registry(market)["direction"]
    assert model.status == "candidate"
    assert model.metrics["auc"] > 0.9
    days(market, SERVED.date(), SERVED.date())
    assert rows(market, "direction_predictions") == []
