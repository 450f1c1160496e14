"""`signals sql-user`: logins for analysts, dashboards and bots, which may do in SQL what they need and nothing else."""

from dataclasses import asdict

import click

from pipeline.cli.display import Column, remark, show_table
from pipeline.cli.session import open_database
from pipeline.json_values import json_text
from pipeline.settings import load_settings
from pipeline.storage.sql_logins import GROUPS, Kind, add_login, address_of, list_logins, remove_login


@click.group("sql-user")
def sql_user_command() -> None:
    """Give others logins to the database.

    A reader reads the views. A bot reads them, and calls execute_signal and invalidate_signal. Neither sees a table, a
    key, or Dagster's database.
    """


@sql_user_command.command("add")
@click.argument("name")
@click.option("--role", "kind", type=click.Choice(list(GROUPS)), required=True, help="What it may do.")
@click.option("--json", "as_json", is_flag=True, help="Print {name, role, password, url} as JSON.")
def add_sql_user(name: str, kind: Kind, as_json: bool) -> None:
    """Make a login, and print its password and address once.

    \b
    Examples:
      signals sql-user add grafana --role reader
      signals sql-user add trader_7 --role bot --json
    """
    settings = load_settings()
    with open_database(settings) as database:
        with database.begin() as conn:
            password = add_login(conn, name, kind)
        url = address_of(database.address, name, password).libpq
    if as_json:
        click.echo(json_text({"name": name, "role": kind, "password": password, "url": url}))
    else:
        click.echo(f"login     {name} ({kind})\npassword  {password}\nurl       {url}")
    remark("the password is kept nowhere: note it now, or remove the login and add it again")
    if settings.database_url is None:
        remark("the embedded server answers only while something uses it: keep `signals up` running")


@sql_user_command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print an array of logins as JSON.")
def list_sql_users(as_json: bool) -> None:
    """List the logins of this database, and how many sessions each has open.

    \b
    Example:
      signals sql-user list
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        logins = list_logins(conn)
    if as_json:
        click.echo(json_text([{("role" if k == "kind" else k): v for k, v in asdict(each).items()} for each in logins]))
        return
    if not logins:
        remark("there are none; `signals sql-user add NAME --role reader` makes one")
        return
    columns = (Column(title="login"), Column(title="role"), Column(title="sessions", is_number=True))
    show_table(columns, [(each.name, each.kind, str(each.sessions)) for each in logins])


@sql_user_command.command("remove")
@click.argument("name")
def remove_sql_user(name: str) -> None:
    """Shut a login out, and end its sessions.

    \b
    Example:
      signals sql-user remove grafana
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        is_gone = remove_login(conn, name)
    click.echo(f"{name} is removed" if is_gone else f"{name} is shut out here; it stays where it has other rights")
