"""`signals run`, `backfill`, `replay`, `demo`: the chain, now, over days, under a name, and on show."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from pipeline import progress
from pipeline.cli import display
from pipeline.cli.execution import FinishedRun, dagster_instance, run_chain, run_job, show_report
from pipeline.cli.ingesting import show_texts
from pipeline.cli.parameters import DAY, INSTANT, TIMEFRAME
from pipeline.cli.session import check_market, open_database
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.signal import Origin, Source
from pipeline.domain.timeframe import RESOLUTION, Timeframe
from pipeline.run_tags import AS_OF, CHAIN_JOB, FETCH, TEXT_JOB, TRAINING_JOB, pass_tags, range_tags
from pipeline.settings import Settings, load_settings
from pipeline.settings_sections import SIMULATED_EXCHANGE, SIMULATED_SYMBOLS

if TYPE_CHECKING:
    from pipeline.storage.database import Database

DEMO_DAYS = 3
DEMO_SIGNALS, AGREED_SIGNALS = 12, 3
# So that all three sources are seen to agree within a few days of a market that is mostly noise.
TALKATIVE = {
    "risk.min_signal_confidence": "0.4",
    "strategies.ml_prediction.buy_above": "0.52",
    "strategies.ml_prediction.sell_below": "0.46",
    "strategies.sentiment_analysis.trigger": "level",
    "strategies.sentiment_analysis.beyond": "0.4",
    "strategies.sentiment_analysis.rearm_within": "0.3",
}
ALL_SOURCES = ", ".join(source.value for source in Source)
UNSKILLED = {"training.needs_skill": "false"}  # the simulated market has little to learn, and all parts are to be seen
LOOK_FURTHER = """\
Look further     signals list --exchange {exchange} --origin replay --all    every signal with its description
                 signals sql "SELECT * FROM v_indicators LIMIT 5"
                 signals models                                             how models were judged, and which speaks
                 signals up                                                 the Dagster UI, and a run at every close
Your own data    signals import candles PATH --exchange NAME
Go live          signals symbols --exchange binance --top 20                suggests symbols and settings"""


@click.command("run")
@click.option("--as-of", type=INSTANT, help="An instant of the past (UTC): recompute its day up to there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def run_command(as_of: datetime | None, as_json: bool) -> None:
    """Run the chain once through Dagster: fetch candles, compute, screen, aggregate, store.

    Without --as-of the run is live: it makes the signals of the closes since the last one. With it the day of that
    instant is recomputed up to there, as a replay: live signals are never touched.

    \b
    Examples:
      signals run
      signals run --as-of 2024-06-30T12:00
    """
    settings = load_settings()
    now = datetime.now(UTC)
    if as_of is not None:
        if as_of > now:
            raise click.BadParameter(f"must not be in the future, was {as_of:%Y-%m-%d %H:%M} UTC", param_hint="--as-of")
        _check_is_partition(as_of, "--as-of")
    tags = pass_tags(as_of or now.replace(microsecond=0), Origin.REPLAY if as_of else Origin.LIVE)
    check_market(settings)
    with open_database(settings) as database, dagster_instance(settings, database.address) as instance:
        report = run_chain(instance, tags, partition_key=f"{as_of or now:%Y-%m-%d}")
    _tell(report, as_json)


@click.command("backfill")
@click.option("--from", "first", type=DAY, required=True, help="First day, by close, inclusive.")
@click.option("--to", "last", type=DAY, required=True, help="Last day, inclusive.")
@click.option("--timeframe", "timeframes", type=TIMEFRAME, multiple=True, help="Only these; may be repeated.")
@click.option("--fetch", is_flag=True, help="Ask the exchange for candles that are not stored (source live).")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def backfill_command(
    first: datetime, last: datetime, timeframes: tuple[Timeframe, ...], fetch: bool, as_json: bool
) -> None:
    """Recompute a range of days in a single Dagster run.

    The days' indicators are brought up to date and their replay signals become what the pipeline says now: added,
    changed, or deleted where they no longer fire. Live signals are never touched; differences are in replay_drift.

    \b
    Examples:
      signals backfill --from 2024-02-01 --to 2024-06-30
      signals backfill --from 2024-06-01 --to 2024-06-30 --timeframe 1h --timeframe 4h
      signals backfill --fetch --from 2024-01-01 --to 2024-06-30
    """
    _check_days(first, last)
    _check_is_partition(first, "--from")
    changes = {"market.timeframes": ",".join(timeframes)} if timeframes else {}
    tags = range_tags(first, last) | ({FETCH: "true"} if fetch else {})
    settings = load_settings(changes)
    with open_database(settings) as database:
        if fetch:
            check_market(settings)
        else:
            _check_has_candles(database, settings, first, last)
        with dagster_instance(settings, database.address) as instance:
            report = run_chain(instance, tags, changes=changes)
        if fetch:
            _check_has_candles(database, settings, first, last)
            _tell_late_beginnings(database, settings, first)
        silences = list(_silences(database, settings, first, last))
    _tell(report, as_json)
    for each in silences:
        display.remark(each)


@click.command("replay")
@click.option("--name", required=True, help="Scope of the rows, e.g. fast-sma.")
@click.option("--from", "first", type=DAY, required=True, help="First day, by close, inclusive.")
@click.option("--to", "last", type=DAY, required=True, help="Last day, inclusive.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting to change; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def replay_command(first: datetime, last: datetime, name: str, pairs: tuple[str, ...], as_json: bool) -> None:
    """Replay days under a name with other settings, to compare.

    The same stages as the live chain, without Dagster's bookkeeping and without storing indicators. A name's rows are
    apart from all others; running it again replaces them.

    \b
    Examples:
      signals replay --name patient --from 2024-02-01 --to 2024-06-30 --set strategies.rsi.oversold=25
      signals list --scope patient --all
    """
    from pipeline.replay import replay
    from pipeline.storage.universe import exchange_of

    _check_days(first, last)
    settings = load_settings(_pairs(pairs))
    start, end = _bounds(first, last)
    with open_database(settings) as database:
        with database.begin() as conn:
            exchange = exchange_of(conn, settings.market)
        started = datetime.now(UTC)
        with display.progress("replay") as bar, progress.watched_by(lambda step, done, total: bar(done, total, step)):
            result = replay(database, settings, exchange, name, start, end, started)
        seconds = (datetime.now(UTC) - started).total_seconds()
        silences = list(_silences(database, settings, first, last))
    numbers: dict[str, Any] = {
        "scope": result.scope,
        "series": result.n_series,
        "bars": result.n_bars,
        "candidates": result.n_candidates,
        "kept": result.n_kept,
        "signals_written": result.stored.written,
        "signals_removed": result.stored.removed,
        "seconds": round(seconds, 2),
    }
    if as_json:
        click.echo(display.json_text(numbers))
    else:
        titles = [display.Column(title=key.replace("_", " "), is_number=key != "scope") for key in numbers]
        display.show_table(titles, [list((numbers | {"seconds": display.seconds(seconds)}).values())])
        display.remark(f"`signals list --scope {name} --all` shows the signals")
    if result.held_other_settings:
        display.remark(
            f"{name} held rows of other settings; those of these days were replaced, those of other days stay as they "
            "are. A name for each setting keeps both"
        )
    for each in silences:
        display.remark(each)


@click.command("demo")
@click.option("--exchange-url", metavar="URL", help="Fetch from a server that speaks Binance's format instead.")
def demo_command(exchange_url: str | None) -> None:
    """Show the whole way on the simulated market: no key, no network, about a minute.

    Twelve coins, 1h, whatever the settings say. Models are trained on the weeks before, the last three days are
    recomputed, then a live pass makes the signals of the newest close. Nothing of it is mistaken for a real market: its
    exchange is called `simulated` in every row.

    With --exchange-url the candles are fetched from there, as a live run fetches them from Binance. They are stored as
    `binance`, so that a home which has candles of Binance is refused.
    """
    from pipeline.cli.listing import show_signals
    from pipeline.storage.queries import SignalFilter, list_signals
    from pipeline.training import SERVED_AFTER

    exchange = SIMULATED_EXCHANGE if exchange_url is None else "binance"
    changes = {"market.source": "simulated", "market.exchange": exchange}
    changes |= {"market.symbols": ",".join(SIMULATED_SYMBOLS), "market.timeframes": str(Timeframe.H1)}
    if exchange_url is not None:
        changes |= {"market.source": "live", "market.exchange_url": exchange_url}
    changes |= TALKATIVE
    settings = load_settings(changes)
    now = datetime.now(UTC)
    display.remark("1/6 starting the database and preparing its tables")
    with open_database(settings) as database:
        if exchange_url is not None:
            _check_is_unused(database, exchange)
        display.remark("2/6 preparing Dagster")
        with dagster_instance(settings, database.address) as instance:
            tags = range_tags(now - timedelta(days=DEMO_DAYS), now) | {FETCH: "true"}
            run_job(instance, CHAIN_JOB, tags, changes=changes, assets=["candles"])
            week = Timeframe.W1.floor(now - timedelta(days=DEMO_DAYS) - SERVED_AFTER)
            display.remark(
                f"3/6 training models on the weeks up to {week:%Y-%m-%d}, as the schedule does it on Mondays"
            )
            key = f"{week - timedelta(weeks=1):%Y-%m-%d}"
            _show_models(run_job(instance, TRAINING_JOB, {}, partition_key=key, changes=changes | UNSKILLED))
            display.remark(
                "4/6 reading what is said of them: simulated news, posts and commits, which follow the prices"
            )
            show_texts(run_job(instance, TEXT_JOB, {AS_OF: now.isoformat()}, changes=changes))
            display.remark(
                f"5/6 recomputing the last {DEMO_DAYS} days of twelve coins; models and texts have lower "
                "thresholds than usual, so that there is something to see"
            )
            show_report(run_chain(instance, tags, changes=changes))
            display.remark("6/6 one live pass, as the schedule does it at every close")
            live = pass_tags(now, Origin.LIVE)
            show_report(run_chain(instance, live, partition_key=f"{now:%Y-%m-%d}", changes=changes))
        with database.begin() as conn:
            recent = SignalFilter(as_of=now, exchanges=(exchange,), origin=Origin.REPLAY, has_ended=True)
            made = list_signals(conn, recent)
    found = [row for row in made if row["created_at"] > now - timedelta(days=1)]
    found.sort(
        key=lambda row: (row["status"] != "ACTIVE", -row["rank_score"], -row["created_at"].timestamp(), row["symbol"])
    )
    click.echo(f"\nThe best signals of the last 24 hours ({len(found)} in all), active ones first:\n")
    show_signals(found[:DEMO_SIGNALS], has_status=True)
    agreed = [row for row in made if row["source"] == ALL_SOURCES]
    click.echo(f"\nSignals of these days in which technical rules, models and texts agree ({len(agreed)} in all):\n")
    show_signals(agreed[:AGREED_SIGNALS], has_status=True)
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


def _bounds(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """The instants from which and before which the closes of two days and those between them are."""
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC) + timedelta(days=1)


def _check_days(first: datetime, last: datetime) -> None:
    if first > last:
        raise click.BadParameter(f"must not be after --to {last:%Y-%m-%d}, was {first:%Y-%m-%d}", param_hint="--from")
    today = datetime.now(UTC)
    if last.date() > today.date():
        raise click.BadParameter(f"must not be after today {today:%Y-%m-%d}, was {last:%Y-%m-%d}", param_hint="--to")


def _check_is_unused(database: "Database", exchange: str) -> None:
    """Refuse to mix what is made up with what was traded."""
    from pipeline.storage.universe import universe

    with database.begin() as conn:
        if universe(conn, exchange):
            raise ConfigurationError(
                f"the demo must not mix with stored candles, this home has some of {exchange}; set SIGNALS_HOME to "
                "another folder"
            )


def _check_has_candles(database: "Database", settings: Settings, first: datetime, last: datetime) -> None:
    """Refuse days of which nothing is stored: a run over nothing would look like one that found nothing."""
    from pipeline.storage.spans import no_candles, window_spans
    from pipeline.storage.universe import exchange_of, universe

    if settings.market.source == "simulated":
        return
    start, end = _bounds(first, last)
    with database.begin() as conn:
        exchange = exchange_of(conn, settings.market)
        series = universe(conn, exchange, settings.market.symbols, settings.market.timeframes)
        if not window_spans(conn, series, start - RESOLUTION, end - RESOLUTION):
            raise no_candles(exchange, start, end)


def _tell_late_beginnings(database: "Database", settings: Settings, first: datetime) -> None:
    """Say which series begin after the days that were fetched do: listed later, or the exchange gives no older ones."""
    from pipeline.storage.health import series_extents
    from pipeline.storage.universe import exchange_of, universe

    start, _ = _bounds(first, first)
    market = settings.market
    with database.begin() as conn:
        series = universe(conn, exchange_of(conn, market), market.symbols, market.timeframes)
        extents = series_extents(conn, series)
    begins = {key: extent.first_open for key, extent in extents.items() if extent.first_open}
    late = {key: first_open for key, first_open in begins.items() if first_open > start}
    if late:
        key, began = max(late.items(), key=lambda item: item[1])
        display.remark(
            f"{len(late)} of {len(extents)} series begin after {start:%Y-%m-%d}, the last {key} with the bar of "
            f"{began:%Y-%m-%d %H:%M}: it was listed then, or the exchange gives no older candles"
        )


def _silences(database: "Database", settings: Settings, first: datetime, last: datetime) -> Iterator[str]:
    """Of which closes no model spoke, and why: silence must not look like having no opinion."""
    from pipeline.generation import column_depths
    from pipeline.predicting import silences_of
    from pipeline.stages import rules_of
    from pipeline.storage.models import list_models
    from pipeline.storage.spans import window_spans
    from pipeline.storage.universe import exchange_of, universe
    from pipeline.strategies.columns import PREDICTION

    if not settings.models.is_enabled:
        return  # as was asked for
    start, end = _bounds(first, last)
    with database.begin() as conn:
        exchange = exchange_of(conn, settings.market)
        series = universe(conn, exchange, settings.market.symbols, settings.market.timeframes)
        spans = window_spans(conn, series, start - RESOLUTION, end - RESOLUTION)
        has_models = bool(list_models(conn, exchange=exchange, limit=1))
    if not has_models:
        if any(name.startswith(PREDICTION) for name in column_depths(rules_of(settings))):
            yield f"no model spoke: there is none of {exchange} yet; `signals train` makes them"
        return
    for each in silences_of(database, settings, spans):
        yield (
            f"{each.kind} {each.timeframe}: no model spoke of {display.instant(each.first_close)} to "
            f"{display.instant(each.last_close)}: {each.reason}"
        )


def _check_is_partition(day: datetime, option: str) -> None:
    """Refuse what Dagster has no partition for, before its run has fetched candles back to there."""
    from assets.partitions import daily

    if f"{day:%Y-%m-%d}" < (begin := f"{daily.start:%Y-%m-%d}"):
        raise click.BadParameter(f"must not be before {begin}, was {day:%Y-%m-%d}", param_hint=option)


def _pairs(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ConfigurationError(f"--set must read KEY=VALUE, was {pair!r}")
        found[key.strip()] = value.strip()
    return found


def _tell(report: Any, as_json: bool) -> None:
    if as_json:
        click.echo(display.json_text({"run_id": report.run_id, "seconds": report.seconds, "tables": report.numbers}))
    else:
        show_report(report)
