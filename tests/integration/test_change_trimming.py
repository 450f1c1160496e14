"""Old changes are deleted from the first one on, and whoever has missed some is told so instead of the rest."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from pipeline.api import following
from pipeline.api.client import ApiError, SignalsClient
from pipeline.domain.errors import ChangesDeletedError
from pipeline.settings_sections import RetentionSettings
from pipeline.storage import tables
from pipeline.storage.changes import BEGINNING, Mark, is_known, newest_mark, read_changes
from pipeline.storage.database import Database
from pipeline.storage.thinning import thin
from tests.support.api import an_api, refused
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, store, stored
from tests.support.streams import STREAM, caught_up, code_of, newest, streamed

NOW = datetime.now(UTC)
BEFORE = NOW - timedelta(days=30)
MANY = 10_000
SEEDS = range(12)


def date_back(database: Database, days: Sequence[float]) -> None:
    """Let changes, by number, be as many days old; the rest stays as it is."""
    with database.begin() as conn:
        c = tables.signal_changes.c
        numbers = conn.scalars(sa.select(c.change_id).order_by(c.change_id)).all()
        for number, age in zip(numbers, days, strict=False):
            conn.execute(
                sa.update(tables.signal_changes)
                .where(c.change_id == number)
                .values(recorded_at=NOW - timedelta(days=age))
            )


def trim(database: Database, batch: int = MANY) -> int:
    return thin(database, "signal_changes", BEFORE, batch)


def numbers_of(database: Database) -> list[int]:
    """Of the changes that are kept."""
    with database.begin() as conn:
        c = tables.signal_changes.c
        return list(conn.scalars(sa.select(c.change_id).order_by(c.change_id)))


def marks_of(database: Database) -> list[Mark]:
    """Where a reader may stand, before the first change too."""
    return [BEGINNING, *(change.mark for change in read_changes(database, 0, MANY))]


def missed(database: Database, mark: Mark) -> bool:
    """Whether a reader who stands there is refused, before and while reading."""
    try:
        with database.begin() as conn:
            assert is_known(conn, mark)
    except ChangesDeletedError:
        with pytest.raises(ChangesDeletedError):
            read_changes(database, mark.number, MANY)
        return True
    return False


# What is deleted


def test_nothing_is_deleted_unless_a_setting_says_so():
    assert RetentionSettings().thinned == {}
    assert RetentionSettings(signal_changes_days=90).thinned == {"signal_changes": timedelta(days=90)}


def test_old_changes_go_and_the_newest_stays_however_old_it_is(database):
    stored(database, 4)
    date_back(database, [60, 50, 40, 10])
    assert trim(database) == 3
    assert numbers_of(database) == [4]
    date_back(database, [400])
    before = newest_mark(database)
    assert trim(database) == 0
    assert newest_mark(database) == before
    assert before.number == 4


def test_a_table_without_a_change_has_none_to_delete(database):
    assert trim(database) == 0
    assert not missed(database, BEGINNING)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_the_clocks_and_batches_what_is_left_follows_one_number_and_nobody_skips_any(database, seed):
    """Changes of any age in any order, some of them rolled back or deleted with their signals."""
    chance = random.Random(seed)
    for _ in range(12):
        numbers = stored(database, chance.randint(1, 3))
        if chance.random() < 0.3:
            with database.begin() as conn:
                conn.execute(sa.delete(tables.trading_signals).where(tables.trading_signals.c.id == numbers[0]))
        if chance.random() < 0.3:
            with database.engine.connect() as conn:
                conn.execute(sa.insert(tables.trading_signals), [a_life(a_series_of(database))])
                conn.rollback()
    all_numbers = numbers_of(database)
    age_of = {number: chance.choice([45.0, 45.0, 45.0, 15.0]) for number in all_numbers}
    if chance.random() < 0.3:
        age_of |= dict.fromkeys(all_numbers, 45.0)
    date_back(database, list(age_of.values()))
    marks = marks_of(database)

    deleted = trim(database, batch=chance.choice([1, 2, 5, MANY]))

    kept = numbers_of(database)
    assert [*all_numbers[:deleted], *kept] == all_numbers
    assert all(age_of[number] == 45.0 for number in all_numbers[:deleted])
    assert len(kept) == 1 or age_of[kept[0]] == 15.0
    for place, mark in enumerate(marks):
        assert missed(database, mark) == (place < deleted)
        if place >= deleted:
            assert [c.number for c in read_changes(database, mark.number, MANY)] == all_numbers[place:]


class KilledError(Exception):
    """The process that trims is ended here."""


@pytest.mark.parametrize("n_batches", range(3))
def test_a_trimming_that_is_ended_between_batches_has_deleted_the_first_ones_and_the_next_one_goes_on(
    database, n_batches
):
    stored(database, 10)
    date_back(database, [60] * 8)
    marks = marks_of(database)
    begun = []

    def end(conn: Any, cursor: Any, statement: str, *rest: object) -> None:
        if "DELETE FROM signal_changes" in statement:
            begun.append(statement)
            if len(begun) > n_batches:
                raise KilledError

    sa.event.listen(database.engine, "before_cursor_execute", end)
    with pytest.raises(KilledError):
        trim(database, batch=3)
    sa.event.remove(database.engine, "before_cursor_execute", end)

    assert numbers_of(database) == list(range(3 * n_batches + 1, 11))
    assert [missed(database, mark) for mark in marks] == [place < 3 * n_batches for place in range(11)]
    assert trim(database, batch=3) == 8 - 3 * n_batches
    assert numbers_of(database) == [9, 10]


def test_nothing_is_deleted_behind_a_number_that_is_not_decided(database):
    stored(database, 2)
    with database.engine.connect() as late:
        late.execute(sa.insert(tables.trading_signals), [a_life(a_series_of(database))])  # takes the number 3
        stored(database, 2)
        date_back(database, [60, 60, 60, 60])
        assert trim(database) == 1
        assert numbers_of(database) == [2, 4, 5]
        late.commit()
    assert [change.number for change in read_changes(database, 2, MANY)] == [3, 4, 5]


def test_whoever_has_read_up_to_the_newest_that_was_deleted_has_missed_nothing(database):
    stored(database, 3)
    date_back(database, [60, 60, 1])
    first, second, third = marks_of(database)[1:]
    trim(database)
    assert [missed(database, mark) for mark in (BEGINNING, first, second, third)] == [True, True, False, False]
    with database.begin() as conn:
        assert not is_known(conn, second._replace(words="0123456789ab"))  # of another database, by its words


def test_a_stream_can_begin_though_all_signals_are_deleted_after_a_trimming(database):
    stored(database, 3)
    date_back(database, [60, 60, 1])
    trim(database)
    with database.begin() as conn:
        conn.execute(sa.text("TRUNCATE trading_signals CASCADE"))
    begin = newest_mark(database)
    assert not missed(database, begin)
    (later,) = stored(database)
    assert [change.signal["id"] for change in read_changes(database, begin.number, MANY)] == [later]


# What a stream tells of it


@pytest.fixture
def client(database):
    with an_api(database) as client:
        yield client


def test_cursors_from_before_what_is_kept_are_refused_the_beginning_too(database, client):
    began = newest(client)
    stored(database, 4)
    cursors = [began, *(change["cursor"] for change in caught_up(client))]
    date_back(database, [60, 60, 60, 1])
    cursors[1:] = [change["cursor"] for change in caught_up(client)]  # a mark has the instant in it
    trim(database)
    for cursor in cursors[:3]:
        for given in ({"params": {"after": cursor}}, {"headers": {"Last-Event-ID": cursor}}):
            error = refused(client.get(STREAM, **given), 410, "unknown_cursor")
            assert "retention.signal_changes_days" in error["message"]
            assert "begin without a cursor" in error["message"]
    assert cursors[0] == "0"
    assert [change["cursor"] for change in caught_up(client, cursors[3])] == [cursors[4]]
    assert newest(client) == cursors[4]
    with SignalsClient(str(client.base_url)) as signals, pytest.raises(ApiError, match=r"410 unknown_cursor: .* kept"):
        next(signals.stream(after=cursors[1]))


def test_the_beginning_is_a_cursor_as_long_as_nothing_was_deleted_though_the_first_numbers_are_missing(
    database, client
):
    with database.engine.connect() as conn:
        conn.execute(sa.insert(tables.trading_signals), [a_life(a_series_of(database))])
        conn.rollback()
    (number,) = stored(database)
    assert numbers_of(database) == [2]
    assert [change["signal"]["signal_id"] for change in caught_up(client)] == [str(number)]


def test_a_stream_that_is_open_goes_on_when_what_it_has_told_is_deleted(database, client):
    with streamed(client) as events:
        numbers = [str(number) for number in stored(database, 5)]
        told = [next(events).data for _ in numbers]
        date_back(database, [60] * 5)
        assert trim(database) == 4
        (later,) = stored(database)
        assert str(later) in next(events).data
    assert all(number in data for number, data in zip(numbers, told, strict=True))


def test_a_stream_that_reads_what_is_being_deleted_ends_instead_of_skipping_it(database, client, monkeypatch):
    monkeypatch.setattr(following, "PAGE", 20)
    monkeypatch.setattr(following, "RECENT", 20)
    series = a_series_of(database)
    numbers = [str(n) for n in store(database, [a_life(series, description="x" * 8000) for _ in range(2_000)])]
    with httpx.Client(base_url=client.base_url, timeout=60) as own, streamed(own, after="0") as events:
        next(events)  # the connection takes no more until the next one is read
        date_back_all(database)
        assert trim(database) == len(numbers) - 1
        *told, end = events
    assert code_of(end) == "changes_deleted"
    assert 0 < len(told) < len(numbers) - 1
    assert all(number in event.data for number, event in zip(numbers[1:], told, strict=False))
    assert end.id == told[-1].id
    refused(client.get(STREAM, params={"after": end.id}), 410, "unknown_cursor")


def date_back_all(database: Database) -> None:
    with database.begin() as conn:
        conn.execute(sa.text("UPDATE signal_changes SET recorded_at = :at"), {"at": NOW - timedelta(days=60)})


def test_changes_that_are_deleted_while_the_reader_is_away_are_no_restore(database, client, monkeypatch):
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 4.0)
    stored(database)
    with streamed(client, after="0") as events:
        told = next(events)
        with psycopg.connect(database.address.libpq, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        stored(database, 2)
        date_back_all(database)
        assert trim(database) == 2
        end = next(events)
        assert (code_of(end), end.id) == ("changes_deleted", told.id)
    with streamed(client) as events:
        (later,) = stored(database)
        assert str(later) in next(events).data
