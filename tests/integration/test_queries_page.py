"""The questions of docs/queries.md are answered to a reader, and the answers have the columns that the page shows."""

import re
from datetime import timedelta

import psycopg
import pytest

from pipeline.domain.signal import Origin
from pipeline.reporting import refresh, window_of
from pipeline.settings import load_settings
from tests.support.chain import FILES, days, store_block
from tests.support.database import a_database
from tests.support.market import START, random_walk
from tests.support.pages import ROOT
from tests.support.sql_logins import connected

PAGE = (ROOT / "docs" / "queries.md").read_text(encoding="utf-8")
QUESTION = re.compile(r"^## (\d+)\. (.+?)$.*?^```sql\n(.*?)^```$\s+^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)
QUESTIONS = QUESTION.findall(PAGE)
HOURS = 400
SINCE = re.compile(r"'2024-06-\d\d'")


@pytest.fixture(scope="module")
def asked(postgres_server, migrated_template):
    """A reader's session where two days of a random market were replayed and judged."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=7, n_candles=HOURS, volatility=0.02))
        end = START + timedelta(hours=HOURS)
        first = (end - timedelta(days=3)).date()
        days(database, first, first + timedelta(days=1))
        as_of = end + timedelta(hours=1)
        window = window_of("7d", as_of, exchange="binance", origin=Origin.REPLAY)
        refresh(database, load_settings(FILES), window, as_of)
        with connected(database, "reader") as session:
            yield session


def shown_columns(answer: str) -> list[str]:
    """The header of a table as `signals sql` prints it."""
    return answer.splitlines()[0].split()


def test_there_are_ten_questions_and_each_has_an_answer():
    assert [int(number) for number, *_ in QUESTIONS] == list(range(1, 11))
    assert PAGE.count("```sql") == len(QUESTIONS)
    assert all(len(answer.splitlines()) > 2 for *_, answer in QUESTIONS)


@pytest.mark.parametrize(("title", "query", "answer"), [q[1:] for q in QUESTIONS], ids=[q[0] for q in QUESTIONS])
def test_a_question_is_answered_with_the_columns_that_are_shown(asked: psycopg.Connection, title, query, answer):
    found = asked.execute(SINCE.sub("'2001-01-01'", query, count=1).replace("'2024-06-25'", "'2099-01-01'"))
    assert found.description is not None
    assert [column.name for column in found.description] == shown_columns(answer), title


def test_the_market_of_this_test_has_answers(asked):
    empty = []
    for number, _, query, _ in QUESTIONS:
        everywhere = re.sub(r"HAVING count\(\*\) >= \d+ ", "", query)
        for written in ("'2024-06-25'", "'2024-06-30'"):
            everywhere = everywhere.replace(written, "'2099-01-01'")
        rows = asked.execute(SINCE.sub("'2001-01-01'", everywhere)).fetchall()
        if not rows:
            empty.append(number)
    assert empty == []
