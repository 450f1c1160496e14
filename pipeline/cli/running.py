"""`signals run`, `backfill`, `replay`: the chain, now, over days, and under a name."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from pipeline import progress
from pipeline.cli import display
from pipeline.cli.execution import dagster_instance, run_chain, show_report
from pipeline.cli.parameters import DAY, INSTANT, TIMEFRAME
from pipeline.cli.session import check_market, open_database
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import RESOLUTION, Timeframe
from pipeline.json_values import json_text
from pipeline.run_tags import FETCH, pass_tags, range_tags
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.storage.database import Database


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
        click.echo(json_text(numbers))
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


def _bounds(first: datetime, last: datetime) -> tuple[datetime, datetime]:
    """The instants from which and before which the closes of two days and those between them are."""
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC) + timedelta(days=1)


def _check_days(first: datetime, last: datetime) -> None:
    if first > last:
        raise click.BadParameter(f"must not be after --to {last:%Y-%m-%d}, was {first:%Y-%m-%d}", param_hint="--from")
    today = datetime.now(UTC)
    if last.date() > today.date():
        raise click.BadParameter(f"must not be after today {today:%Y-%m-%d}, was {last:%Y-%m-%d}", param_hint="--to")


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
        click.echo(json_text({"run_id": report.run_id, "seconds": report.seconds, "tables": report.numbers}))
    else:
        show_report(report)
