"""The `signals` command: each subcommand is a function in a module of this package, imported when it is called.

Exit codes: 0 done; 1 failed, the message says what to do; 2 wrong usage or settings; 75 try again later (a source or
the database did not answer).
"""

import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from types import FrameType

import click

from pipeline import __version__
from pipeline.domain.errors import ConfigurationError, SignalsError, TemporaryError

# name -> (module, what `signals --help` says); the order is the one in which a new user needs them.
COMMANDS = {
    "demo": ("demo", "Simulated market to ranked signals: keyless, offline, a minute."),
    "up": ("serving", "Dagster UI, schedules and database, until Ctrl-C."),
    "down": ("serving", "Stop what `signals up` left running."),
    "status": ("serving", "What runs, what is stored, what is stale."),
    "run": ("running", "One pass of the job, now or as of an instant."),
    "backfill": ("running", "Recompute a range of days through Dagster, in one run."),
    "replay": ("running", "The same stages over the past, by name, to compare settings."),
    "compare": ("comparing", "What two replays make differently, and why."),
    "symbols": ("choosing", "Which symbols an exchange trades, to choose from."),
    "import": ("importing", "Read files: candles, or texts."),
    "ingest": ("ingesting", "Read texts and development activity now, and score them."),
    "score": ("scoring", "How positive texts are: standard input to JSONL."),
    "train": ("training", "Train the models that predict direction, range and anomalies."),
    "models": ("models", "Which models there are, how they were judged, which speaks."),
    "list": ("listing", "Active signals, best first; with --all every one, newest first."),
    "report": ("reporting", "How signals did: hit rate, returns after costs, against chance."),
    "chart": ("charting", "A picture of a series with its levels, patterns and signals."),
    "explain": ("explaining", "Why there was, or was not, a signal on one bar."),
    "execute": ("acting", "Say that a signal was executed, and at which price."),
    "invalidate": ("acting", "Take an active signal back, for a reason."),
    "profile": ("accounts", "Show or change the risk profile."),
    "positions": ("accounts", "What is held, so that exposure has something to count."),
    "users": ("users", "Who may have keys of the REST API."),
    "keys": ("keys", "Keys of the REST API: make, list, revoke."),
    "api": ("api", "REST API for bots and pages, until Ctrl-C."),
    "sql": ("querying", "Ask the database, read-only; or print its address."),
    "sql-user": ("sql_users", "Logins for analysts, dashboards and bots."),
    "strategies": ("catalogues", "Which strategies there are, and what they are set to."),
    "indicators": ("catalogues", "Indicators that the settings can switch on."),
    "config": ("inspecting", "The effective settings, secrets masked."),
    "doctor": ("inspecting", "What is configured, complete, stale; accept a price jump."),
}


class LazyGroup(click.Group):
    """Commands that are imported when they are called: `signals --help` loads neither pandas nor Dagster."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; its module has it as ``<name>_command``, with _ for -."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"pipeline.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="signals")
def signals() -> None:
    """Ranked, explainable crypto trading signals.

    Start with `signals demo`. Settings come from the environment (SIGNALS_MARKET__SOURCE=files), then .env, then
    signals.toml, then defaults; `signals config` shows them. Data and logs are in SIGNALS_HOME (default .signals).
    """


def main() -> None:
    """Run the command line; every error of ours becomes one message and an exit code."""
    signal.signal(signal.SIGTERM, _leave)
    read_dotenv(Path())
    try:
        sys.exit(signals.main(prog_name="signals", standalone_mode=False) or 0)
    except click.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SignalsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigurationError) else 75 if isinstance(error, TemporaryError) else 1)


def read_dotenv(folder: Path) -> None:
    """Take what a ``.env`` file says of ours into the environment, where nothing else says it.

    Keys are kept there rather than in signals.toml, and Dagster, which is started from here, reads it as well.
    """
    if not (folder / ".env").is_file():
        return
    from dotenv import dotenv_values

    for name, value in dotenv_values(folder / ".env").items():
        if value and name.upper().startswith("SIGNALS_"):
            os.environ.setdefault(name, value)


def _leave(number: int, frame: FrameType | None) -> None:
    """TERM ends a command like an error does, so that what it started is stopped."""
    sys.exit(128 + number)
