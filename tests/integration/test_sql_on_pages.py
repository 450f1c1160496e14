"""SQL that a page shows is answered as it stands there, by the login that may ask it.

Blocks of SQL, and what is given to `signals sql` or `psql -c`; one on a new page is found by itself. `TESTED_ELSEWHERE`
are pages with tests of their own.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from pipeline import retention
from pipeline.domain.signal import Origin
from pipeline.reporting import refresh, window_of
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.run_records import run_records
from tests.support.chain import FILES, days, store_block
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, around_now, store
from tests.support.market import START, random_walk
from tests.support.model_chain import publish_each_kind
from tests.support.pages import ROOT, blocks
from tests.support.run_history import dagster_template, history
from tests.support.sentiment_chain import store_moods
from tests.support.sql_logins import connected

__all__ = ["dagster_template", "history"]

TESTED_ELSEWHERE = {"docs/queries.md", "docs/lifecycle.md", "CONTRIBUTING.md"}
TEXTS = {
    page: (ROOT / page).read_text(encoding="utf-8")
    for page in sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
}
TO_OUR_COMMAND = re.compile(r'signals sql "([^"]+)"')
TO_DAGSTERS_DATABASE = re.compile(r'-c "([^"]+)"')
HOURS = 24 * 24
END = START + timedelta(hours=HOURS)


class Shown(NamedTuple):
    """SQL that a page shows."""

    page: str
    query: str

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.query.split())[:60]}"


SHOWN = [
    Shown(page, query)
    for page, text in TEXTS.items()
    if page not in TESTED_ELSEWHERE
    for query in [*blocks(page, "sql"), *TO_OUR_COMMAND.findall(text)]
]
NAMED = {UUID(text) for shown in SHOWN for text in re.findall(r"'([0-9a-f-]{36})'", shown.query)}
# What a page says, and what it is in the database of this test.
SUBSTITUTED = {
    "now() - interval '12 hours'": f"timestamptz '{END - timedelta(days=2)}'",
    "o.origin = 'live'": "o.origin = 'replay'",
    "scope = 'usual'": "scope = 'default'",
}
OF_BOTS = re.compile(r"\b(execute_signal|invalidate_signal)\b")
OF_TABLES = re.compile(rf"\b({'|'.join(tables.metadata.tables)})\b")


@pytest.fixture(scope="module")
def market(postgres_server, migrated_template) -> Iterator[Database]:
    """Three days of a random market, replayed with models, texts and an extra indicator, and judged; live signals."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=7, n_candles=HOURS, volatility=0.02))
        publish_each_kind(database, 0)
        first = (END - timedelta(days=4)).date()
        store_moods(database, ["BTC"], END - timedelta(days=6), 5)
        days(database, first, first + timedelta(days=2), {"indicators.stoch.ta": "StochasticOscillator"})
        as_of = END + timedelta(hours=1)
        refresh(database, load_settings(FILES), window_of("7d", as_of, exchange="binance", origin=Origin.REPLAY), as_of)
        series, life = a_series_of(database), around_now()
        store(database, [a_life(series, **life), *(a_life(series, **life) | {"id": number} for number in NAMED)])
        with database.begin() as conn:
            refused = {"source": "news", "feed": "f", "external_id": "1", "reason": "empty", "beginning": ""}
            conn.execute(sa.insert(tables.document_quarantine).values(fingerprint="0", **refused))
        yield database


def login_of(query: str) -> str:
    """Who may ask: views are for everybody, tables for their owner alone, signals are ended by bots."""
    if OF_BOTS.search(query):
        return "bot"
    return "owner" if OF_TABLES.search(query) else "reader"


def answers(database: Database, query: str) -> Sequence[Any]:
    for said, here in SUBSTITUTED.items():
        query = query.replace(said, here)
    login = login_of(query)
    if login == "owner":
        with psycopg.connect(database.address.libpq) as session:
            session.read_only = True  # as `signals sql` asks
            return session.execute(query).fetchall()
    with connected(database, login) as session:
        return session.execute(query).fetchall()


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_sql_on_a_page_is_answered_to_whom_it_is_meant_for(market, shown):
    assert answers(market, shown.query)


@pytest.mark.parametrize("page", sorted({shown.page for shown in SHOWN if login_of(shown.query) == "owner"}))
def test_a_page_that_asks_tables_says_by_which_command(page):
    assert "signals sql" in TEXTS[page]


def test_pages_are_searched_in_every_way_that_they_show_sql():
    assert {"docs/sql.md", "docs/patterns.md", "docs/sentiment.md", "docs/sentiment-texts.md"} <= {
        shown.page for shown in SHOWN
    }
    assert {login_of(shown.query) for shown in SHOWN} == {"owner", "reader", "bot"}
    assert all(any(said in shown.query for shown in SHOWN) for said in SUBSTITUTED)


def test_what_operating_does_to_the_database_of_dagster_can_be_done(history):
    statements = TO_DAGSTERS_DATABASE.findall(TEXTS["docs/operating.md"])
    assert [statement.partition("FULL ")[0] for statement in statements] == ["VACUUM "] * 2
    with run_records(retention.records_url(history.instance)) as records, records.connect() as conn:
        conn.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            conn.execute(sa.text(statement))
