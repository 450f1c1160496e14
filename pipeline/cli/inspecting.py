"""`signals config` and `signals doctor`: what is set, and what of it works."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource

from pipeline.cli.diagnosis import examine
from pipeline.cli.display import Column, remark, show_table
from pipeline.cli.parameters import SYMBOL
from pipeline.cli.session import open_database
from pipeline.domain.errors import OperatorError
from pipeline.json_values import json_text, json_value
from pipeline.settings import PREFIX, Settings, config_file, load_settings
from pipeline.settings_errors import line_of
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.candles import accept_jumps
from pipeline.storage.queries import open_jumps

DEFAULT = "default"
MASK = "set, not shown"


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Print {setting: {value, origin}} as JSON.")
def config_command(as_json: bool) -> None:
    """Show the effective settings and where each comes from; secrets are masked.

    The environment comes before signals.toml (or the file that SIGNALS_CONFIG names), and that before the defaults.
    docs/settings.md says what each setting means.

    \b
    Examples:
      signals config
      SIGNALS_MARKET__SOURCE=files signals config --json
    """
    settings = load_settings()
    origins = _Origins()
    effective = [(".".join(path), value, origins.of(path)) for path, value in leaves(settings)]
    if as_json:
        click.echo(json_text({key: {"value": value, "origin": origin} for key, value, origin in effective}))
        return
    columns = (Column(title="setting"), Column(title="value", wraps=True), Column(title="from"))
    show_table(columns, [(key, _shown(value), origin) for key, value, origin in effective])


def leaves(settings: BaseModel, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting as its path and its value, in the order of declaration; secrets are masked."""
    for name in type(settings).model_fields:
        yield from _leaves(getattr(settings, name), (*above, name))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, BaseModel):
        yield from leaves(value, path)
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, str(key)))
    elif isinstance(value, SecretStr):
        secret = value.get_secret_value()
        yield path, DatabaseAddress.parse(secret).masked if path == ("database_url",) else MASK
    else:
        yield path, json_value(value)


def _shown(value: Any) -> str | None:
    """As it would stand in signals.toml, but for lists, which are easier to read without quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return None if value is None else str(value)


class _Origins:
    """Which source a setting came from: asked of the sources themselves, so that both always agree."""

    def __init__(self) -> None:
        self.file = config_file()
        self.from_environment = EnvSettingsSource(Settings)()
        self.from_file = TomlConfigSettingsSource(Settings, toml_file=self.file)()

    def of(self, path: tuple[str, ...]) -> str:
        """The variable, the file and line, or ``default``."""
        if _stands(path, self.from_environment):
            known = {name.upper(): name for name in os.environ}
            names = (PREFIX + "__".join(path[:depth]).upper() for depth in range(len(path), 0, -1))
            return next((known[name] for name in names if name in known), "environment")
        if _stands(path, self.from_file):
            line = line_of(list(path), self.file)
            return f"{self.file}:{line}" if line else str(self.file)
        return DEFAULT


def _stands(path: Sequence[str], tree: Any) -> bool:
    for part in path:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


@click.command("doctor")
@click.option("--accept-jump", "jumped", type=SYMBOL, help="Say that the price jumps of this symbol are real.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor_command(jumped: str | None, as_json: bool) -> None:
    """Say what is configured, stored, complete and stale, and what needs a person.

    Exit code 1 if something does. A symbol whose price jumped by more than 30 % between two candles is blocked until
    --accept-jump says that the jump is real (a redenomination, say) or a corrected candle is imported.

    \b
    Examples:
      signals doctor
      signals doctor --accept-jump LUNA/USDT
    """
    settings = load_settings()
    if jumped is not None:
        _accept(settings, jumped, as_json)
        return
    findings = examine(settings)
    if as_json:
        click.echo(json_text(findings))
    else:
        _show(findings)
    if findings["problems"]:
        sys.exit(1)


def _accept(settings: Settings, symbol: str, as_json: bool) -> None:
    with open_database(settings) as database, database.begin() as conn:
        jumps = open_jumps(conn)
        days = sorted(jump["open_at"].date() for jump in jumps if jump["symbol"] == symbol)
        if not days:
            blocked = ", ".join(sorted({jump["symbol"] for jump in jumps})) or "none"
            raise OperatorError(f"symbol must have a price jump that is not accepted yet ({blocked}), was {symbol}")
        accepted = accept_jumps(conn, symbol)
    if as_json:
        click.echo(json_text({"symbol": symbol, "accepted": accepted}))
        return
    click.echo(f"{accepted} price jump{'s' if accepted > 1 else ''} of {symbol} accepted; it is blocked no longer.")
    click.echo(f"Its bars since then are judged again by: signals backfill --from {days[0]} --to DAY")


SERIES_COLUMNS = (
    Column(title="exchange"),
    Column(title="symbol"),
    Column(title="tf"),
    Column(title="bars", is_number=True),
    Column(title="filled", is_number=True),
    Column(title="first close", is_optional=True),
    Column(title="last close"),
    Column(title="state"),
    Column(title="reason", wraps=True),
    Column(title="signals up to", is_optional=True),
)


def _show(findings: dict[str, Any]) -> None:
    facts = [
        ("settings", findings["settings"]),
        ("home", findings["home"]),
        ("database", f"{findings['database']}, PostgreSQL {findings['server_version']}"),
        ("schema", f"{findings['schema']}, current"),
        ("market", f"{findings['source']}, exchange {findings['exchange'] or 'not set'}"),
    ]
    if reach := findings["reach"]:
        clock = reach["clock_ahead_s"]
        facts += [
            ("answers", f"in {reach['answered_in_s']} s, trades {reach['symbols']:,} symbols"),
            ("clock", "not told by the exchange" if clock is None else f"ours is {clock:+.1f} s ahead"),
            ("offers", " ".join(reach["timeframes"])),
            (
                "limit",
                f"about {reach['requests_per_minute']:,} requests a minute, "
                f"of which a close needs {reach['requests_per_close']:,}",
            ),
        ]
    for name, value in facts:
        click.echo(f"{name:<10}{value}")
    for title, columns, rows in _tables(findings):
        if rows:
            click.echo(f"\n{title}")
            show_table(columns, rows)
    click.echo()
    for hint in findings["hints"]:
        click.echo(f"good to know: {hint}")
    for problem in findings["problems"]:
        remark(f"needs you: {problem}")
    if not findings["problems"]:
        click.echo("Nothing needs you." if findings["series"] else "No candle is stored yet: `signals run` or import.")


def _tables(findings: dict[str, Any]) -> Iterator[tuple[str, Sequence[Column], list[tuple[object, ...]]]]:
    names = ("exchange", "symbol", "timeframe", "bars", "filled_bars", "first_close_at", "last_close_at")
    yield (
        "Series",
        SERIES_COLUMNS,
        [
            (*(row[name] for name in names), row["status"] or "not judged yet", row["reason"], row["processed_to"])
            for row in findings["series"]
        ],
    )
    yield (
        "Price jumps that nobody has accepted",
        (*SERIES_COLUMNS[:3], Column(title="open"), Column(title="times", is_number=True)),
        [
            (jump["exchange"], jump["symbol"], jump["timeframe"], jump["open_at"], jump["ratio"])
            for jump in findings["price_jumps"]
        ],
    )
    yield (
        "Refused rows (candle_quarantine; docs/market-data.md explains the reasons)",
        (
            Column(title="exchange"),
            Column(title="reason"),
            Column(title="rows", is_number=True),
            Column(title="series", is_number=True),
            Column(title="newest"),
        ),
        [(row["exchange"], row["reason"], row["rows"], row["series"], row["newest"]) for row in findings["quarantine"]],
    )
    yield (
        "Texts and development activity",
        (
            *(Column(title="source"), Column(title="mode")),
            *(Column(title=title, is_number=True) for title in ("feeds", "failed", "rows")),
            *(Column(title="newest"), Column(title="read", is_optional=True), Column(title="lacks", wraps=True)),
        ),
        [
            tuple(
                row[name] for name in ("source", "mode", "feeds", "feeds_failed", "rows", "newest", "read_at", "lacks")
            )
            for row in findings["texts"]
        ],
    )
