"""`signals users`: people and bots that ask the REST API by keys of their own."""

from datetime import UTC, datetime

import click

from pipeline.cli.display import Column, remark, show_table
from pipeline.cli.session import open_database
from pipeline.json_values import json_text
from pipeline.settings import load_settings
from pipeline.storage.users import add_user, list_users, remove_user


@click.group("users")
def users_command() -> None:
    """Say who may have keys of the REST API.

    A user has a risk profile of the same name, positions, and signals that nobody else sees.
    """


@users_command.command("add")
@click.argument("name")
def add(name: str) -> None:
    """Make a user, with a risk profile of the same name.

    \b
    Examples:
      signals users add alice
      signals keys add alice --scope read
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        add_user(conn, name)
    click.echo(f"{name} is a user; `signals keys add {name} --scope read` prints a key")


@users_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print an array of users as JSON.")
def list_all(as_json: bool) -> None:
    """List users, removed ones too.

    \b
    Example:
      signals users list
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        found = list_users(conn, datetime.now(UTC))
    if as_json:
        click.echo(json_text([dict(user) for user in found]))
        return
    if not found:
        remark("there is no user; `signals users add NAME` makes one")
        return
    columns = (
        Column(title="user"),
        Column(title="since (UTC)"),
        Column(title="keys", is_number=True),
        Column(title="signals", is_number=True),
        Column(title="removed (UTC)"),
    )
    rows = [(u["name"], u["recorded_at"], u["keys"], u["signals"], u["removed_at"]) for u in found]
    show_table(columns, rows)


@users_command.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Take a user's keys back, for good.

    No more signals are made for them either. What they did is kept, and their name is not given again.

    \b
    Example:
      signals users remove alice
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        n_keys = remove_user(conn, name, datetime.now(UTC))
    click.echo(f"{name} is no user any more; {n_keys} {'key' if n_keys == 1 else 'keys'} revoked")
