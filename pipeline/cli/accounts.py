"""`signals profile` and `signals positions`: whose risk is judged, and what they hold."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from pipeline.cli.display import Column, remark, show_table
from pipeline.cli.parameters import INSTANT, SYMBOL
from pipeline.cli.position_files import HEADER, read_position_file
from pipeline.cli.session import open_database
from pipeline.json_values import iso, json_text
from pipeline.risk.exposure import Position
from pipeline.risk.profile import RiskProfile
from pipeline.settings import Settings, load_settings
from pipeline.storage.accounts import (
    HOUSE,
    LIMITS,
    read_positions,
    read_profile,
    stored_limits,
    write_position,
    write_profile,
)

ENDED, HELD, PLANNED = "ended", "held", "planned"


@click.group("profile")
def profile_command() -> None:
    """Show or change a risk profile.

    A profile is the settings' [risk] section, changed by what is stored under its name. Runs judge by the house's, and
    by those that are scheduled.
    """


@profile_command.command("show")
@click.argument("name", default=HOUSE)
@click.option("--json", "as_json", is_flag=True, help="Print {key: {value, origin}} as JSON.")
def show_profile(name: str, as_json: bool) -> None:
    """Show each value of a profile and where it comes from.

    \b
    Examples:
      signals profile show
      signals profile show cautious --json
    """
    settings = load_settings()
    with open_database(settings) as database, database.begin() as conn:
        _show_profile(conn, settings, name, as_json)


@profile_command.command("set")
@click.argument("arguments", nargs=-1, required=True, metavar="[NAME] KEY=VALUE...")
@click.option("--json", "as_json", is_flag=True, help="Print the resulting profile as JSON.")
def set_profile(arguments: tuple[str, ...], as_json: bool) -> None:
    """Change values of a profile, which is made if there is none.

    Without NAME it is the house's. KEY=default gives the settings' value again. is_scheduled=true lets scheduled runs
    make signals for the profile. Only what is computed from now on is judged by it.

    \b
    Examples:
      signals profile set min_signal_confidence=0.6 trading_hours_start=8 trading_hours_end=20
      signals profile set cautious max_asset_exposure=0.05 is_scheduled=true
      signals profile set max_asset_exposure=default
    """
    name, pairs = (HOUSE, arguments) if "=" in arguments[0] else (arguments[0], arguments[1:])
    changes = _changes(pairs)
    if name == HOUSE and changes.get("is_scheduled") is False:
        raise click.UsageError("the house's profile is always scheduled")
    settings = load_settings()
    with open_database(settings) as database, database.begin() as conn:
        write_profile(conn, settings.risk, name, changes)
        _show_profile(conn, settings, name, as_json)


def _changes(pairs: Sequence[str]) -> dict[str, Any]:
    if not pairs:
        raise click.UsageError("say what to change, as in max_asset_exposure=0.1")
    changes: dict[str, Any] = {}
    for pair in pairs:
        key, is_pair, value = pair.partition("=")
        if not is_pair or not value:
            raise click.UsageError(f"changes must read KEY=VALUE, was {pair!r}")
        if key in changes:
            raise click.UsageError(f"{key} must be given once, was given twice")
        changes[key] = None if value == "default" else value
    if changes.get("is_scheduled") is not None:
        changes["is_scheduled"] = click.BOOL.convert(changes["is_scheduled"], None, click.get_current_context())
    return changes


def _show_profile(conn: sa.Connection, settings: Settings, name: str, as_json: bool) -> None:
    profile = read_profile(conn, settings.risk, name)
    stored = stored_limits(conn, name) or {}
    values: dict[str, Any] = {limit: getattr(profile, limit) for limit in LIMITS}
    origins = {limit: "database" if limit in stored else "settings" for limit in LIMITS}
    values["is_scheduled"] = name == HOUSE or stored.get("is_scheduled", False)
    origins["is_scheduled"] = "always" if name == HOUSE else "database"
    if as_json:
        facts = {key: {"value": value, "origin": origins[key]} for key, value in values.items()}
        click.echo(json_text({"profile": name, **facts}))
        return
    columns = (Column(title=f"profile {name}"), Column(title="value", is_number=True), Column(title="from"))
    rows = [(key, _shown(value), origins[key]) for key, value in values.items()]
    show_table(columns, rows)


def _shown(value: Any) -> str:
    """As it is typed after ``KEY=``."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@click.group("positions")
def positions_command() -> None:
    """Say what is held, so that exposure limits have something to count.

    A position is the share of the portfolio that one symbol takes in a time: 0.05 is 5 %. Only live signals are judged
    by it; replays assume that nothing is held.
    """


profile_option = click.option("--profile", default=HOUSE, show_default=True, help="Whose portfolio.")


@positions_command.command("list")
@profile_option
@click.option("--json", "as_json", is_flag=True, help="Print an array of positions as JSON.")
def list_positions(profile: str, as_json: bool) -> None:
    """List what a portfolio holds, held or will hold.

    \b
    Example:
      signals positions list
    """
    settings, now = load_settings(), datetime.now(UTC)
    with open_database(settings) as database, database.begin() as conn:
        limits = read_profile(conn, settings.risk, profile)
        positions = read_positions(conn, profile)
    if as_json:
        click.echo(json_text([_as_row(position, now) for position in positions]))
        return
    if not positions:
        remark(f"{profile} holds nothing; `signals positions set BTC/USDT 0.05` says otherwise")
        return
    columns = (
        Column(title="symbol"),
        Column(title="weight", is_number=True),
        Column(title="from (UTC)"),
        Column(title="to (UTC)"),
        Column(title="state"),
    )
    show_table(columns, [(p.symbol, f"{p.weight:g}", p.valid_from, p.valid_to, _state(p, now)) for p in positions])
    _compare(limits, positions, now)


def _compare(limits: RiskProfile, positions: Sequence[Position], now: datetime) -> None:
    held = sum(position.weight for position in positions if _state(position, now) == HELD)
    over = "; no BUY passes until it is less" if held > limits.max_total_exposure else ""
    remark(f"held now: {held:g} of the portfolio, of {limits.max_total_exposure:g} allowed{over}")


def _state(position: Position, now: datetime) -> str:
    if position.valid_from > now:
        return PLANNED
    return ENDED if position.valid_to is not None and position.valid_to <= now else HELD


def _as_row(position: Position, now: datetime) -> dict[str, Any]:
    return {name: getattr(position, name) for name in HEADER} | {"state": _state(position, now)}


@positions_command.command("set")
@click.argument("symbol", type=SYMBOL)
@click.argument("weight", type=float)
@click.option("--from", "since", type=INSTANT, help="Held from this instant on; now by default.")
@click.option("--to", "until", type=INSTANT, help="Held until before this instant; without end by default.")
@profile_option
def set_position(symbol: str, weight: float, since: datetime | None, until: datetime | None, profile: str) -> None:
    """Say how much of the portfolio a symbol is, from an instant on.

    It takes the place of what was said before about that time, so that a new weight ends the old one; 0 says that the
    symbol is held no longer. Instants are ISO 8601, UTC unless they say otherwise.

    \b
    Examples:
      signals positions set BTC/USDT 0.05
      signals positions set BTCUSDT 0.10 --from 2024-06-01 --to 2024-06-15T12:00Z
      signals positions set BTC/USDT 0
    """
    settings, now = load_settings(), datetime.now(UTC).replace(microsecond=0)
    position = Position(symbol=symbol, weight=weight, valid_from=since or now, valid_to=until)
    with open_database(settings) as database, database.begin() as conn:
        read_profile(conn, settings.risk, profile)
        is_new = write_position(conn, profile, position)
    end = f"to {iso(until)}" if until else "on"
    said = "" if is_new else ", as was known"
    click.echo(f"{profile} holds {weight:g} of {symbol} from {iso(position.valid_from)} {end}{said}")


@positions_command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@profile_option
def import_positions(file: Path, profile: str) -> None:
    """Read positions from a CSV file.

    Its columns are symbol, weight, valid_from and valid_to. valid_to may be empty: such a position ends where the
    symbol's next one begins. All rows are taken or, if one is wrong, none. Reading a file again changes nothing.

    \b
    Example (positions.csv):
      symbol,weight,valid_from,valid_to
      BTC/USDT,0.10,2024-05-01,
      ETH/USDT,0.05,2024-05-01T08:00Z,2024-06-01T00:00Z
    """
    positions = read_position_file(file)
    settings = load_settings()
    with open_database(settings) as database, database.begin() as conn:
        read_profile(conn, settings.risk, profile)
        before = read_positions(conn, profile)
        for position in positions:
            write_position(conn, profile, position)
        is_new = read_positions(conn, profile) != before
    click.echo(f"{len(positions)} positions of {profile} read from {file}" + ("" if is_new else "; all were known"))
