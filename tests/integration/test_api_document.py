"""Requests that are made up from the OpenAPI document: every answer is one that the document tells of.

`make test` asks little; with API_CASES=2000 it is that many requests of each route.
"""

import os
from datetime import timedelta

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.support.api import SIGNALS, a_key, an_api, showing
from tests.support.candle_rows import START
from tests.support.chain import store_block, tick
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, store
from tests.support.market import random_walk

N_CASES = int(os.environ.get("API_CASES", "15"))
STREAM = f"{SIGNALS}/stream"
TOO_LARGE = 413
CLOSE = START + timedelta(hours=90)


@pytest.fixture(scope="module", params=["without_keys", "with_keys"])
def document(request, postgres_server, migrated_template):
    """The document of a server with candles, judged bars and one active signal, its id, and what a request shows.

    One server asks for no key, and is shown none; the other does, and is shown one that opens everything.
    """
    has_keys = request.param == "with_keys"
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(3, 100, symbols=("BTC/USDT",)))
        tick(database, CLOSE)  # so that there are bars to make signals of
        life = {"created_at": CLOSE, "expires_at": CLOSE + timedelta(hours=9)}
        (known,) = store(database, [a_life(a_series_of(database), **life)])
        shown = showing(a_key(database, at=CLOSE)) if has_keys else {}
        settings = {"api.require_keys": has_keys}
        with an_api(database, at=CLOSE + timedelta(minutes=5), settings=settings) as client:
            yield schemathesis.openapi.from_url(f"{client.base_url}/openapi.json", headers=shown), known, shown


ROUTES = [
    *(("GET", path) for path in ("/health", "/metrics", f"{SIGNALS}/active", f"{SIGNALS}/performance", STREAM)),
    *(("GET", f"{SIGNALS}/{{signal_id}}{route}") for route in ("", "/explain", "/chart")),
    ("PATCH", f"{SIGNALS}/{{signal_id}}/status"),
    *((method, f"/api/v1/ai/{name}") for name in ("risk-profile", "positions") for method in ("GET", "PUT")),
    ("POST", SIGNALS),
]
# Routes of which nothing can be asked wrongly.
SAID_NOTHING = [("GET", path) for path in ("/health", "/metrics", "/api/v1/ai/risk-profile", "/api/v1/ai/positions")]
ASKED = [
    *((method, path, GenerationMode.POSITIVE) for method, path in ROUTES),
    *((method, path, GenerationMode.NEGATIVE) for method, path in ROUTES if (method, path) not in SAID_NOTHING),
]


@pytest.mark.parametrize(("method", "path", "mode"), ASKED)
def test_every_answer_is_one_that_the_document_tells_of(document, method, path, mode):
    schema, known, shown = document
    operation = schema[path][method]

    @settings(max_examples=N_CASES, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def ask(case, is_known):
        is_right = mode is GenerationMode.POSITIVE
        if is_known and is_right and "signal_id" in (case.path_parameters or {}):
            case.path_parameters["signal_id"] = str(known)
        if is_known and is_right and isinstance(case.body, dict) and "symbols" in case.body:
            case.body |= {"symbols": ["BTC/USDT", *case.body["symbols"][:3]], "timeframe": "1h", "exchange": "binance"}
        # Whether a cursor is one that somebody was given no schema can say, so valid requests may be refused.
        excluded = [positive_data_acceptance]
        if path == STREAM:  # else it never ends; this may be what was wrong with the request
            case.query = {**case.query, "until_caught_up": "true"}
            excluded.append(negative_data_rejection)
        is_wrong_key = not is_right and "Authorization" in (case.headers or {})  # which may be all that is wrong
        answer = case.call(headers={} if is_wrong_key else shown)
        if answer.status_code == TOO_LARGE:  # which refuses it as well
            excluded.append(negative_data_rejection)
        case.validate_response(answer, excluded_checks=excluded)

    ask()
