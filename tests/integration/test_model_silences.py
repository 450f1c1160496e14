"""Backfills and replays say of which closes no model spoke, and why; where there is no model at all, in one line."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.predicting import silences_of
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from pipeline.storage.spans import window_spans
from pipeline.storage.universe import universe
from tests.support.chain import FILES, days, store_block
from tests.support.cli import Said, Signals
from tests.support.market import random_walk
from tests.support.model_chain import publish_all, speaking

HOUR = timedelta(hours=1)
FIRST, LAST = "2024-02-12", "2024-02-14"
DAYS = ("--from", FIRST, "--to", LAST)
NOBODY = "no model spoke: there is none of binance yet; `signals train` makes them"


@pytest.fixture
def market(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Six weeks and three days of hours of a symbol."""
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    store_block(database, random_walk(seed=21, n_candles=45 * 24, symbols=("BTC/USDT",)))
    return database


def told(said: Said) -> list[str]:
    """What the command remarked about models."""
    assert said.code == 0, said.err
    return [line for line in said.err.splitlines() if "no model spoke" in line]


def replayed(signals: Signals, *changes: str) -> list[str]:
    pairs = [word for change in changes for word in ("--set", change)]
    return told(signals("replay", "--name", "again", *DAYS, *pairs))


def publish_past(database: Database) -> None:
    """Direction speaks and expires, ranges come too late for a part, the anomaly model is damaged."""
    publish_all(
        database,
        speaking(ModelKind.DIRECTION, 4),  # trained through 2024-02-05
        speaking(ModelKind.PRICE_RANGE, 5),  # effective from 2024-02-13
        speaking(ModelKind.ANOMALY, 4, artefact=b"nothing whole"),
        speaking(ModelKind.ANOMALY, 5, artefact=b"nothing whole either"),
    )


EXPECTED = [
    "direction 1h: no model spoke of 2024-02-13 01:00 to 2024-02-14 23:00: model_expired(2024-02-05)",
    "price_range 1h: no model spoke of 2024-02-12 00:00 to 2024-02-12 23:00: no_model",
    "anomaly 1h: no model spoke of 2024-02-12 00:00 to 2024-02-14 23:00: artefact_corrupt",
]
SHORT_LIVED = "models.max_age_days=8"


def test_a_replay_says_of_which_closes_no_model_spoke_and_why(market, signals):
    publish_past(market)
    assert replayed(signals, SHORT_LIVED) == EXPECTED


def test_closes_of_which_a_model_spoke_are_stored_and_the_others_are_those_that_are_told(market):
    publish_past(market)
    days(market, date(2024, 2, 12), date(2024, 2, 14), {"models.max_age_days": "8"})
    settings = load_settings(FILES | {"models.max_age_days": "8"})
    start = datetime(2024, 2, 12, tzinfo=UTC)
    closes = {start + n * HOUR for n in range(3 * 24)}
    with market.begin() as conn:
        spans = window_spans(conn, universe(conn, "binance"), start - HOUR / 60, start + timedelta(days=3) - HOUR / 60)
        for kind, table in ((ModelKind.DIRECTION, "direction_predictions"), (ModelKind.ANOMALY, "anomaly_scores")):
            spoken = set(conn.scalars(sa.text(f"SELECT close_at FROM {table}")))
            silent = {
                close
                for each in silences_of(market, settings, spans)
                for close in closes
                if each.kind is kind and each.first_close <= close <= each.last_close
            }
            assert spoken == closes - silent


def test_without_any_model_there_is_one_line_unless_nobody_reads_predictions(market, signals):
    assert replayed(signals) == [NOBODY]
    off = ("strategies.ml_prediction.is_enabled=false", "strategies.market_anomaly.is_enabled=false")
    assert replayed(signals, *off) == []


def test_models_that_were_switched_off_are_not_missed(market, signals):
    publish_past(market)
    assert replayed(signals, "models.is_enabled=false") == []
