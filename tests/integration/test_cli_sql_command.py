"""`signals sql`: answers in three formats, and nothing but answers."""

import csv
import io

import pytest
import sqlalchemy as sa

from pipeline.cli import querying
from tests.support.database import a_series_of


def test_a_question_is_answered_as_table_csv_or_json(signals):
    query = "SELECT 1.5::float8 AS a, NULL AS b, true AS c, '{\"x\": 1}'::jsonb AS d, '2024-01-01'::timestamptz AS e"
    table, as_csv, as_json = (signals("sql", query, "--format", kind) for kind in ("table", "csv", "json"))

    assert [line.split(maxsplit=3) for line in table.out.splitlines()][1] == [
        "1.5",
        "-",
        "yes",
        '{"x": 1}  2024-01-01 00:00',
    ]
    assert list(csv.DictReader(io.StringIO(as_csv.out))) == [
        {"a": "1.5", "b": "", "c": "true", "d": '{"x": 1}', "e": "2024-01-01T00:00:00Z"}
    ]
    assert as_json.json == [{"a": 1.5, "b": None, "c": True, "d": {"x": 1}, "e": "2024-01-01T00:00:00Z"}]


def test_the_question_may_come_by_pipe(signals):
    assert signals("sql", "--format", "csv", stdin="SELECT 1 AS one").out == "one\n1\n"
    assert signals("sql", "-", "--format", "csv", stdin="SELECT 1 AS one").out == "one\n1\n"


def test_no_rows_are_a_header_and_an_empty_array(signals):
    query = "SELECT symbol FROM v_candles"
    assert signals("sql", query, "--format", "csv").out == "symbol\n"
    assert signals("sql", query, "--format", "json").json == []


def test_columns_of_the_same_name_are_told_apart_in_json(signals):
    assert signals("sql", "SELECT 1 a, 2 a", "--format", "json").json == [{"a": 1, "a_2": 2}]


def test_a_long_table_says_how_to_have_all_of_it(signals):
    said = signals("sql", "SELECT generate_series(1, 1500) AS n")
    assert len(said.out.splitlines()) == 1001
    assert "1,000 of 1,500 rows; --format csv gives all" in said.err


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM series",
        "CREATE TABLE mine (a int)",
        "DO $$ BEGIN EXECUTE 'SET TRANSACTION READ WRITE'; DELETE FROM series; END $$",
        "SELECT nextval(pg_get_serial_sequence('series', 'series_id'))",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/hostname')",
    ],
)
def test_nothing_can_be_changed_run_or_read_beside_the_tables(signals, database, query):
    a_series_of(database)
    said = signals("sql", query)
    assert said.code == 1
    assert said.err.startswith("error: ")
    with database.begin() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM series")) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FORM candles", 'syntax error at or near "FORM"\nLINE 1: SELECT * FORM candles\n                 ^'),
        ("SELECT nothing FROM candles", 'column "nothing" does not exist'),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("COPY candles TO STDOUT", "SELECT with --format csv"),
    ],
)
def test_a_wrong_question_is_explained_without_a_traceback(signals, query, message):
    said = signals("sql", query)
    assert said.code == 1
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_question_that_takes_too_long_is_given_up(signals, monkeypatch):
    monkeypatch.setattr(querying, "OPTIONS", querying.OPTIONS.replace("=60s", "=50ms"))
    said = signals("sql", "SELECT pg_sleep(5)")
    assert said.code == 1
    assert "60 s at most" in said.err


def test_the_address_is_printed_alone_so_that_other_programs_can_use_it(signals, database):
    said = signals("sql", "--url")
    assert said.out == database.address.libpq + "\n"
