"""A day in the life of a bot on real candles: what is active, why, how it looks, what it did, and how that went."""

import io
from datetime import UTC, datetime, timedelta

from PIL import Image

from pipeline.storage.queries import SignalFilter, list_signals
from tests.support import spec_examples
from tests.support.api import SIGNALS, an_api
from tests.support.chain import store_block, tick
from tests.support.real_market import real_block

CLOSE = datetime(2024, 2, 5, 12, tzinfo=UTC)
LATER = CLOSE + timedelta(minutes=20)


def test_a_bot_sees_acts_and_is_told_how_it_went(database):
    block = real_block("genetrader_binance_2024", "1h", n_candles=24 * 36)
    named = {
        field: frame.rename(columns=lambda name: f"{name.removesuffix('USDT')}/USDT") for field, frame in block.items()
    }
    store_block(database, {field: frame.loc[:CLOSE] for field, frame in named.items()})
    tick(database, CLOSE)
    with database.begin() as conn:
        stored = [str(row["id"]) for row in list_signals(conn, SignalFilter(as_of=LATER))]

    with an_api(database, at=LATER) as client:
        active = client.get(f"{SIGNALS}/active").json()
        assert [each["signal_id"] for each in active["signals"]] == stored
        assert active["count"] >= 1
        for each in active["signals"]:
            assert list(each) == [*spec_examples.ACTIVE["signals"][0], *spec_examples.OURS[0], "timeframe"]
            assert each["created_at"] == "2024-02-05T12:00:00Z"
        best = next(each for each in active["signals"] if each["signal_type"] != "ALERT")
        one = f"{SIGNALS}/{best['signal_id']}"
        whole = client.get(one).json()["signal"]
        assert list(whole) == [*spec_examples.DETAIL["signal"], *spec_examples.OURS[0]]
        assert {name: whole[name] for name in best} == best
        assert set(spec_examples.DETAIL["signal"]["metadata"]) <= set(whole["metadata"])

        explanation = client.get(f"{one}/explain").json()["explanation"]
        assert (explanation["outcome"], explanation["differences"]) == ("signal", [])
        with Image.open(io.BytesIO(client.get(f"{one}/chart").content)) as picture:
            assert picture.format == "PNG"

        price = best["entry_price"] * 1.01
        done = client.patch(f"{one}/status", json={"status": "EXECUTED", "price": price, "at": LATER.isoformat()})
        side = 1 if best["signal_type"] == "BUY" else -1
        assert round(done.json()["signal"]["profit_loss"], 9) == round(side * 0.01, 9)
        assert best["signal_id"] not in [
            each["signal_id"] for each in client.get(f"{SIGNALS}/active").json()["signals"]
        ]
        told = client.get(f"{SIGNALS}/performance", params={"timeframe": "24h"}).json()["performance"]
        assert (told["total_signals"], told["executed_signals"], told["execution_rate"]) == (1, 1, 1.0)
