"""`signals compare`: what two replays, or a replay and the house's own signals, make differently."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
from sqlalchemy import RowMapping

from pipeline.cli.display import Column, instant, remark, share, show_table
from pipeline.cli.parameters import DAY
from pipeline.cli.session import open_database
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import RESOLUTION, midnight_before
from pipeline.json_values import json_text
from pipeline.settings import load_settings
from pipeline.storage.comparison import SignalSet, StrategyDifference, differences, examples, signal_set, stage_sets


@click.command("compare")
@click.argument("first")
@click.argument("second")
@click.option("--from", "first_day", type=DAY, help="First day, by close, inclusive.")
@click.option("--to", "last_day", type=DAY, help="Last day, inclusive.")
@click.option(
    "--examples", "n_examples", type=click.IntRange(0), default=2, show_default=True, help="Of each strategy."
)
@click.option("--json", "as_json", is_flag=True, help="Print counts and examples as JSON.")
def compare_command(
    first: str, second: str, first_day: datetime | None, last_day: datetime | None, n_examples: int, as_json: bool
) -> None:
    """Compare two sets of signals by strategy, with examples of what only one has, and why.

    A set is a replay's name, `live`, or `backfilled` (what `signals backfill` made), these two of the house's profile.
    Two signals are the same one if they are of the same series, close and type; changed are those whose strategies or
    values differ. Only the days that both sets cover are compared.

    \b
    Examples:
      signals compare usual patient
      signals compare live usual --from 2024-06-01 --examples 10
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        one, other = signal_set(conn, first), signal_set(conn, second)
        begin, end = _common(one, other, first_day, last_day)
        stage_sets(conn, one, other, begin, end)
        found = differences(conn)
        of_one = examples(conn, other, n_examples, of_first=True)
        of_other = examples(conn, one, n_examples, of_first=False)
    if as_json:
        click.echo(
            json_text(
                {
                    "from": begin,
                    "to": end,
                    "by_strategy": [each._asdict() for each in found],
                    "only_first": [dict(row) for row in of_one],
                    "only_second": [dict(row) for row in of_other],
                }
            )
        )
        return
    remark(f"closes from {begin:%Y-%m-%d} to {end:%Y-%m-%d}, the days that both sets cover")
    _show_counts(found, one.name, other.name)
    for has, lacks, rows in ((one, other, of_one), (other, one, of_other)):
        if rows:
            click.echo(f"\nOnly in {has.name}, the best of each strategy:\n")
            _show_examples(rows, lacks.name)


def _common(
    one: SignalSet, other: SignalSet, first_day: datetime | None, last_day: datetime | None
) -> tuple[datetime, datetime]:
    """The first and the last instant of the days that both sets cover, as far as they are wanted."""
    begin = max(midnight_before(each.first_close_at) for each in (one, other))
    end = min(midnight_before(each.last_close_at) for each in (one, other)) + timedelta(days=1) - RESOLUTION
    if first_day is not None:
        begin = max(begin, first_day.replace(tzinfo=UTC))
    if last_day is not None:
        end = min(end, last_day.replace(tzinfo=UTC) + timedelta(days=1) - RESOLUTION)
    if begin > end:
        covered = "; ".join(
            f"{each.name} has some from {instant(each.first_close_at)} to {instant(each.last_close_at)}"
            for each in (one, other)
        )
        raise DataContractError(f"the days must be some of which both sets have signals: {covered}")
    return begin, end


def _show_counts(found: Sequence[StrategyDifference], first: str, second: str) -> None:
    titles = ("both", "changed", f"only {first}", f"only {second}")
    columns = [Column(title="strategy"), Column(title="type"), *(Column(title=t, is_number=True) for t in titles)]
    rows: list[tuple[object, ...]] = [tuple(each) for each in found]
    totals = [sum(numbers) for numbers in zip(*(each[2:] for each in found), strict=True)]
    show_table(columns, [*rows, ("all", "", *totals)])


def _show_examples(rows: Sequence[RowMapping], lacking: str) -> None:
    columns = (
        Column(title="close (UTC)"),
        Column(title="symbol"),
        Column(title="tf"),
        Column(title="type"),
        Column(title="strategy"),
        Column(title="conf", is_number=True),
        Column(title=f"why not in {lacking}", wraps=True),
    )
    show_table(
        columns,
        [
            (
                instant(row["candle_close_at"]),
                row["symbol"],
                row["timeframe"],
                row["signal_type"],
                row["strategy"],
                share(row["confidence"]),
                row["why"],
            )
            for row in rows
        ],
    )
