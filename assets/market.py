"""Candles: fetched or imported, cleaned, stored, and judged as of the run."""

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime

import dagster as dg
import pandas as pd

from assets.partitions import daily, single_run
from assets.reporting import (
    FRESHNESS,
    clock_check,
    contract_check,
    contract_kept,
    copies_check,
    state_checks,
    state_table,
    stored_as,
)
from assets.retries import retried
from pipeline import progress
from pipeline.domain.errors import ConfigurationError, DataContractError, SourceUnavailableError
from pipeline.domain.signal import Origin
from pipeline.domain.universe import SeriesKey
from pipeline.indicators.catalogue import WARM_UP_BARS
from pipeline.market.health import HealthStatus, SeriesState, skewed_state
from pipeline.settings import Settings
from pipeline.stages import signal_history_from
from pipeline.storage.candles import StoredCandles, ensure_series, record_health
from pipeline.storage.database import Database
from pipeline.storage.health import SeriesExtent, series_extents, series_states
from pipeline.storage.history import Series
from pipeline.storage.intake import Intake, import_candles
from pipeline.storage.listing import note_ended, note_search, searched_from
from pipeline.storage.universe import exchange_of, wanted_series
from resources.clock import ClockResource
from resources.market import Fetched, SeriesWindow
from resources.sources import market_source

CHECKED_BARS = 2  # stored bars that are fetched again: an exchange corrects its newest ones, if any
MAX_BLOCKED_SHARE = 0.5  # of the series that were asked for; more, and it is not a symbol that is broken
UNREACHED = ("unavailable(", "deadline(")  # how the reasons begin of what may come with the next run


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
        dg.AssetCheckSpec("copies", asset="candles", description="No candle came in copies that differ"),
        dg.AssetCheckSpec("clock", asset="candles", description="Our clock agrees with the exchange's"),
        dg.AssetCheckSpec("gaps", asset="candles", description="Few bars are filled, and no price jump is open"),
    ],
)
@retried
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
        extents = series_extents(conn, series)
        searched = searched_from(conn, ids.values())
    is_live = clock.origin(context) is Origin.LIVE
    is_asked = settings.market.source != "live" or clock.may_fetch(context)
    windows = [
        window
        for key in (keys if is_asked else ())
        # A live run is about the newest closes: those before them were processed, or never will be.
        for window in missing_windows(
            key, extents[key], searched.get(ids[key]), until - key.timeframe.duration if is_live else after, until
        )
    ]
    closed_by = max((window.end for window in windows), default=until)  # windows before what is stored may end later
    intake, failures, ended = Intake(stored=StoredCandles(0, 0, 0, 0)), dict[SeriesKey, str](), dict[SeriesKey, str]()
    last = Fetched(pd.DataFrame())
    source = market_source(settings, exchange)
    for last in source.portions(windows, lambda done, total: progress.report("candles", done, total)):
        intake += import_candles(database, last.frame, closed_by, settings.context.beside)
        failures |= last.failures
        ended |= last.ended
    gone = {key.symbol: why for key, why in ended.items()}  # from all its timeframes, whichever were asked for
    ended |= {key: gone[key.symbol] for key in keys if key.symbol in gone}
    lacking = failures | ended
    asked = {window.series for window in windows}
    never_stored = {key for key, extent in extents.items() if extent.first_open is None}
    with database.begin() as conn:
        # Of two windows of a series the older one comes first, and says how far back it was asked for.
        note_search(conn, {ids[w.series]: w.start for w in reversed(windows) if w.series not in lacking})
        if is_asked:
            note_ended(conn, ids, ended)
        expected = keys if is_live else ()
        states = {key: SeriesState(HealthStatus.BLOCKED, "no_candles") for key in expected}
        states |= series_states(conn, series, until, WARM_UP_BARS)
        extents = series_extents(conn, [each for each in series if each.key in failures])
        states |= {key: failed_state(key, extents[key], until, why) for key, why in failures.items()}
        if last.clock_skew is not None:
            states |= {key: why for key in keys if (why := skewed_state(key.timeframe, last.clock_skew)) is not None}
        states |= {key: SeriesState(HealthStatus.BLOCKED, f"delisted({why})") for key, why in ended.items()}
        record_health(conn, "candles", states, ids, until)
    counts = Counter(state.status.value for state in states.values())
    context.log.info(
        "candles series=%d asked=%d requests=%d written=%d filled=%d refused=%s states=%s",
        *(len(states), len(windows), last.requests, intake.stored.written, intake.stored.filled),
        *(dict(intake.refused), dict(counts)),
    )
    _stop_if_nothing_came(exchange, asked, failures, ended, never_stored)
    _stop_if_most_are_blocked(
        {key: state for key, state in states.items() if key not in ended and (key in asked or not asked)}
    )
    return dg.MaterializeResult(
        metadata={
            "rows_written": intake.stored.written,
            "rows_filled": intake.stored.filled,
            "rows_revised": intake.stored.revised,
            "rows_refused": sum(intake.refused.values()),
            "bars_merged": intake.merged,
            "series": len(states),
            "series_blocked": counts[HealthStatus.BLOCKED.value],
            "requests": last.requests,
            "used_weight": last.used_weight or 0,
            "not_ok": state_table(states),
        },
        check_results=[
            contract_kept("candles", intake.stored.written),
            *state_checks(states),
            copies_check(intake.merged),
            clock_check(last.clock_skew),
        ],
    )


def failed_state(key: SeriesKey, extent: SeriesExtent, until: datetime, why: str) -> SeriesState:
    """A series that could not be had: blocked without its newest candle, a caveat where only older ones lack."""
    newest_open = key.timeframe.floor(until) - key.timeframe.duration
    is_current = extent.last_open is not None and extent.last_open >= newest_open
    return SeriesState(HealthStatus.PARTIAL if is_current else HealthStatus.BLOCKED, why)


def missing_windows(
    key: SeriesKey, extent: SeriesExtent, searched: datetime | None, after: datetime, until: datetime
) -> list[SeriesWindow]:
    """What is not stored of the bars that the closes after ``after`` and their warm-up need.

    Older bars than those that are stored come newest first; they are not asked for again once the source has said
    that it has no more. With a new close the last bars are asked for once more, to notice revisions.
    """
    timeframe = key.timeframe
    begin = signal_history_from(timeframe, timeframe.floor(after))
    if extent.first_open is None or extent.last_open is None:
        return [SeriesWindow(key, begin, until)]
    windows = []
    if begin < extent.first_open and (searched is None or begin < searched):
        windows.append(SeriesWindow(key, begin, extent.first_open, is_backward=True))
    next_open = extent.last_open + timeframe.duration
    if next_open + timeframe.duration <= until:
        windows.append(SeriesWindow(key, next_open - CHECKED_BARS * timeframe.duration, until))
    return windows


def _stop_if_nothing_came(
    exchange: str,
    asked: Collection[SeriesKey],
    failures: Mapping[SeriesKey, str],
    ended: Collection[SeriesKey],
    never_stored: Collection[SeriesKey],
) -> None:
    """Fail where it is not a symbol that is broken but the exchange, or the choice of symbols.

    Symbols that were traded and have all ended are neither: the run goes on and invalidates their signals.
    """
    if all(key in ended for key in asked):
        if not asked or not all(key in never_stored for key in asked):
            return
        raise ConfigurationError(
            f"market.symbols must be some that {exchange} trades, it trades none of "
            f"{', '.join(sorted({key.symbol for key in asked}))}; `signals symbols --exchange {exchange}` lists them"
        )
    if all(key in ended or failures.get(key, "").startswith(UNREACHED) for key in asked):
        key = next(key for key in asked if key in failures)
        raise SourceUnavailableError(
            f"{exchange} gave no candle of the {len(asked)} series that it was asked for, e.g. {key}: {failures[key]}; "
            "`signals doctor` asks it once more"
        )


def _stop_if_most_are_blocked(states: dict[SeriesKey, SeriesState]) -> None:
    blocked = {key: state for key, state in states.items() if state.status is HealthStatus.BLOCKED}
    if states and len(blocked) > MAX_BLOCKED_SHARE * len(states):
        key, state = next(iter(blocked.items()))
        raise DataContractError(
            f"at most half of the series may be blocked, {len(blocked)} of {len(states)} are, e.g. {key}: "
            f"{state.reason}; `signals doctor` lists them. Past days: `signals backfill`"
        )
