"""Outcomes of real advice on real candles: every one of thousands is what the slow reference says."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.judging import judge_replayed
from pipeline.outcomes.rules import OutcomeRules
from pipeline.replay import replay
from pipeline.settings import load_settings
from tests.support.chain import FILES, store_block
from tests.support.judged import assert_equal, expected_of_signals, stored_outcomes
from tests.support.real_market import real_block

SOURCE = "genetrader_binance_2024"
FIRST = datetime(2024, 2, 1, tzinfo=UTC)
AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
RULES = OutcomeRules()
SHORTER = ("BTCUSDT", "DOGEUSDT", "SOLUSDT")  # of which candles of five minutes are stored as well


def named(block, symbols=None):
    """The block with symbols as ccxt writes them."""
    symbols = list(block["close"].columns) if symbols is None else list(symbols)
    names = {symbol: f"{symbol.removesuffix('USDT')}/USDT" for symbol in symbols}
    return {field: frame[symbols].rename(columns=names) for field, frame in block.items()}


@pytest.mark.parametrize(
    ("n_symbols", "n_days", "n_signals"),
    [(10, 14, 300), pytest.param(None, 60, 5_000, marks=pytest.mark.long)],
)
def test_every_outcome_of_real_advice_is_what_the_slow_reference_says(database, n_symbols, n_days, n_signals):
    block = real_block(SOURCE, "1h", n_candles=24 * (31 + n_days + 2))
    symbols = [*SHORTER, *(name for name in block["close"].columns if name not in SHORTER)][:n_symbols]
    store_block(database, named(block, symbols))
    shorter = real_block(SOURCE, "5m")
    end = FIRST + timedelta(days=n_days)
    store_block(database, {k: f.loc[FIRST:end] for k, f in named(shorter, SHORTER).items()}, Timeframe.M5)
    near = {"risk.stop_atr_multiple": "0.5"}  # so that one bar reaches both barriers now and then
    settings = load_settings({**FILES, "market.timeframes": "1h"} | near)
    replay(database, settings, "binance", "real", FIRST, end, as_of=AS_OF)

    told = judge_replayed(database, RULES, "real", FIRST - timedelta(hours=1), end, AS_OF)

    found = stored_outcomes(database, "scope = 'real'")
    assert_equal(found, expected_of_signals(database, RULES, AS_OF, "scope = 'real'"))
    assert told.signals >= n_signals
    assert told.waiting == 0
    assert len(found) == 3 * told.signals
    with database.begin() as conn:
        inside = "SELECT count(*) FROM signal_outcomes WHERE extract(minute FROM exit_at) <> 0"
        assert conn.scalar(sa.text(inside)) > 0  # where candles of five minutes decided
