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
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.api import SIGNALS, an_api
from tests.support.candle_rows import START
from tests.support.chain import store_block
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, store
from tests.support.market import random_walk

N_CASES = int(os.environ.get("API_CASES", "15"))
CLOSE = START + timedelta(hours=90)


@pytest.fixture(scope="module")
def document(postgres_server, migrated_template):
    """The document of a server with candles and one active signal, and that signal's id."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(3, 100, symbols=("BTC/USDT",)))
        life = {"created_at": CLOSE, "expires_at": CLOSE + timedelta(hours=9)}
        (known,) = store(database, [a_life(a_series_of(database), **life)])
        with an_api(database, at=CLOSE + timedelta(minutes=5)) as client:
            yield schemathesis.openapi.from_url(f"{client.base_url}/openapi.json"), known


ROUTES = [
    *(("GET", path) for path in ("/health", "/metrics", f"{SIGNALS}/active", f"{SIGNALS}/performance")),
    *(("GET", f"{SIGNALS}/{{signal_id}}{route}") for route in ("", "/explain", "/chart")),
    ("PATCH", f"{SIGNALS}/{{signal_id}}/status"),
]
ASKED = [
    *((method, path, GenerationMode.POSITIVE) for method, path in ROUTES),
    *((method, path, GenerationMode.NEGATIVE) for method, path in ROUTES if path not in ("/health", "/metrics")),
]


@pytest.mark.parametrize(("method", "path", "mode"), ASKED)
def test_every_answer_is_one_that_the_document_tells_of(document, method, path, mode):
    schema, known = document
    operation = schema[path][method]

    @settings(max_examples=N_CASES, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def ask(case, is_known):
        if is_known and "signal_id" in (case.path_parameters or {}):
            case.path_parameters["signal_id"] = str(known)
        # Whether a cursor is one that somebody was given no schema can say, so valid requests may be refused.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()
