"""The simulated market: the same candle for ever, timeframes that agree, and statistics like a market's."""

import hashlib
import itertools
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.contracts.candles import VALUES, Candles
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.market.cleaning import RAW, clean
from resources.market import MarketSource, SeriesWindow
from resources.simulated import EXCHANGE, SimulatedMarket
from resources.simulation.days import ERA_DAYS, Regime, days
from resources.simulation.minutes import MARKET

SEED = 7
MARKET_OF_SEED: MarketSource = SimulatedMarket(SEED)
SYMBOLS = [
    f"{base}/USDT"
    for base in ("BTC", "ETH", "SOL", "DOGE", "BNB", "XRP", "ADA", "AVAX", "LINK", "LTC", "SHIB", "NEWCOIN")
]
MONDAY = datetime(2024, 3, 4, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]

# Open, high, low, close, volume of one hour of seed 7: whoever changes them changes every stored simulation.
PINNED = [
    (50334.79, 50379.11, 50216.96, 50284.98, 78.10400390625),
    (0.13334, 0.13339, 0.133, 0.13318, 5961216.0),
    (0.010992, 0.011006, 0.010974, 0.010986, 4480120.0),
]


def window(timeframe: str, start: datetime, end: datetime, symbol: str = "BTC/USDT") -> SeriesWindow:
    return SeriesWindow(SeriesKey(EXCHANGE, symbol, Timeframe(timeframe)), start, end)


def candles(timeframe: str, start: datetime, end: datetime, *symbols: str, seed: int = SEED) -> pd.DataFrame:
    wanted = [window(timeframe, start, end, symbol) for symbol in symbols or ("BTC/USDT",)]
    return SimulatedMarket(seed).candles(wanted).frame


def digest(frame: pd.DataFrame) -> str:
    """Equal only for frames that are equal to the bit."""
    opens = frame["open_at"].astype("int64").to_numpy()
    return hashlib.sha256(opens.tobytes() + frame[VALUES].to_numpy().tobytes()).hexdigest()


@pytest.fixture(scope="module")
def year() -> pd.DataFrame:
    """A year of hours of twelve symbols."""
    return candles("1h", MONDAY - timedelta(days=365), MONDAY, *SYMBOLS)


@pytest.fixture(scope="module")
def log_returns(year: pd.DataFrame) -> pd.DataFrame:
    return np.log(year.pivot(index="open_at", columns="symbol", values="close")).diff().iloc[1:]


def test_a_year_of_candles_needs_no_cleaning(year):
    cleaned = clean(year, MONDAY)

    Candles.validate(cleaned.candles)
    assert list(year.columns) == RAW
    assert len(cleaned.candles) == len(SYMBOLS) * 365 * 24
    assert cleaned.refused.empty
    assert set(year["exchange"]) == {"simulated"}


def test_a_window_holds_the_bars_that_open_and_close_within_it():
    start, end = MONDAY + timedelta(minutes=1), MONDAY + timedelta(hours=3, minutes=59)

    opens = candles("1h", start, end)["open_at"]

    assert opens.tolist() == [pd.Timestamp(MONDAY + timedelta(hours=hour)) for hour in (1, 2)]


@pytest.mark.parametrize("length", [timedelta(0), timedelta(minutes=59), -timedelta(days=1)])
def test_a_window_shorter_than_a_bar_is_empty_and_no_failure(length):
    fetched = MARKET_OF_SEED.candles([window("1h", MONDAY, MONDAY + length)])

    assert fetched.frame.empty
    assert list(fetched.frame.columns) == RAW
    assert fetched.failures == {}


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "4h", "1d", "1w"])
def test_a_candle_does_not_depend_on_the_window_it_was_asked_in(timeframe):
    bar = Timeframe(timeframe).duration
    n_bars = max(8, min(200, timedelta(days=150) // bar))
    whole = candles(timeframe, MONDAY, MONDAY + n_bars * bar)
    rng = random.Random(1)
    for _ in range(12):
        first, last = sorted(rng.sample(range(n_bars + 1), 2))
        part = candles(timeframe, MONDAY + first * bar, MONDAY + last * bar)
        assert digest(part) == digest(whole.iloc[first:last]), (first, last)


def test_a_candle_does_not_depend_on_what_was_asked_before_or_beside_it():
    asked = [
        window("1h", MONDAY + timedelta(days=day), MONDAY + timedelta(days=day + 2), s)
        for day, s in itertools.product((0, 1, 90), SYMBOLS[:3])
    ]
    alone = {one: digest(SimulatedMarket(SEED).candles([one]).frame) for one in reversed(asked)}

    together = MARKET_OF_SEED.candles(asked).frame

    parts = [together.iloc[start : start + 48] for start in range(0, len(together), 48)]
    assert [digest(part) for part in parts] == [alone[one] for one in asked]


def test_another_process_gives_the_same_bits():
    program = (
        "from tests.unit.resources.test_simulated_market import *;"
        "print(digest(candles('15m', MONDAY, MONDAY + timedelta(days=3), *SYMBOLS)))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == digest(candles("15m", MONDAY, MONDAY + timedelta(days=3), *SYMBOLS))


def test_the_market_of_a_seed_is_the_one_that_it_has_always_been():
    bars = candles("1h", MONDAY, MONDAY + timedelta(hours=1), "BTC/USDT", "DOGE/USDT", "NEWCOIN/USDT")

    assert [tuple(bar) for bar in bars[VALUES].to_numpy().tolist()] == PINNED


def test_another_seed_is_another_market():
    assert digest(candles("1h", MONDAY, MONDAY + timedelta(days=1))) != digest(
        candles("1h", MONDAY, MONDAY + timedelta(days=1), seed=SEED + 1)
    )


FINER = list(itertools.pairwise(["1m", "3m", "15m", "30m", "1h", "2h", "4h", "12h", "1d", "1w"]))


@pytest.mark.parametrize(("fine", "coarse"), [*FINER, ("1m", "5m"), ("1m", "1w"), ("2h", "6h")])
def test_coarse_candles_are_exactly_the_sum_of_fine_ones(fine, coarse):
    end = MONDAY + timedelta(weeks=2)
    parts, whole = (candles(timeframe, MONDAY, end, "SHIB/USDT") for timeframe in (fine, coarse))
    ratio = Timeframe(coarse).seconds // Timeframe(fine).seconds

    groups = parts.groupby(np.arange(len(parts)) // ratio)
    summed = groups.agg({"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"})

    pd.testing.assert_frame_equal(summed, whole[VALUES], check_exact=True)


def test_a_bar_opens_at_the_close_before_it_over_midnights_and_eras():
    minutes = candles("1m", MONDAY, MONDAY + timedelta(days=3))
    daily = candles("1d", MONDAY, MONDAY + timedelta(days=2 * ERA_DAYS))
    for frame in (minutes, daily):
        np.testing.assert_array_equal(frame["open"].iloc[1:], frame["close"].iloc[:-1])


def test_prices_stay_within_sane_magnitudes_from_2009_to_2100():
    years = [(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)) for year in range(2009, 2100, 7)]
    weeks = pd.concat([candles("1w", start, end) for start, end in years])

    assert weeks["open_at"].dt.year.nunique() == 13
    assert weeks["low"].min() > 15_000
    assert weeks["high"].max() < 240_000
    assert 40_000 < weeks["close"].median() < 90_000


def test_the_market_opens_in_2009():
    before = candles("1d", datetime(2008, 12, 1, tzinfo=UTC), datetime(2009, 1, 3, tzinfo=UTC))

    assert before["open_at"].tolist() == [
        pd.Timestamp("2009-01-01", tz="UTC"),
        pd.Timestamp("2009-01-02", tz="UTC"),
    ]


def test_symbols_trade_at_levels_of_their_own(year):
    level = year.groupby("symbol")["close"].median()

    assert level["BTC/USDT"] > 10 * level["ETH/USDT"] > 50 * level["SOL/USDT"]
    assert 0.03 < level["DOGE/USDT"] < 0.6
    assert 5e-6 < level["SHIB/USDT"] < 1e-4


def test_a_symbol_nobody_knows_and_a_cross_get_levels_too():
    frame = candles("1d", MONDAY, MONDAY + timedelta(days=30), "QWERTY/USDT", "ETH/BTC", "BTC/USDT:USDT")

    level = frame.groupby("symbol")["close"].median()
    assert 0.003 < level["QWERTY/USDT"] < 1_000
    assert 0.01 < level["ETH/BTC"] < 0.3
    assert 15_000 < level["BTC/USDT:USDT"] < 240_000


def test_symbols_move_together(log_returns):
    correlation = log_returns.corr().to_numpy()

    assert correlation[np.triu_indices(len(SYMBOLS), 1)].min() > 0.4
    assert correlation[np.triu_indices(len(SYMBOLS), 1)].max() < 0.95


def test_returns_have_fat_tails_and_a_plausible_size(log_returns):
    assert (log_returns.kurt() > 3).all()  # in excess of the normal distribution's
    assert log_returns.std().between(0.003, 0.012).all()


def test_there_are_jumps_but_none_that_looks_like_another_token(year, log_returns):
    assert (log_returns.abs() > 0.03).any().all()
    assert log_returns.abs().max().max() < np.log(1.3)


def test_every_regime_comes_and_goes_and_does_what_its_name_says():
    path = days(SEED, "market", MARKET, 0, 40 * ERA_DAYS)
    change = np.diff(path.midnights) - path.jump
    mean = {regime: change[path.regime == regime].mean() for regime in Regime}
    spread = {regime: change[path.regime == regime].std() for regime in Regime}

    assert min(np.bincount(path.regime)) > 0.1 * len(path.regime)
    assert mean[Regime.UP] > 0.005
    assert mean[Regime.DOWN] < -0.005
    assert abs(mean[Regime.RANGE]) < 0.003
    assert spread[Regime.VOLATILE] > 1.6 * spread[Regime.UP] > 1.6 * spread[Regime.RANGE]


def test_volume_rises_with_the_range_and_falls_at_night(year):
    for _, rows in year.groupby("symbol"):
        ranges = (rows["high"] - rows["low"]) / rows["open"]
        assert np.corrcoef(ranges, rows["volume"])[0, 1] > 0.4
        by_hour = rows.groupby(rows["open_at"].dt.hour)["volume"].mean()
        assert by_hour[[13, 14, 15]].mean() > 1.5 * by_hour[[2, 3, 4]].mean()
    assert (year["volume"] > 0).all()


def test_a_month_is_lively_enough_to_trade(year):
    closes = year.pivot(index="open_at", columns="symbol", values="close").iloc[-30 * 24 :]
    side = np.sign(closes.rolling(20).mean() - closes.rolling(50).mean())
    change = closes.diff()
    gain, loss = (part.clip(lower=0).ewm(alpha=1 / 14).mean() for part in (change, -change))
    rsi = 100 - 100 / (1 + gain / loss)

    assert (side.diff().abs() == 2).sum().sum() > 60
    assert (rsi.iloc[50:] < 30).any().sum() > 6
    assert (rsi.iloc[50:] > 70).any().sum() > 6


def test_series_that_are_not_simulated_fail_beside_those_that_are():
    other = SeriesWindow(SeriesKey("binance", "BTC/USDT", Timeframe.H1), MONDAY, MONDAY + timedelta(days=1))
    malformed = window("1h", MONDAY, MONDAY + timedelta(days=1), "btcusdt")
    good = window("1h", MONDAY, MONDAY + timedelta(days=1))

    fetched = MARKET_OF_SEED.candles([other, malformed, good])

    assert len(fetched.frame) == 24
    assert fetched.failures == {
        other.series: "exchange must be simulated, was binance",
        malformed.series: "symbol must read like BTC/USDT, was 'btcusdt'",
    }


def test_progress_is_told_after_every_series():
    told: list[tuple[int, int]] = []
    wanted = [window("1h", MONDAY, MONDAY + timedelta(days=1), symbol) for symbol in SYMBOLS[:3]]

    MARKET_OF_SEED.candles(wanted, on_progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


def test_an_instant_without_time_zone_is_refused():
    with pytest.raises(DataContractError, match="time zone"):
        candles("1h", MONDAY.replace(tzinfo=None), MONDAY)
