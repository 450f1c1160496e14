"""`signals ingest`: texts and development activity, now, as the schedule reads them every quarter of an hour."""

from datetime import UTC, datetime

import click

from pipeline.cli import display
from pipeline.cli.display import Column
from pipeline.cli.execution import FinishedRun, dagster_instance, run_job
from pipeline.cli.session import open_database
from pipeline.domain.errors import SourceUnavailableError
from pipeline.json_values import json_text
from pipeline.run_tags import AS_OF, TEXT_JOB
from pipeline.settings import load_settings

COLUMNS = (
    *(Column(title="table"), Column(title="new", is_number=True), Column(title="repeated", is_number=True)),
    *(Column(title="refused", is_number=True), Column(title="feeds", is_number=True)),
    *(Column(title="failed", is_number=True), Column(title="requests", is_number=True)),
)
FEEDS_TOLD = 5


@click.command("ingest")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def ingest_command(as_json: bool) -> None:
    """Read what is new in feeds, on X, Reddit and GitHub, once, through Dagster; and score it.

    `signals up` does it every quarter of an hour. A source whose key is missing is left out, and says so; `signals
    doctor` tells how to get it. From the simulated market come simulated texts. Where no feed of any source answers,
    the exit code is 75.

    \b
    Example:
      signals ingest
    """
    settings = load_settings()
    if settings.text_source == "none":
        display.remark(
            "texts are off, as texts.source says or as beside imported candles: none are read, stored ones are scored"
        )
    elif settings.text_source == "simulated":
        display.remark("beside the simulated market texts are simulated: nobody wrote them")
    with open_database(settings) as database, dagster_instance(settings, database.address) as instance:
        now = datetime.now(UTC).replace(microsecond=0)
        run = run_job(instance, TEXT_JOB, {AS_OF: now.isoformat()})
    if as_json:
        told = {
            "run_id": run.result.run_id,
            "seconds": run.seconds,
            "tables": run.numbers(),
            "not_ok": run.tables("not_ok"),
        }
        click.echo(json_text(told))
    else:
        show_texts(run)
    _check_is_answered(run)


def _check_is_answered(run: FinishedRun) -> None:
    """Raise `SourceUnavailableError` where every feed of every source failed."""
    numbers = run.numbers().values()
    feeds, failed = (sum(facts.get(key, 0) for facts in numbers) for key in ("feeds", "feeds_failed"))
    if feeds and failed == feeds:
        raise SourceUnavailableError(
            f"none of the {feeds} feeds answered; look at the reasons above, or in `signals doctor`, and try again"
        )


def show_texts(run: FinishedRun) -> None:
    """The run as a table: a line per source, then what could not be had and why."""
    numbers = run.numbers()
    rows = [
        [
            name,
            *(facts.get(key) for key in ("rows_written", "repeated", "refused", "feeds", "feeds_failed", "requests")),
        ]
        for name, facts in numbers.items()
    ]
    display.show_table(COLUMNS, rows)
    for name, feeds in run.tables("not_ok").items():
        reasons: dict[str, list[str]] = {}
        for feed in feeds:
            reasons.setdefault(feed["reason"], []).append(feed["feed"])
        for reason, named in reasons.items():
            others = f" and {len(named) - FEEDS_TOLD} more" if len(named) > FEEDS_TOLD else ""
            display.remark(f"{name}: {reason}: {', '.join(named[:FEEDS_TOLD])}{others}")
    display.remark(f"run {run.result.run_id[:8]} took {run.seconds:.1f} s")
