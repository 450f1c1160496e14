"""The registry of models and the tables of what they say: published whole or not, read by who speaks, written once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command

from pipeline.domain.errors import DataContractError, ModelUnavailableError
from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.models.artefact import digest, unpack
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.models import (
    TrainedModel,
    champion_before,
    champions,
    list_models,
    publish,
    read_artefact,
    read_evaluations,
    retire,
)
from pipeline.storage.schema import alembic_config, migrate
from tests.support.candle_rows import START
from tests.support.postgres import drop_database, fresh_database
from tests.support.processes import output
from tests.support.trained_models import HOUR, VERSIONS, WEEK, a_model, an_evaluation

OF_H1 = ("binance", Timeframe.H1)

# Publishes a challenger over and over in processes that are killed after one statement more each time, at last on the
# commit; prints how often it was killed and how the last one ended. Its argument: where the database is.
KILLED_PUBLISHING = """
    import os, signal, sys
    import sqlalchemy as sa
    from pipeline.storage.address import DatabaseAddress
    from pipeline.storage.database import Database
    from pipeline.storage.models import publish
    from tests.support.trained_models import a_model, an_evaluation

    def publish_and_die(after_statements):
        database, done = Database(DatabaseAddress.parse(sys.argv[1])), [0]

        @sa.event.listens_for(database.engine, "after_cursor_execute")
        def count(*_):
            done[0] += 1
            if done[0] == after_statements:
                os.kill(os.getpid(), signal.SIGKILL)

        @sa.event.listens_for(database.engine, "commit")
        def never(_):
            os._exit(3)

        with database.begin() as conn:
            publish(conn, a_model(1, seed=2), an_evaluation())

    status = killed = 0
    while not os.WIFEXITED(status) or killed == 0:
        child = os.fork()
        if not child:
            publish_and_die(killed + 1)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    print(killed, os.WEXITSTATUS(status))
"""


def published(database: Database, *models: TrainedModel) -> list[bool]:
    with database.begin() as conn:
        return [publish(conn, model, an_evaluation()) for model in models]


def speaking(database: Database, first: datetime, last: datetime) -> list[datetime]:
    """Since when those that speak somewhere in the span do."""
    with database.begin() as conn:
        return [each.effective_from for each in champions(conn, *OF_H1, first, last)[ModelKind.DIRECTION]]


def statuses(database: Database) -> dict[Any, tuple[str, str | None]]:
    m = tables.models.c
    with database.begin() as conn:
        return {row[0]: (row[1], row[2]) for row in conn.execute(sa.select(m.model_id, m.status, m.status_reason))}


def everything(database: Database) -> list[Any]:
    with database.begin() as conn:
        return [
            conn.execute(sa.select(table).order_by(*table.primary_key)).all()
            for table in (tables.models, tables.model_evaluations)
        ]


def test_a_published_model_is_read_as_it_was(database):
    model = a_model()
    assert published(database, model) == [True]
    with database.begin() as conn:
        (champion,) = champions(conn, *OF_H1, model.effective_from, model.effective_from)[ModelKind.DIRECTION]
        data = read_artefact(conn, champion.model_id)
        row = conn.execute(sa.select(tables.models)).mappings().one()
    assert champion.metrics == {"auc": 0.55, "hit_rate_above": None}
    arrays, _ = unpack(data, sha256=champion.artefact_sha256, feature_schema="abc", library_versions=VERSIONS)
    assert arrays["w"].tolist() == [1.0] * 5
    for name in ("trained_from", "n_rows", "library_versions", "parameters", "decision", "training_seconds"):
        assert row[name] == getattr(model, name), name


def test_publishing_again_writes_nothing(database):
    assert published(database, a_model()) == [True]
    before = everything(database)
    assert len(before[1]) == 6
    assert published(database, a_model(), a_model(training_seconds=99.0)) == [False, False]
    assert everything(database) == before


def test_f36_a_challenger_replaces_the_champion_of_its_week_and_no_other(database):
    first, old, new = a_model(0), a_model(1), a_model(1, seed=2)
    published(database, first, old, new)
    assert statuses(database) == {
        first.model_id: ("champion", None),
        old.model_id: ("retired", f"replaced by {new.model_id}"),
        new.model_id: ("champion", None),
    }


@pytest.mark.parametrize(
    "other",
    [{"kind": ModelKind.ANOMALY}, {"exchange": "kraken"}, {"timeframe": Timeframe.H4}],
    ids=lambda change: next(iter(change)),
)
def test_models_of_another_kind_exchange_or_timeframe_are_left_alone(database, other):
    published(database, a_model(), a_model(**other))
    assert {status for status, _ in statuses(database).values()} == {"champion"}
    assert speaking(database, START, START + 9 * WEEK) == [a_model().effective_from]


def test_a_candidate_says_nothing_and_replaces_nobody(database):
    published(database, a_model(), a_model(seed=2, status=ModelStatus.CANDIDATE))
    with database.begin() as conn:
        (champion,) = champions(conn, *OF_H1, START, START + 9 * WEEK)[ModelKind.DIRECTION]
    assert champion.model_id == a_model().model_id


def test_a_stored_model_is_promoted_when_it_wins_later_and_when_settings_return_to_it(database):
    published(database, a_model(seed=1), a_model(seed=2, status=ModelStatus.CANDIDATE))
    assert published(database, a_model(seed=2)) == [True]
    assert published(database, a_model(seed=1)) == [True]
    assert statuses(database)[a_model(seed=1).model_id] == ("champion", None)
    assert statuses(database)[a_model(seed=2).model_id][0] == "retired"


def test_a_champion_is_not_demoted_by_the_same_judgement_again(database):
    published(database, a_model())
    assert published(database, a_model(status=ModelStatus.CANDIDATE)) == [False]
    assert statuses(database)[a_model().model_id][0] == "champion"


@pytest.mark.parametrize("status", [ModelStatus.CHAMPION, ModelStatus.CANDIDATE])
def test_a_model_that_is_judged_on_other_bars_takes_that_judgement_and_what_it_decides(database, status):
    anew = a_model(status=status, metrics={"auc": 0.7}, decision={"rule": "another"}, parameters={"folds": 1})
    fewer = an_evaluation().query("fold != 2").assign(value=0.7)
    published(database, a_model())

    with database.begin() as conn:
        assert publish(conn, anew, fewer)
        row = conn.execute(sa.select(tables.models)).mappings().one()
        judged = read_evaluations(conn, anew.model_id)

    assert (row["status"], row["metrics"], row["decision"]) == (status, {"auc": 0.7}, {"rule": "another"})
    assert row["parameters"] == {"folds": 1}
    assert [(each["fold"], each["value"]) for each in judged] == [(0, 0.7)] * 2 + [(1, 0.7)] * 2


def test_f29_a_model_whose_bytes_are_damaged_is_whole_again_when_the_same_is_published(database):
    published(database, a_model())
    before = everything(database)
    cut = "substring(artefact FROM 1 FOR 40)"
    with database.begin() as conn:
        conn.exec_driver_sql(f"UPDATE models SET artefact = {cut}, artefact_sha256 = encode(sha256({cut}), 'hex')")
    assert published(database, a_model()) == [True]
    assert everything(database) == before

    with database.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE models DROP CONSTRAINT ck_models_hash_is_the_artefacts")
        conn.exec_driver_sql(f"UPDATE models SET artefact = {cut}")
    assert published(database, a_model()) == [True]
    assert everything(database) == before


def test_a_withdrawn_model_that_is_judged_anew_stays_as_it_is(database):
    published(database, a_model())
    with database.begin() as conn:
        retire(conn, a_model().model_id, "it was wrong")
    before = everything(database)

    with database.begin() as conn:
        assert not publish(conn, a_model(), an_evaluation().assign(value=0.7))

    assert everything(database) == before


def test_a_withdrawn_model_stays_withdrawn_and_the_one_before_speaks(database):
    published(database, a_model(0), a_model(1))
    with database.begin() as conn:
        assert retire(conn, a_model(1).model_id, "it buys everything") is True
        assert retire(conn, a_model(1).model_id, "again") is False
    assert published(database, a_model(1)) == [False]
    assert statuses(database)[a_model(1).model_id] == ("retired", "it buys everything")
    assert speaking(database, START + 5 * WEEK, START + 6 * WEEK) == [a_model(0).effective_from]


def test_a_replaced_model_can_be_withdrawn_for_good(database):
    published(database, a_model(), a_model(seed=2))
    with database.begin() as conn:
        assert retire(conn, a_model().model_id, "never again") is True
    assert published(database, a_model()) == [False]


def test_a_model_that_is_not_there_can_be_neither_withdrawn_nor_read(database):
    with database.begin() as conn:
        with pytest.raises(DataContractError, match="must be one of those that `signals models` lists"):
            retire(conn, uuid4(), "a test")
        with pytest.raises(ModelUnavailableError) as caught:
            read_artefact(conn, uuid4())
    assert caught.value.reason == "artefact_missing"


def test_the_newest_champion_that_is_effective_speaks_from_the_close_it_is_effective_from(database):
    published(database, *(a_model(week) for week in range(4)))
    since = [a_model(week).effective_from for week in range(4)]
    assert speaking(database, since[0] - HOUR, since[0] - HOUR) == []
    assert speaking(database, since[0] - HOUR, since[0]) == since[:1]
    assert speaking(database, since[0], since[1] - HOUR) == since[:1]
    assert speaking(database, since[1], since[1]) == since[1:2]
    assert speaking(database, since[1] + HOUR, since[3] - HOUR) == since[1:3]
    assert speaking(database, START - WEEK, START + 99 * WEEK) == since
    assert speaking(database, START + 98 * WEEK, START + 99 * WEEK) == since[3:]


def test_a_challenger_is_measured_against_the_newest_champion_of_an_earlier_week(database):
    published(database, a_model(0), a_model(1), a_model(2), a_model(1, seed=3, status=ModelStatus.CANDIDATE))
    through = [a_model(week).trained_through for week in range(4)]
    with database.begin() as conn:
        found = [champion_before(conn, ModelKind.DIRECTION, *OF_H1, instant) for instant in through]
    assert [each and each.trained_through for each in found] == [None, *through[:3]]


def test_models_are_listed_without_their_artefacts_newest_first(database):
    published(database, a_model(0), a_model(1), a_model(1, kind=ModelKind.ANOMALY), a_model(2, exchange="kraken"))
    with database.begin() as conn:
        found = list_models(conn, exchange="binance")
        (newest,) = list_models(conn, kind=ModelKind.DIRECTION, timeframe=Timeframe.H1, limit=1)
        assert list_models(conn, timeframe=Timeframe.D1) == []
    assert [(row["kind"], row["trained_through"]) for row in found] == [
        ("anomaly", a_model(1).trained_through),
        ("direction", a_model(1).trained_through),
        ("direction", a_model(0).trained_through),
    ]
    assert newest["exchange"] == "kraken"
    assert newest["artefact_bytes"] == len(a_model(2).artefact)
    assert "artefact" not in newest


def test_the_views_say_which_model_speaks_now(database):
    published(database, a_model(0), a_model(1), a_model(1, kind=ModelKind.ANOMALY), a_model(2000))
    with database.begin() as conn:
        found = conn.execute(sa.text("SELECT trained_through FROM direction_model WHERE is_speaking")).scalars().all()
        assert found == [a_model(1).trained_through]
        assert conn.scalar(sa.text("SELECT count(*) FROM anomaly_model")) == 1
        assert conn.scalar(sa.text("SELECT count(*) FROM price_range_model")) == 0
        judged = conn.execute(
            sa.text("SELECT kind, fold, value FROM v_model_evaluations WHERE predictor = 'model' ORDER BY kind, fold")
        ).all()
    assert judged[0] == ("anomaly", 0, 0.55)
    assert len(judged) == 12


def test_f36_an_error_after_publishing_leaves_the_old_champion(database):
    published(database, a_model(1))
    before = everything(database)

    def publish_and_fail():
        with database.begin() as conn:
            publish(conn, a_model(1, seed=2), an_evaluation())
            raise RuntimeError("a test")

    with pytest.raises(RuntimeError, match="a test"):
        publish_and_fail()
    assert everything(database) == before


def test_f36_a_process_that_is_killed_at_any_statement_of_publishing_leaves_the_old_champion(database):
    published(database, a_model(1))
    before = everything(database)
    killed, ended = map(int, output(KILLED_PUBLISHING, database.address.libpq).split())
    assert (killed >= 5, ended) == (True, 3)
    assert everything(database) == before
    assert published(database, a_model(1, seed=2)) == [True]


def test_two_trainings_may_publish_at_once(database):
    others = [Database(database.address) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        changed = list(pool.map(lambda n: published(others[n], a_model(seed=n)), range(4)))
    for other in others:
        other.close()
    assert changed == [[True]] * 4
    assert sorted(status for status, _ in statuses(database).values()) == ["champion", *["retired"] * 3]


def test_an_evaluation_that_breaks_its_contract_is_not_published(database):
    with database.begin() as conn, pytest.raises(DataContractError, match="ModelEvaluations: fold must be"):
        publish(conn, a_model(), an_evaluation().assign(fold=-1))


def test_f29_an_artefact_is_stored_with_its_own_hash_only(database):
    published(database, a_model())
    with database.begin() as conn, pytest.raises(sa.exc.IntegrityError, match="hash_is_the_artefacts"):
        conn.execute(sa.update(tables.models).values(artefact=a_model().artefact[:-1]))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ("substring(artefact for octet_length(artefact) - 30)", "artefact_truncated"),
        ("set_byte(artefact, 70, get_byte(artefact, 70) # 1)", "artefact_corrupt"),
    ],
)
def test_f29_a_damaged_artefact_is_refused(database, damage, reason):
    published(database, a_model())
    with database.begin() as conn:
        conn.execute(sa.text("ALTER TABLE models DROP CONSTRAINT ck_models_hash_is_the_artefacts"))
        conn.execute(sa.text(f"UPDATE models SET artefact = {damage}"))
        data = read_artefact(conn, a_model().model_id)
    with pytest.raises(ModelUnavailableError) as caught:
        unpack(data, sha256=digest(a_model().artefact), feature_schema="abc", library_versions=VERSIONS)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"kind": "crystal_ball"}, "kind_is_known"),
        ({"status": "star", "status_reason": "it shines"}, "status_is_known"),
        ({"status": "retired", "status_reason": None}, "reason_is_said"),
        ({"effective_from": START + WEEK}, "instants_are_in_order"),
        ({"n_rows": 0}, "has_learned"),
        ({"artefact_sha256": "0" * 64}, "hash_is_the_artefacts"),
    ],
)
def test_the_database_refuses_a_wrong_model(database, change, constraint):
    published(database, a_model())
    with database.begin() as conn, pytest.raises(sa.exc.IntegrityError, match=constraint):
        conn.execute(sa.update(tables.models).values(change))


def test_the_database_holds_one_champion_a_week(database):
    published(database, a_model(), a_model(seed=2, status=ModelStatus.CANDIDATE))
    with database.begin() as conn, pytest.raises(sa.exc.IntegrityError, match="uq_models_champion"):
        conn.execute(sa.update(tables.models).values(status="champion"))


def test_migrating_a_database_with_candles_from_before_models_keeps_them(postgres_server):
    old = Database(fresh_database(postgres_server))
    config = alembic_config()
    with old.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0006")
        key = {"exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h", "bar_seconds": 3600}
        number = conn.scalar(sa.insert(tables.series).values(key).returning(tables.series.c.series_id))
        bar = {"series_id": number, "open_at": START, "close_at": START + HOUR}
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), 100.0)
        conn.execute(sa.insert(tables.candles).values(bar | prices))
        conn.execute(sa.insert(tables.indicators).values(bar | {"rsi_14": 50.0}))
    try:
        assert migrate(old) is True
        with old.begin() as conn:
            assert conn.scalar(sa.text("SELECT close FROM v_candles")) == 100.0
            assert conn.scalar(sa.text("SELECT rsi_14 FROM v_indicators")) == 50.0
            assert conn.scalar(sa.text("SELECT count(*) FROM v_latest_predictions")) == 0
        assert published(old, a_model()) == [True]
    finally:
        old.close()
        drop_database(old.address)
