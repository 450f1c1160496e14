"""What a person sees and clicks in Dagster's UI and on the API's page, in a real Chromium over a real `signals up`.

The tests share one service, which was off for days and has caught up, and one window. `make browser` runs them; with
``BROWSER_SCREENSHOTS`` they leave their pictures there, which is how those of the documentation are made.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pipeline.charts.performance import SMALL as SMALL_REPORT
from pipeline.charts.png import SMALL
from tests.support.api import SIGNALS
from tests.support.browser import Browser, a_browser
from tests.support.signals_up import GROUPS, Up

pytestmark = pytest.mark.long

SETTINGS = {
    "SIGNALS_SCHEDULE__IS_ENABLED": "false",  # nothing happens but what is clicked
    "SIGNALS_API__PORT": "3001",  # or the next; a picture should show the usual one
    "SIGNALS_MARKET__SYMBOLS": "BTC/USDT,ETH/USDT,SOL/USDT",
    "SIGNALS_EXPIRY__BARS__1H": "2",  # so that no signal expires while it is looked at
    # Advice at every close, so that whenever this runs there is a signal to look at.
    "SIGNALS_STRATEGIES__SMA_CROSSOVER__TRIGGER": "level",
    "SIGNALS_STRATEGIES__MACD_CROSSOVER__TRIGGER": "level",
}
DAYS_OFF = timedelta(days=4)
BEGAN = datetime.now(UTC) - DAYS_OFF
LOW = {"width": 1280, "height": 620}  # for a graph, which is wide


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """First, so that without a Chromium no service is started."""
    with a_browser(tmp_path_factory.mktemp("pictures")) as window:
        yield window


@pytest.fixture(scope="module")
def up(shared: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    service = Up(tmp_path_factory.mktemp("up"), **SETTINGS)
    try:
        for first, until in ((BEGAN, BEGAN), (BEGAN, BEGAN + DAYS_OFF)):
            assert service.wait_for(service.catch_up(first, until)) == "SUCCESS"
        yield service
    finally:
        service.end()


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    """The window; whatever a test does in it, no page may have asked anybody but this machine."""
    yield shared
    assert shared.addresses
    assert shared.strangers() == set()


def see_it_succeed(browser: Browser, ui: str) -> None:
    """Go to the run that was launched just now, and wait until it has succeeded."""
    told = browser.page.locator("section[aria-label^=Notifications] a[href^='/runs/']")
    told.click()
    browser.page.mouse.move(0, 0)  # what is told stays as long as it is pointed at
    browser.page.wait_for_url(f"{ui}/runs/*")
    browser.page.get_by_text("Success", exact=True).first.wait_for()
    told.wait_for(state="detached")


def test_the_graph_has_every_group_of_assets(browser, up):
    page = browser.page
    page.goto(up.service.url)
    page.get_by_role("button", name="Hide navigation").click()  # which is remembered
    page.set_viewport_size(LOW)

    page.goto(f"{up.service.url}/asset-groups")

    drawn = page.locator("svg foreignObject")
    for group in {*GROUPS.values()}:
        drawn.get_by_text(group, exact=True).wait_for()
    page.wait_for_load_state("networkidle")
    browser.keep("asset-graph")


def test_the_signals_are_materialized_by_clicking_and_their_checks_pass(browser, up):
    page = browser.page
    page.set_viewport_size({"width": 1280, "height": 800})
    assert up.rows("SELECT DISTINCT origin FROM trading_signals") == [("live",)]
    page.goto(f"{up.service.url}/locations/pipeline.definitions/asset-groups/signals")
    page.get_by_text("trading_signals", exact=True).first.wait_for()

    page.get_by_role("button", name="Materialize all").click()
    page.get_by_role("button", name="Latest").click()
    page.get_by_role("button", name="Launch 1 run").click()

    see_it_succeed(browser, up.service.url)
    page.get_by_text("6 checks", exact=True).wait_for()
    page.get_by_text("Check contract succeeded for materialization of trading_signals.").wait_for()
    page.get_by_text('Finished execution of run for "__ASSET_JOB".').wait_for()
    page.wait_for_load_state("networkidle")
    browser.keep("run-success")
    assert up.rows("SELECT count(*) FROM trading_signals WHERE origin = 'replay'")[0][0] > 0


def test_the_page_of_an_asset_tells_its_checks(browser, up):
    page = browser.page
    page.goto(f"{up.service.url}/assets/trading_signals?view=checks")

    page.get_by_text("Every row keeps the table's contract").wait_for()
    page.get_by_text("Passed", exact=True).wait_for()
    assert page.get_by_text("Succeeded", exact=True).count() == 2


def test_the_chart_of_the_best_signal_stands_in_the_metadata(browser, up):
    page, charts = browser.page, f"{up.service.url}/assets/signal_charts"
    page.goto(charts)
    page.get_by_role("button", name="Materialize").first.click()
    see_it_succeed(browser, up.service.url)
    page.goto(charts)

    page.get_by_text("[Show Markdown]").first.click()

    picture = page.locator("img[src^='data:image/png']")
    picture.wait_for()
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [SMALL.width, SMALL.height]
    ((caption,),) = up.rows("SELECT caption FROM signal_charts WHERE place = 1")
    page.get_by_text(caption).wait_for()
    browser.keep("signal-chart")
    page.get_by_role("button", name="Close").click()


def test_after_days_off_the_pictures_of_the_report_stand_in_the_metadata(browser, up):
    ((entered,),) = up.rows(
        "SELECT count(*) FROM signal_outcomes "
        "WHERE origin = 'live' AND horizon = 'expiry' AND exit_reason <> 'no_entry'"
    )
    assert entered > 0
    page = browser.page
    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(f"{up.service.url}/assets/signal_performance")
    shown = page.get_by_text("[Show Markdown]")
    shown.first.wait_for()

    for number in range(shown.count()):
        shown.nth(number).click()
        picture = page.locator("img[src^='data:image/png']")
        picture.wait_for()
        assert picture.evaluate("image => image.naturalWidth") == SMALL_REPORT.width
        page.get_by_role("button", name="Close").click()
        picture.wait_for(state="detached")
    assert shown.count() > 10


def test_a_request_is_sent_from_the_page_of_the_api_and_answered(browser, up):
    page, api = browser.page, up.service.api_url
    page.goto(f"{api}/docs")
    route = page.locator(".opblock", has=page.get_by_text(f"{SIGNALS}/active", exact=True))
    route.locator(".opblock-summary").click()
    route.get_by_role("button", name="Try it out").click()
    route.locator("tr[data-param-name=limit] input").fill("2")

    route.get_by_role("button", name="Execute").click()

    answer = route.locator(".live-responses-table")
    answer.wait_for()
    assert answer.locator(".response .response-col_status").inner_text().strip() == "200"
    body = answer.locator(".response .highlight-code").first.inner_text()  # with the word of a button before it
    shown = json.loads(body[body.index("{") :])
    assert shown["count"] == 2
    assert shown == httpx.get(f"{api}{SIGNALS}/active?limit=2").json()
    route.get_by_text("Curl", exact=True).evaluate("title => title.scrollIntoView()")
    browser.keep("api-docs")


def test_a_page_that_asks_somebody_else_would_be_noticed(shared):
    shared.page.goto("about:blank")
    shared.page.set_content("<img src='http://localhost:9/one.png'><img src='http://127.0.0.1:9/two.png'>")
    shared.page.evaluate("() => { new WebSocket('ws://localhost:9/three') }")
    shared.page.wait_for_timeout(200)

    assert shared.strangers() == {"http://localhost:9/one.png", "ws://localhost:9/three"}
    shared.addresses.clear()
