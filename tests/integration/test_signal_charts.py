"""The asset `signal_charts`: pictures of the strongest active signals, and of no others."""

import base64
import io
import re
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from PIL import Image

from pipeline import run_tags
from pipeline.charts.png import SMALL
from pipeline.definitions import defs
from pipeline.storage import tables
from pipeline.storage.database import Database
from tests.support.candle_rows import START
from tests.support.chain import FILES, store_block
from tests.support.database import a_series_of, a_stored_signal
from tests.support.market import random_walk

HOUR = timedelta(hours=1)
NOW = START + 100 * HOUR


@pytest.fixture(autouse=True)
def candles(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALS_DATABASE_URL", database.address.libpq)
    store_block(database, random_walk(3, 100, symbols=("BTC/USDT",)))


def an_active(database: Database, rank_score: float, **changes: Any) -> dict[str, Any]:
    begin = {"created_at": NOW - HOUR, "expires_at": NOW + 3 * HOUR, "rank_score": rank_score, "status": "ACTIVE"}
    return a_stored_signal(a_series_of(database), **(begin | changes))


def stored(database: Database, *rows: dict[str, Any]) -> None:
    with database.begin() as conn:
        conn.execute(sa.insert(tables.trading_signals), list(rows))


def drawn(**changes: str) -> dict[str, Any]:
    """One run of the job; what the asset reported."""
    resources = {
        "settings": {"config": {"changes": FILES | {name.replace("__", "."): text for name, text in changes.items()}}},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("draw_charts").execute_in_process(
            instance=instance,
            tags={run_tags.AS_OF: NOW.isoformat()},
            run_config={"resources": resources, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}


def charts(database: Database) -> list[sa.RowMapping]:
    with database.begin() as conn:
        return list(conn.execute(sa.select(tables.signal_charts).order_by(tables.signal_charts.c.place)).mappings())


def test_the_strongest_active_signals_have_a_picture_best_first(database: Database):
    weak, strong = an_active(database, 0.5), an_active(database, 0.9, signal_type="SELL", stop_loss_price=102.0)
    stored(database, weak, strong, an_active(database, 0.1, created_at=NOW - 2 * HOUR))

    report = drawn(charts__signals="2")

    first, second = charts(database)
    assert (first["signal_id"], second["signal_id"]) == (strong["id"], weak["id"])
    assert first["until"] == NOW
    assert first["caption"].startswith("BTC/USDT  1h  binance: SELL SMA_CROSSOVER, ")
    with Image.open(io.BytesIO(first["png"])) as picture:
        assert picture.size == SMALL
    assert report["rows_written"] == 2
    (encoded,) = re.findall(r"!\[[^\]]+\]\(data:image/png;base64,([^)]+)\)", report["1"])
    assert base64.b64decode(encoded) == first["png"]


def test_ended_replayed_and_foreign_signals_have_none(database: Database):
    stored(
        database,
        an_active(database, 0.9, expires_at=NOW),
        an_active(database, 0.9, status="EXPIRED"),
        an_active(database, 0.9, origin="replay"),
        an_active(database, 0.9, profile="somebody"),
        an_active(database, 0.9, created_at=NOW + HOUR),
    )
    drawn()
    assert charts(database) == []


def test_without_an_active_signal_the_run_succeeds_and_old_pictures_go(database: Database):
    signal = an_active(database, 0.9)
    stored(database, signal)
    drawn()
    assert len(charts(database)) == 1
    with database.begin() as conn:
        conn.execute(sa.update(tables.trading_signals).values(status="EXPIRED"))

    assert drawn()["rows_written"] == 0
    assert charts(database) == []


def test_drawing_again_changes_nothing_but_the_clock(database: Database):
    stored(database, an_active(database, 0.9))
    drawn()
    (before,) = charts(database)
    drawn()
    (after,) = charts(database)
    assert after["drawn_at"] > before["drawn_at"]
    assert {**after, "drawn_at": None} == {**before, "drawn_at": None}


def test_none_is_drawn_where_the_settings_want_none(database: Database):
    stored(database, an_active(database, 0.9))
    assert drawn(charts__signals="0")["rows_written"] == 0


def test_a_run_of_the_chain_does_not_hold_it_up(database: Database):
    stored(database, an_active(database, 0.9))
    with database.chain_lock():
        assert drawn()["rows_written"] == 1
