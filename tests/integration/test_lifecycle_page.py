"""What the page about the life of signals shows in SQL can be done as it stands there."""

import re
from uuid import UUID

import psycopg
import pytest

from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, events_of, inconsistent, plain, status_of, store
from tests.support.pages import ROOT, blocks

PAGE = (ROOT / "docs" / "lifecycle.md").read_text(encoding="utf-8")
EXAMPLES = blocks("docs/lifecycle.md", "sql")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_in_sql_does_what_it_says(database, example):
    number = a_series_of(database)
    named = [UUID(text) for text in re.findall(r"'([0-9a-f-]{36})'", example)]
    past = {} if "2024-01-01" in example else around_now()
    numbers = store(database, [a_life(number, **past) | {"id": each} for each in named or [UUID(int=1)]])

    with plain(database) as conn:
        for statement in filter(str.strip, example.split(";")):
            conn.execute(statement)

    status = status_of(database, numbers[0])
    if "execute_signal" in example or "'EXECUTED'" in example:
        assert status == "EXECUTED"
    elif "INVALIDATED" in example or "invalidate_signal" in example:
        assert status == "INVALIDATED"
    else:
        assert status == "ACTIVE"
    if "bot 7" in example:
        assert [event[3:] for event in events_of(database, numbers[0])] == [("bot 7", "no liquidity")]
    assert inconsistent(database) == []


def test_the_sqlstates_of_the_page_are_those_of_the_errors():
    found = re.findall(r"^\| `([0-9A-Z]{5})` \|", PAGE, re.MULTILINE)
    errors = (psycopg.errors.RestrictViolation, psycopg.errors.CheckViolation, psycopg.errors.NoDataFound)
    assert found == [error.sqlstate for error in errors]
