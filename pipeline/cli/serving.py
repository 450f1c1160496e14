"""`signals up`, `down`, `status`: the service of a home."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

import click
import sqlalchemy as sa

from pipeline.cli import display
from pipeline.cli.dagster_home import dagster_environment, prepare_dagster
from pipeline.cli.database_watch import bringing_back
from pipeline.cli.readiness import Work, ask, ask_api
from pipeline.cli.service import AlreadyRunningError, RunningService, running, serve, stop_service
from pipeline.cli.session import check_market, open_database
from pipeline.cli.storage_growth import show_storage, storage_of
from pipeline.cli.text_diagnosis import told
from pipeline.json_values import json_text
from pipeline.settings import CONFIG_VARIABLE, Settings, config_file, load_settings
from pipeline.storage import server, tables
from pipeline.storage.home import require_home
from pipeline.storage.queries import silent_models
from pipeline.storage.text_health import source_states


@click.command("up")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the UI (default: schedule.ui_port, 3000).")
@click.option("--prepare", is_flag=True, help="Start the database, migrate, print the environment, and return.")
def up_command(port: int | None, prepare: bool) -> None:
    """Serve the Dagster UI and the REST API and run the schedules until Ctrl-C.

    Starts the embedded database unless SIGNALS_DATABASE_URL names a server, brings both databases up to date, and
    keeps the web servers and the daemon alive. Everything listens on 127.0.0.1. What does not load, because a
    strategy has an error in it or the settings are wrong by now, is told and loaded again once it is mended.

    \b
    Examples:
      signals up
      eval "$(signals up --prepare)" && dagster dev -w workspace.yaml
    """
    settings = load_settings()
    require_home(settings.home)
    check_market(settings)
    if config_file().is_file():
        os.environ[CONFIG_VARIABLE] = str(config_file().resolve())  # the code location may have another working folder
    if prepare:
        _prepare(settings)
        return
    if (service := running(settings.home)) is not None:
        raise AlreadyRunningError(service)
    display.remark("starting the database and Dagster")
    with open_database(settings) as database:
        address = database.address
        database.close()
        code = serve(
            settings.home,
            address,
            port=port or settings.schedule.ui_port,
            api_port=settings.api.port,
            on_ready=_ready,
            say=display.remark,
            keep_database=bringing_back(settings, address),
        )
    raise SystemExit(code)


@click.command("down")
def down_command() -> None:
    """Stop the service and the embedded database of this home, whoever started them."""
    home = load_settings().home
    require_home(home)
    served, database = stop_service(home), server.stop(home)
    stopped = [name for name, was in (("the service", served), ("the database", database)) if was]
    click.echo(f"stopped {' and '.join(stopped)}" if stopped else "nothing was running")


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON.")
def status_command(as_json: bool) -> None:
    """Tell what runs, what is stored, how old the newest candles are, and how fast what is stored grows."""
    settings = load_settings()
    require_home(settings.home)
    facts: dict[str, object] = {"home": str(settings.home.resolve()), **_service_facts(settings.home)}
    if settings.database_url is None:
        state = server.status(settings.home)
        facts["database"] = f"embedded, port {state.port}" if state.running else "embedded, not running"
        facts["data_size_mb"] = round(state.size / 1e6)
        is_readable = state.running or state.size > 0
    else:
        facts["database"], is_readable = "SIGNALS_DATABASE_URL", True
    try:
        if is_readable:
            facts |= _stored_facts(settings)
    finally:  # what runs is worth knowing, above all when the database does not answer
        if as_json:
            click.echo(json_text(facts))
        else:
            storage = facts.pop("storage", None)
            columns = [display.Column(title="what"), display.Column(title="state", wraps=True)]
            display.show_table(columns, _told(facts))
            if isinstance(storage, dict):
                show_storage(storage)


def _told(facts: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The facts, each on its line; a line for each kind of model that is silent."""
    for key, value in facts.items():
        if isinstance(value, list):
            for each in value:
                name = f"{each['kind']} {each['timeframe']} on {each['exchange']}"
                yield name, f"silent: {each['reason']} (as of {display.instant(each['as_of'])})"
        else:
            yield key.replace("_", " "), value


def _service_facts(home: Path) -> dict[str, object]:
    service = running(home)
    if service is None:
        return {"service": "not running"}
    api = {"api": service.api_url, "api_health": ask_api(service.api_url)} if service.api_url else {}
    work = ask(service.url) if service.url else None
    if work is None:
        return {"service": "starting", **api}
    if work.error:
        schedules = f"not running, the code does not load: {work.error.strip()}"
    elif not work.is_loaded:
        schedules = "not running, the code is being loaded"
    else:
        schedules = "running" if work.next_run_at else "switched off"
    last = work.last_run
    return {
        "service": service.url,
        **api,
        "schedules": schedules,
        "next_run": work.next_run_at,
        "last_run": last and last.status,
        "last_run_at": last and last.created_at,
    }


def _stored_facts(settings: Settings) -> dict[str, object]:
    facts: dict[str, object] = {}
    with open_database(settings) as database, database.begin() as conn:
        for table in (tables.series, tables.trading_signals):
            facts[table.name] = conn.scalar(sa.select(sa.func.count()).select_from(table))
        t, now = tables.trading_signals.c, datetime.now(UTC)
        active = sa.and_(t.status == "ACTIVE", t.origin == "live", t.created_at <= now, t.expires_at > now)
        facts["active_signals"] = conn.scalar(
            sa.select(sa.func.count()).select_from(tables.trading_signals).where(active)
        )
        health = tables.source_health.c
        states = sa.select(health.status, sa.func.count()).where(health.source == "candles").group_by(health.status)
        for status, count in conn.execute(states):
            facts[f"series_{status.lower()}"] = count
        w = tables.watermarks.c
        facts["newest_live_close"] = conn.scalar(
            sa.select(sa.func.max(w.processed_to)).where(w.asset == "trading_signals")
        )
        facts["silent_models"] = silent_models(conn)
        is_simulated = settings.market.source == "simulated"
        facts |= {f"texts_{name}": words for name, words in told(source_states(conn, is_simulated=is_simulated))}
        facts["storage"] = storage_of(conn, settings.home)
    return facts


def _prepare(settings: Settings) -> None:
    """Start what Dagster needs, and print the environment in which its own commands work."""
    if settings.database_url is None:
        server.start_kept(settings.home)
    with open_database(settings) as database:
        variables = dagster_environment(settings.home, database.address)
    prepare_dagster(variables)
    if CONFIG_VARIABLE in os.environ:
        variables[CONFIG_VARIABLE] = os.environ[CONFIG_VARIABLE]
    for name, value in variables.items():
        click.echo(f"export {name}={quote(value)}")
    if settings.database_url is None:
        display.remark("the database keeps running; `signals down` stops it")


def _ready(service: RunningService, work: Work) -> None:
    runs = f"{display.instant(work.next_run_at)} UTC" if work.next_run_at else "none, the schedules are switched off"
    api = "its pages are at /docs" if ask_api(service.api_url) == "ok" else "does not answer yet"
    click.echo(
        f"Dagster UI  {service.url}\nREST API    {service.api_url} ({api})\nnext run    {runs}\n"
        "stop with   Ctrl-C, or `signals down` from elsewhere"
    )
