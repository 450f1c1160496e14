"""Signals on request by what is held when they are asked for: what counts, and what an explanation says of it."""

from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explaining import explain_bar
from pipeline.settings import load_settings
from tests.support.api import SIGNALS, an_api
from tests.support.chain import FILES
from tests.support.lifecycle import HOUR
from tests.support.requests import (
    CLOSE,
    SOON,
    answered,
    ask,
    asked_rows,
    client,
    evaluation,
    held,
    judged_market,
    live_rows,
    market,
    shared,
)

__all__ = ["client", "judged_market", "market", "shared"]


def test_what_is_put_counts_in_the_request_that_follows(market, client):
    bought = next(each["symbol"] for each in answered(client)["signals"] if each["signal_type"] == "BUY")
    held(client, {bought: 0.2})  # minutes after the close that is judged

    found = answered(client)

    assert not [each for each in found["signals"] if (each["symbol"], each["signal_type"]) == (bought, "BUY")]
    assert any("asset_exposure" in reason for reason in evaluation(found, bought)["reasons"])
    assert [row["reasons"] for row in live_rows(market)["risk_decisions"] if row["symbol"] == bought] == [[]]
    held(client, {})
    assert bought in [each["symbol"] for each in answered(client)["signals"]]


def test_the_question_is_judged_anew_when_holdings_have_changed_unless_its_key_repeats_it(market, client):
    first = ask(client, key="morning")
    bought = next(each["symbol"] for each in first.json()["signals"] if each["signal_type"] == "BUY")
    held(client, {bought: 0.2})

    assert ask(client, key="morning").content == first.content
    assert bought not in [each["symbol"] for each in ask(client, key="noon").json()["signals"]]


def test_an_explanation_knows_when_it_was_asked_and_what_was_held_then(market, client):
    bought = next(each["symbol"] for each in answered(client)["signals"] if each["signal_type"] == "BUY")
    held(client, {bought: 0.2})
    dropping = answered(client)
    with an_api(market, at=SOON + HOUR / 6) as later:
        held(later, {})
        assert {outcome for outcome, _ in _explained(market).values()} >= {"dropped"}
        assert all(differences == [] for _, differences in _explained(market).values())
        for each in dropping["signals"]:
            explanation = later.get(f"{SIGNALS}/{each['signal_id']}/explain").json()["explanation"]
            assert (explanation["outcome"], explanation["differences"]) == ("signal", [])
            assert "exposure counts what was held at 2024-02-13 05:10:00" in explanation["remarks"][-1]
        answered(later)
    with an_api(market, at=SOON + HOUR / 3) as even_later:
        held(even_later, {bought: 0.2})
    assert _explained(market)[bought] == ("signal", [])


def test_an_explanation_tells_what_tied_up_money_when_it_was_asked(market, client):
    bought = next(each["symbol"] for each in answered(client)["signals"] if each["signal_type"] == "BUY")
    held(client, {bought: 0.01})
    best = next(each for each in answered(client)["signals"] if each["symbol"] == bought)
    exposure = client.get(f"{SIGNALS}/{best['signal_id']}/explain").json()["explanation"]["exposure"]
    (position,) = [each for each in exposure["holdings"] if each["kind"] == "position"]
    assert (position["symbol"], position["weight"]) == (bought, 0.01)
    assert position["since"].startswith("2024-02-13T05:10:00")


def _explained(database):
    """Outcome and differences of the symbols that were judged on request."""
    ((scope,),) = {tuple({row["scope"] for row in asked_rows(database)["candidate_signals"]})}
    found = {}
    for symbol in {row["symbol"] for row in asked_rows(database)["candidate_signals"]}:
        key = SeriesKey("binance", symbol, Timeframe.H1)
        told = explain_bar(
            database, load_settings(FILES), key, as_of=CLOSE + HOUR / 2, at=CLOSE, origin=Origin.REPLAY, scope=scope
        )
        found[symbol] = (told.findings.outcome, list(told.findings.differences))
    return found
