"""The asset `expired_signals`: a sweep as of its tick, beside the chain, and what it tells."""

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pipeline import run_tags
from pipeline.definitions import defs
from pipeline.storage.database import Database
from tests.support.candle_rows import START
from tests.support.lifecycle import HOUR, events_of, status_of, stored


@pytest.fixture(autouse=True)
def address(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALS_DATABASE_URL", database.address.libpq)


def swept(minutes: int) -> tuple[dict[str, Any], dict[str, bool]]:
    """One run of the job as of an instant after `START`: what the asset reported, and its checks."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("expire_signals").execute_in_process(
            instance=instance,
            tags={run_tags.AS_OF: (START + timedelta(minutes=minutes)).isoformat()},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    (event,) = result.get_asset_materialization_events()
    told = event.step_materialization_data.materialization.metadata
    checks = {each.check_name: each.passed for each in result.get_asset_check_evaluations()}
    return {name: value.value for name, value in told.items()}, checks


def test_a_sweep_is_as_of_its_tick_and_not_of_its_start(database):
    (early,), (late,) = stored(database), stored(database, expires_at=START + 2 * HOUR)

    told, checks = swept(65)

    assert (status_of(database, early), status_of(database, late)) == ("EXPIRED", "ACTIVE")
    assert (told["rows_written"], told["latest_s"]) == (1, 300.0)
    assert checks == {"contract": True, "none_stands": True}
    assert [dict(record.data) for record in told["by_kind"].records] == [
        {
            "origin": "live",
            "scope": "default",
            "exchange": "binance",
            "timeframe": "1h",
            "signal_type": "BUY",
            "signals": 1,
        }
    ]


def test_a_sweep_that_is_repeated_changes_nothing(database):
    (number,) = stored(database)
    swept(60)
    before = events_of(database, number)

    told, checks = swept(60)

    assert told["rows_written"] == 0
    assert all(checks.values())
    assert events_of(database, number) == before


def test_a_sweep_does_not_wait_for_the_chain(database):
    stored(database)

    with database.chain_lock():
        told, _ = swept(60)

    assert told["rows_written"] == 1


def test_a_signal_that_stands_past_its_expiry_is_told(database):
    """As it would be if another hand kept the sweep from it."""
    stored(database)
    with database.begin() as conn:
        conn.execute(
            sa.text(
                """CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER a_hand BEFORE UPDATE ON trading_signals FOR EACH ROW EXECUTE FUNCTION keep()"""
            )
        )

    _, checks = swept(60)

    assert checks == {"contract": True, "none_stands": False}


def test_the_view_shows_what_expired_and_when_it_was_marked(database):
    stored(database)
    stored(database, expires_at=START + 2 * HOUR)
    swept(60)

    with database.begin() as conn:
        query = "SELECT expires_at, expired_as, marked_at >= now() - interval '1 hour' FROM expired_signals"
        (row,) = conn.execute(sa.text(query))

    assert tuple(row) == (START + HOUR, None, True)
