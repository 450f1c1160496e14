"""Candles: fetched or imported, cleaned, stored, and judged as of the run."""

from collections import Counter
from datetime import datetime

import dagster as dg

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, state_checks, state_table, stored_as
from pipeline import progress
from pipeline.domain.errors import DataContractError
from pipeline.domain.universe import SeriesKey
from pipeline.indicators.catalogue import WARM_UP_BARS
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.settings import Settings
from pipeline.stages import signal_history_from
from pipeline.storage.candles import ensure_series, record_health
from pipeline.storage.database import Database
from pipeline.storage.health import SeriesExtent, series_extents, series_states
from pipeline.storage.history import Series
from pipeline.storage.intake import import_candles
from pipeline.storage.universe import exchange_of, wanted_series
from resources.clock import ClockResource
from resources.market import SeriesWindow
from resources.sources import market_source

MAX_BLOCKED_SHARE = 0.5  # of the series; more, and it is not a symbol that is broken


@dg.asset(
    group_name="market",
    metadata=stored_as("candles"),
    kinds={"postgres"},
    partitions_def=daily,
    backfill_policy=single_run,
    freshness_policy=FRESHNESS,
    pool="exchange",
    check_specs=[
        contract_check("candles"),
        dg.AssetCheckSpec("staleness", asset="candles", description="Every series has its newest candles"),
        dg.AssetCheckSpec("gaps", asset="candles", description="Few bars are filled, and no price jump is open"),
    ],
)
def candles(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """Closed candles of every symbol and timeframe, one row each."""
    after, until = clock.window(context)
    with database.begin() as conn:
        exchange = exchange_of(conn, settings.market)
        keys = wanted_series(conn, settings.market, exchange)
        ids = ensure_series(conn, keys)
        series = [Series(key, number) for key, number in ids.items()]
        extents = series_extents(conn, series, until)
    windows = [window for key in keys for window in _missing(key, extents[key], after, until)]
    fetched = market_source(settings, exchange).candles(
        windows, lambda done, total: progress.report("candles", done, total)
    )
    intake = import_candles(database, fetched.frame, until)
    with database.begin() as conn:
        states = series_states(conn, series, until, WARM_UP_BARS)
        states |= {key: SeriesState(HealthStatus.BLOCKED, why) for key, why in fetched.failures.items()}
        record_health(conn, "candles", states, ids, until)
    counts = Counter(state.status.value for state in states.values())
    context.log.info(
        "candles series=%d written=%d filled=%d refused=%s states=%s",
        *(len(states), intake.stored.written, intake.stored.filled, dict(intake.refused), dict(counts)),
    )
    _stop_if_most_are_blocked(states)
    return dg.MaterializeResult(
        metadata={
            "rows_written": intake.stored.written,
            "rows_filled": intake.stored.filled,
            "rows_revised": intake.stored.revised,
            "rows_refused": sum(intake.refused.values()),
            "series": len(states),
            "series_blocked": counts[HealthStatus.BLOCKED.value],
            "not_ok": state_table(states),
        },
        check_results=[contract_kept("candles", len(fetched.frame)), *state_checks(states)],
    )


def _missing(key: SeriesKey, extent: SeriesExtent, after: datetime, until: datetime) -> list[SeriesWindow]:
    """What is not stored of the bars that the window and its warm-up need, before and after what is."""
    timeframe = key.timeframe
    begin = signal_history_from(timeframe, timeframe.floor(after))
    if extent.first_open is None or extent.last_open is None:
        return [SeriesWindow(key, begin, until)]
    windows = []
    if begin < extent.first_open:
        windows.append(SeriesWindow(key, begin, extent.first_open))
    next_open = extent.last_open + timeframe.duration
    if next_open + timeframe.duration <= until:
        windows.append(SeriesWindow(key, next_open, until))
    return windows


def _stop_if_most_are_blocked(states: dict[SeriesKey, SeriesState]) -> None:
    blocked = {key: state for key, state in states.items() if state.status is HealthStatus.BLOCKED}
    if states and len(blocked) > MAX_BLOCKED_SHARE * len(states):
        key, state = next(iter(blocked.items()))
        raise DataContractError(
            f"at most half of the series may be blocked, {len(blocked)} of {len(states)} are, e.g. {key}: "
            f"{state.reason}; `signals doctor` lists them. Past days: `signals backfill`"
        )
