"""Cleaning: what becomes a candle, what is refused and why, and that nothing gets lost in between."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.contracts.candles import Candles
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.market.cleaning import RAW, REFUSED, Cleaned, clean
from pipeline.market.reasons import REASONS
from tests.support.candle_rows import NOW, START, a_row, raw_rows


def reason_of(row: pd.DataFrame, now: datetime = NOW) -> str | None:
    """Why the one row is refused, None if it is a candle."""
    cleaned = clean(row, now)
    assert len(cleaned.candles) + len(cleaned.refused) == 1
    return None if cleaned.refused.empty else str(cleaned.refused["reason"].iloc[0])


def values_of(cleaned: Cleaned) -> list[tuple[float, ...]]:
    return [tuple(row) for row in cleaned.candles[["open", "high", "low", "close", "volume"]].to_numpy()]


def test_valid_rows_become_candles_unchanged():
    rows = raw_rows(50)

    cleaned = clean(rows, NOW)

    pd.testing.assert_frame_equal(Candles.validate(cleaned.candles), rows)
    assert cleaned.refused.empty
    assert (cleaned.merged, cleaned.out_of_order) == (0, 0)


def test_no_rows_give_empty_frames_of_the_right_shape():
    cleaned = clean(raw_rows(0), NOW)

    Candles.validate(cleaned.candles)
    assert list(cleaned.refused.columns) == REFUSED


def test_a_missing_column_is_an_error_that_names_it():
    with pytest.raises(DataContractError, match="lacked volume"):
        clean(raw_rows(3).drop(columns="volume"), NOW)


def test_now_must_have_a_time_zone():
    with pytest.raises(DataContractError, match="now must carry its time zone"):
        clean(raw_rows(3), NOW.replace(tzinfo=None))


def test_f04_conflicting_copies_are_merged_by_rule_and_counted():
    first = a_row(open=10, high=12.0, low=9.0, close=11.0, volume=5.0)
    second = a_row(open=10.5, high=11.5, low=8.0, close=9.5, volume=7.0)
    third = a_row(open=10.1, high=13.0, low=9.5, close=10.0, volume=6.0)

    cleaned = clean(pd.concat([first, second, third]), NOW)

    assert values_of(cleaned) == [(10.0, 13.0, 8.0, 10.0, 7.0)]
    assert cleaned.merged == 1
    Candles.validate(cleaned.candles)


def test_f04_equal_copies_are_no_conflict():
    cleaned = clean(pd.concat([raw_rows(5), raw_rows(5)]), NOW)

    pd.testing.assert_frame_equal(cleaned.candles, raw_rows(5))
    assert cleaned.merged == 0


def test_f04_a_refused_copy_does_not_spoil_the_valid_one():
    cleaned = clean(pd.concat([raw_rows(1), a_row(low=-1.0)]), NOW)

    pd.testing.assert_frame_equal(cleaned.candles, raw_rows(1))
    assert list(cleaned.refused["reason"]) == ["non_positive_price"]


def test_f05_unsorted_overlapping_pages_become_sorted_and_unique():
    older, newer = raw_rows(6), raw_rows(10).iloc[4:]

    cleaned = clean(pd.concat([newer, older]), NOW)

    pd.testing.assert_frame_equal(cleaned.candles, raw_rows(10))
    assert cleaned.out_of_order == 6


def test_f05_series_that_alternate_are_not_out_of_order():
    both = pd.concat([raw_rows(4), raw_rows(4, symbol="ETH/USDT")]).sort_index(kind="stable")

    cleaned = clean(both, NOW)

    assert cleaned.out_of_order == 0
    assert list(cleaned.candles["symbol"]) == ["BTC/USDT"] * 4 + ["ETH/USDT"] * 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"high": 100.9}, "broken_range"),
        ({"low": 100.1, "close": 100.4}, "broken_range"),
        ({"high": 99.0, "low": 102.0}, "broken_range"),
        ({"low": 0.0}, "non_positive_price"),
        ({"open": -1.0}, "non_positive_price"),
        ({"volume": -0.5}, "negative_volume"),
    ],
)
def test_f06_impossible_bars_are_refused(changes, reason):
    assert reason_of(a_row(**changes)) == reason


@pytest.mark.parametrize("volume", [0.0, 1e300])
def test_f06_no_volume_and_much_volume_are_possible(volume):
    assert reason_of(a_row(volume=volume)) is None


@pytest.mark.parametrize("value", ["101.25", " 101.25 ", "1.0125e2", Decimal("101.25"), np.float32(101.25)])
def test_f07_numbers_in_other_types_are_read(value):
    cleaned = clean(a_row(high=value), NOW)

    assert cleaned.candles["high"].tolist() == [101.25]


def test_f07_integers_and_texts_of_whole_columns_are_read_as_the_nearest_float():
    rows = raw_rows(3).assign(open=["0.1", "0.30000000000000004", "1e-7"], volume=[1, 2, 3])
    rows["low"], rows["high"], rows["close"] = "0.00000001", "17928899.62484339", 7

    cleaned = clean(rows, NOW)

    assert cleaned.candles["open"].tolist() == [0.1, 0.30000000000000004, 1e-7]
    assert cleaned.candles["high"].tolist() == [17928899.62484339] * 3
    assert cleaned.candles["volume"].tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("abc", "unreadable_number"),
        ("1,5", "unreadable_number"),
        ("1_000", "unreadable_number"),
        ("\N{ARABIC-INDIC DIGIT ONE}01", "unreadable_number"),
        (2**53 + 1, "unreadable_number"),
        (True, "unreadable_number"),
        ([101.0], "unreadable_number"),
        (None, "not_finite"),
        (pd.NA, "not_finite"),
        ("", "not_finite"),
        ("NaN", "not_finite"),
        (float("nan"), "not_finite"),
        (float("inf"), "not_finite"),
        ("-inf", "not_finite"),
        (Decimal("Infinity"), "not_finite"),
        (Decimal("sNaN"), "not_finite"),
        ("1e400", "not_finite"),
    ],
)
def test_f07_what_cannot_be_read_without_loss_is_refused(value, reason):
    assert reason_of(a_row(high=value)) == reason


@pytest.mark.parametrize("dtype", ["bool", "Int64", "float32", "int64"])
def test_f07_typed_columns_follow_the_same_rules(dtype):
    rows = raw_rows(2).assign(volume=pd.Series([1, 0], dtype=dtype))

    refused = clean(rows, NOW).refused

    assert list(refused["reason"]) == (["unreadable_number"] * 2 if dtype == "bool" else [])


@pytest.mark.parametrize(
    "instant",
    [
        START,
        START.astimezone(ZoneInfo("Asia/Kolkata")),
        "2024-01-01T00:00:00Z",
        "2024-01-01 05:30:00+05:30",
        1704067200000,
        1704067200000.0,
        np.int64(1704067200000),
        "1704067200000",
    ],
)
def test_f13_an_instant_may_be_written_in_several_ways(instant):
    cleaned = clean(a_row(open_at=instant), NOW)

    assert cleaned.candles["open_at"].tolist() == [pd.Timestamp(START)]


@pytest.mark.parametrize(
    ("instant", "reason"),
    [
        (1704067200, "time_out_of_range"),  # seconds
        (1704067200000000, "time_out_of_range"),  # microseconds
        (10**30, "time_out_of_range"),
        ("20240101", "time_out_of_range"),
        ("9" * 5_000, "time_out_of_range"),
        (datetime(2008, 12, 31, tzinfo=UTC), "time_out_of_range"),
        (NOW + timedelta(hours=2), "time_out_of_range"),
        (NOW + timedelta(hours=1), "not_closed"),
        (datetime(2024, 1, 1, 12, tzinfo=ZoneInfo("Asia/Kolkata")), "off_grid"),
        ("2024-01-01 00:00:01Z", "off_grid"),
        (datetime(2024, 1, 1), "naive_time"),  # noqa: DTZ001
        ("2024-01-01 00:00:00", "naive_time"),
        ("yesterday", "unreadable_time"),
        (None, "unreadable_time"),
        (pd.NaT, "unreadable_time"),
        (float("nan"), "unreadable_time"),
        (True, "unreadable_time"),
        (1704067200000.5, "unreadable_time"),
    ],
)
def test_f13_wrong_times_are_refused(instant, reason):
    assert reason_of(a_row(open_at=instant)) == reason


def test_f13_columns_of_datetimes_without_a_zone_are_refused():
    rows = raw_rows(2).assign(open_at=pd.to_datetime(["2024-01-01", None]))

    assert list(clean(rows, NOW).refused["reason"]) == ["naive_time", "unreadable_time"]


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_f20_bars_stand_on_the_grid_of_their_timeframe(timeframe):
    on = raw_rows(3, timeframe=timeframe)
    off = raw_rows(3, timeframe=timeframe, start=START + timeframe.duration / 2)

    assert len(clean(on, NOW).candles) == 3
    assert set(clean(off, NOW).refused["reason"]) == {"off_grid"}


def test_f20_weeks_open_on_monday():
    thursday = a_row(timeframe="1w", open_at=datetime(2024, 1, 4, tzinfo=UTC))

    assert reason_of(thursday) == "off_grid"


def test_f01_a_bar_counts_as_closed_from_its_close_on_and_not_before():
    row = a_row(open_at=NOW - timedelta(hours=1))

    assert reason_of(row, NOW - timedelta(microseconds=1)) == "not_closed"
    assert reason_of(row, NOW) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "BTCUSDT"},
        {"symbol": None},
        {"exchange": "Binance"},
        {"timeframe": "8h"},
        {"timeframe": float("nan")},
    ],
)
def test_rows_of_no_known_series_are_refused(changes):
    assert reason_of(a_row(**changes)) == "malformed_series"


def test_f53_a_refused_row_is_kept_as_it_came_and_safe_for_jsonb():
    row = a_row(open_at="n\x00ever", open=float("nan"), high=Decimal("1.5"), low=np.float64("inf"), close=1)

    refused = clean(row, NOW).refused.iloc[0]

    assert json.loads(json.dumps(refused["row"], allow_nan=False)) == {
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "open_at": "n�ever",
        "open": "nan",
        "high": "1.5",
        "low": "inf",
        "close": 1,
        "volume": 10.0,
    }
    assert pd.isna(refused["open_at"])


def test_f53_a_refused_time_far_away_is_not_shown_as_an_instant():
    refused = clean(a_row(open_at=1704067200000000), NOW).refused.iloc[0]

    assert pd.isna(refused["open_at"])
    assert refused["row"]["open_at"] == 1704067200000000


def test_refused_rows_stand_in_the_order_in_which_they_came():
    rows = pd.concat([raw_rows(3).assign(low=-1.0), raw_rows(3, symbol="AAVE/USDT").assign(volume=-1.0)])

    refused = clean(rows, NOW).refused

    assert list(refused["symbol"]) == ["BTC/USDT"] * 3 + ["AAVE/USDT"] * 3
    assert list(refused["reason"]) == ["non_positive_price"] * 3 + ["negative_volume"] * 3


@given(
    st.lists(
        st.builds(
            lambda **changes: changes,
            open_at=st.sampled_from([START, START + timedelta(hours=1), 1704067200, "x", None]),
            high=st.sampled_from([102.0, "102", None, float("inf"), -1]),
            low=st.sampled_from([99.0, 0, "1"]),
            symbol=st.sampled_from(["BTC/USDT", "ETH/USDT", "?"]),
        ),
        max_size=8,
    )
)
def test_every_row_becomes_a_candle_or_a_refusal_with_a_known_reason(rows):
    raw = pd.concat([a_row(**row) for row in rows]) if rows else raw_rows(0)

    cleaned = clean(raw, NOW)

    Candles.validate(cleaned.candles)
    assert set(cleaned.refused["reason"]) <= set(REASONS)
    kept = len(raw) - len(cleaned.refused)
    assert min(kept, 1) <= len(cleaned.candles) <= kept
    json.dumps(list(cleaned.refused["row"]), allow_nan=False)
    again = clean(cleaned.candles[RAW], NOW)
    pd.testing.assert_frame_equal(again.candles, cleaned.candles)
