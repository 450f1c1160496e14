"""The schema: migrations make what the tables say, older ones are migrated, newer ones refused (F52)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from pipeline.domain.errors import SchemaVersionError
from pipeline.storage import tables, triggers, views
from pipeline.storage.database import Database
from pipeline.storage.schema import alembic_config, migrate
from tests.support.postgres import drop_database, fresh_database


@pytest.fixture
def empty(postgres_server):
    fresh = Database(fresh_database(postgres_server))
    yield fresh
    fresh.close()
    drop_database(fresh.address)


def test_the_migrations_make_exactly_what_the_tables_say(database):
    with database.begin() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": False})
        assert compare_metadata(context, tables.metadata) == []
        inspector = sa.inspect(conn)
        for table in tables.metadata.sorted_tables:
            assert inspector.get_table_comment(table.name)["text"] == table.comment
            comments = {column["name"]: column["comment"] for column in inspector.get_columns(table.name)}
            assert comments == {column.name: column.comment for column in table.columns}
            checks = {check["name"] for check in inspector.get_check_constraints(table.name)}
            named = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            assert {name if name.startswith("ck_") else f"ck_{table.name}_{name}" for name in named} == checks


def test_migrating_twice_changes_nothing(database):
    assert migrate(database) is False


def test_f52_an_older_schema_is_migrated_and_keeps_its_rows(empty):
    config = alembic_config()
    with empty.begin() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, "0001")
        conn.execute(
            sa.insert(tables.series).values(exchange="binance", symbol="BTC/USDT", timeframe="1h", bar_seconds=3600)
        )

    assert migrate(empty) is True

    with empty.begin() as conn:
        assert conn.scalar(sa.select(tables.series.c.symbol)) == "BTC/USDT"
        assert conn.scalar(sa.text("SELECT count(*) FROM v_active_signals")) == 0


def test_f52_a_newer_schema_is_refused_and_left_as_it_is(database):
    with database.begin() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(SchemaVersionError, match="written by a newer version"):
        migrate(database)

    with database.begin() as conn:
        assert conn.scalar(sa.text("SELECT version_num FROM alembic_version")) == "9999"


def test_f52_a_migration_that_fails_half_way_leaves_nothing(empty, monkeypatch):
    monkeypatch.setattr(triggers, "statements", lambda: ["SELECT 1 / 0"])

    with pytest.raises(sa.exc.DataError, match="division by zero"):
        migrate(empty)

    with empty.begin() as conn:
        assert sa.inspect(conn).get_table_names() == []


def test_two_processes_may_migrate_at_once(empty):
    others = [Database(empty.address) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        changed = list(pool.map(migrate, others))
    for other in others:
        other.close()

    assert sorted(changed) == [False, False, True]


def test_changed_views_are_made_again(database, monkeypatch):
    original = views.statements()
    monkeypatch.setattr(views, "statements", lambda: [*original, "COMMENT ON VIEW v_candles IS 'changed'"])

    assert migrate(database) is True

    with database.begin() as conn:
        assert conn.scalar(sa.text("SELECT obj_description('v_candles'::regclass)")) == "changed"
