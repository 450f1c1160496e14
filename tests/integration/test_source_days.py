"""The sums per day that `v_source_performance` reads are those of plain SQL over the outcomes, whatever is done."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.dialects.postgresql import insert

from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.schema import alembic_config, migrate
from tests.support.candle_rows import START
from tests.support.database import a_series_of
from tests.support.outcomes_stored import NO_ENTRY, a_stored_outcome
from tests.support.postgres import drop_database, fresh_database

BY_HAND = """SELECT date_trunc('day', candle_close_at, 'UTC'), source_group, horizon, count(*), count(net_return),
  count(*) FILTER (WHERE net_return > 0),
  count(*) FILTER (WHERE net_return > 0)::float8 / nullif(count(net_return), 0),
  avg(net_return::numeric)::float8, avg(r_multiple::numeric)::float8
FROM signal_outcomes WHERE origin = 'live' AND scope = 'default' AND profile = 'house'
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
IN_VIEW = "SELECT * FROM v_source_performance ORDER BY 1, 2, 3"


def outcomes(n: int, seed: int, **changes: object) -> list[dict[str, object]]:
    """Outcomes of three days, sources and horizons: some not entered, some of replays or of another profile."""
    chance = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        net = float(chance.normal(0, 0.01))
        values = {
            "source_group": str(chance.choice(["technical", "ml_model", "multi"])),
            "horizon": str(chance.choice(["expiry", "4_bars"])),
            "net_return": net,
            "r_multiple": net / 0.02,
            "origin": "live" if chance.random() < 0.8 else "replay",
            "profile": "house" if chance.random() < 0.8 else "alice",
            **(NO_ENTRY if chance.random() < 0.2 else {}),
        }
        at = START + timedelta(hours=int(chance.integers(0, 72)))
        made.append(a_stored_outcome(uuid4(), 1, at, **values | changes))
    return made


def add(database: Database, rows: list[dict[str, object]]) -> None:
    with database.begin() as conn:
        conn.execute(sa.insert(tables.signal_outcomes).values(rows))


def agree(database: Database, n_days: int | None = None) -> None:
    """The view says what plain SQL says."""
    with database.begin() as conn:
        by_hand, in_view = (conn.execute(sa.text(query)).all() for query in (BY_HAND, IN_VIEW))
    assert [tuple(row) for row in in_view] == [
        (*row[:6], *(None if value is None else pytest.approx(value, rel=1e-12, abs=1e-18) for value in row[6:]))
        for row in by_hand
    ]
    assert n_days is None or len(in_view) == n_days


def test_sums_follow_what_is_stored_changed_and_deleted(database):
    a_series_of(database)
    add(database, outcomes(300, seed=1))
    agree(database, 18)
    add(database, outcomes(100, seed=2))
    agree(database)
    for statement in (
        "UPDATE signal_outcomes SET calibrated_confidence = 0.5",
        "UPDATE signal_outcomes SET net_return = -0.5, r_multiple = -1 WHERE net_return > 0.01",
        "UPDATE signal_outcomes SET source_group = 'sentiment' WHERE horizon = 'expiry' AND source_group = 'multi'",
        "UPDATE signal_outcomes SET origin = 'replay' WHERE source_group = 'sentiment' AND net_return > 0",
        "UPDATE signal_outcomes SET profile = 'alice' WHERE profile = 'house' AND net_return BETWEEN 0 AND 0.002",
        "UPDATE signal_outcomes SET profile = 'house' WHERE profile = 'alice' AND net_return < -0.01",
        "UPDATE signal_outcomes SET candle_close_at = candle_close_at + interval '1 day' WHERE bars_held = 0",
        "DELETE FROM signal_outcomes WHERE net_return < 0",
        f"DELETE FROM signal_outcomes WHERE candle_close_at < '{(START + timedelta(days=1)).isoformat()}'",
    ):
        with database.begin() as conn:
            assert conn.execute(sa.text(statement)).rowcount > 0
        agree(database)
    with database.begin() as conn:
        conn.execute(sa.text("TRUNCATE signal_outcomes"))
    agree(database, 0)


def test_what_is_stored_twice_counts_once(database):
    rows = outcomes(50, seed=3)
    add(database, rows)
    with database.begin() as conn:
        conn.execute(insert(tables.signal_outcomes).values(rows).on_conflict_do_nothing())
    agree(database)


def test_a_transaction_that_fails_leaves_no_sum(database):
    add(database, outcomes(20, seed=4))
    rows = outcomes(20, seed=5)
    with pytest.raises(sa.exc.IntegrityError):
        add(database, [*rows, rows[0]])
    agree(database)


def test_writers_at_once_lose_nothing(database):
    kept = [outcomes(40, seed=seed) for seed in range(6)]
    gone = [outcomes(40, seed=seed, strategy="GOLDEN_CROSS") for seed in range(6, 12)]
    for rows in gone:
        add(database, rows)

    def work(number: int) -> None:
        add(database, kept[number])
        ids = [row["signal_id"] for row in gone[number]]
        with database.begin() as conn:
            conn.execute(sa.delete(tables.signal_outcomes).where(tables.signal_outcomes.c.signal_id.in_(ids)))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))
    agree(database)


def test_the_migration_adds_up_what_was_stored_before(postgres_server):
    old = Database(fresh_database(postgres_server))
    try:
        with old.begin() as conn:
            config = alembic_config()
            config.attributes["connection"] = conn
            command.upgrade(config, "0013")
            conn.execute(sa.insert(tables.signal_outcomes).values(outcomes(100, seed=6)))
        assert migrate(old) is True
        agree(old, 18)
    finally:
        old.close()
        drop_database(old.address)
