"""`signals symbols`, `doctor`, `run` and `backfill --fetch` against an exchange that answers in Binance's format."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.storage.server import start_kept, stop
from tests.support.commands import environment, signals
from tests.support.exchange_candles import EndlessMarket, simulated_symbols
from tests.support.exchange_server import LocalExchange, exchange_server
from tests.support.postgres import query

SYMBOLS = "BTC/USDT,ETH/USDT"


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with exchange_server(EndlessMarket(simulated_symbols(6), seed=7)) as local:
        yield local


@pytest.fixture(scope="module")
def live(exchange: LocalExchange, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Live"]:
    made = Live(exchange, tmp_path_factory.mktemp("live"))
    yield made
    stop(made.home)


class Live:
    """A home whose settings name the exchange, its database kept up."""

    def __init__(self, exchange: LocalExchange, folder: Any) -> None:
        self.exchange, self.folder, self.home = exchange, folder, folder / "home"
        self.env = environment(
            self.home,
            SIGNALS_MARKET__SOURCE="live",
            SIGNALS_MARKET__EXCHANGE="binance",
            SIGNALS_MARKET__EXCHANGE_URL=exchange.url,
            SIGNALS_MARKET__SYMBOLS=SYMBOLS,
        )
        self.address = start_kept(self.home)

    def signals(self, *arguments: object, **variables: str) -> Any:
        return signals(*arguments, env={**self.env, **variables}, folder=self.folder)

    def asked_for(self, symbol: str) -> int:
        return sum(request.symbol == symbol for request in self.exchange.requests)


def test_the_most_traded_symbols_come_first_with_what_to_put_into_the_settings(live):
    said = live.signals("symbols", "--top", "3")

    assert said.returncode == 0, said.stderr
    assert [line.split()[0] for line in said.stdout.splitlines()[1:]] == ["1", "2", "3"]
    assert 'source = "live"\nexchange = "binance"\nsymbols = ["' in said.stderr
    assert said.stderr.endswith(f'timeframes = ["1h"]\nexchange_url = "{live.exchange.url}"\n')


def test_an_exchange_that_nobody_knows_is_refused(live):
    said = live.signals("symbols", "--exchange", "nowhere")

    assert said.returncode == 2
    assert "must be one that ccxt knows, such as binance or kraken, was 'nowhere'" in said.stderr


def test_an_exchange_that_does_not_answer_may_be_tried_later(live):
    said = live.signals("symbols", SIGNALS_MARKET__EXCHANGE_URL="http://127.0.0.1:9")

    assert said.returncode == 75
    assert said.stderr.startswith("error: binance did not answer")
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("command", [("run",), ("backfill", "--fetch", "--from", "2024-03-01", "--to", "2024-03-02")])
def test_a_run_for_which_nothing_answers_may_be_tried_later(live, command):
    said = live.signals(*command, SIGNALS_MARKET__EXCHANGE_URL="http://127.0.0.1:9")

    assert said.returncode == 75
    assert "Traceback" not in said.stderr
    assert "did not answer" in said.stderr


def test_symbols_of_which_none_is_traded_are_wrong_settings(live):
    said = live.signals("run", SIGNALS_MARKET__SYMBOLS="FOO/USDT,BAR/USDT")

    assert said.returncode == 2
    assert "market.symbols must be some that binance trades, it trades none of BAR/USDT, FOO/USDT" in said.stderr


def test_an_address_without_its_scheme_is_wrong(live):
    said = live.signals("run", SIGNALS_MARKET__EXCHANGE_URL="127.0.0.1:9")

    assert said.returncode == 2
    assert "must begin with http:// or https://" in said.stderr


def test_f18_a_timeframe_that_is_not_offered_is_refused_before_anything_runs(live):
    said = live.signals("run", SIGNALS_MARKET__EXCHANGE="kraken", SIGNALS_MARKET__TIMEFRAMES="1h,2h")

    assert said.returncode == 2
    assert "market.timeframes must be offered by kraken (1m 5m 15m 30m 1h 4h 1d 1w), 2h is not" in said.stderr


def wait_for_a_close_that_is_near() -> None:
    """Until it is past: two runs with a close between them are rightly about different candles."""
    left_s = 3600.0 - time.time() % 3600.0
    if left_s < 60.0:
        time.sleep(left_s)


def test_a_first_run_brings_the_history_and_the_next_asks_for_nothing_that_is_stored(live):
    wait_for_a_close_that_is_near()
    first = live.signals("run")
    asked = live.asked_for("BTC/USDT")
    again = live.signals("run")

    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert query(live.address.libpq, "SELECT min(n) FROM (SELECT count(*) n FROM candles GROUP BY series_id) c") > 1_146
    assert query(live.address.libpq, "SELECT count(*) FROM candles WHERE is_filled") == 0
    assert live.asked_for("BTC/USDT") == asked
    assert query(live.address.libpq, "SELECT count(DISTINCT run_id) FROM v_signal_latency") == 1
    assert query(live.address.libpq, "SELECT bool_and(latency_seconds > 0) FROM v_signal_latency")


def test_doctor_says_whether_the_exchange_can_be_used(live):
    said = live.signals("doctor", SIGNALS_MARKET__SYMBOLS=f"{SYMBOLS},FOO/USDT")

    assert said.returncode == 1
    assert "trades 6 symbols" in said.stdout
    assert "offers    1m 3m 5m" in said.stdout
    assert "market.symbols must be traded on binance, FOO/USDT are not: leave them out" in said.stderr


def test_a_backfill_asks_the_exchange_only_if_told_to(live):
    day = f"{datetime.now(UTC) - timedelta(days=100):%Y-%m-%d}"
    before = len(live.exchange.requests)

    refused = live.signals("backfill", "--from", day, "--to", day)
    asked_without = len(live.exchange.requests) - before
    fetched = live.signals("backfill", "--fetch", "--from", day, "--to", day)

    assert refused.returncode == 1
    assert "the days must have stored candles, binance has none" in refused.stderr
    assert asked_without == 0
    assert fetched.returncode == 0, fetched.stderr
    assert "series begin after" not in fetched.stderr
    assert query(live.address.libpq, f"SELECT count(*) FROM candles WHERE close_at::date = '{day}'") == 48
    assert query(live.address.libpq, "SELECT count(*) FROM candles WHERE is_filled") == 0


@pytest.mark.long
def test_days_that_an_exchange_no_longer_has_are_named(live):
    """Kraken gives the newest 720 bars and nothing else."""
    days_ago = [f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" for days in (60, 32, 28)]
    with exchange_server(EndlessMarket(simulated_symbols(2), seed=7), exchange="kraken") as kraken:
        settings = {"SIGNALS_MARKET__EXCHANGE": "kraken", "SIGNALS_MARKET__EXCHANGE_URL": kraken.url}
        gone = live.signals("backfill", "--fetch", "--from", days_ago[0], "--to", days_ago[0], **settings)
        part = live.signals("backfill", "--fetch", "--from", days_ago[1], "--to", days_ago[2], **settings)

    assert gone.returncode == 1
    assert f"the days must have stored candles, kraken has none from {days_ago[0]}" in gone.stderr
    assert part.returncode == 0, part.stderr
    assert f"2 of 2 series begin after {days_ago[1]}, the last kraken" in part.stderr


def test_a_demo_is_not_mixed_with_stored_candles(live):
    said = live.signals("demo", "--exchange-url", live.exchange.url)

    assert said.returncode == 2
    assert "the demo must not mix with stored candles, this home has some of binance" in said.stderr
