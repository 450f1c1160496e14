"""Replays as a Dagster job: the same function as `signals replay`, started from the UI with a config."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from pipeline.storage.universe import exchange_of
from resources.database import UnlockedDatabaseResource


class ReplayConfig(dg.Config):
    """What to replay, and with which settings changed."""

    name: str = Field(description="Scope of the rows, a name of its own", examples=["patient"])
    first_day: str = Field(description="By close, inclusive", examples=["2024-06-01"])
    last_day: str = Field(description="Inclusive", examples=["2024-06-30"])
    changes: dict[str, str] = Field(default={}, description="Dotted setting: value, e.g. strategies.rsi.oversold: '25'")


@dg.op
def replay_days(context: dg.OpExecutionContext, config: ReplayConfig, database: dg.ResourceParam[Database]) -> None:
    """Replay the days under a name and log what came out."""
    settings = load_settings(config.changes)
    start, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (config.first_day, config.last_day))
    with database.begin() as conn:
        exchange = exchange_of(conn, settings.market)
    as_of = datetime.now(UTC)
    result = replay(database, settings, exchange, config.name, start, last + timedelta(days=1), as_of)
    context.log.info("replay %s", result)


@dg.job(executor_def=dg.in_process_executor, resource_defs={"database": UnlockedDatabaseResource()})
def replay_signals() -> None:
    """The stages over the past, without an event per day, to compare settings."""
    replay_days()
