"""Judging: outcomes of stored advice, from candles that have come since; what an asset and a report share.

The arithmetic is `pipeline.outcomes`; here advice and candles are read, in parts that fit a small machine's memory, and
what comes out is stored.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline import progress
from pipeline.contracts.blocks import TIME_UNIT
from pipeline.contracts.outcomes import Outcomes
from pipeline.contracts.validation import hold_to
from pipeline.domain.signal import Origin, SignalType
from pipeline.domain.timeframe import RESOLUTION
from pipeline.outcomes.following import ambiguous_bars, follow
from pipeline.outcomes.paths import Advice, Instants, Market, naive
from pipeline.outcomes.rules import EXPIRY, OutcomeRules, horizon_name
from pipeline.pricing import TARGET_MULTIPLES, stop_distances
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import CANDLE_COLUMNS, SeriesGroup, read_block
from pipeline.storage.outcomes import (
    ABOUT_DROPPED,
    ABOUT_SIGNAL,
    WaitingSeries,
    Wanted,
    forget_dropped,
    mark_judged,
    read_dropped,
    read_signals,
    series_with_advice,
    store_outcomes,
    waiting_series,
)
from pipeline.storage.shorter import read_shorter
from pipeline.storage.spans import groups_of_series
from pipeline.true_ranges import true_ranges

MAX_BARS = 400_000  # of all series, in memory at once
DAWN = datetime.fromisoformat("2000-01-01T00:00:00+00:00")  # before any candle
TARGETS = tuple(TARGET_MULTIPLES)


@dataclass(slots=True)
class Judged:
    """What judging did."""

    signals: int = 0  # that were looked at
    dropped: int = 0  # bars and sides without any signal, likewise
    written: int = 0  # rows stored or changed
    waiting: int = 0  # outcomes that wait for candles
    exits: Counter[str] = field(default_factory=Counter)  # how positions ended at the signals' expiry


@dataclass(frozen=True, slots=True)
class _Group:
    """Series of one exchange and timeframe, and what of their advice is asked for."""

    series: SeriesGroup
    members: Sequence[WaitingSeries]
    rules: OutcomeRules
    wanted: Wanted
    as_of: datetime

    @property
    def delisted_at(self) -> Instants:
        """When each series was found delisted, NaT where it is traded as of now."""
        noticed = {m.series.series_id: m.delisted_at for m in self.members}
        return np.array(
            [
                naive(at) if (at := noticed[number]) is not None and at <= self.as_of else np.datetime64("NaT")
                for number in self.series.ids
            ],
            dtype=f"datetime64[{TIME_UNIT}]",
        )


def judge_live(database: Database, rules: OutcomeRules, scope: str, as_of: datetime) -> Judged:
    """Outcomes of live advice that candles up to ``as_of`` tell of; what is stored already is final."""
    judged = Judged()
    with database.begin() as conn:
        waiting = waiting_series(conn)
    for series, members in _by_group(waiting):
        after = min((each.done_to or DAWN for each in members), default=DAWN)
        group = _Group(series, members, rules, _wanted(series, Origin.LIVE, scope, after, as_of, rules), as_of)
        still = _judge(database, group, judged)
        marks = []
        for each in members:
            newest = min(each.newest, as_of)
            # Signals come after their candles, and those of the newest close wait for the next bar in any case.
            made_to = min(newest, each.made_to or newest) - RESOLUTION
            marks.append((each.series.series_id, min(still.get(each.series.series_id, made_to), made_to), newest))
        with database.begin() as conn:
            mark_judged(conn, marks)
    return judged


def judge_replayed(
    database: Database,
    rules: OutcomeRules,
    scope: str,
    after: datetime,
    until: datetime,
    as_of: datetime,
    *,
    is_all: bool = False,
) -> Judged:
    """Outcomes of a replay's advice on closes with ``after < close <= until``: what is missing, or all of them anew."""
    judged = Judged()
    with database.begin() as conn:
        forget_dropped(conn, Origin.REPLAY, scope, after, until)
        members = series_with_advice(conn, Origin.REPLAY, scope, after, until)
    for series, of_group in _by_group(members):
        wanted = _wanted(series, Origin.REPLAY, scope, after, until, rules, is_all=is_all)
        _judge(database, _Group(series, of_group, rules, wanted, as_of), judged)
    return judged


def _by_group(members: Sequence[WaitingSeries]) -> Iterator[tuple[SeriesGroup, list[WaitingSeries]]]:
    for group in groups_of_series(member.series for member in members):
        ids = set(group.ids)
        yield group, [member for member in members if member.series.series_id in ids]


def _wanted(
    group: SeriesGroup,
    origin: Origin,
    scope: str,
    after: datetime,
    until: datetime,
    rules: OutcomeRules,
    *,
    is_all: bool = False,
) -> Wanted:
    return Wanted(
        origin=origin,
        scope=scope,
        series_ids=group.ids,
        after=after,
        until=until,
        horizons=(EXPIRY, *(horizon_name(bars) for bars in rules.study_bars)),
        rules=rules.name,
        is_all=is_all,
    )


def _judge(database: Database, group: _Group, judged: Judged) -> dict[int, datetime]:
    """Judge a group's advice and store what comes out; per series the instant before the first advice that waits."""
    signals, dropped = read_signals(database, group.wanted), read_dropped(database, group.wanted)
    judged.signals += len(signals)
    judged.dropped += len(dropped)
    waiting: dict[int, datetime] = {}
    kinds = (
        (tables.signal_outcomes, ABOUT_SIGNAL, signals),
        (tables.dropped_outcomes, ABOUT_DROPPED, dropped),
    )
    parts = [(*kind, part) for kind in kinds for part in _parts(kind[2], group)]
    for done, (table, about, _, part) in enumerate(parts):
        progress.report("signal_outcomes", done, len(parts))
        priced = part if table is tables.signal_outcomes else _priced(database, group.series, part)
        outcomes = _outcomes(database, group, priced)
        rows = pd.concat(
            [part[list(about)].take(outcomes["path"].to_numpy()).reset_index(drop=True), outcomes.drop(columns="path")],
            axis=1,
        ).assign(rules=group.rules.name)
        hold_to(Outcomes, rows)
        with database.begin() as conn:
            judged.written += store_outcomes(conn, table, rows, group.wanted.origin)
        judged.waiting += len(part) * len(group.wanted.horizons) - len(rows)
        if table is tables.signal_outcomes:
            judged.exits.update(rows.loc[rows["horizon"] == EXPIRY, "exit_reason"].tolist())
        done_of = outcomes.groupby("path").size().reindex(range(len(part)), fill_value=0).to_numpy()
        still = part[done_of < len(group.wanted.horizons)].groupby("series_id")["candle_close_at"].min()
        for number, close_at in still.items():
            before = close_at.to_pydatetime() - RESOLUTION
            waiting[number] = min(waiting.get(number, before), before)
    if parts:
        progress.report("signal_outcomes", len(parts), len(parts))
    return waiting


def _parts(advice: pd.DataFrame, group: _Group) -> Iterator[pd.DataFrame]:
    """Advice in pieces whose candles fit the memory; oldest first."""
    if advice.empty:
        return
    closes = pd.DatetimeIndex(advice["candle_close_at"])
    span = max(MAX_BARS // len(group.series.ids), 4 * group.rules.longest) * group.series.timeframe.duration
    first = 0
    while first < len(closes):
        end = int(closes.searchsorted(closes[first] + span))
        yield advice.iloc[first:end].reset_index(drop=True)
        first = end


def _priced(database: Database, series: SeriesGroup, dropped: pd.DataFrame) -> pd.DataFrame:
    """Dropped advice with the prices that its signal would have had."""
    opens = pd.DatetimeIndex(dropped["candle_close_at"]) - series.timeframe.duration
    ranges = true_ranges(database, series, opens[0].to_pydatetime(), opens[-1].to_pydatetime())
    places = pd.Index(series.ids).get_indexer(pd.Index(dropped["series_id"]))
    close = dropped["close"].to_numpy(dtype=np.float64)
    distance = stop_distances(
        close,
        ranges.to_numpy()[pd.DatetimeIndex(ranges.index).get_indexer(opens), places],
        dropped["stop_atr_multiple"].to_numpy(dtype=np.float64),
    )
    side = _sides(dropped)
    targets = {name: close + side * multiple * distance for name, multiple in TARGET_MULTIPLES.items()}
    return dropped.assign(entry_price=close, stop_loss_price=close - side * distance, **targets)


def _sides(advice: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.where(advice["signal_type"].to_numpy() == SignalType.BUY.value, 1, -1)


def _outcomes(database: Database, group: _Group, part: pd.DataFrame) -> pd.DataFrame:
    """The outcomes of some advice as far as candles tell of them; ``path`` is the advice's row."""
    timeframe = group.series.timeframe
    closes, ends = (pd.DatetimeIndex(part[name]) for name in ("candle_close_at", "expires_at"))
    advice = Advice(
        place=pd.Index(group.series.ids).get_indexer(pd.Index(part["series_id"])).astype(np.int64),
        close_at=closes.tz_localize(None).to_numpy(dtype=f"datetime64[{TIME_UNIT}]"),
        side=_sides(part),
        entry=part["entry_price"].to_numpy(dtype=np.float64),
        stop=part["stop_loss_price"].to_numpy(dtype=np.float64),
        targets=part[list(TARGETS)].to_numpy(dtype=np.float64),
    )
    life = ((ends - closes) // timeframe.duration).to_numpy(dtype=np.int64)
    horizons = {EXPIRY: life} | {horizon_name(bars): np.full(len(part), bars) for bars in group.rules.study_bars}
    longest = np.max(np.stack(list(horizons.values())), axis=0)
    first = closes[0].to_pydatetime()
    last = closes[-1].to_pydatetime() + int(longest.max()) * timeframe.duration
    newest = timeframe.floor(group.as_of) - timeframe.duration
    candles = read_block(database, tables.candles, CANDLE_COLUMNS, group.series, first, max(first, min(last, newest)))
    if newest < first:  # the bar that opens as of now; what is stored of it is not known yet
        candles = {name: frame * np.nan for name, frame in candles.items()}
    market = Market.of(candles, timeframe, int(longest.max()))
    asked, rows = ambiguous_bars(market, advice, longest, group.rules)
    shorter = read_shorter(database, group.series, asked, rows, market.open_at(rows))
    return follow(market, advice, horizons, group.rules, delisted_at=group.delisted_at, shorter=shorter)
