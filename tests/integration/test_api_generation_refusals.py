"""Signals on request: what is refused, and with which words."""

import pytest

from tests.support.api import SIGNALS, an_api, refused, wrong_fields
from tests.support.requests import REQUEST, SOON, answered, ask, changed, evaluation, judged_market, market, shared

__all__ = ["judged_market", "market", "shared"]


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"symbols": None}, "body.symbols", "Field required"),
        ({"symbols": []}, "body.symbols", "List should have at least 1 item"),
        ({"symbols": "BTC/USDT"}, "body.symbols", "valid list"),
        ({"symbols": ["BTC/USDT", "BTC"]}, "body.symbols.1", "symbol must read like BTC/USDT, was 'BTC'"),
        ({"symbols": [7]}, "body.symbols.0", "must be text"),
        ({"symbols": ["BTC/USDT"] * 51}, "body.symbols", "at most 50 items"),
        ({"signal_types": []}, "body.signal_types", "at least 1 item"),
        ({"signal_types": ["technical", "astrology"]}, "body.signal_types.1", "'technical', 'ml_model' or 'sentiment'"),
        ({"timeframe": "99d"}, "body.timeframe", "'1h'"),
        ({"risk_level": "reckless"}, "body.risk_level", "'low', 'medium' or 'high'"),
        ({"strategy_preference": "lucky"}, "body.strategy_preference", "'mean_reversion'"),
        ({"exchange": "Binance!"}, "body.exchange", "must be the name of an exchange in lower case"),
        ({"symbol": "BTC/USDT"}, "body.symbol", "Extra inputs are not permitted"),
    ],
)
def test_f55_a_wrong_field_is_told_with_what_it_must_be(shared, changes, field, message):
    answer = ask(shared, **changes)
    assert wrong_fields(answer) == {field}
    assert message in answer.json()["error"]["message"]


def test_f55_ten_thousand_symbols_are_refused_before_they_are_read(shared):
    refused(ask(shared, symbols=["BTC/USDT"] * 10_000), 413, "body_too_large")
    assert wrong_fields(ask(shared, symbols=["BTC/USDT"] * 4_000)) == {"body.symbols"}


def test_other_methods_of_the_path_are_not_offered(shared):
    refused(shared.get(SIGNALS), 405, "method_not_allowed")
    refused(shared.put(SIGNALS, json=REQUEST), 405, "method_not_allowed")


def test_symbols_of_several_exchanges_need_one_named(market):
    assert changed(
        market,
        """INSERT INTO series SELECT (jsonb_populate_record(s, '{"exchange": "kraken", "series_id": 9001}')).*
FROM series s WHERE symbol = 'BTC/USDT'""",
    )
    with an_api(market, at=SOON) as client:
        found = answered(client, symbols=["BTC/USDT", "ETH/USDT"])
        told = evaluation(found, "BTC/USDT")
        assert told["reasons"] == ["exchange must be named, binance, kraken have BTC/USDT 1h"]
        assert answered(client, exchange="binance")["evaluations"][1]["exchange"] == "binance"
