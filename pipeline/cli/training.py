"""`signals train`: the models of one training week, or of every so many weeks, through Dagster."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import display
from pipeline.cli.execution import FinishedRun, dagster_instance, run_job
from pipeline.cli.judgement import in_short, show_measures
from pipeline.cli.models import KINDS, described
from pipeline.cli.parameters import DAY, TIMEFRAME
from pipeline.cli.session import open_database
from pipeline.domain.errors import DataContractError
from pipeline.domain.model import ModelKind, short_id
from pipeline.domain.timeframe import Timeframe
from pipeline.json_values import json_text
from pipeline.run_tags import TRAINING_JOB
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.storage.database import Database

ONE_DAY, ONE_WEEK = timedelta(days=1), timedelta(weeks=1)
COLUMNS = (
    display.Column(title="model"),
    display.Column(title="kind"),
    display.Column(title="tf"),
    display.Column(title="through"),
    display.Column(title="status"),
    display.Column(title="judged", is_number=True),
    display.Column(title="s", is_number=True),
    display.Column(title="decision", wraps=True),
)


@click.command("train")
@click.option("--timeframe", "timeframes", type=TIMEFRAME, multiple=True, help="Only these; may be repeated.")
@click.option("--kind", "kinds", type=KINDS, multiple=True, help="Only these; may be repeated.")
@click.option(
    "--through", type=DAY, help="The newest week that has ended by this day's end; by the newest close, if left out."
)
@click.option("--every", type=click.IntRange(1), metavar="WEEKS", help="Models of every so many weeks, since --from.")
@click.option("--from", "first", type=DAY, help="With --every: the day by whose end the first week has ended.")
@click.option(
    "--folds", type=click.IntRange(1, 26), help="Folds of the walk forward that judges, instead of the settings'."
)
@click.option("--json", "as_json", is_flag=True, help="Print the models as JSON, with every measure of every fold.")
def train_command(
    timeframes: tuple[Timeframe, ...],
    kinds: tuple[str, ...],
    through: datetime | None,
    every: int | None,
    first: datetime | None,
    folds: int | None,
    as_json: bool,
) -> None:
    """Train models on the stored candles, judge them, and let those speak that are not worse than the ones before.

    A week ends with Monday 00:00 UTC. Its models learn from the closes up to there and speak from a day later on. To
    replay a past year, train a model for each part of it: a bar is never told by one that has seen it.

    \b
    Examples:
      signals train
      signals train --timeframe 1h --kind direction --folds 6
      signals train --through 2023-06-30
      signals train --every 13 --from 2022-01-03 --through 2022-12-31
    """
    if (every is None) != (first is None):
        raise click.UsageError("--every and --from go together: --every 13 --from 2022-01-03")
    changes = {"market.timeframes": ",".join(timeframes)} if timeframes else {}
    changes |= {"training.folds": str(folds)} if folds else {}
    settings = load_settings(changes)
    with open_database(settings) as database:
        weeks = _weeks(_last_week(database, settings, through), first, every)
        assets = [f"{kind}_model" for kind in kinds or ModelKind]
        runs: list[FinishedRun] = []
        with dagster_instance(settings, database.address) as instance:
            for number, end in enumerate(weeks, start=1):
                about = f"{number}/{len(weeks)} {end:%Y-%m-%d} " if len(weeks) > 1 else ""
                key = f"{end - ONE_WEEK:%Y-%m-%d}"
                runs.append(
                    run_job(instance, TRAINING_JOB, {}, partition_key=key, changes=changes, assets=assets, about=about)
                )
        made = [row for run, end in zip(runs, weeks, strict=True) for row in _made(database, settings, run, end)]
    if as_json:
        click.echo(json_text(made))
    elif made:
        _show(made)
    if every is not None and every * ONE_WEEK > settings.models.max_age:
        display.remark(
            f"a model speaks for {settings.models.max_age_days} days (models.max_age_days), and these lie "
            f"{every * 7} days apart: for part of the time between them none speaks"
        )
    for run, end in zip(runs, weeks, strict=True):
        _tell(run, end)
    if not made:
        raise DataContractError("no model was made; `signals doctor` shows which candles are stored")


def _last_week(database: "Database", settings: Settings, through: datetime | None) -> datetime:
    """The end of the newest week that has ended by a day's end, or by the newest stored close."""
    from pipeline.storage.health import series_extents
    from pipeline.storage.universe import exchange_of, universe

    market = settings.market
    now = datetime.now(UTC)
    if through is not None and through.date() > now.date():
        raise click.BadParameter(
            f"must not be after today {now:%Y-%m-%d}, was {through:%Y-%m-%d}", param_hint="--through"
        )
    with database.begin() as conn:
        exchange = exchange_of(conn, market)
        extents = series_extents(conn, universe(conn, exchange, market.symbols, market.timeframes))
    opens = [(extent.first_open, extent.last_open, key) for key, extent in extents.items()]
    known = [(begin, last + key.timeframe.duration) for begin, last, key in opens if begin and last]
    if not known:
        of = f" of {', '.join(market.timeframes)}" if market.timeframes else ""
        raise DataContractError(
            f"models must have stored candles to learn from, {exchange} has none{of}; `signals backfill --fetch --from "
            "DAY --to DAY` fetches some, `signals import candles` reads files"
        )
    begin, newest = min(begin for begin, _ in known), max(close for _, close in known)
    end = Timeframe.W1.floor(newest if through is None else through.replace(tzinfo=UTC) + ONE_DAY)
    if not begin < end <= newest:
        raise DataContractError(
            f"the week that ends on {end:%Y-%m-%d} must have stored candles up to its end, {exchange} has them from "
            f"{display.instant(begin)} to {display.instant(newest)}"
        )
    return end


def _weeks(last: datetime, first: datetime | None, every: int | None) -> list[datetime]:
    """The ends of the weeks to train through, oldest first, so that each model meets the one before it."""
    from assets.partitions import weekly

    if first is None or every is None:
        return [last]
    begin = Timeframe.W1.floor(first.replace(tzinfo=UTC) + ONE_DAY)
    if begin > last:
        raise click.BadParameter(f"must be before {last:%Y-%m-%d}, was {first:%Y-%m-%d}", param_hint="--from")
    if begin - ONE_WEEK < weekly.start:
        raise click.BadParameter(
            f"must not be before {weekly.start + ONE_WEEK:%Y-%m-%d}, was {first:%Y-%m-%d}", param_hint="--from"
        )
    return [begin + count * ONE_WEEK for count in range(0, (last - begin) // ONE_WEEK + 1, every)]


def _made(database: "Database", settings: Settings, run: FinishedRun, end: datetime) -> list[dict[str, Any]]:
    """The stored models that a run has made, or made again, each with its judgement."""
    from pipeline.storage.models import list_models, read_evaluations

    ids = {record["model"] for records in run.tables("models").values() for record in records}
    with database.begin() as conn:
        stored = [row for row in list_models(conn) if row["trained_through"] == end]
        return [
            described(row, settings) | {"evaluation": read_evaluations(conn, row["model_id"])}
            for row in stored
            if str(row["model_id"]) in ids
        ]


def _show(made: Sequence[dict[str, Any]]) -> None:
    display.show_table(
        COLUMNS,
        [
            (
                short_id(row["model_id"]),
                row["kind"],
                row["timeframe"],
                f"{row['trained_through']:%Y-%m-%d}",
                row["status"],
                in_short(ModelKind(row["kind"]), row["metrics"]),
                display.seconds(row["training_seconds"]),
                row["status_reason"] or row["decision"]["rule"],
            )
            for row in made
        ],
    )
    if len({row["trained_through"] for row in made}) > 1:
        display.remark("`signals models show` tells how each was judged")
        return
    for row in made:
        click.echo(f"\n{row['kind']} {row['timeframe']}, on bars that it had not seen:\n")
        show_measures(ModelKind(row["kind"]), row["evaluation"])


def _tell(run: FinishedRun, end: datetime) -> None:
    """What was left alone and why, and what looks as if the future was known."""
    for asset, said in run.checks("trained").items():
        if said["left_alone"] != "none":
            display.remark(f"{asset} of {end:%Y-%m-%d} was left alone: {said['left_alone']}")
    for said in run.checks("leakage").values():
        if said["alarms"] != "none":
            display.remark(f"the model of {end:%Y-%m-%d} must not speak: {said['alarms']}")
    display.remark(f"run {run.result.run_id[:8]} took {run.seconds:.1f} s")
