"""Stops that break and opposites that come before anybody acted: what ends a live signal, on time and late alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.signal import DEFAULT_SCOPE, Origin, SignalType, TradingSignal, signal_id
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.performance.calibration import CalibrationRules
from pipeline.settings_sections import LifecycleSettings
from pipeline.storage import tables
from pipeline.storage.candidates import Occasion
from pipeline.storage.candles import ensure_series
from pipeline.storage.database import Database
from pipeline.storage.endings import end_standing, invalidate_delisted
from pipeline.storage.history import Series
from pipeline.storage.signals import store_live
from pipeline.storage.spans import Span, move_watermarks
from pipeline.storage.transitions import expire, transition
from tests.support.candle_rows import START
from tests.support.database import a_database
from tests.support.lifecycle import HOUR, inconsistent

KEY = SeriesKey("binance", "BTC/USDT", Timeframe.H1)
LIVE = Occasion(origin=Origin.LIVE, scope=DEFAULT_SCOPE, configuration_hash="0123456789abcdef")
BOTH = LifecycleSettings(opposite_policy="invalidate_weaker")
BREACHED = "stop_breached"
Found = Sequence[TradingSignal]
Ends = dict[UUID, Any]  # status, instant, reason


@dataclass(frozen=True)
class Bar:
    """An hourly candle around 100, that of the hours after `START`."""

    low: float = 99.5
    high: float = 100.5
    is_filled: bool = False


def advice(hours: int, side: str = "BUY", *, bars: int = 3, rank: float = 0.6) -> TradingSignal:
    """A signal of the bar that closes ``hours`` after `START`, with a stop 1 % away."""
    created_at = START + hours * HOUR
    return TradingSignal(
        series=KEY,
        signal_type=SignalType(side),
        strategy="SMA_CROSSOVER",
        source="technical",
        strength=0.7,
        confidence=0.65,
        base_confidence=0.65,
        agreement_boost=0.0,
        rank_score=rank,
        is_conflicting=False,
        description="SMA 20 crossed above SMA 50",
        entry_price=100.0,
        stop_loss_price={"BUY": 99.0, "SELL": 101.0}.get(side),
        target_prices=None,
        created_at=created_at,
        expires_at=created_at + bars * HOUR,
        profile="house",
        user_id=None,
        metadata={},
    )


def candles(database: Database, bars: Sequence[Bar | None]) -> None:
    """Store the bars that close 1, 2, ... hours after `START`; None is one that never came."""
    with database.begin() as conn:
        (number,) = ensure_series(conn, [KEY]).values()
        rows = [
            {
                "series_id": number,
                "open_at": START + place * HOUR,
                "close_at": START + (place + 1) * HOUR,
                **{"open": bar.low, "close": bar.high, "low": bar.low, "high": bar.high},
                "volume": 0.0 if bar.is_filled else 1.0,
                "is_filled": bar.is_filled,
            }
            for place, bar in enumerate(bars)
            if bar is not None
        ]
        conn.execute(sa.text("TRUNCATE candles, trading_signals, watermarks CASCADE"))
        if rows:
            conn.execute(sa.insert(tables.candles), rows)


def a_pass(database: Database, after: datetime, until: datetime, found: Found, chosen: LifecycleSettings) -> None:
    """What the chain's last step does with the closes ``after`` to ``until``, and the sweep after it."""
    with database.begin() as conn:
        (number,) = ensure_series(conn, [KEY]).values()
        spans = [Span(Series(KEY, number), after, until)]
        store_live(
            conn,
            spans,
            [s for s in found if after < s.created_at <= until],
            "house",
            LIVE,
            until,
            chosen,
            CalibrationRules(),
        )
        end_standing(conn, until, chosen)
        move_watermarks(conn, "trading_signals", spans)
    with database.begin() as conn:
        expire(conn, until)


def on_time(database: Database, found: Found, hours: int, chosen: LifecycleSettings = BOTH) -> Ends:
    """The ends after a pass at every close."""
    for hour in range(hours + 1):
        a_pass(database, START + (hour - 1) * HOUR, START + hour * HOUR, found, chosen)
    return ends(database)


def late(database: Database, found: Found, hours: int, chosen: LifecycleSettings = BOTH) -> Ends:
    """The ends after one pass at the last close."""
    a_pass(database, START - HOUR, START + hours * HOUR, found, chosen)
    return ends(database)


def ends(database: Database) -> Ends:
    """Status, instant and, of what was taken back, the reason, by signal."""
    assert inconsistent(database) == []
    query = """SELECT t.id, t.status, e.effective_at, CASE WHEN t.status = 'INVALIDATED' THEN e.reason END
FROM trading_signals t LEFT JOIN signal_events e ON e.signal_id = t.id"""
    with database.begin() as conn:
        return {number: (status, at, reason) for number, status, at, reason in conn.execute(sa.text(query))}


def id_of(signal: TradingSignal) -> UUID:
    return signal_id(signal.key, Origin.LIVE, DEFAULT_SCOPE)


def expected(bars: Sequence[Bar | None], found: Found, hours: int) -> Ends:
    """The same, close by close and signal by signal."""
    told: Ends = {}
    for signal in found:
        told[id_of(signal)] = end_of(signal, bars, found, hours)
    return told


def end_of(signal: TradingSignal, bars: Sequence[Bar | None], found: Found, hours: int) -> tuple[Any, ...]:
    for hour in range(hours + 1):
        close = START + hour * HOUR
        if close >= signal.expires_at:
            return "EXPIRED", signal.expires_at, None
        if close <= signal.created_at:
            continue
        bar = bars[hour - 1]
        if bar is not None and not bar.is_filled and signal.stop_loss_price is not None:
            stop = signal.stop_loss_price
            if bar.low <= stop if signal.signal_type is SignalType.BUY else bar.high >= stop:
                return "INVALIDATED", close, BREACHED
        stronger = [
            other
            for other in found
            if other.created_at == close
            and other.signal_type is signal.signal_type.opposite
            and other.rank_score > signal.rank_score
        ]
        if stronger:
            return "INVALIDATED", close, f"opposed:{id_of(stronger[0])}"
    return "ACTIVE", None, None


@pytest.fixture(scope="module")
def market(postgres_server, migrated_template):
    with a_database(postgres_server, migrated_template) as fresh:
        yield fresh


QUIET = Bar()


@pytest.mark.parametrize("how", [on_time, late])
@pytest.mark.parametrize("hours", [2, 6])  # it stands still; it is past
@pytest.mark.parametrize(
    ("side", "bar", "is_broken"),
    [
        ("BUY", Bar(low=98.9), True),
        ("BUY", Bar(low=99.0), True),  # reached
        ("BUY", Bar(low=99.01), False),
        ("BUY", Bar(high=120.0), False),
        ("BUY", Bar(low=90.0, high=95.0), True),  # a gap that jumps over it
        ("BUY", Bar(low=98.0, is_filled=True), False),  # nobody traded there
        ("SELL", Bar(high=101.1), True),
        ("SELL", Bar(high=101.0), True),
        ("SELL", Bar(high=100.99), False),
        ("SELL", Bar(low=50.0), False),
        ("SELL", Bar(low=105.0, high=110.0), True),
        ("SELL", Bar(high=102.0, is_filled=True), False),
        ("ALERT", Bar(low=1.0, high=900.0), False),
        ("BUY", None, False),
    ],
)
def test_a_stop_breaks_where_a_closed_bar_reaches_it(market, how, hours, side, bar, is_broken):
    candles(market, [Bar(low=1.0, high=900.0), bar, *[QUIET] * 4])  # the bar of the signal itself breaks nothing
    signal = advice(1, side)

    (end,) = how(market, [signal], hours).values()

    if is_broken:
        assert end == ("INVALIDATED", START + 2 * HOUR, BREACHED)
    else:
        assert end == (("ACTIVE", None, None) if hours == 2 else ("EXPIRED", signal.expires_at, None))


@pytest.mark.parametrize("how", [on_time, late])
def test_at_its_expiry_a_signal_is_past_and_not_broken(market, how):
    candles(market, [QUIET, QUIET, QUIET, Bar(low=90.0)])
    signal = advice(1, bars=3)

    assert how(market, [signal], 4) == {id_of(signal): ("EXPIRED", signal.expires_at, None)}


def test_a_bar_that_comes_late_breaks_a_stop_as_of_its_close(market):
    candles(market, [QUIET, None, QUIET])
    signal = advice(1)
    on_time(market, [signal], 2)
    with market.begin() as conn:
        conn.execute(
            sa.text(
                """INSERT INTO candles (series_id, open_at, close_at, open, high, low, close, volume)
SELECT series_id, :open_at, :close_at, 90, 90, 90, 90, 1 FROM series"""
            ),
            {"open_at": START + HOUR, "close_at": START + 2 * HOUR},
        )

    a_pass(market, START + 2 * HOUR, START + 3 * HOUR, [], BOTH)

    assert ends(market) == {id_of(signal): ("INVALIDATED", START + 2 * HOUR, BREACHED)}


@pytest.mark.parametrize("how", [on_time, late])
@pytest.mark.parametrize("hours", [2, 6])
@pytest.mark.parametrize(
    ("other", "is_opposed"),
    [
        (advice(2, "SELL", rank=0.7), True),
        (advice(2, "SELL", rank=0.6), False),  # no stronger
        (advice(2, "BUY", rank=0.7), False),
        (advice(1, "SELL", rank=0.7), False),  # of the same close
        (advice(2, "ALERT", rank=0.7), False),
        (advice(4, "SELL", rank=0.7), False),  # past
    ],
)
def test_a_stronger_opposite_signal_ends_a_weaker_one_where_the_policy_says_so(market, how, hours, other, is_opposed):
    candles(market, [QUIET] * 6)
    signal = advice(1, rank=0.6)
    untouched = ("ACTIVE", None, None) if hours == 2 else ("EXPIRED", signal.expires_at, None)

    assert how(market, [signal, other], hours, LifecycleSettings())[id_of(signal)] == untouched
    candles(market, [QUIET] * 6)
    found = how(market, [signal, other], hours)[id_of(signal)]

    opposed = ("INVALIDATED", START + 2 * HOUR, f"opposed:{id_of(other)}")
    assert found == (opposed if is_opposed else untouched)


def test_another_profile_and_another_scope_oppose_nobody(market):
    candles(market, [QUIET] * 3)
    signal, other = advice(1, rank=0.6), advice(2, "SELL", rank=0.9)
    a_pass(market, START - HOUR, START + HOUR, [signal], BOTH)
    a_pass(market, START + HOUR, START + 2 * HOUR, [other], LifecycleSettings())
    for column in ("profile", "scope", "origin"):
        with market.begin() as conn:
            conn.execute(
                sa.text(f"UPDATE trading_signals SET {column} = 'replay' WHERE id = :id"), {"id": id_of(other)}
            )
            assert end_standing(conn, START + 2 * HOUR, BOTH) == 0
            conn.rollback()
    with market.begin() as conn:
        assert end_standing(conn, START + 2 * HOUR, BOTH) == 1


def test_settings_that_switch_it_off_leave_signals_alone(market):
    candles(market, [QUIET, Bar(low=50.0), QUIET])
    signal = advice(1)

    assert on_time(market, [signal], 2, LifecycleSettings(invalidate_on_stop=False)) == {
        id_of(signal): ("ACTIVE", None, None)
    }


def test_what_was_executed_before_the_stop_broke_stays_so(market):
    candles(market, [QUIET, QUIET, Bar(low=50.0)])
    signal = advice(1)
    on_time(market, [signal], 2)
    with market.begin() as conn:
        transition(conn, id_of(signal), SignalStatus.EXECUTED, actor="bot", at=START + 2 * HOUR, price=100.0)

    a_pass(market, START + 2 * HOUR, START + 3 * HOUR, [], BOTH)

    assert ends(market) == {id_of(signal): ("EXECUTED", START + 2 * HOUR, None)}


@pytest.mark.parametrize("reason", ["stop", "hand", "delisted"])
def test_what_was_taken_back_is_not_made_again_when_its_bars_are_processed_once_more(market, reason):
    candles(market, [QUIET, Bar(low=50.0) if reason == "stop" else QUIET, QUIET])
    signal = advice(1)
    on_time(market, [signal], 2)
    with market.begin() as conn:
        if reason == "hand":
            transition(conn, id_of(signal), SignalStatus.INVALIDATED, actor="cli", reason="a hunch")
        if reason == "delisted":
            conn.execute(sa.text("UPDATE series SET delisted_at = :at"), {"at": START + HOUR})
            assert invalidate_delisted(conn, START + 2 * HOUR) == 1
            conn.execute(sa.text("UPDATE series SET delisted_at = NULL"))
    before = ends(market)
    assert [status for status, *_ in before.values()] == ["INVALIDATED"]

    a_pass(market, START, START + 2 * HOUR, [signal], BOTH)  # as after a revision of the bars

    assert ends(market) == before


def test_an_opposite_that_revised_data_took_back_opposes_nobody(market):
    candles(market, [QUIET] * 3)
    signal, other = advice(1, rank=0.6), advice(2, "SELL", rank=0.9)
    a_pass(market, START - HOUR, START + 2 * HOUR, [signal, other], LifecycleSettings())
    a_pass(market, START + HOUR, START + 2 * HOUR, [], BOTH)  # it no longer fires

    assert ends(market)[id_of(other)] == ("INVALIDATED", START + 2 * HOUR, "data_revision")
    assert ends(market)[id_of(signal)] == ("ACTIVE", None, None)


BARS = st.none() | st.builds(
    Bar, low=st.sampled_from([98.0, 99.0, 99.5]), high=st.sampled_from([100.5, 101.0, 102.0]), is_filled=st.booleans()
)
SIGNALS = st.builds(
    advice,
    st.integers(0, 7),
    st.sampled_from(["BUY", "SELL", "ALERT"]),
    bars=st.integers(1, 4),
    rank=st.sampled_from([0.5, 0.6, 0.7]),
)


@settings(max_examples=25)
@given(
    bars=st.lists(BARS, min_size=8, max_size=8),
    found=st.lists(SIGNALS, max_size=8, unique_by=lambda s: (s.created_at, s.signal_type)),
    at=st.lists(st.integers(0, 8), max_size=3, unique=True),
)
def test_ticks_on_time_and_late_end_signals_alike_and_as_the_slow_reference_says(market, bars, found, at):
    wanted = expected(bars, found, 8)

    candles(market, bars)
    assert on_time(market, found, 8) == wanted
    candles(market, bars)
    assert late(market, found, 8) == wanted
    candles(market, bars)  # some passes are missed, and those after them make up
    begin = START - HOUR
    for hour in sorted({*at, 8}):
        a_pass(market, begin, START + hour * HOUR, found, BOTH)
        begin = START + hour * HOUR
    # A pass that comes after the sweep of an expiry would find the signal EXPIRED; here the chain comes first.
    assert ends(market) == wanted
