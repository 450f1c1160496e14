"""`signals report`: how the signals of some days did, as text, as JSON or as a page."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline import progress
from pipeline.cli import display
from pipeline.cli.output_files import OutputType, write_file
from pipeline.cli.parameters import DAY
from pipeline.cli.session import open_database
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.timeframe import RESOLUTION, midnight_before
from pipeline.json_values import json_text
from pipeline.outcomes.rules import EXPIRY
from pipeline.settings import load_settings
from pipeline.storage.accounts import HOUSE, read_profile
from pipeline.storage.comparison import SignalSet, signal_sets
from pipeline.storage.universe import exchange_of

if TYPE_CHECKING:
    from pipeline.performance.report import Performance, Window
    from pipeline.performance.tables import Table

WINDOWS = ("24h", "7d", "30d")
USUAL = "7d"
MOST_HINTS = 3
WIDEST = 110  # characters of a sentence
ONE_DAY = timedelta(days=1)
# In a terminal; the page has the long ones too.
SHOWN = ("source", "strategy", "side", "timeframe", "confidence", "calibrated", "decision", "exit")


@click.command("report")
@click.option("--window", "label", type=click.Choice(WINDOWS), help=f"Up to now; {USUAL} by default, a replay whole.")
@click.option("--from", "first_day", type=DAY, help="First day, by close, inclusive; instead of --window.")
@click.option("--to", "last_day", type=DAY, help="Last day, inclusive.")
@click.option("--origin", type=click.Choice([o.value for o in Origin]), help="live (default), or replay.")
@click.option("--scope", default=DEFAULT_SCOPE, show_default=True, help="default, or the name of a replay.")
@click.option("--profile", help="Of another risk profile than the house's.")
@click.option("--horizon", default=EXPIRY, show_default=True, help="To where signals are followed: or 4_bars, 24_bars.")
@click.option("-o", "--output", type=OutputType((".html",)), help="FILE.html: the report as a page with pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
def report_command(
    label: str | None,
    first_day: datetime | None,
    last_day: datetime | None,
    origin: str | None,
    scope: str,
    profile: str | None,
    horizon: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Report how signals did, whether anybody executed them or not: after costs, and against entries at random.

    Outcomes of signals whose candles have come since are computed first. Of signals that a replay or a backfill made,
    all days are meant unless some are named. `docs/signal-performance.md` says how to read the figures.

    \b
    Examples:
      signals report
      signals report --window 30d -o report.html
      signals report --profile alice
      signals report --scope patient --from 2024-02-01 --to 2024-03-31 --horizon 24_bars
      signals report --origin replay --json
    """
    from pipeline.reporting import horizons, refresh, report
    from pipeline.storage.accounts import one_profile

    settings = load_settings()
    if horizon not in (known := horizons(settings)):
        raise click.BadParameter(f"must be one of {', '.join(known)}, was {horizon!r}", param_hint="--horizon")
    _check_days(label, first_day, last_day)
    if profile is not None and scope != DEFAULT_SCOPE:
        raise click.BadParameter("must not be given together with --scope: a replay is of one", param_hint="--profile")
    as_of = datetime.now(UTC)
    with open_database(settings) as database:
        with database.begin() as conn:
            if profile is not None:
                read_profile(conn, settings.risk, profile)  # refuses a name that there is not
            sets = signal_sets(conn, profile or HOUSE)
            exchange = exchange_of(conn, settings.market) if scope == DEFAULT_SCOPE and sets else None
        chosen = Origin(origin) if origin else Origin.LIVE if scope == DEFAULT_SCOPE else Origin.REPLAY
        found = _set_of(sets, chosen, scope)
        window = _window(found, label, first_day, last_day, chosen, scope, as_of)
        window = replace(window, horizon=horizon, exchange=exchange, profile=one_profile(scope, profile))
        with display.progress("report") as bar, progress.watched_by(lambda step, done, n: bar(done, n, step)):
            refresh(database, settings, window, as_of)
        performance = report(database, settings, window)
    if output is not None:
        from pipeline.charts.performance_page import performance_page

        write_file(output, performance_page(performance, settings.outcomes.rules).encode())
    if as_json:
        from pipeline.performance.payload import payload

        click.echo(json_text(payload(performance)))
    elif output is not None:
        click.echo(output)
    else:
        _show(performance)
    if not performance.overall["entered"]:
        display.remark(_why_none(performance, sets, found))


def _check_days(label: str | None, first_day: datetime | None, last_day: datetime | None) -> None:
    if label and (first_day or last_day):
        raise click.BadParameter("must not be given together with --from or --to", param_hint="--window")
    if first_day and last_day and first_day > last_day:
        raise click.BadParameter(f"must not be after --to {last_day:%Y-%m-%d}", param_hint="--from")


def _set_of(sets: Sequence[SignalSet], origin: Origin, scope: str) -> SignalSet | None:
    """The stored signals that are meant, None where the house has none yet."""
    found = next((each for each in sets if (each.origin, each.scope) == (origin, scope)), None)
    if found is None and scope != DEFAULT_SCOPE:
        known = ", ".join(each.scope for each in sets if each.origin is origin and each.scope != DEFAULT_SCOPE)
        raise DataContractError(
            f"--scope must be the name of a {origin} that has signals ({known or 'none'}), was {scope}"
        )
    return found


def _window(
    found: SignalSet | None,
    label: str | None,
    first_day: datetime | None,
    last_day: datetime | None,
    origin: Origin,
    scope: str,
    as_of: datetime,
) -> "Window":
    """Up to now, or whole days; by default all days of what a replay made."""
    from pipeline.performance.report import Window
    from pipeline.reporting import window_of

    is_whole = found is not None and origin is Origin.REPLAY and label is None
    if not (first_day or last_day or is_whole):
        return window_of(label or USUAL, as_of, exchange=None, origin=origin, scope=scope)
    first_close, last_close = (found.first_close_at, found.last_close_at) if found else (as_of, as_of)
    start = _midnight(first_day or min(first_close, last_day.replace(tzinfo=UTC) if last_day else first_close))
    end = _midnight(last_day or (last_close if is_whole and found else as_of)) + ONE_DAY - RESOLUTION
    end = max(end, start)
    return Window(start, end, origin.value, scope, EXPIRY, f"{start:%Y-%m-%d} to {end:%Y-%m-%d}")


def _midnight(instant: datetime) -> datetime:
    return midnight_before(instant).replace(tzinfo=UTC)


def _show(performance: "Performance") -> None:
    from pipeline.performance.tables import cautions, executed_table, facts, tables
    from pipeline.performance.wording import window_words

    click.echo(f"{window_words(performance.window)}\n")
    told = facts(performance)
    widths = [max(len(fact[place]) for fact in told) for place in (0, 1)]
    for fact in told:
        click.echo(f"{fact.name:<{widths[0]}}  {fact.value:>{widths[1]}}  {fact.about}")
    found = tables(performance)
    for name in SHOWN:
        is_said_above = name == "timeframe" and len(found[name].rows) < 2
        if performance.overall["signals"] and found[name].rows and not is_said_above:
            _show_table(found[name])
    click.echo("")
    if performance.executed["executed_signals"]:
        _show_table(executed_table(performance))
    else:
        click.echo(f"nothing was executed; {performance.executed['expired_signals']:,} signals have expired")
    click.echo("")
    for said in cautions(performance):
        _say(f"- {said}")


def _say(sentence: str) -> None:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    click.echo(click.wrap_text(sentence, width, subsequent_indent="  " if sentence.startswith("-") else ""))


def _show_table(table: "Table") -> None:
    click.echo("")
    _say(table.about)
    columns = [
        display.Column(title=each.title, is_number=each.is_number, is_optional=each.is_optional)
        for each in table.headings
    ]
    display.show_table(columns, table.rows)


def _why_none(performance: "Performance", sets: Sequence[SignalSet], found: SignalSet | None) -> str:
    """Why there is no outcome to report on, and what would show some."""
    if performance.n_pending:
        return "candles that tell what became of the signals of these days have not come yet"
    window = performance.window
    profile = window.profile
    if profile not in (None, HOUSE) and profile not in {each.profile for each in sets}:
        return (
            f"no signal of the profile {profile} is stored; "
            f"`signals profile set {profile} is_scheduled=true` has runs make them"
        )
    if not sets:
        return "no signal is stored yet; `signals run` makes them, `signals demo` shows how"
    hints = list(_found_by(sets, found))[:MOST_HINTS]
    return "; ".join([f"no {window.origin} signal of these days has an outcome", *hints])


def _found_by(sets: Sequence[SignalSet], found: SignalSet | None) -> Iterator[str]:
    if found is not None:
        days = f"--from {found.first_close_at:%Y-%m-%d} --to {found.last_close_at:%Y-%m-%d}"
        yield f"there are {found.signals:,} of other days or without a side: try {days}"
    for each in sets:
        if each is found:
            continue
        options = f"--scope {each.scope}" if each.scope != DEFAULT_SCOPE else f"--origin {each.origin}"
        whose = f" --profile {each.profile}" if each.profile not in (None, HOUSE) else ""
        yield f"{each.signals:,} signals exist of {each.name}: try {options}{whose}"
