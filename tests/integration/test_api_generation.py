"""Signals on request: the live run's own, judged as the request says, stored once, and what is told beside them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from pipeline.aggregation import PREFERRED_WEIGHT
from pipeline.requesting import SignalRequest, signals_on_request
from pipeline.risk.exposure import Position
from pipeline.risk.profile import RiskProfile
from pipeline.settings import load_settings
from pipeline.storage import requests, tables
from pipeline.storage.accounts import write_position, write_profile
from pipeline.storage.transitions import expire
from tests.support.api import SIGNALS, an_api, refused
from tests.support.chain import FILES, rows, tick
from tests.support.lifecycle import HOUR, inconsistent
from tests.support.requests import (
    APART,
    ASKED,
    CLOSE,
    SOON,
    SYMBOLS,
    answered,
    ask,
    asked_rows,
    changed,
    client,
    evaluation,
    judged_market,
    live_rows,
    market,
    shared,
)
from tests.support.spec_examples import GENERATED, OURS

__all__ = ["client", "judged_market", "market", "shared"]


# What is made


def test_a_request_makes_what_the_live_run_made_of_the_same_close(market, client):
    live = live_rows(market)
    assert len(live["trading_signals"]) >= 3
    assert {row["source"] for row in live["candidate_signals"]} >= {"technical", "ml_model"}

    found = answered(client)

    assert asked_rows(market, APART) == live
    order = sorted(live["trading_signals"], key=lambda row: -row["rank_score"])
    assert [each["symbol"] for each in found["signals"]] == [row["symbol"] for row in order]
    assert {row["origin"] for row in rows(market, "trading_signals", ASKED)} == {"replay"}


def test_an_answer_has_the_fields_of_the_description_in_their_order(shared):
    found = answered(shared)

    assert list(found) == ["success", "signals", "evaluations"]
    assert found["success"] is True
    assert {tuple(each) for each in found["signals"]} == {(*GENERATED["signals"][0], *OURS[0])}
    assert {(each["calibrated_confidence"], each["uncalibrated_because"]) for each in found["signals"]} == {
        (None, "not_calibrated_yet")
    }
    assert {type(each["entry_price"]) for each in found["signals"]} == {float}
    assert {tuple(each["target_prices"] or ()) for each in found["signals"]} <= {("tp1", "tp2", "tp3"), ()}
    assert {each["expires_at"] for each in found["signals"]} == {"2024-02-13T06:00:00Z"}
    assert {each["created_at"] for each in found["signals"]} == {"2024-02-13T05:00:00Z"}
    assert [each["symbol"] for each in found["evaluations"]] == list(SYMBOLS)
    assert {each["evaluated_close_at"] for each in found["evaluations"]} == {"2024-02-13T05:00:00Z"}


def test_later_candles_and_their_rows_change_nothing_of_an_earlier_close(market, client):
    before = answered(client)
    tick(market, CLOSE + HOUR)
    changed(market, f"DELETE FROM candidate_signals WHERE {ASKED}")
    changed(market, f"DELETE FROM risk_decisions WHERE {ASKED}")
    changed(market, f"DELETE FROM trading_signals WHERE {ASKED}")

    assert answered(client) == before
    with an_api(market, at=SOON + HOUR) as later:
        assert {each["evaluated_close_at"] for each in answered(later)["evaluations"]} == {"2024-02-13T06:00:00Z"}


def test_the_same_request_again_gives_the_same_bytes_and_adds_no_row(market, client):
    first = ask(client)
    stored = asked_rows(market)

    spelt_otherwise = [symbol.replace("/", "-").lower() for symbol in SYMBOLS]
    again = ask(
        client, symbols=[*spelt_otherwise, "BTCUSDT"], signal_types=["sentiment", "ml_model", "technical", "ml"]
    )

    assert again.content == first.content
    assert asked_rows(market) == stored


def test_equal_requests_at_once_make_one_set_of_rows(market, client):
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(client), range(8)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert asked_rows(market, APART) == live_rows(market)
    assert inconsistent(market) == []


def test_requests_of_one_kind_take_turns_and_nobody_waits_for_ever(market, client, monkeypatch):
    answered(client)
    ((scope,),) = {tuple({row["scope"] for row in asked_rows(market)["candidate_signals"]})}
    monkeypatch.setattr(requests, "LONGEST_WAIT", "100ms")
    with market.begin() as conn:
        requests.hold_scope(conn, scope)
        refused(ask(client), 503, "database_unavailable")
        answered(client, risk_level="low")
    answered(client)


@pytest.mark.parametrize("form", ["BTC/USDT", "BTCUSDT", "BTC-USDT", "btc_usdt"])
def test_a_symbol_may_be_written_as_exchanges_write_it(shared, form):
    assert [each["symbol"] for each in answered(shared, symbols=[form])["evaluations"]] == ["BTC/USDT"]


def test_only_the_sources_that_are_asked_for_have_a_say(market, client):
    everything = {row["source"] for row in live_rows(market)["candidate_signals"]}
    for kind, source in (("technical", "technical"), ("ml", "ml_model")):
        assert source in everything
        assert {each["source"] for each in answered(client, signal_types=[kind])["signals"]} <= {source}
    assert {row["source"] for row in asked_rows(market)["candidate_signals"]} == everything
    assert len({row["scope"] for row in asked_rows(market)["candidate_signals"]}) == 2


def test_the_request_alone_is_enough_with_its_symbols(shared):
    assert answered(shared, signal_types=None, timeframe=None) == answered(shared)


# By whose limits


def test_a_risk_level_comes_before_the_profile_of_the_house(market, client):
    medium = answered(client, risk_level="medium")
    assert medium["signals"]
    with market.begin() as conn:
        write_profile(conn, RiskProfile(), "house", {"min_signal_confidence": 0.99})

    house = answered(client)

    assert house["signals"] == []
    assert {each["outcome"] for each in house["evaluations"]} <= {"dropped", "no_advice", "silenced"}
    assert answered(client, risk_level="medium") == medium


def test_what_risk_drops_is_told_in_the_words_of_the_decisions(market, client):
    found = answered(client, risk_level="low")

    decisions = [row for row in rows(market, "risk_decisions", ASKED) if row["reasons"]]
    assert decisions
    for row in decisions:
        told = f"{row['strategy']} {row['signal_type']}: {', '.join(row['reasons'])}"
        assert told in evaluation(found, row["symbol"])["reasons"]


def test_a_position_leaves_less_room_for_what_is_asked(market, client):
    bought = next(each["symbol"] for each in answered(client)["signals"] if each["signal_type"] == "BUY")
    with market.begin() as conn:
        write_position(conn, "house", Position(symbol=bought, weight=0.2, valid_from=CLOSE - HOUR))

    found = answered(client)

    assert not [each for each in found["signals"] if (each["symbol"], each["signal_type"]) == (bought, "BUY")]
    assert any("asset_exposure" in reason for reason in evaluation(found, bought)["reasons"])


def test_signals_of_a_user_are_judged_by_their_profile_and_carry_their_id(market):
    user_id = uuid4()
    with market.begin() as conn:
        conn.execute(sa.insert(tables.users).values(user_id=user_id, name="bot"))
        conn.execute(sa.insert(tables.risk_profiles).values(profile="bot", user_id=user_id, stop_atr_multiple=2.0))
        settings, wanted = load_settings(FILES), SignalRequest(symbols=SYMBOLS)
        own = signals_on_request(market, conn, settings, wanted, as_of=SOON, user_id=user_id).signals
        house = signals_on_request(market, conn, settings, wanted, as_of=SOON).signals

    assert {(row["user_id"], row["profile"]) for row in own} == {(user_id, "bot")}
    assert {(row["user_id"], row["profile"]) for row in house} == {(None, "house")}
    assert {row["id"] for row in own}.isdisjoint(row["id"] for row in house)
    for mine, theirs in zip(own, house, strict=True):
        assert abs(mine["entry_price"] - mine["stop_loss_price"]) > abs(mine["entry_price"] - theirs["stop_loss_price"])


def test_a_preference_weighs_double_in_the_rank_and_changes_no_candidate(market, client):
    answered(client)
    balanced = rows(market, "trading_signals", ASKED)
    answered(client, strategy_preference="ml")
    preferring = [row for row in rows(market, "trading_signals", ASKED) if row not in balanced]

    places = {(row["symbol"], row["signal_type"]): row for row in balanced}
    assert len(preferring) == len(balanced)
    for row in preferring:
        plain = places[row["symbol"], row["signal_type"]]
        if row["source"] == "technical":
            assert row["rank_score"] == pytest.approx(plain["rank_score"] / PREFERRED_WEIGHT)
            assert row["confidence"] == plain["confidence"]
        elif row["source"] == "ml_model":
            assert row["rank_score"] == plain["rank_score"]


# What becomes of it


def test_what_was_asked_for_is_found_by_its_id_and_explained_and_never_active(market, client):
    active = client.get(f"{SIGNALS}/active").json()
    found = answered(client, risk_level="high", strategy_preference="trend_following")

    assert client.get(f"{SIGNALS}/active").json() == active
    for each in found["signals"]:
        one = client.get(f"{SIGNALS}/{each['signal_id']}").json()["signal"]
        assert {name: one[name] for name in each} == each
        explanation = client.get(f"{SIGNALS}/{each['signal_id']}/explain").json()["explanation"]
        assert (explanation["outcome"], explanation["differences"]) == ("signal", [])


def test_what_models_had_not_said_by_then_is_not_said_by_an_explanation(market, client):
    changed(market, "DELETE FROM direction_predictions")
    changed(market, "DELETE FROM anomaly_scores")
    found = answered(client)
    assert found["signals"]
    for each in found["signals"]:
        assert each["source"] == "technical"
        explanation = client.get(f"{SIGNALS}/{each['signal_id']}/explain").json()["explanation"]
        assert explanation["differences"] == []


def test_what_was_executed_is_given_no_second_time_and_stays(market, client):
    best = next(each for each in answered(client)["signals"] if each["signal_type"] == "BUY")
    done = {"status": "EXECUTED", "price": best["entry_price"], "at": SOON.isoformat()}
    assert client.patch(f"{SIGNALS}/{best['signal_id']}/status", json=done).status_code == 200
    with market.begin() as conn:
        write_position(conn, "house", Position(symbol=best["symbol"], weight=0.2, valid_from=CLOSE - HOUR))

    found = answered(client)

    assert best["signal_id"] not in [each["signal_id"] for each in found["signals"]]
    assert "BUY: executed(2024-02-13 05:10)" in evaluation(found, best["symbol"])["reasons"]
    assert client.get(f"{SIGNALS}/{best['signal_id']}").json()["signal"]["status"] == "EXECUTED"
    assert inconsistent(market) == []


def test_what_was_asked_for_expires_like_all_signals(market, client):
    asked = answered(client)["signals"]
    with an_api(market, at=CLOSE + HOUR) as later:
        assert answered(later)["signals"] == []  # though no sweep has come yet
    assert {row["status"] for row in _statuses(market)} == {"ACTIVE"}
    with market.begin() as conn:
        expire(conn, CLOSE + HOUR)

    statuses = {row["status"] for row in _statuses(market)}
    assert statuses == {"EXPIRED"}
    with an_api(market, at=CLOSE + HOUR) as later:
        found = answered(later)
    assert found["signals"] == []
    for each in asked:
        told = evaluation(found, each["symbol"])
        assert told["outcome"] == "ended"
        assert f"{each['signal_type']}: expired(2024-02-13 06:00)" in told["reasons"]


def _statuses(database):
    with database.begin() as conn:
        return conn.execute(sa.text(f"SELECT status FROM trading_signals WHERE {ASKED}")).mappings().all()


# What is told beside it


def test_a_symbol_that_is_unknown_is_told_of_beside_those_that_are_known(shared):
    found = answered(shared, symbols=["BTC/USDT", "BTC/USDC", "DOGE/EUR"])

    assert [each["outcome"] for each in found["evaluations"]][1:] == ["unknown", "unknown"]
    (reason,) = evaluation(found, "BTC/USDC")["reasons"]
    assert reason.startswith("no candles are stored of BTC/USDC 1h on binance: did you mean BTC/USDT")
    assert evaluation(found, "BTC/USDT")["exchange"] == "binance"


def test_a_timeframe_that_is_not_stored_is_told_with_those_that_are(shared):
    error = refused(ask(shared, symbols=["BTC/USDT", "ETH/USDT"], timeframe="4h"), 422, "invalid_request")
    assert [each["field"] for each in error["fields"]] == ["body.symbols"] * 2
    assert "of BTC/USDT there are 1h on binance" in error["message"]


def test_a_silenced_bar_says_why(market, client):
    (at,) = {row["symbol"] for row in live_rows(market)["trading_signals"][:1]}
    assert changed(
        market,
        f"""UPDATE market_conditions m SET block_reason = 'gapped(6.1%)' FROM series s
WHERE s.series_id = m.series_id AND s.symbol = '{at}' AND m.close_at = '{CLOSE}'""",
    )
    told = evaluation(answered(client), at)
    assert (told["outcome"], told["reasons"]) == ("silenced", ["blocked:gapped(6.1%)"])


def test_sources_that_say_nothing_and_candles_that_are_old_are_warned_of(market):
    with an_api(market, at=SOON) as client:
        assert evaluation(answered(client), "BTC/USDT")["warnings"] == ["sentiment: not_computed"]  # there are no texts
        assert changed(market, "DELETE FROM direction_predictions")
        assert changed(market, "DELETE FROM anomaly_scores")
        assert changed(
            market,
            """UPDATE source_health SET status = 'BLOCKED', reason = 'unavailable(model_expired(2023-11-01))'
WHERE source = 'ml_model'""",
        )
        warned = evaluation(answered(client), "BTC/USDT")["warnings"]
        assert warned == ["ml: model_expired(2023-11-01)", "sentiment: not_computed"]
        assert evaluation(answered(client, signal_types=["technical"]), "BTC/USDT")["warnings"] == []
    n_later = 44 * 24
    last = CLOSE.replace(month=1, day=1, hour=0) + timedelta(hours=n_later)
    with an_api(market, at=last + 12 * HOUR) as client:
        told = evaluation(answered(client, signal_types=["technical"]), "BTC/USDT")
    assert told["evaluated_close_at"] == "2024-02-13T05:00:00Z"
    assert told["warnings"] == [
        f"candles: stale(newest close {last:%Y-%m-%d %H:%M})",
        f"indicators: not_computed({last:%Y-%m-%d %H:%M})",
    ]


def test_candles_without_indicators_are_no_reason_to_fail(market, client):
    changed(
        market, "DELETE FROM market_conditions m USING series s WHERE s.series_id = m.series_id AND symbol = 'BTC/USDT'"
    )
    found = answered(client)
    told = evaluation(found, "BTC/USDT")
    assert (told["outcome"], told["evaluated_close_at"]) == ("not_computed", None)
    assert told["reasons"] == ["no indicators are stored; `signals run` makes those of the newest close"]
    assert found["signals"]


def test_while_a_run_is_at_the_newest_close_the_one_before_is_judged(market, client):
    with an_api(market, at=SOON + HOUR) as later:
        changed(
            market,
            f"""INSERT INTO market_conditions SELECT (jsonb_populate_record(m, jsonb_build_object(
  'open_at', m.open_at + interval '1 h', 'close_at', m.close_at + interval '1 h'))).*
FROM market_conditions m WHERE close_at = '{CLOSE}'""",
        )
        assert {each["evaluated_close_at"] for each in answered(later)["evaluations"]} == {"2024-02-13T05:00:00Z"}
