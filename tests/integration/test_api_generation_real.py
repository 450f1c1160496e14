"""The description's own request on real candles: its answer field by field, as the live run had it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.support.api import SIGNALS, an_api
from tests.support.chain import rows, store_block, tick
from tests.support.real_market import real_block
from tests.support.requests import APART, ASKED, JUDGED
from tests.support.spec_examples import GENERATED, OURS, REQUEST

CLOSE = datetime(2024, 2, 5, 12, tzinfo=UTC)
SOON = CLOSE + timedelta(minutes=5)


def test_the_descriptions_request_is_answered_field_by_field_on_real_candles(database):
    block = real_block("genetrader_binance_2024", "1h", n_candles=24 * 36)
    named = {
        field: frame.rename(columns=lambda name: f"{name.removesuffix('USDT')}/USDT") for field, frame in block.items()
    }
    store_block(database, {field: frame.loc[:CLOSE] for field, frame in named.items()})
    tick(database, CLOSE)
    live = {table: rows(database, table, "origin = 'live'", APART) for table in JUDGED}
    symbols = sorted({row["symbol"] for row in live["candidate_signals"]})
    assert len(symbols) >= 2

    with an_api(database, at=SOON) as client:
        everything = client.post(SIGNALS, json=REQUEST | {"symbols": list(named["close"].columns)}).json()
        own = client.post(SIGNALS, json=REQUEST).json()

    assert {table: rows(database, table, ASKED, APART) for table in JUDGED} == live
    assert {each["symbol"] for each in everything["evaluations"] if each["outcome"] in ("signal", "dropped")} == set(
        symbols
    )
    assert list(own)[: len(GENERATED)] == list(GENERATED)
    assert [each["symbol"] for each in own["evaluations"]] == REQUEST["symbols"]
    example = GENERATED["signals"][0]
    for each in everything["signals"]:
        assert list(each) == [*example, *OURS[0]]
        assert str(UUID(each["signal_id"])) == each["signal_id"]
        assert (each["timeframe"], each["created_at"]) == ("1h", "2024-02-05T12:00:00Z")
        assert each["expires_at"] == "2024-02-05T13:00:00Z"
        if each["signal_type"] != "ALERT":
            risk = each["entry_price"] - each["stop_loss_price"]
            targets = [each["entry_price"] + n * risk for n in (1, 2, 3)]
            assert list(each["target_prices"].values()) == pytest.approx(targets)
            assert list(each["target_prices"]) == list(example["target_prices"])
