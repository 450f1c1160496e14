"""`signals api`: the REST API in a process of its own."""

from datetime import UTC, datetime

import click

from pipeline.cli.database_watch import kept_running
from pipeline.cli.session import open_database
from pipeline.settings import load_settings

DEFAULT_HOST = "127.0.0.1"


@click.command("api")
@click.option(
    "--host", default=DEFAULT_HOST, show_default=True, help="Where it listens; others than loopback need keys."
)
@click.option("--port", type=click.IntRange(1, 65535), help="At which port (default: api.port, 3001).")
def api_command(host: str, port: int | None) -> None:
    """Serve the REST API until Ctrl-C.

    It comes without the Dagster UI; `signals up` serves both. Signals, why they are there, their pictures, how they
    did, and what became of them, for bots and pages; beside them /health and /metrics. /docs shows every route and
    tries them out. Requests and errors are logged to stderr.

    On a loopback address only this machine reaches it, and needs no key. On any other every request but /health needs
    one (`signals keys`), and a proxy should stand before it for TLS.

    \b
    Examples:
      signals api
      signals api --port 8080 2>> api.log
      curl http://127.0.0.1:3001/api/v1/ai/trading-signals/active
    """
    from pipeline.api.access import access_of, require_a_key
    from pipeline.api.application import build_application
    from pipeline.api.serving import listen, serve

    settings = load_settings()
    access = access_of(host, settings.api)
    with open_database(settings) as database:
        require_a_key(database, access, host, datetime.now(UTC))
        with (
            listen(host, port or settings.api.port) as listener,
            kept_running(settings, database.address),
        ):
            serve(build_application(database, settings, access=access), listener, on_ready=_ready)


def _ready(url: str) -> None:
    click.echo(f"REST API    {url}\ndocs        {url}/docs\nstop with   Ctrl-C")
