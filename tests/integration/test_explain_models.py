"""Explaining what models said: which spoke, what drove an anomaly, and why a kind was silent."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explain.explanation import Explanation
from pipeline.explain.models import ModelFinding
from pipeline.explaining import explain_bar
from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from tests.support.chain import FAR_FUTURE, FILES, days, rows, store_block
from tests.support.cli import line_with
from tests.support.database import a_copy_of, a_database
from tests.support.market import random_walk
from tests.support.model_chain import publish_each_kind

SYMBOLS = ("BTC/USDT", "ETH/USDT")
FIRST = date(2024, 2, 13)
BEGIN = datetime(2024, 2, 13, tzinfo=UTC)  # from here on the models speak
BEFORE = BEGIN - timedelta(hours=1)
TIGHT = {"models.tighten_targets": "true"}


@pytest.fixture(scope="module")
def made(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """Six weeks of hours of two symbols, models that speak since a day, and that day and the one before it."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=21, n_candles=44 * 24, symbols=SYMBOLS))
        publish_each_kind(database, 5)
        days(database, date(2024, 2, 12), FIRST, TIGHT)
        database.close()
        yield database.address


@pytest.fixture
def database(made: DatabaseAddress) -> Iterator[Database]:
    """A copy of it."""
    with a_copy_of(made) as database:
        yield database


def explained(database: Database, symbol: str, at: datetime, **options: object) -> Explanation:
    key = SeriesKey("binance", symbol, Timeframe.H1)
    return explain_bar(database, load_settings(FILES), key, as_of=FAR_FUTURE, at=at, **options)


def models(database: Database, at: datetime, symbol: str = "BTC/USDT", **options: object) -> dict[str, ModelFinding]:
    return {each.kind: each for each in explained(database, symbol, at, **options).models}


def change(database: Database, statement: str) -> None:
    with database.begin() as conn:
        assert conn.execute(sa.text(statement)).rowcount


def alert(database: Database) -> tuple[str, datetime]:
    """Symbol and close of an anomaly that became an alert."""
    row = rows(database, "candidate_signals", "strategy = 'MARKET_ANOMALY' AND scope = 'default'")[0]
    return row["symbol"], row["candle_close_at"]


def test_each_model_that_spoke_is_named_with_what_is_stored_of_it(database):
    found = models(database, BEGIN)
    for kind in ModelKind:
        table = {"anomaly": "anomaly_scores"}.get(kind, f"{kind}_predictions")
        series = "SELECT series_id FROM series WHERE symbol = 'BTC/USDT'"
        (row,) = rows(database, table, f"close_at = '{BEGIN}' AND series_id = ({series})")
        assert found[kind].model_id == str(row["model_id"])
        assert found[kind].trained_through == datetime(2024, 2, 12, tzinfo=UTC)
        assert found[kind].said == {name: row[name] for name in found[kind].said}
        assert found[kind].silence is None


def test_a_model_that_was_withdrawn_since_is_named_for_what_it_said(database):
    before = models(database, BEGIN)
    change(database, "UPDATE models SET status = 'retired', status_reason = 'bad'")
    assert models(database, BEGIN) == before


def test_an_anomaly_shows_what_drove_it(database):
    symbol, close_at = alert(database)
    (driver,) = models(database, close_at, symbol)["anomaly"].drivers
    assert (driver.feature, driver.part > 0.0) == ("return_1", True)


def test_without_a_model_yet_no_model_is_the_reason(database):
    found = models(database, BEFORE)
    assert {each.words for each in found.values()} == {"no model speaks: no_model"}


def test_each_kind_has_a_reason_of_its_own(database):
    statements = (
        "DELETE FROM direction_predictions",
        "DELETE FROM price_range_predictions",
        "DELETE FROM anomaly_scores",
        "UPDATE models SET trained_through = '2023-09-04', trained_from = '2021-09-04' WHERE kind = 'direction'",
        """UPDATE models SET artefact = substring(artefact FOR 100),
  artefact_sha256 = encode(sha256(substring(artefact FOR 100)), 'hex') WHERE kind = 'price_range'""",
    )
    for statement in statements:
        change(database, statement)
    found = models(database, BEGIN)
    assert found["direction"].silence == "model_expired(2023-09-04)"
    assert found["price_range"].silence == "artefact_corrupt"
    assert found["anomaly"].silence is None
    assert "published after the close was predicted" in found["anomaly"].words


def test_a_model_that_was_not_asked_says_what_it_would_have_needed(database):
    change(database, "DELETE FROM anomaly_scores")
    change(database, "UPDATE model_features SET rsi = NULL, adx = NULL")
    assert models(database, BEGIN)["anomaly"].words.endswith(": nothing, unknown to it is rsi, adx")
    change(database, "DELETE FROM model_features")
    assert "features are not stored" in models(database, BEGIN)["anomaly"].words


def test_a_filled_bar_is_not_asked_about(database):
    for table in ("direction_predictions", "price_range_predictions", "anomaly_scores"):
        change(database, f"DELETE FROM {table} WHERE close_at = '{BEGIN}'")
    change(database, f"UPDATE candles SET is_filled = true WHERE close_at = '{BEGIN}'")
    assert {each.unasked for each in models(database, BEGIN).values()} == {"filled_bar"}


@pytest.mark.parametrize("is_stored", [True, False], ids=["indicators stored", "indicators not stored"])
def test_a_named_replay_names_the_models_that_it_asked(database, is_stored):
    replay(database, load_settings(FILES), "binance", "again", BEFORE, BEGIN + timedelta(days=1), FAR_FUTURE)
    symbol, close_at = alert(database)
    stored = models(database, close_at, symbol)
    if not is_stored:
        change(database, "DELETE FROM indicators")
    assert models(database, close_at, symbol, scope="again") == stored
    assert models(database, BEFORE, scope="again")["anomaly"].silence == "no_model"


def test_a_replay_without_models_is_explained_without_them(database):
    changes = {"models.is_enabled": "false", "strategies.ml_prediction.is_enabled": "false"}
    changes["strategies.market_anomaly.is_enabled"] = "false"
    replay(
        *(database, load_settings(FILES | changes), "binance", "plain"),
        *(BEGIN, BEGIN + timedelta(days=1), FAR_FUTURE),
    )
    row = rows(database, "trading_signals", "scope = 'plain'")[0]
    found = explained(database, row["symbol"], row["candle_close_at"], scope="plain")
    assert {each.silence for each in found.models} == {"switched_off"}
    assert found.findings.differences == ()


def test_the_page_names_models_drivers_and_what_drew_targets_in(database, signals, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    symbol, close_at = alert(database)
    said = signals("explain", symbol, "1h", "--at", close_at.isoformat())
    assert "trained through 2024-02-12: score 0.8, flagged" in line_with(said, "anomaly ")
    assert "return_1 0." in line_with(said, "drivers ")
    silent = signals("explain", "BTC/USDT", "1h", "--at", BEFORE.isoformat())
    assert line_with(silent, "direction ").endswith("no model speaks: no_model")

    query = "target_prices ->> 'tp1' IS NOT NULL AND metadata #>> '{raw_data,price_range,high_q90}' IS NOT NULL"
    drawn = []
    for row in rows(database, "trading_signals", query):
        words = ("explain", row["symbol"], "1h", "--at", row["candle_close_at"].isoformat())
        found = signals(*words, "--json").json
        assert found["differences"] == []
        drawn += [(words, each) for each in found["prices"] if each.get("aim_step")]
    (words, price), *_ = drawn
    page = signals(*words)
    several = f"{price['signal_type']} " if f"{price['signal_type']} tp1" in page.out else ""
    assert price["aim_step"] in line_with(page, f"{several}tp1 ")
    assert line_with(page, f"{several}tp2 ").endswith("2 times as far as tp1")
