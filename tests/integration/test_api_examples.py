"""The description's example answers, field by field, from a running server over stored rows.

Behind the description's fields of a signal stand ours, `spec_examples.OURS`, and nothing else.
"""

from datetime import timedelta

import pytest

from pipeline.api import examples
from tests.support import spec_examples
from tests.support.api import SIGNALS, an_api
from tests.support.database import a_series_of, a_stored_signal
from tests.support.lifecycle import store

EXECUTED_AND_EXPIRED = {  # source -> executed ones with a gain, with a loss, and those that expired
    "technical": (28, 20, 17),
    "ml_model": (15, 7, 8),
    "sentiment": (5, 4, 6),
    "technical, ml_model": (5, 1, 4),
}
WIN_RATES = {"technical": 0.58, "ml_model": 0.68, "sentiment": 0.56, "multi": 0.83}


@pytest.fixture
def client(database):
    series = {symbol: a_series_of(database, symbol) for symbol in ("BTC/USDT", "ETH/USDT")}
    store(database, spec_examples.example_rows(series))
    with an_api(database, at=spec_examples.AT) as client:
        yield client


def test_a_signal_is_answered_as_the_description_shows_it_field_by_field(client):
    answer = client.get(f"{SIGNALS}/{spec_examples.FIRST}")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    (expected,) = spec_examples.with_ours([spec_examples.DETAIL["signal"]])
    assert answer.json() == spec_examples.DETAIL | {"signal": expected}
    assert list(answer.json()["signal"]) == list(expected)


def test_active_signals_are_answered_as_the_description_shows_them_field_by_field(client):
    found = client.get(f"{SIGNALS}/active").json()

    assert found.pop("next_cursor") is None
    expected = spec_examples.with_ours(spec_examples.ACTIVE["signals"])
    assert found == spec_examples.ACTIVE | {"signals": expected}
    assert [list(each) for each in found["signals"]] == [list(each) for each in expected]


@pytest.mark.parametrize(
    ("parameters", "places"),
    [
        ({"symbol": "ETH/USDT"}, [1]),
        ({"signal_type": "BUY"}, [0]),
        ({"signal_type": "ALERT"}, []),
        ({"min_confidence": 0.7}, [0]),
        ({"min_confidence": 0.65}, [0, 1]),
        ({"symbol": "ETH/USDT", "signal_type": "SELL", "min_confidence": "0.66"}, []),
    ],
)
def test_every_documented_parameter_filters(client, parameters, places):
    found = client.get(f"{SIGNALS}/active", params=parameters).json()
    expected = spec_examples.with_ours(spec_examples.ACTIVE["signals"])
    assert found["signals"] == [expected[place] for place in places]
    assert found["count"] == len(places)


def test_performance_has_the_fields_and_counts_of_the_description(database):
    number = a_series_of(database)
    for source, (gains, losses, expired) in EXECUTED_AND_EXPIRED.items():
        closes = [spec_examples.AT - timedelta(hours=1 + hour) for hour in range(gains + losses + expired)]
        rows = [
            a_stored_signal(
                number,
                source=source,
                created_at=close_at,
                expires_at=close_at + timedelta(hours=1),
                status="EXPIRED" if place >= gains + losses else "EXECUTED",
                executed_at=close_at if place < gains + losses else None,
                execution_price=100.0 if place < gains + losses else None,
                profit_loss=None if place >= gains + losses else 0.04 if place < gains else -0.01,
            )
            for place, close_at in enumerate(closes)
        ]
        store(database, rows)
    expected = spec_examples.PERFORMANCE["performance"]
    with an_api(database, at=spec_examples.AT) as client:
        answer = client.get(f"{SIGNALS}/performance").json()

    found = answer["performance"]
    assert found.pop("outcomes") is None  # no report is stored
    assert (list(answer), list(found)) == (list(spec_examples.PERFORMANCE), list(expected))
    assert list(found["by_source"]) == list(expected["by_source"])
    for source, part in expected["by_source"].items():
        assert list(found["by_source"][source]) == list(part)
        for name in ("total", "executed", "expired"):
            assert found["by_source"][source][name] == part[name]
        assert round(found["by_source"][source]["win_rate"], 2) == WIN_RATES[source] == part["win_rate"]
    for name in ("timeframe", "total_signals", "executed_signals", "expired_signals"):
        assert found[name] == expected[name]
    assert round(found["execution_rate"], 2) == expected["execution_rate"]
    # The example's 52 and 33 do not follow from its own win rates by source: those make 53 and 32.
    assert (found["profitable_signals"], found["losing_signals"]) == (53, 32)
    assert found["avg_profit_loss"] == pytest.approx((53 * 0.04 - 32 * 0.01) / 85)


def test_the_examples_of_the_openapi_document_are_the_descriptions(client):
    assert spec_examples.with_ours([spec_examples.DETAIL["signal"]]) == [examples.SIGNAL]
    assert spec_examples.with_ours(spec_examples.ACTIVE["signals"])[:1] == [examples.ACTIVE_SIGNAL]
    assert spec_examples.PERFORMANCE["performance"] | {"outcomes": examples.OUTCOMES} == examples.PERFORMANCE
    assert spec_examples.REQUEST == examples.REQUEST
    generated = spec_examples.with_ours(spec_examples.GENERATED["signals"])
    assert generated == examples.GENERATION["signals"]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["GenerationRequest"]["examples"] == [examples.REQUEST]
    assert schemas["GenerationAnswer"]["examples"] == [examples.GENERATION]
    assert schemas["SignalDetail"]["examples"] == [examples.SIGNAL]
