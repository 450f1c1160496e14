"""An exchange whose candles are wrong, each symbol's in its own way: what one run of the chain makes of them.

All symbols are fetched by the same run, so that each test shows as well that a fault is its symbol's alone.
"""

from collections.abc import Iterator

import pytest

from pipeline.storage.address import DatabaseAddress
from tests.support.database import a_database
from tests.support.exchange_chain import CLOSE, HOUR, LiveChain, live_chain
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_faults import (
    Fault,
    changed,
    duplicated,
    gap,
    jump,
    overlapping,
    short_pages,
    stale,
    times_multiplied,
    times_shifted,
    unsorted,
    windowed,
)

BAR = CLOSE - 30 * HOUR  # the open of a bar in the middle
JUMPED = CLOSE - 60 * HOUR
LISTED = CLOSE - 90 * HOUR

FAULTS: dict[str, list[Fault]] = {
    "RIGHT/USDT": [],
    "FINE/USDT": [],
    "GAP/USDT": [gap(BAR, 3)],
    "GAPS/USDT": [gap(BAR - 10 * HOUR, 8)],
    "HOLES/USDT": [gap(CLOSE - 100 * HOUR, 40)],
    "ENDLESS/USDT": [gap(CLOSE - 3 * HOUR, 3)],
    "TWICE/USDT": [duplicated(BAR, 1.001)],
    "MIXED/USDT": [unsorted()],
    "LAPPED/USDT": [overlapping(7)],
    "BROKEN/USDT": [
        changed(BAR, high=1e-6),
        changed(BAR + HOUR, low=1e6),
        changed(BAR + 3 * HOUR, open=0.0),
        changed(BAR + 4 * HOUR, close=-5.0),
        changed(BAR + 6 * HOUR, volume=-1.0),
    ],
    "TYPES/USDT": [
        changed(BAR, close=None),
        changed(BAR + 2 * HOUR, close=float("nan")),
        changed(BAR + 4 * HOUR, close="Infinity"),
        changed(BAR + 6 * HOUR, close="n/a"),
        changed(BAR + 8 * HOUR, volume=2500),
        changed(BAR + 10 * HOUR, volume="2500.5"),
    ],
    "JUMP/USDT": [jump(JUMPED, 2.0)],
    "STALE/USDT": [stale(CLOSE - 5 * HOUR)],
    "SECONDS/USDT": [times_multiplied(0.001)],
    "LOCAL/USDT": [times_shifted(HOUR / 2)],
    "FEW/USDT": [short_pages(90)],
    "NONE/USDT": [short_pages(0)],
    "NEW/USDT": [gap(LISTED - 2000 * HOUR, 2000), windowed()],
}


@pytest.fixture(scope="module")
def live(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[LiveChain]:
    """The chain after its first start at a faulty exchange."""
    with (
        a_database(postgres_server, migrated_template) as database,
        live_chain(database, symbols=list(FAULTS)) as chain,
    ):
        for symbol, faults in FAULTS.items():
            for fault in faults:
                chain.exchange.misbehave(fault, symbol=symbol)
        chain.tick()
        yield chain


def advised(live: LiveChain, symbol: str) -> set[object]:
    """Closes at which strategies advised something, before risk."""
    return {row[0] for row in live.ask("SELECT candle_close_at FROM candidate_signals WHERE symbol = :s", s=symbol)}


@pytest.mark.parametrize("symbol", ["RIGHT/USDT", "FINE/USDT"])
def test_symbols_without_a_fault_are_right_beside_all_the_others(live, symbol):
    assert live.is_stored_right(symbol)
    assert live.candles(symbol).index[-1] == CLOSE - HOUR
    assert live.health(symbol) == ("OK", None)
    assert live.quarantine(symbol) == []


def test_f03_three_missing_candles_are_filled_flat_with_volume_0(live):
    stored = live.candles("GAP/USDT")
    filled = stored[stored["is_filled"]]
    before = stored["close"].loc[BAR - HOUR]
    assert list(filled.index) == [BAR, BAR + HOUR, BAR + 2 * HOUR]
    assert (filled[["open", "high", "low", "close"]] == before).all(axis=None)
    assert (filled["volume"] == 0.0).all()
    assert live.health("GAP/USDT") == ("OK", None)


def test_f03_more_than_one_filled_bar_in_a_hundred_is_a_caveat(live):
    assert live.health("GAPS/USDT") == ("PARTIAL", "filled(1.6%)")


def test_f03_more_than_one_filled_bar_in_twenty_blocks_the_symbol(live):
    assert live.health("HOLES/USDT") == ("BLOCKED", "gapped(8.0%)")
    assert advised(live, "HOLES/USDT") == set()


def test_f03_newest_candles_that_are_missing_are_never_made_up_and_block_the_symbol(live):
    stored = live.candles("ENDLESS/USDT")
    assert stored.index[-1] == CLOSE - 4 * HOUR
    assert not stored["is_filled"].any()
    assert live.health("ENDLESS/USDT")[0] == "BLOCKED"


def test_f04_copies_of_a_candle_are_merged_whatever_their_order(live):
    stored = live.candles("TWICE/USDT").loc[BAR]
    truth = {name: live.market[name]["TWICE/USDT"].loc[BAR] for name in ("open", "high", "low", "close", "volume")}
    assert stored["open"] == truth["open"]
    assert stored["low"] == truth["low"]
    for name in ("high", "close", "volume"):
        assert stored[name] == pytest.approx(1.001 * truth[name], abs=1e-8)
    assert live.health("TWICE/USDT") == ("OK", None)


@pytest.mark.parametrize("symbol", ["MIXED/USDT", "LAPPED/USDT"])
def test_f05_unsorted_and_overlapping_pages_are_sorted_and_unique(live, symbol):
    assert live.is_stored_right(symbol)
    assert live.candles(symbol).index.is_unique
    assert live.health(symbol) == ("OK", None)


def test_f06_impossible_candles_are_quarantined_and_not_used(live):
    assert live.quarantine("BROKEN/USDT") == [
        (BAR, "broken_range"),
        (BAR + HOUR, "broken_range"),
        (BAR + 3 * HOUR, "non_positive_price"),
        (BAR + 4 * HOUR, "non_positive_price"),
        (BAR + 6 * HOUR, "negative_volume"),
    ]
    stored = live.candles("BROKEN/USDT")
    assert list(stored.index[stored["is_filled"]]) == [at for at, _ in live.quarantine("BROKEN/USDT")]
    assert live.health("BROKEN/USDT") == ("PARTIAL", "refused(5 rows)")


def test_f07_numbers_of_any_type_are_read_and_what_is_no_number_is_quarantined(live):
    assert live.quarantine("TYPES/USDT") == [(BAR + n * HOUR, "not_finite") for n in (0, 2, 4, 6)]
    stored = live.candles("TYPES/USDT")
    assert stored["volume"].loc[BAR + 8 * HOUR] == 2500.0
    assert stored["volume"].loc[BAR + 10 * HOUR] == 2500.5
    assert live.health("TYPES/USDT") == ("PARTIAL", "refused(4 rows)")


def test_f08_a_price_that_jumps_between_two_candles_blocks_the_symbol(live):
    assert live.ask(
        "SELECT open_at, accepted_at FROM price_jumps JOIN series USING (series_id) WHERE symbol = 'JUMP/USDT'"
    ) == [(JUMPED, None)]
    assert live.candles("JUMP/USDT").index[-1] == CLOSE - HOUR
    assert live.health("JUMP/USDT") == ("BLOCKED", "price_jump")
    assert advised(live, "JUMP/USDT") == set()


def test_f11_a_symbol_of_which_nothing_new_comes_is_stale(live):
    assert live.candles("STALE/USDT").index[-1] == CLOSE - 6 * HOUR
    assert live.health("STALE/USDT") == ("BLOCKED", f"stale(newest close {CLOSE - 5 * HOUR:%Y-%m-%d %H:%M})")
    assert advised(live, "STALE/USDT") == set()


def test_f13_times_in_seconds_are_quarantined_and_block_the_symbol(live):
    refused = live.quarantine("SECONDS/USDT")
    assert {reason for _, reason in refused} == {"time_out_of_range"}
    assert live.candles("SECONDS/USDT").empty
    status, reason = live.health("SECONDS/USDT")
    assert status == "BLOCKED"
    assert reason is not None
    assert reason.startswith("time_out_of_range(")


def test_f13_local_times_beside_the_grid_are_quarantined_and_block_the_symbol(live):
    assert {reason for _, reason in live.quarantine("LOCAL/USDT")} == {"off_grid"}
    assert live.candles("LOCAL/USDT").empty
    assert live.health("LOCAL/USDT")[0] == "BLOCKED"


def test_f19_pages_that_are_shorter_than_asked_for_end_all_the_same(live):
    assert live.is_stored_right("FEW/USDT")
    assert live.candles("FEW/USDT").index[0] == live.candles("RIGHT/USDT").index[0]
    assert live.health("FEW/USDT") == ("OK", None)


def test_f19_a_listing_is_found_behind_pages_that_hold_nothing(live):
    assert live.is_stored_right("NEW/USDT")
    assert live.candles("NEW/USDT").index[0] == LISTED
    assert live.health("NEW/USDT") == ("PARTIAL", "insufficient_history(90<448)")


def test_f19_no_candles_at_all_is_asked_for_a_page_at_a_time_and_said(live):
    asked = [s for s in live.exchange.requests if s.endpoint is Endpoint.CANDLES and s.symbol == "NONE/USDT"]
    assert len(asked) == 2
    assert live.health("NONE/USDT") == ("BLOCKED", "no_candles")


def test_the_run_stayed_within_the_rate_limit(live):
    assert live.exchange.dialect.window.peak < live.exchange.dialect.window.limit
    assert {seen.status for seen in live.exchange.requests} == {200}
