"""The Grafana dashboard of docs/grafana: each query is answered to a reader, in the form that its panel wants."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
import yaml

from pipeline.storage import tables
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, around_now, store
from tests.support.outcomes_stored import live_reports
from tests.support.pages import ROOT
from tests.support.sql_logins import connected

FOLDER = ROOT / "docs" / "grafana"
DASHBOARD = json.loads((FOLDER / "signals.json").read_text(encoding="utf-8"))
PANELS = DASHBOARD["panels"]
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
CHOSEN = {"symbol": "BTC/USDT", "timeframe": "1h", "horizon": "expiry"}
TIMESTAMP = 1184  # the oid of timestamptz
SILENT = {"Sentiment of $symbol"}  # no texts are stored here


def as_grafana_sends(query: str, start: datetime, end: datetime, interval: str = "5m") -> str:
    """A query with the macros and variables put in as Grafana's PostgreSQL data source does."""
    instants = [f"'{at:%Y-%m-%dT%H:%M:%SZ}'" for at in (start, end)]
    for name, value in CHOSEN.items():
        query = query.replace(f"${name}", value)
    query = query.replace("$__interval", interval)
    query = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 BETWEEN {instants[0]} AND {instants[1]}", query)
    return query.replace("$__timeFrom()", instants[0]).replace("$__timeTo()", instants[1])


@pytest.fixture(scope="module")
def asked(postgres_server, migrated_template):
    """A reader's session where live signals, outcomes, reports and states are stored; and the time that they are of."""
    with a_database(postgres_server, migrated_template) as database:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        live_reports(database, now - timedelta(hours=70))
        number = a_series_of(database)
        store(database, [a_life(number, **around_now()), a_life(number, **around_now())])
        with database.begin() as conn:
            bar = {"open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 10.0}
            hours = [{"open_at": now - timedelta(hours=h + 1), "close_at": now - timedelta(hours=h)} for h in range(5)]
            conn.execute(sa.insert(tables.candles).values([{"series_id": number} | bar | each for each in hours]))
            conn.execute(
                sa.insert(tables.live_passes).values(
                    run_id="run", series_id=number, after=now - timedelta(hours=1), until=now
                )
            )
            conn.execute(
                sa.insert(tables.source_health).values(
                    source="news", subject="feed", status="BLOCKED", reason="gone", as_of=now
                )
            )
            conn.execute(
                sa.insert(tables.risk_decisions).values(
                    series_id=number, candle_close_at=now, strategy="RSI_OVERSOLD", signal_type="BUY", origin="live",
                    scope="default", profile="house", exchange="binance", symbol="BTC/USDT", timeframe="1h",
                    is_kept=False, reasons=["high_volatility"], exposure_weight=0.03,
                    expires_at=now + timedelta(hours=1), configuration_hash="0123456789abcdef", created_at=now,
                )
            )  # fmt: skip
            conn.execute(
                sa.insert(tables.confidence_calibrations).values(
                    origin="live", scope="default", fitted_as_of=now, exchange="binance", timeframe="1h",
                    profile="house", source_group="technical",
                    strategy="SMA_CROSSOVER", confidence_class=13, outcomes=9, wins=3, kind_outcomes=9, stated=0.65,
                )
            )  # fmt: skip
        with connected(database, "reader") as session:
            yield session, now - timedelta(days=7), now + timedelta(hours=2)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_is_answered_in_the_form_that_it_wants(asked, panel):
    session, start, end = asked
    for target in panel["targets"]:
        for interval in ("30s", "5m", "1h", "1d"):
            found = session.execute(as_grafana_sends(target["rawSql"], start, end, interval))
            rows = found.fetchall()
            kinds = {column.name: column.type_code for column in found.description}
            assert "$" not in as_grafana_sends(target["rawSql"], start, end)
            if target["format"] == "time_series":
                assert kinds["time"] == TIMESTAMP
                times = [row[list(kinds).index("time")] for row in rows]
                assert times == sorted(times)
            assert rows or panel["title"] in SILENT


@pytest.mark.parametrize("name", [name for name, each in VARIABLES.items() if each["type"] == "query"])
def test_a_variable_offers_something(asked, name):
    rows = asked[0].execute(VARIABLES[name]["query"]).fetchall()
    assert (CHOSEN[name],) in rows


def test_what_a_query_names_is_a_variable_or_a_macro():
    macros = {"__timeFilter", "__timeFrom", "__timeTo", "__interval"}
    text = json.dumps(PANELS)
    assert set(re.findall(r"\$(\w+)", text)) <= macros | set(VARIABLES)
    assert set(VARIABLES) == set(CHOSEN)


def test_panels_are_told_apart_and_lie_beside_each_other():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert all(panel["title"] and panel["description"] for panel in PANELS)


def test_panels_variables_and_the_provisioned_source_mean_the_same_database():
    (source,) = yaml.safe_load((FOLDER / "datasource.yaml").read_text(encoding="utf-8"))["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    assert wanted == {"type": "postgres", "uid": "signals"}
    assert all(panel["datasource"] == wanted for panel in PANELS)
    assert all(target["datasource"] == wanted for panel in PANELS for target in panel["targets"])
    assert all(each["datasource"] == wanted for each in VARIABLES.values() if each["type"] == "query")
    (provider,) = yaml.safe_load((FOLDER / "dashboards.yaml").read_text(encoding="utf-8"))["providers"]
    assert provider["options"]["path"] in (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
