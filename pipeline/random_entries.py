"""Entries on every bar, both ways: what a monkey with the same stops, costs and horizons would have earned.

Strategies are measured against it, since a rising market pays whoever buys. It depends on candles and settings alone,
so that live signals and every replay share it; a day is computed once its bars are over, and again while they are not.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline import progress
from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.signal import SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.outcomes.following import ambiguous_bars, follow
from pipeline.outcomes.paths import Advice, Market
from pipeline.outcomes.rules import EXPIRY, OutcomeRules, horizon_name
from pipeline.pricing import TARGET_MULTIPLES, expiry_bars, stop_distances
from pipeline.settings import Settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import CANDLE_COLUMNS, Series, SeriesGroup, read_block
from pipeline.storage.random_entries import OpenDay, open_days, store_random_entries
from pipeline.storage.shorter import read_shorter
from pipeline.storage.spans import groups_of_series
from pipeline.true_ranges import true_ranges

DAY = timedelta(days=1)
MOST_A_DAY = 96  # entries per series, day and side: one each quarter of an hour says enough of a day
PATHS_AT_ONCE = 200_000
COUNTED = ["series_id", "day_at", "signal_type", "horizon"]


def rules_name(rules: OutcomeRules, multiple: float) -> str:
    """The rules in a word: those of outcomes, and how far away the stop is."""
    return f"{rules.name} stop={multiple:g}atr"


def refresh_random_entries(
    database: Database,
    settings: Settings,
    multiple: float,
    series: Sequence[Series],
    start: datetime,
    end: datetime,
    as_of: datetime,
) -> int:
    """Compute the days from ``start`` to ``end`` that are missing or were not over; returns the rows that changed.

    ``multiple`` is the `stop_atr_multiple` of the profile whose stops are used.
    """
    rules, written = settings.outcomes.rules, 0
    name = rules_name(rules, multiple)
    for group in groups_of_series(series):
        with database.begin() as conn:
            days = open_days(conn, group, name, _longest(settings, group.timeframe), (start, min(end, as_of)), as_of)
        parts = list(_parts(group, days))
        for done, (members, first, last) in enumerate(parts):
            progress.report("random_entries", done, len(parts))
            rows = _entered(database, settings, members, multiple, first, last, as_of)
            newest = {day.series_id: min(day.newest_close, as_of) for day in days}
            told = rows.assign(rules=name, computed_to=pd.DatetimeIndex(rows["series_id"].map(newest)))
            with database.begin() as conn:
                written += store_random_entries(conn, told)
        if parts:
            progress.report("random_entries", len(parts), len(parts))
    return written


def _longest(settings: Settings, timeframe: Timeframe) -> int:
    return max(settings.outcomes.rules.longest, expiry_bars(timeframe, settings.expiry.bars))


def _parts(group: SeriesGroup, days: Sequence[OpenDay]) -> Iterator[tuple[SeriesGroup, datetime, datetime]]:
    """The series that lack a day, by days that lie together: the first midnight, and the one after the last day."""
    lacking: defaultdict[datetime, set[int]] = defaultdict(set)
    for day in days:
        lacking[day.day_at].add(day.series_id)
    per_day = 2 * min(MOST_A_DAY, max(1, DAY // group.timeframe.duration))
    ordered = sorted(lacking)
    begin = 0
    for place, day_at in enumerate(ordered):
        numbers = lacking[ordered[begin]]
        next_day = ordered[place + 1] if place + 1 < len(ordered) else None
        is_full = (place + 1 - begin) * per_day * len(numbers) >= PATHS_AT_ONCE
        if next_day != day_at + DAY or lacking[next_day] != numbers or is_full:
            members = tuple(each for each in group.series if each.series_id in numbers)
            yield SeriesGroup(group.exchange, group.timeframe, members), ordered[begin], day_at + DAY
            begin = place + 1


def _entered(
    database: Database,
    settings: Settings,
    group: SeriesGroup,
    multiple: float,
    first: datetime,
    last: datetime,
    as_of: datetime,
) -> pd.DataFrame:
    """Counts and means of the entries on closes with ``first <= close < last``, by `COUNTED`."""
    rules, timeframe = settings.outcomes.rules, group.timeframe
    life, longest = expiry_bars(timeframe, settings.expiry.bars), _longest(settings, timeframe)
    first_open = timeframe.ceil(first) - timeframe.duration
    newest = timeframe.floor(as_of) - timeframe.duration
    last_open = max(first_open, min(timeframe.ceil(last) - timeframe.duration, newest))
    candles = read_block(
        database,
        tables.candles,
        CANDLE_COLUMNS,
        group,
        first_open,
        max(first_open, min(last_open + longest * timeframe.duration, newest)),
    )
    ranges = true_ranges(database, group, first_open, last_open)
    closes = pd.DatetimeIndex(ranges.index) + timeframe.duration
    step = max(1, (DAY // timeframe.duration) // MOST_A_DAY)
    begin, end = pd.Timestamp(first), pd.Timestamp(last)
    asked = (np.arange(len(closes)) % step == 0) & (closes >= begin) & (closes < end)
    is_traded = (candles["is_filled"].reindex(ranges.index) == 0.0).to_numpy() & asked[:, np.newaxis]
    bars, places = np.nonzero(is_traded)
    close = candles["close"].to_numpy()[bars, places]
    risk = stop_distances(close, ranges.to_numpy()[bars, places], multiple)
    both = np.repeat([1, -1], len(bars))
    entry, distance = np.tile(close, 2), both * np.tile(risk, 2)
    advice = Advice(
        place=np.tile(places, 2).astype(np.int64),
        close_at=np.tile(closes.tz_localize(None).to_numpy(dtype=f"datetime64[{TIME_UNIT}]")[bars], 2),
        side=both,
        entry=entry,
        stop=entry - distance,
        targets=entry[:, np.newaxis] + distance[:, np.newaxis] * np.array(list(TARGET_MULTIPLES.values())),
    )
    horizons = {EXPIRY: life} | {horizon_name(count): count for count in rules.study_bars}
    market = Market.of(candles, timeframe, longest)
    asked_places, asked_rows = ambiguous_bars(market, advice, np.full(len(advice), longest), rules)
    found = follow(
        market,
        advice,
        {name: np.full(len(advice), count) for name, count in horizons.items()},
        rules,
        delisted_at=np.full(len(group.ids), np.datetime64("NaT"), dtype=f"datetime64[{TIME_UNIT}]"),
        shorter=read_shorter(database, group, asked_places, asked_rows, market.open_at(asked_rows)),
    )
    found = found[found["net_return"].notna()]
    path = found["path"].to_numpy()
    day_at = pd.DatetimeIndex(advice.close_at[path]).tz_localize("UTC").floor("D").as_unit(TIME_UNIT)
    rows = pd.DataFrame(
        {
            "series_id": np.array(group.ids, dtype=np.int32)[advice.place[path]],
            "day_at": day_at,
            "signal_type": np.where(both[path] > 0, SignalType.BUY.value, SignalType.SELL.value),
            "horizon": found["horizon"].to_numpy(),
            "net_return": found["net_return"].to_numpy(),
            "long_return": found["long_return"].to_numpy(),
            "is_win": found["net_return"].to_numpy() > 0.0,
        }
    )
    return (
        rows.groupby(COUNTED, sort=True)
        .agg(
            n_entries=("is_win", "size"),
            n_wins=("is_win", "sum"),
            net_return=("net_return", "mean"),
            long_return=("long_return", "mean"),
        )
        .reset_index()
        .astype({"n_entries": np.int32, "n_wins": np.int32})
    )
