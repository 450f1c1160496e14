"""Exposure: how much of a portfolio the advice given so far would tie up, and what that leaves room for.

Add here what depends on earlier decisions or open positions. It is the one loop over time: whether a group is
kept depends on which groups before it were.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from math import isfinite

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import check_aware, check_fraction
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey, base_of
from pipeline.risk.profile import RiskProfile

POSITION_SIZE = 0.05  # fraction of the portfolio that a BUY of confidence 1 is taken to tie up
TOLERANCE = 1e-12  # four weights of 0.05 fill a limit of 0.2 and do not exceed it by their rounding

_ALWAYS = datetime.min.replace(tzinfo=UTC)
_UNIT = 1 << 80  # weights are summed as integers: the sum then does not depend on what came and went before


def weight(confidence: float, position_size: float = POSITION_SIZE) -> float:
    """Fraction of the portfolio that a BUY group ties up; ``confidence`` is the highest among its signals."""
    check_fraction("confidence", confidence, "exposure")
    check_fraction("position_size", position_size, "exposure")
    return position_size * confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureGroup:
    """The BUY signals of one series and close: one trade, however many strategies advise it."""

    series: SeriesKey
    close_at: datetime
    weight: float  # fraction of the portfolio, as `weight` gives it
    rank_score: float
    expires_at: datetime

    def __post_init__(self) -> None:
        check_fraction("weight", self.weight, str(self.series))
        check_aware("close_at", self.close_at)
        if not self.expires_at > self.close_at:
            raise DataContractError(
                f"expires_at must be after close_at {self.close_at.isoformat()},"
                f" was {self.expires_at.isoformat()} ({self.series})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A group kept earlier: advice that may have been followed while it was valid."""

    symbol: str
    timeframe: Timeframe
    close_at: datetime
    weight: float
    expires_at: datetime
    ended_at: datetime | None = None  # executed, invalidated or withdrawn before its time

    def __post_init__(self) -> None:
        check_fraction("weight", self.weight, f"pending {self.symbol} {self.timeframe}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A holding that somebody told us about; valid in [valid_from, valid_to), without an end if ``None``."""

    symbol: str
    weight: float  # fraction of the portfolio; above 1 is leverage
    valid_from: datetime
    valid_to: datetime | None = None

    def __post_init__(self) -> None:
        if not (self.weight >= 0.0 and isfinite(self.weight)):
            raise DataContractError(
                f"weight must be a fraction of the portfolio, 0 or more, was {self.weight} ({self.symbol})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a group is kept, why not, and what was tied up before it."""

    group: ExposureGroup
    is_kept: bool
    reasons: tuple[str, ...]  # asset_exposure, total_exposure; empty if kept
    asset_exposure: float  # fraction, in the group's base currency
    total_exposure: float  # fraction, in all of them


def fold(
    groups: Iterable[ExposureGroup],
    profile: RiskProfile,
    pending: Iterable[Pending] = (),
    positions: Iterable[Position] = (),
    *,
    as_of: datetime | None = None,
) -> list[Verdict]:
    """Go through the closes in order and keep each group that fits into what is left, whole or not at all.

    Tied up at a close are the positions valid then, the groups of earlier closes that are still pending
    (``close_at < close < expires_at``, and not ended by then) and the groups kept before at the same close.
    Only BUY groups are weighed: a SELL frees capital and an ALERT moves none. An asset is a base currency, so
    that BTC/USDT and BTC/EUR at any timeframe share one limit.

    Parameters
    ----------
    groups : ExposureGroup
        In any order; closes are taken oldest first, within a close the longer timeframe first (it moves
        more), then the higher rank, then by symbol and exchange.
    pending : Pending
        What was kept before, of the same origin, scope and profile. One that closed *at* a close folded here
        does not count there: it is that close's own earlier result, and judging a close again must not meet
        itself.
    positions : Position
        Holdings; none in replays.
    as_of
        When advice is asked for after its bar has closed: positions count as they are then, whatever the close, and
        pending groups only if they have not ended by then. None is as of each close.

    Returns
    -------
    list of Verdict
        In the order judged. Folding a range in two, the first part's kept groups pending for the second,
        gives the verdicts of folding it at once.
    """
    if as_of is not None:
        pending, positions = _tied_up_at(as_of, pending, positions)
    ledger = _Ledger(pending, positions)
    asset_limit = _units(profile.max_asset_exposure + TOLERANCE)
    total_limit = _units(profile.max_total_exposure + TOLERANCE)
    verdicts = []
    for close_at, at_close in _by_close(groups):
        ledger.move_to(close_at)
        for group in at_close:
            asset, amount = base_of(group.series.symbol), _units(group.weight)
            in_asset, in_total = ledger.by_asset[asset], ledger.total
            reasons = []
            if in_asset + amount > asset_limit:
                reasons.append("asset_exposure")
            if in_total + amount > total_limit:
                reasons.append("total_exposure")
            if not reasons:
                ledger.add(asset, amount, group.expires_at)
            verdicts.append(
                Verdict(
                    group=group,
                    is_kept=not reasons,
                    reasons=tuple(reasons),
                    asset_exposure=in_asset / _UNIT,
                    total_exposure=in_total / _UNIT,
                )
            )
    return verdicts


def _tied_up_at(
    instant: datetime, pending: Iterable[Pending], positions: Iterable[Position]
) -> tuple[list[Pending], list[Position]]:
    """The groups that have not ended by an instant, and its positions, held at every close."""
    standing = [p for p in pending if instant < min(p.expires_at, p.ended_at or p.expires_at)]
    held = [
        replace(p, valid_from=_ALWAYS, valid_to=None)
        for p in positions
        if p.valid_from <= instant and (p.valid_to is None or instant < p.valid_to)
    ]
    return standing, held


def _by_close(groups: Iterable[ExposureGroup]) -> Iterator[tuple[datetime, Iterator[ExposureGroup]]]:
    def order(group: ExposureGroup) -> tuple[datetime, int, float, str, str]:
        exchange, symbol, timeframe = group.series
        return group.close_at, -timeframe.seconds, -group.rank_score, symbol, exchange

    return groupby(sorted(groups, key=order), key=lambda group: group.close_at)


def _units(fraction: float) -> int:
    return int(fraction * _UNIT)


class _Ledger:
    """What is tied up at one instant, moved forward through time; every entry comes and goes once."""

    def __init__(self, pending: Iterable[Pending], positions: Iterable[Position]) -> None:
        self.by_asset: defaultdict[str, int] = defaultdict(int)
        self.total = 0
        self._ends: list[tuple[datetime, str, int]] = []
        # Newest first, to pop from. The flag makes an entry count only after its instant, not at it.
        self._starts: list[tuple[datetime, bool, str, int, datetime | None]] = [
            (
                p.close_at,
                True,
                base_of(p.symbol),
                _units(p.weight),
                min(p.expires_at, p.ended_at or p.expires_at),
            )
            for p in pending
        ]
        self._starts += [(p.valid_from, False, base_of(p.symbol), _units(p.weight), p.valid_to) for p in positions]
        self._starts.sort(key=lambda start: start[:2], reverse=True)

    def move_to(self, instant: datetime) -> None:
        """Let in what has started by ``instant`` and let out what has ended by then."""
        while self._starts and self._starts[-1][:2] <= (instant, False):
            _, _, asset, amount, until = self._starts.pop()
            self.add(asset, amount, until)
        while self._ends and self._ends[0][0] <= instant:
            _, asset, amount = heapq.heappop(self._ends)
            self.by_asset[asset] -= amount
            self.total -= amount

    def add(self, asset: str, amount: int, until: datetime | None) -> None:
        """Tie up ``amount`` from now on, ``until`` excluded."""
        self.by_asset[asset] += amount
        self.total += amount
        if until is not None:
            heapq.heappush(self._ends, (until, asset, amount))
