"""Reports: the performance of a window, from what is stored; what the assets, the command and a page share."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from pipeline.calibrating import calibrate_live, calibrate_replayed
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.timeframe import RESOLUTION
from pipeline.judging import judge_live, judge_replayed
from pipeline.outcomes.rules import EXPIRY, horizon_name
from pipeline.performance.executed import n_advised, spec_performance
from pipeline.performance.report import Performance, Window, performance
from pipeline.random_entries import refresh_random_entries, rules_name
from pipeline.settings import Settings
from pipeline.storage.accounts import HOUSE, one_profile, read_profile
from pipeline.storage.database import Database
from pipeline.storage.outcomes import advised_closes, series_with_advice
from pipeline.storage.performance import executed_counts, newest_report, read_outcomes
from pipeline.storage.random_entries import read_random_means

WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


def window_of(
    label: str,
    as_of: datetime,
    *,
    exchange: str | None,
    origin: Origin = Origin.LIVE,
    scope: str = DEFAULT_SCOPE,
    profile: str | None = None,
) -> Window:
    """One of `WINDOWS`, up to ``as_of`` and as it was known then, of the signals' own life; of `one_profile`."""
    begin, whose = as_of - WINDOWS[label], one_profile(scope, profile)
    return Window(begin, as_of, origin.value, scope, EXPIRY, label, exchange, as_of, whose)


def refresh(database: Database, settings: Settings, window: Window, as_of: datetime) -> None:
    """Bring up to date what a report is made from: outcomes, calibrated confidence, entries at random."""
    origin, rules = Origin(window.origin), settings.outcomes.rules
    with database.begin() as conn:
        closes = _advised(conn, window)
    if origin is Origin.LIVE:
        judge_live(database, rules, window.scope, as_of)
        calibrate_live(database, settings.calibration.rules, window.scope, as_of)
    if closes is None:
        return
    first, last = closes
    after = first - RESOLUTION
    if origin is Origin.REPLAY:
        # What was known before the window's first close is a part of what its signals are given.
        judge_replayed(database, rules, window.scope, after - settings.calibration.rules.window, last, as_of)
        calibrate_replayed(database, settings.calibration.rules, window.scope, after, last)
    with database.begin() as conn:
        advised = series_with_advice(conn, origin, window.scope, after, last)
        multiple = _stop_atr_multiple(conn, settings, window)
    refresh_random_entries(database, settings, multiple, [each.series for each in advised], first, last, as_of)


def _stop_atr_multiple(conn: sa.Connection, settings: Settings, window: Window) -> float:
    """How far away entries at random have their stops: as far as those of the window's profile."""
    return read_profile(conn, settings.risk, window.profile or HOUSE).stop_atr_multiple


def _advised(conn: sa.Connection, window: Window) -> tuple[datetime, datetime] | None:
    """The window's first and last close with advice: days before and after it are no chance that anybody missed."""
    return advised_closes(conn, Origin(window.origin), window.scope, window.start - RESOLUTION, window.end)


def current_performance(
    conn: sa.Connection,
    label: str,
    as_of: datetime,
    exchanges: Sequence[str],
    profile: str = HOUSE,
    seen_by: UUID | None = None,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """What was executed in one of `WINDOWS`, counted now, and the newest stored figures of what all advice brought.

    Parameters
    ----------
    exchanges
        Whose live signals count, all of them together.
    profile
        Whose signals count as executed; the stored figures are the house's.
    seen_by
        The user whose eyes are meant: what they may not see does not count as executed. None may see everything.

    Returns
    -------
    dict, dict or None
        As `spec_performance` has it; a row of `signal_performance` without its tables of figures. None where no report
        is stored, or where there is more than one exchange: each has reports of its own.
    """
    windows = [window_of(label, as_of, exchange=exchange, profile=profile) for exchange in exchanges]
    executed = spec_performance(
        [count for window in windows for count in executed_counts(conn, window, seen_by)], label
    )
    stored = newest_report(conn, windows[0]) if len(windows) == 1 else None
    return executed, None if stored is None else dict(stored)


def horizons(settings: Settings) -> tuple[str, ...]:
    """The horizons that outcomes are computed for; the signals' own life first."""
    return (EXPIRY, *(horizon_name(bars) for bars in settings.outcomes.study_bars))


def report(database: Database, settings: Settings, window: Window) -> Performance:
    """How the signals of a window did, from the outcomes that are stored.

    Raises
    ------
    DataContractError
        The horizon is none of those that outcomes are computed for.
    ConfigurationError
        There is no such profile.
    """
    study = {horizon_name(bars): bars for bars in settings.outcomes.study_bars}
    if window.horizon not in (known := horizons(settings)):
        raise DataContractError(f"horizon must be one of {', '.join(known)}, was {window.horizon}")
    bars = study.get(window.horizon, settings.expiry.bars)
    with database.begin() as conn:
        counts = executed_counts(conn, window)
        multiple = _stop_atr_multiple(conn, settings, window)
        first, last = _advised(conn, window) or (window.start, window.start)
    means = read_random_means(database, rules_name(settings.outcomes.rules, multiple), window.horizon, first, last)
    keys = zip(means["series_id"].tolist(), means["is_buy"].tolist(), strict=True)
    random_of = dict(zip(keys, means["net_return"].tolist(), strict=True))
    outcomes = read_outcomes(database, window, bars, random_of)
    dropped = read_outcomes(database, window, bars, random_of, dropped=True)
    executed = spec_performance(counts, window.label)
    return performance(window, outcomes, dropped, executed, n_advised(counts) - len(outcomes))
