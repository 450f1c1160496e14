"""`signals demo`: the whole way on the simulated market, from candles and texts to ranked signals."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from pipeline.cli import display
from pipeline.cli.execution import FinishedRun, dagster_instance, run_chain, run_job, show_report
from pipeline.cli.ingesting import show_texts
from pipeline.cli.session import open_database
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.signal import Origin, Source
from pipeline.domain.timeframe import Timeframe, midnight_before
from pipeline.run_tags import AS_OF, CHAIN_JOB, FETCH, TEXT_JOB, TRAINING_JOB, pass_tags, range_tags
from pipeline.settings import load_settings
from pipeline.settings_sections import SIMULATED_EXCHANGE, SIMULATED_SYMBOLS

if TYPE_CHECKING:
    from pipeline.storage.database import Database

DEMO_DAYS = 3
DEMO_SIGNALS, AGREED_SIGNALS = 12, 3
# Of a replay in which all three sources are seen to agree, within days of a market that is mostly noise.
TALKATIVE = {
    "risk.min_signal_confidence": "0.3",
    "strategies.ml_prediction.buy_above": "0.5",
    "strategies.ml_prediction.sell_below": "0.49",
    "strategies.sentiment_analysis.trigger": "level",
    "strategies.sentiment_analysis.beyond": "0.3",
    "strategies.sentiment_analysis.rearm_within": "0.2",
}
TALKATIVE_NAME = "talkative"
ALL_SOURCES = ", ".join(source.value for source in Source)
UNSKILLED = {"training.needs_skill": "false"}  # the simulated market has little to learn, and all parts are to be seen
LOOK_FURTHER = """\
Look further     signals list --exchange {exchange} --origin replay --all    every signal with its description
                 signals sql "SELECT * FROM v_indicators LIMIT 5"
                 signals models                                             how models were judged, and which speaks
                 signals explain BTC/USDT 1h --exchange simulated           why there is, or is not, a signal
                 signals up                                                 the Dagster UI, and a run at every close
Your own data    signals import candles PATH --exchange NAME
Go live          signals symbols --exchange binance --top 20                suggests symbols and settings"""


@click.command("demo")
@click.option("--exchange-url", metavar="URL", help="Fetch from a server that speaks Binance's format instead.")
def demo_command(exchange_url: str | None) -> None:
    """Show the whole way on the simulated market: no key, no network, about a minute.

    Twelve coins, 1h, whatever the settings say. Models are trained on the weeks before, the last three days are
    recomputed, with texts that follow the prices, then a live pass makes the signals of the newest close; a replay with
    lower thresholds shows where rules, models and texts agree. Nothing of it is mistaken for a real market: its
    exchange is called `simulated` in every row.

    With --exchange-url the candles are fetched from there, as a live run fetches them from Binance, and there are no
    texts. They are stored as `binance`, so that a home which has candles of Binance is refused.
    """
    from pipeline.cli.listing import show_signals
    from pipeline.replay import replay
    from pipeline.storage.queries import SignalFilter, list_signals
    from pipeline.training import SERVED_AFTER

    exchange = SIMULATED_EXCHANGE if exchange_url is None else "binance"
    changes = {"market.source": "simulated", "market.exchange": exchange}
    changes |= {"market.symbols": ",".join(SIMULATED_SYMBOLS), "market.timeframes": str(Timeframe.H1)}
    if exchange_url is not None:
        changes |= {"market.source": "live", "market.exchange_url": exchange_url, "texts.source": "none"}
    settings = load_settings(changes)
    now = datetime.now(UTC)
    display.remark("1/7 starting the database and preparing its tables")
    with open_database(settings) as database:
        if exchange_url is not None:
            _check_is_unused(database, exchange)
        display.remark("2/7 preparing Dagster")
        with dagster_instance(settings, database.address) as instance:
            tags = range_tags(now - timedelta(days=DEMO_DAYS), now) | {FETCH: "true"}
            run_job(instance, CHAIN_JOB, tags, changes=changes, assets=["candles"])
            week = Timeframe.W1.floor(now - timedelta(days=DEMO_DAYS) - SERVED_AFTER)
            display.remark(
                f"3/7 training models on the weeks up to {week:%Y-%m-%d}, as the schedule does it on Mondays"
            )
            key = f"{week - timedelta(weeks=1):%Y-%m-%d}"
            _show_models(run_job(instance, TRAINING_JOB, {}, partition_key=key, changes=changes | UNSKILLED))
            display.remark(
                "4/7 reading what is said of them: simulated news, posts and commits, which follow the prices"
            )
            show_texts(run_job(instance, TEXT_JOB, {AS_OF: now.isoformat()}, changes=changes))
            display.remark(f"5/7 recomputing the last {DEMO_DAYS} days of twelve coins")
            show_report(run_chain(instance, tags, changes=changes))
            display.remark("6/7 one live pass, as the schedule does it at every close")
            live = pass_tags(now, Origin.LIVE)
            show_report(run_chain(instance, live, partition_key=f"{now:%Y-%m-%d}", changes=changes))
        display.remark(
            "7/7 replaying these days with lower thresholds for models and texts, under a name of their own, to see "
            "all three sources agree"
        )
        start = midnight_before(now - timedelta(days=DEMO_DAYS))
        replay(database, load_settings(changes | TALKATIVE), exchange, TALKATIVE_NAME, start, now, now)
        with database.begin() as conn:
            recent = SignalFilter(as_of=now, exchanges=(exchange,), origin=Origin.REPLAY, has_ended=True, limit=200)
            found = [row for row in list_signals(conn, recent) if row["created_at"] > now - timedelta(days=1)]
            replayed = list_signals(conn, replace(recent, scope=TALKATIVE_NAME, limit=None))
    found.sort(
        key=lambda row: (row["status"] != "ACTIVE", -row["rank_score"], -row["created_at"].timestamp(), row["symbol"])
    )
    click.echo(f"\nThe best signals of the last 24 hours ({len(found)} in all), active ones first:\n")
    show_signals(found[:DEMO_SIGNALS], has_status=True)
    # Those of few components first: there is room for all of them in the description.
    agreed = sorted(
        (row for row in replayed if row["source"] == ALL_SOURCES),
        key=lambda row: (row["metadata"]["component_signals"], -row["rank_score"], row["symbol"]),
    )
    click.echo(
        f"\nSignals of the replay {TALKATIVE_NAME} on which rules, models and texts agree ({len(agreed)} in all):\n"
    )
    if agreed:
        show_signals(agreed[:AGREED_SIGNALS], has_status=True)
        at = f"{agreed[0]['candle_close_at']:%Y-%m-%dT%H:%M}"
        click.echo(
            f"\nWhat they say    signals explain {agreed[0]['symbol']} {agreed[0]['timeframe']} --exchange {exchange} "
            f"--at {at} --scope {TALKATIVE_NAME}"
        )
    click.echo(
        f"\nWhere it is      {settings.home.resolve()} (database, files of Dagster, logs); delete it to start anew"
    )
    click.echo(LOOK_FURTHER.format(exchange=exchange))


def _show_models(run: FinishedRun) -> None:
    columns = [
        display.Column(title="model"),
        display.Column(title="status"),
        display.Column(title="rows", is_number=True),
        display.Column(title="seconds", is_number=True),
        display.Column(title="why", wraps=True),
    ]
    trained = [(asset, row) for asset, rows in run.tables("models").items() for row in rows]
    cells = [
        (asset, row["status"], row["rows"], display.seconds(row["seconds"]), row["rule"]) for asset, row in trained
    ]
    display.show_table(columns, cells)
    for asset, said in run.checks("trained").items():
        if said["left_alone"] != "none":
            display.remark(f"{asset} was left alone: {said['left_alone']}")


def _check_is_unused(database: "Database", exchange: str) -> None:
    """Refuse to mix what is made up with what was traded."""
    from pipeline.storage.universe import universe

    with database.begin() as conn:
        if universe(conn, exchange):
            raise ConfigurationError(
                f"the demo must not mix with stored candles, this home has some of {exchange}; set SIGNALS_HOME to "
                "another folder"
            )
