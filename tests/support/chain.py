"""The chain under test: candles into a database, ticks, days, and what the tables hold afterwards."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import Block
from pipeline.definitions import defs
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.jobs import CHAIN
from pipeline.run_tags import pass_tags, range_tags
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from pipeline.storage.intake import Intake, import_candles
from resources.market import SeriesWindow
from resources.simulated import SimulatedMarket

FAR_FUTURE = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
FILES = {"market.source": "files"}
# When a row was written, what became of a signal since and of its like before: not what the pipeline says.
NOT_COMPARED = {
    *("recorded_at", "first_seen_at", "status", "executed_at", "execution_price", "profit_loss"),
    *("calibrated_confidence", "uncalibrated_because", "calibrated_rank"),
}
CHAIN_TABLES = (
    *("candles", "indicators", "price_levels", "chart_patterns", "extra_indicators", "market_conditions"),
    *("candidate_signals", "risk_decisions", "trading_signals"),
)


def raw_rows(block: Block, exchange: str, timeframe: Timeframe) -> pd.DataFrame:
    """A block as a source hands it over."""
    fields = ("open", "high", "low", "close", "volume")
    long = pd.concat({name: block[name].stack(future_stack=True) for name in fields}, axis=1).dropna()
    long.index.names = ["open_at", "symbol"]
    return long.reset_index().assign(exchange=exchange, timeframe=str(timeframe))


def store_block(database: Database, block: Block, timeframe: Timeframe = Timeframe.H1) -> Intake:
    """Import a block's candles."""
    return import_candles(database, raw_rows(block, "binance", timeframe), FAR_FUTURE)


def store_simulated(database: Database, symbols: Sequence[str], start: datetime, end: datetime) -> Intake:
    """Import hourly candles of the simulated market."""
    market = SimulatedMarket(load_settings().market.simulation_seed)
    keys = [SeriesKey(market.exchange, symbol, Timeframe.H1) for symbol in symbols]
    return import_candles(database, market.candles([SeriesWindow(key, start, end) for key in keys]).frame, end)


def run(
    database: Database,
    tags: Mapping[str, str],
    partition_key: str | None = None,
    changes: Mapping[str, str] | None = None,
    assets: Sequence[str] = CHAIN,
) -> dict[str, dict[str, Any]]:
    """One run of the chain, or of other assets of its job, in this process; what each asset reported."""
    resources = {
        **{name: {"config": {"url": database.address.libpq}} for name in ("database", "unlocked_database")},
        "settings": {"config": {"changes": {**FILES, **(changes or {})}}},
    }
    loggers = {"console": {"config": {"log_level": "CRITICAL"}}}
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("generate_signals").execute_in_process(
            instance=instance,
            tags=dict(tags),
            asset_selection=[dg.AssetKey(name) for name in assets],
            partition_key=partition_key,
            run_config={"resources": resources, "loggers": loggers},
        )
    events = (event.step_materialization_data.materialization for event in result.get_asset_materialization_events())
    return {
        event.asset_key.to_user_string(): {key: value.value for key, value in event.metadata.items()}
        for event in events
    }


def tick(database: Database, at: datetime, changes: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """What the schedule does at a close."""
    return run(database, pass_tags(at, Origin.LIVE), f"{at:%Y-%m-%d}", changes)


def days(
    database: Database, first: date, last: date, changes: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """What a backfill does: one run over a range of days."""
    return run(database, range_tags(first, last), changes=changes)


def rows(database: Database, table: str, where: str = "true", ignore: Sequence[str] = ()) -> list[dict[str, Any]]:
    """All rows of a table but for columns that say when they were written."""
    with database.begin() as conn:
        found = conn.execute(sa.text(f"SELECT * FROM {table} WHERE {where}")).mappings().all()
    kept = [{k: v for k, v in row.items() if k not in {*NOT_COMPARED, *ignore}} for row in found]
    return sorted(kept, key=repr)


def snapshot(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Everything that the chain wrote."""
    return {table: rows(database, table) for table in CHAIN_TABLES}


def hours(first: datetime, n: int) -> list[datetime]:
    """Closes of ``n`` hourly bars, the first one included."""
    return [first + timedelta(hours=i) for i in range(n)]
