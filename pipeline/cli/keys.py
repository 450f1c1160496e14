"""`signals keys`: what opens the REST API to a user; a key is printed once, when it is made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from pipeline.cli.display import Column, remark, show_table
from pipeline.cli.session import open_database
from pipeline.domain.access import Scope
from pipeline.json_values import iso, json_text
from pipeline.settings import load_settings
from pipeline.storage.keys import StoredKey, find_key, free_name, list_keys, make_key, revoke_key
from pipeline.storage.users import user_of

DEFAULT_DAYS, MAX_DAYS = 90, 3650


@click.group("keys")
def keys_command() -> None:
    """Make keys of the REST API, list them, take them back.

    The scope read opens signals, reports, the user's profile and positions; generate has signals made; execute says
    what became of signals, what is held, and what may be risked. None contains another.
    """


@keys_command.command("add")
@click.argument("user")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it opens; may be repeated.",
)
@click.option(
    "--expires",
    type=click.IntRange(1, MAX_DAYS),
    default=DEFAULT_DAYS,
    show_default=True,
    metavar="DAYS",
    help="After so many days it opens nothing.",
)
@click.option("--name", help="What events and lists call it; the user's name, or that with a number, by default.")
def add(user: str, scopes: tuple[str, ...], expires: int, name: str | None) -> None:
    """Make a key of a user and print it, once.

    It stands alone on standard output, so that it can be piped; what else there is to say goes to standard error.

    \b
    Examples:
      signals keys add alice --scope read
      signals keys add alice --scope read --scope execute --expires 30 --name alice-bot > key
    """
    now = datetime.now(UTC)
    with open_database(load_settings()) as database, database.begin() as conn:
        number = user_of(conn, user)
        called = free_name(conn, user) if name is None else name
        key = make_key(conn, number, set(map(Scope, scopes)), name=called, at=now, lifetime=timedelta(days=expires))
        stored = find_key(conn, key)
    assert stored is not None
    click.echo(key)
    remark(f"key {stored.name} ({stored.prefix}) opens {_scopes(stored)} to {user} until {iso(stored.expires_at)}")
    remark("it is shown this once; if it is lost, or seen by others: `signals keys revoke`")


@keys_command.command("list")
@click.argument("user", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print an array of keys as JSON.")
def list_all(user: str | None, as_json: bool) -> None:
    """List keys, as far as they may be shown.

    \b
    Examples:
      signals keys list
      signals keys list alice --json
    """
    now = datetime.now(UTC)
    with open_database(load_settings()) as database, database.begin() as conn:
        found = list_keys(conn, user)
    if as_json:
        click.echo(json_text([_as_row(key, now) for key in found]))
        return
    if not found:
        remark("there is no key; `signals keys add USER --scope read` makes one")
        return
    columns = (
        *(Column(title=title) for title in ("key", "user", "prefix", "scopes", "state", "expires (UTC)")),
        Column(title="last used (UTC)"),
    )
    rows = [(k.name, k.user, k.prefix, _scopes(k), k.state(now), k.expires_at, k.last_used_at) for k in found]
    show_table(columns, rows)


@keys_command.command("revoke")
@click.argument("key")
def revoke(key: str) -> None:
    """Take a key back, for good.

    KEY is its name, its prefix or the whole of it. The next request with it is refused.

    \b
    Example:
      signals keys revoke alice-bot
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        name, is_new = revoke_key(conn, key, datetime.now(UTC))
    click.echo(f"{name} is revoked" + ("" if is_new else ", as it was"))


def _as_row(key: StoredKey, at: datetime) -> dict[str, Any]:
    instants = {name: getattr(key, name) for name in ("created_at", "expires_at", "revoked_at", "last_used_at")}
    row = {"name": key.name, "user": key.user, "prefix": key.prefix, "scopes": _scopes(key).split(", ")}
    return {**row, "state": key.state(at), **instants}


def _scopes(key: StoredKey) -> str:
    return ", ".join(scope for scope in Scope if scope in key.scopes)
