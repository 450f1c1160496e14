"""Features: each is what it says, has no unit, and is NaN where nothing can be said; never infinite."""

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import cos, isnan, log, pi, sin, sqrt

import numpy as np
import pandas as pd
import pytest

from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import HIGHER_TIMEFRAMES, Timeframe
from pipeline.models.features import (
    FEATURE_BARS,
    FEATURES,
    OWN,
    REFERENCE,
    REFERENCES,
    SEQUENCE,
    is_known,
    schema_hash,
    with_reference,
)
from pipeline.models.scaling import Scaler
from tests.support.market import SYMBOLS, flat_market, random_walk, scaled, with_delisting, with_filled, with_listing
from tests.support.model_features import columns_of, own_of

BTC, ETH = SYMBOLS
RETURN_BARS = (1, 2, 3, 6, 12, 24, 72, 168)

# What `schema_hash` says today. Models that are stored were told these features, in this order, by these formulas.
SCHEMA = "2c3e5e2a01f5f4cf"


def table_of(features: Block) -> np.ndarray:
    return np.stack([frame.to_numpy() for frame in features.values()])


def a_market(n_candles: int, timeframe: Timeframe = Timeframe.H1) -> Block:
    """A random walk that closes where it opened now and then; each bar opens at the close before it."""
    block = random_walk(seed=5, n_candles=n_candles, timeframe=timeframe)
    for bar in np.flatnonzero(np.random.default_rng(5).random(n_candles) < 0.15):
        block["close"].iloc[bar] = block["open"].iloc[bar]
    block["open"] = block["close"].shift(1).fillna(block["open"])
    block["high"] = np.maximum(block["high"], block["open"])
    block["low"] = np.minimum(block["low"], block["open"])
    return block


@pytest.fixture(scope="module")
def market() -> Block:
    return a_market(700)


@pytest.fixture(scope="module")
def own(market) -> Block:
    return own_of(market)


# --- what the names say ---------------------------------------------------------------------------------------------


def against(value: float, usual: float) -> float:
    return (value - usual) / (value + usual)


def plainly(candles: dict[str, Sequence[float]], columns: dict[str, float], i: int, close_at: datetime) -> dict:
    """The features of bar ``i`` as their descriptions say them, one value at a time."""
    opens, highs, lows, closes, volumes = (candles[name] for name in ("open", "high", "low", "close", "volume"))
    o, h, low, c, atr = opens[i], highs[i], lows[i], closes[i], columns["atr_14"]
    returns = [log(closes[j] / closes[j - 1]) for j in range(i - 167, i + 1)]
    usual = statistics.pstdev(returns[-48:])
    side = [(closes[j] > opens[j]) - (closes[j] < opens[j]) for j in range(i - 11, i + 1)]
    week = volumes[i - 167 : i + 1]
    share = against(volumes[i], statistics.fmean(week))
    moves = [abs(closes[j] - closes[j - 1]) for j in range(i - 167, i + 1)]
    steps = [move for move in moves if move > 0.0]
    found = {f"return_{n}": log(c / closes[i - n]) / (usual * sqrt(n)) for n in RETURN_BARS}
    found |= {
        "body": (c - o) / atr,
        "upper_wick": (h - max(o, c)) / atr,
        "lower_wick": (min(o, c) - low) / atr,
        "range": (h - low) / atr,
        "place_in_bar": ((c - low) - (h - c)) / (h - low),
        "rsi": (columns["rsi_14"] - 50.0) / 50.0,
        "adx": (columns["adx_14"] - 25.0) / 50.0,
        "macd_histogram": columns["macd_histogram"] / atr,
        "bb_percent": columns["bb_percent"] - 0.5,
        "bb_width": columns["bb_width"] * c / 100.0 / atr,
        "support": 0.0 if isnan(columns["support"]) else atr / (atr + abs(c - columns["support"])),
        "resistance": 0.0 if isnan(columns["resistance"]) else atr / (atr + abs(columns["resistance"] - c)),
        "candle_patterns": float(columns["bullish_candles"] > 0) - float(columns["bearish_candles"] > 0),
        "chart_patterns": float(columns["bullish_patterns"] > 0) - float(columns["bearish_patterns"] > 0),
        "volume_share": share,
        "volume_trend": against(statistics.fmean(week[-20:]), statistics.fmean(week)),
        "signed_volume": side[-1] * (1.0 + share),
        "signed_volume_12": sum(v * s for v, s in zip(week[-12:], side, strict=True)) / sum(week[-12:]),
        "volatility_12": against(statistics.pstdev(returns[-12:]), usual),
        "volatility_rank": against(usual, statistics.pstdev(returns)),
        "unchanged": sqrt(1.0 - len(steps) / 168),
        "tick": sqrt(min(steps) / (min(steps) + atr)),
        "hour_sin": sin(2.0 * pi * close_at.hour / 24),
        "hour_cos": cos(2.0 * pi * close_at.hour / 24),
        "weekday_sin": sin(2.0 * pi * close_at.weekday() / 7),
        "weekday_cos": cos(2.0 * pi * close_at.weekday() / 7),
    }
    for n in (20, 50, 200):
        found[f"distance_sma_{n}"] = (c - statistics.fmean(closes[i - n + 1 : i + 1])) / atr
    for n in (24, 168):
        top, floor = max(highs[i - n + 1 : i + 1]), min(lows[i - n + 1 : i + 1])
        found[f"place_{n}"] = ((c - floor) - (top - c)) / (top - floor)
    return found


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.W1])
def test_every_feature_is_what_its_description_says(timeframe):
    market = a_market(480, timeframe)
    own, columns = own_of(market, timeframe), columns_of(market, timeframe)
    assert (own["unchanged"].iloc[-1] > 0.1).all()
    for symbol in SYMBOLS:
        candles = {name: frame[symbol].tolist() for name, frame in market.items()}
        for i in range(205, 480, 11):
            close_at = market["close"].index[i] + timeframe.duration
            seen = plainly(candles, {name: frame[symbol].iloc[i] for name, frame in columns.items()}, i, close_at)
            assert seen.keys() == set(OWN) - {"higher_trend"}
            got = {name: own[name][symbol].iloc[i] for name in seen}
            assert got == pytest.approx(seen, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("timeframe", "higher"), HIGHER_TIMEFRAMES.items())
def test_the_higher_trend_is_that_of_the_higher_timeframes_closed_candles(timeframe, higher):
    start = datetime.fromisoformat("2024-01-03T12:00Z")  # within a bar of every higher timeframe
    market = random_walk(seed=6, n_candles=420, timeframe=timeframe, start=timeframe.floor(start))
    own, ranges = own_of(market, timeframe)["higher_trend"], columns_of(market, timeframe)["atr_14"]
    candles = market["close"].resample(higher.duration, origin=pd.Timestamp(higher.origin)).last()
    ratio = higher.duration / timeframe.duration
    n_compared = 0
    for i in range(330, 420):
        close_at = market["close"].index[i] + timeframe.duration
        closed = candles[candles.index + higher.duration <= close_at]
        above = closed.iloc[-1] - closed.iloc[-20:].mean()
        expected = above / (ranges.iloc[i] * sqrt(ratio * 20))
        np.testing.assert_allclose(own.iloc[i], expected, rtol=1e-6, atol=1e-6)
        n_compared += len(closed) >= 20
    assert n_compared == 90


def test_above_the_longest_timeframe_there_is_no_trend():
    own = own_of(random_walk(seed=6, n_candles=60, timeframe=Timeframe.W1), Timeframe.W1)

    assert (own["higher_trend"].dropna() == 0.0).all().all()
    assert own["higher_trend"].notna().sum().min() > 40


# --- no unit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "volume"), [(2.0**-20, 1.0), (2.0**20, 1.0), (1.0, 1e6), (2.0**-34, 1e-6)])
def test_neither_the_size_of_prices_nor_that_of_volumes_matters(market, own, price, volume):
    other = scaled(market, price)  # by a power of two: where two moves tie, a power of ten would untie them
    found = own_of(other | {"volume": other["volume"] * volume})

    for name, frame in own.items():
        pd.testing.assert_frame_equal(found[name], frame, rtol=1e-5, atol=1e-5, obj=name)


def test_every_feature_varies_and_none_is_beyond_what_a_network_can_be_told(own):
    known = table_of(own)[:, is_known(own).to_numpy()]

    assert [name for name, values in zip(OWN, known, strict=True) if values.std() < 0.01] == []
    assert np.abs(known).max() < 30.0


def test_values_are_single_precision(own):
    assert {frame.dtypes.unique()[0] for frame in own.values()} == {np.dtype(np.float32)}


# --- what cannot be said --------------------------------------------------------------------------------------------


def test_the_first_bars_of_a_series_are_unknown_and_later_ones_are_not():
    for timeframe in (Timeframe.M1, Timeframe.H1, Timeframe.D1, Timeframe.W1):
        block = with_listing(random_walk(seed=7, n_candles=420, timeframe=timeframe), ETH, at=40)
        known = is_known(own_of(block, timeframe))
        first = known.to_numpy().argmax(axis=0)
        assert all(199 <= bars <= FEATURE_BARS for bars in first - [0, 40])  # the longest average needs 200 closes
        assert all(known[symbol].iloc[at:].all() for symbol, at in zip(SYMBOLS, first, strict=True))


def test_a_delisted_series_is_unknown_from_its_first_missing_bar_on():
    own = own_of(with_delisting(random_walk(seed=7, n_candles=420), ETH, at=300))

    for name, frame in own.items():
        if name not in ("support", "resistance", "chart_patterns"):  # nowhere is 0
            assert frame[ETH].iloc[300:].isna().all(), name
    assert not is_known(own)[ETH].iloc[300:].any()
    assert is_known(own)[ETH].iloc[250:300].all()


def test_f32_a_market_that_never_moves_is_unknown_and_not_infinite():
    own = own_of(flat_market(420))
    table = table_of(own)

    assert not np.isinf(table).any()
    assert not is_known(own).to_numpy().any()
    assert own["return_1"].isna().all().all()
    assert (own["unchanged"].iloc[200:] == 1.0).all().all()
    assert (own["tick"].iloc[200:] == 1.0).all().all()


def test_f32_a_market_that_stops_moving_has_no_infinite_feature_and_is_known_again_when_it_moves():
    block = with_filled(random_walk(seed=8, n_candles=700), BTC, at=300, n_candles=230)
    own = own_of(block)
    known = is_known(own)

    assert not np.isinf(table_of(own)).any()
    assert known[BTC].iloc[250:340].all()
    assert not known[BTC].iloc[350:530].any()
    assert known[BTC].iloc[540:].all()
    assert known[ETH].iloc[250:].all()


@pytest.mark.parametrize("n_candles", [1, 5, 30])
def test_a_filled_gap_leaves_every_bar_known(n_candles):
    own = own_of(with_filled(random_walk(seed=8, n_candles=420), BTC, at=300, n_candles=n_candles))

    assert is_known(own)[BTC].iloc[220:].all()
    assert (own["body"][BTC].iloc[300 : 300 + n_candles] == 0.0).all()
    assert (own["place_in_bar"][BTC].iloc[300 : 300 + n_candles] == 0.0).all()
    assert (own["volume_share"][BTC].iloc[300 : 300 + n_candles] == -1.0).all()


def test_f32_without_volume_volumes_are_as_usual_and_all_else_is_as_it_was(market, own):
    silent = own_of(market | {"volume": market["volume"] * 0.0})

    for name in ("volume_share", "volume_trend", "signed_volume_12"):
        assert (silent[name].iloc[200:] == 0.0).all().all(), name
    assert is_known(silent).equals(is_known(own))
    for name in set(OWN) - {"volume_share", "volume_trend", "signed_volume", "signed_volume_12"}:
        assert silent[name].equals(own[name]), name


# --- the reference symbol -------------------------------------------------------------------------------------------


def test_the_references_features_stand_beside_every_symbol_on_the_same_bar(own):
    features = with_reference(own, own, BTC)

    assert tuple(features) == FEATURES
    for name in REFERENCES:
        theirs = own[name.removeprefix(REFERENCE)][BTC]
        for symbol in SYMBOLS:
            assert features[name][symbol].equals(theirs.rename(symbol)), name
    assert {frame.dtypes.unique()[0] for frame in features.values()} == {np.dtype(np.float32)}


def test_a_reference_of_another_group_is_joined_by_its_bars(own):
    late = {name: frame[[BTC]].iloc[-60:-10] for name, frame in own.items()}
    features = with_reference({name: frame[[ETH]] for name, frame in own.items()}, late, BTC)
    found = features["reference_rsi"][ETH]

    assert found.iloc[:-60].isna().all()
    assert found.iloc[-10:].isna().all()
    assert found.iloc[-60:-10].tolist() == own["rsi"][BTC].iloc[-60:-10].tolist()


@pytest.mark.parametrize("is_empty", [True, False])
def test_f32_an_unknown_reference_counts_as_average_and_costs_no_bar(own, is_empty):
    features = with_reference(own, {} if is_empty else own, "DOGE/USDT" if not is_empty else BTC)

    assert all(features[name].isna().all().all() for name in REFERENCES)
    assert is_known(features).equals(is_known(own))
    rows = table_of(features)[:, is_known(own).to_numpy()].T
    assert (Scaler.fit(rows)(rows)[:, len(OWN) :] == 0.0).all()


# --- what models are told -------------------------------------------------------------------------------------------


def test_a_features_name_is_its_own_and_the_sequence_is_among_them():
    assert len(set(FEATURES)) == len(FEATURES)
    assert (*OWN, *REFERENCES) == FEATURES
    assert {name.removeprefix(REFERENCE) for name in REFERENCES} <= set(OWN)
    assert set(SEQUENCE) <= set(FEATURES)
    assert len(set(SEQUENCE)) == len(SEQUENCE)


def test_features_come_in_the_order_that_models_are_given_them(own):
    assert tuple(own) == OWN


def test_the_schema_of_the_features_is_the_one_that_models_were_told():
    assert schema_hash() == SCHEMA, (
        "the features' names, order or sequence were changed: take the new hash over here. If only a formula changed, "
        "raise `meaning` in schema_hash, or stored models would be told something else under the same name"
    )


@pytest.mark.parametrize("name", OWN)
def test_a_bar_is_known_if_every_feature_of_its_own_is(own, name):
    hole = own[name].copy()
    hole.iloc[500, 1] = np.nan
    known = is_known(own | {name: hole})

    assert is_known(own).iloc[500, 1]
    assert not known.iloc[500, 1]
    assert (known != is_known(own)).to_numpy().sum() == 1


def test_the_calendar_is_that_of_the_close():
    own = own_of(random_walk(seed=9, n_candles=8, timeframe=Timeframe.D1), Timeframe.D1)

    # Opened on Monday 2024-01-01, closed on Tuesday at midnight.
    assert own["hour_cos"][BTC].tolist() == [1.0] * 8
    assert own["weekday_sin"][BTC].iloc[0] == np.float32(sin(2.0 * pi / 7))
    assert own["weekday_sin"].index[0] + timedelta(days=1) == pd.Timestamp("2024-01-02", tz="UTC")
