"""The description's report over stored signals, and the whole report over windows with little or nothing in them."""

from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Origin
from pipeline.performance.executed import SOURCES, spec_performance
from pipeline.performance.payload import payload
from pipeline.performance.report import ALL
from pipeline.performance.statistics import FIGURES
from pipeline.reporting import report, window_of
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.performance import executed_counts, store_performance
from tests.support.candle_rows import START
from tests.support.chain import FILES
from tests.support.database import a_series_of, a_stored_signal
from tests.support.outcomes_stored import NO_ENTRY, a_stored_outcome

AS_OF = START + timedelta(days=30)
WEEK = window_of("7d", AS_OF, exchange="binance")
MIDDLE = AS_OF - timedelta(days=3)
SHAPE = (
    *("timeframe", "total_signals", "executed_signals", "expired_signals", "execution_rate", "profitable_signals"),
    *("losing_signals", "breakeven_signals", "win_rate", "avg_profit_loss", "by_source"),
)
PART = {"total", "executed", "expired", "avg_profit_loss", "win_rate"}


def executed(profit_loss, **changes):
    """An executed signal of the middle of the week."""
    at = {"executed_at": MIDDLE, "execution_price": 100.0}
    return {"status": "EXECUTED", **at, "profit_loss": profit_loss, **changes}


EXPIRED = {"status": "EXPIRED"}
ALERT = {"signal_type": "ALERT", "target_prices": None, "stop_loss_price": None, "strategy": "MARKET_ANOMALY"}


def store(database: Database, *signals) -> list:
    """Store signals on closes an hour apart unless they name their own; their ids."""
    number = a_series_of(database)
    made = []
    for hour, changes in enumerate(signals):
        at = changes.get("created_at", MIDDLE + timedelta(hours=hour % 48))
        made.append(a_stored_signal(number, expires_at=at + timedelta(hours=1), **{"created_at": at} | changes))
    with database.begin() as conn:
        for row in made:
            conn.execute(sa.insert(tables.trading_signals).values(row))
    return [row["id"] for row in made]


def told(database: Database, window=WEEK):
    with database.begin() as conn:
        return spec_performance(executed_counts(conn, window), window.label)


def by_hand(database: Database, window=WEEK):
    """The same in plain SQL, a query for each number."""

    def number(what: str, where: str = "true"):
        query = f"""WITH w AS (
  SELECT *, CASE WHEN position(',' in source) > 0 THEN 'multi' ELSE source END AS of_source FROM trading_signals
  WHERE created_at BETWEEN :start AND :until AND origin = :origin AND scope = :scope
    AND status NOT IN ('ACTIVE', 'INVALIDATED'))
SELECT {what} FROM w WHERE {where}"""
        given = {"start": window.start, "until": window.end, "origin": window.origin, "scope": window.scope}
        with database.begin() as conn:
            return conn.scalar(sa.text(query), given)

    done, side = "status = 'EXECUTED'", "signal_type IN ('BUY', 'SELL')"

    def rates(where: str):
        average = number("coalesce(avg(profit_loss), 0)", f"{done} AND {where}")
        wins = number(
            "coalesce(avg(CASE WHEN profit_loss > 0 THEN 1.0 ELSE 0.0 END), 0)::float8",
            f"{done} AND profit_loss IS NOT NULL AND {where}",
        )
        return {"avg_profit_loss": pytest.approx(average, abs=1e-15), "win_rate": pytest.approx(wins)}

    def part(source: str):
        where = f"of_source = '{source}'"
        return {
            "total": number("count(*)", where),
            "executed": number("count(*)", f"{where} AND {done}"),
            "expired": number("count(*)", f"{where} AND status = 'EXPIRED'"),
            **rates(where),
        }

    rate = number(f"coalesce(avg(CASE WHEN {done} THEN 1.0 ELSE 0.0 END), 0)::float8", side)
    return {
        "timeframe": window.label,
        "total_signals": number("count(*)"),
        "executed_signals": number("count(*)", done),
        "expired_signals": number("count(*)", "status = 'EXPIRED'"),
        "execution_rate": pytest.approx(rate),
        "profitable_signals": number("count(*)", f"{done} AND profit_loss > 0"),
        "losing_signals": number("count(*)", f"{done} AND profit_loss <= 0"),
        "breakeven_signals": number("count(*)", f"{done} AND profit_loss = 0"),
        **rates("true"),
        "by_source": {source: part(source) for source in SOURCES},
    }


MIXED = [
    *(executed(gain, source=source) for source in ("technical", "ml_model") for gain in (0.03, -0.01, 0.0, None, 0.02)),
    *(executed(gain, source="technical, sentiment", strategy="MULTI_STRATEGY") for gain in (0.05, -0.02)),
    *(
        EXPIRED | {"source": source, "signal_type": "SELL"}
        for source in ("technical", "sentiment", "ml_model, sentiment")
    ),
    *(EXPIRED | ALERT | {"source": source} for source in ("technical", "sentiment")),
    EXPIRED | {"profit_loss": 0.5},  # nobody executed it, whatever stands there
    *({"status": status} for status in ("ACTIVE", "INVALIDATED")),
    *(executed(0.9, origin=origin, scope=scope) for origin, scope in (("replay", "default"), ("live", "other"))),
]


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        pytest.param([], {"total_signals": 0, "win_rate": 0.0}, id="none"),
        pytest.param([EXPIRED], {"total_signals": 1, "execution_rate": 0.0}, id="one_expired"),
        pytest.param(
            [executed(0.02)], {"total_signals": 1, "win_rate": 1.0, "avg_profit_loss": 0.02}, id="one_executed"
        ),
        pytest.param([executed(0.0)], {"losing_signals": 1, "breakeven_signals": 1, "win_rate": 0.0}, id="breakeven"),
        pytest.param(
            [executed(None)] * 3,
            {"executed_signals": 3, "execution_rate": 1.0, "win_rate": 0.0, "avg_profit_loss": 0.0},
            id="all_null",
        ),
        pytest.param([EXPIRED | ALERT] * 4, {"total_signals": 4, "execution_rate": 0.0}, id="all_alerts"),
        pytest.param([{}, {"status": "INVALIDATED"}], {"total_signals": 0}, id="neither_executed_nor_expired"),
        pytest.param(
            MIXED,
            {"total_signals": 18, "executed_signals": 12, "execution_rate": 0.75, "win_rate": 0.5, "losing_signals": 5},
            id="mixed",
        ),
    ],
)
def test_f63_a_window_has_the_full_shape_and_the_numbers_of_plain_sql(database, signals, expected):
    store(database, *signals)

    found = told(database)

    assert tuple(found) == SHAPE
    assert {source: set(part) for source, part in found["by_source"].items()} == dict.fromkeys(SOURCES, PART)
    assert found == by_hand(database)
    assert {name: found[name] for name in expected} == expected


def test_f63_the_whole_report_of_a_window_without_outcomes_has_the_full_shape(database):
    store(database, *MIXED)
    settings = load_settings(FILES)

    found = report(database, settings, WEEK)

    assert found.executed == by_hand(database)
    assert found.n_pending == 18  # BUYs and SELLs of every status
    assert (found.overall["signals"], found.overall["entered"]) == (0, 0)
    assert found.overall[list(FIGURES)].isna().all()
    assert (found.reliability.empty, len(found.closes), found.equity[ALL].size) == (True, 0, 0)


def judged(database: Database, *changes):
    ids = store(database, *[EXPIRED] * len(changes))
    with database.begin() as conn:
        for hour, (number, change) in enumerate(zip(ids, changes, strict=True)):
            row = a_stored_outcome(number, 1, MIDDLE + timedelta(hours=hour), **change)
            conn.execute(sa.insert(tables.signal_outcomes).values(row))


def test_f63_one_outcome_is_a_report(database):
    judged(database, {})
    found = report(database, load_settings(FILES), WEEK)
    assert (found.n_pending, found.overall["signals"], found.overall["wins"]) == (0, 1, 1)
    assert found.overall[["mean_return", "median_return", "long_return"]].tolist() == [0.001, 0.001, 0.003]
    assert found.overall[["profit_factor", "p_value", "information_coefficient"]].isna().all()
    assert found.reliability[["group", "confidence", "n"]].to_numpy().tolist() == [
        ["technical SMA_CROSSOVER", "0.65-0.70", 1]
    ]


def test_f63_outcomes_without_an_entry_are_counted_and_have_no_rate(database):
    judged(database, NO_ENTRY, NO_ENTRY, NO_ENTRY)
    found = report(database, load_settings(FILES), WEEK)
    for name in (ALL, "source", "strategy", "component", "confidence", "symbol", "timeframe", "exit_reason"):
        assert found.figures[name][["signals", "entered"]].to_numpy().tolist() == [[3, 0]], name
        assert found.figures[name][list(FIGURES)].isna().all(axis=None), name
    assert found.figures["exit_reason"]["group"].tolist() == ["no_entry"]


@pytest.mark.parametrize("outcomes", [[], [{}], [NO_ENTRY]], ids=["none", "one", "no_entry"])
def test_f63_a_report_with_little_in_it_is_stored_and_again_changes_nothing(database, outcomes):
    judged(database, *outcomes)
    made = payload(report(database, load_settings(FILES), WEEK))

    for written in (1, 0):
        with database.begin() as conn:
            assert store_performance(conn, [made]) == written

    with database.begin() as conn:
        row = conn.execute(sa.text("SELECT * FROM signal_performance")).mappings().one()
    assert (row["outcomes"], row["hit_rate"]) == (len(outcomes), 1.0 if outcomes == [{}] else None)
    assert [row[name] for name in SHAPE] == [made[name] for name in SHAPE]


def test_a_report_is_of_its_window_origin_scope_and_horizon(database):
    changes = [
        {"net_return": 0.01},
        {"net_return": -0.02},
        NO_ENTRY,
        {"net_return": 0.9, "origin": "replay"},
        {"net_return": 0.9, "scope": "other"},
        {"net_return": 0.9, "horizon": "4_bars"},
        {"net_return": 0.9, "candle_close_at": WEEK.start - timedelta(seconds=1)},
        {"net_return": 0.9, "candle_close_at": WEEK.end + timedelta(seconds=1)},
    ]
    judged(database, *changes)
    found = report(database, load_settings(FILES), WEEK)
    assert (found.overall["signals"], found.overall["entered"]) == (3, 2)
    assert found.overall["mean_return"] == pytest.approx(-0.005)

    other = window_of("7d", AS_OF, exchange="binance", origin=Origin.REPLAY)
    assert report(database, load_settings(FILES), other).overall["mean_return"] == pytest.approx(0.9)


def test_what_random_entries_brought_from_the_first_advice_to_the_last_is_weighed_by_their_number(database):
    judged(database, *[{"net_return": gain} for gain in (0.01, -0.02, 0.03)])
    store(database, EXPIRED | {"created_at": MIDDLE + timedelta(days=1)})
    settings = load_settings(FILES)
    with database.begin() as conn:
        for day, (n, mean) in enumerate([(24, 0.001), (6, -0.004), (24, 1.0)]):
            row = {
                "series_id": 1,
                "day_at": (MIDDLE + timedelta(days=day)).replace(hour=0),
                "horizon": "expiry",
                "rules": "next_open fee=10bp slippage=2bp stop=1.5atr",
                "n_entries": n,
                "n_wins": 2,
                "long_return": 0.0,
                "computed_to": AS_OF,
            }
            for side, sign in (("BUY", 1.0), ("SELL", -1.0)):
                conn.execute(
                    sa.insert(tables.random_entries).values(row | {"signal_type": side, "net_return": sign * mean})
                )

    found = report(database, settings, WEEK).overall

    assert found["random_return"] == pytest.approx((24 * 0.001 - 6 * 0.004) / 30)
    assert found["excess_return"] == pytest.approx(np.mean([0.01, -0.02, 0.03]) - found["random_return"])


def test_a_horizon_that_nobody_computed_is_refused(database):
    window = window_of("7d", AS_OF, exchange="binance")
    with pytest.raises(DataContractError, match="horizon must be one of expiry, 4_bars, 24_bars, was 7_bars"):
        report(database, load_settings(FILES), type(window)(*(WEEK.start, WEEK.end, "live", "default", "7_bars", "7d")))
