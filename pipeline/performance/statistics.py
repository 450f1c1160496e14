"""The figures of a group of outcomes: counts, rates, returns, and how they compare with chance and a plain purchase."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.performance.book import curves, drawdowns
from pipeline.performance.chance import block_length, p_values
from pipeline.performance.intervals import wilson
from pipeline.performance.ranking import Ascending, Codes, Floats, Grouped, Places, correlations, deviations, medians

AT_ONCE = 2  # sorts, or groupings, that are worked on: numpy lets other threads work meanwhile
COUNTS = ("signals", "entered", "wins", "losses", "breakeven")
FIGURES = (
    *("hit_rate", "hit_low", "hit_high", "mean_return", "median_return", "profit_factor", "expectancy_r"),
    *("information_coefficient", "max_drawdown", "total_return", "ladder_return", "long_return"),
    *("random_return", "excess_return", "excess_low", "excess_high", "p_value"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Outcomes at one horizon that were entered; arrays of shape (n,), returns as fractions, NaN where unknown."""

    side: Floats  # 1 BUY, -1 SELL
    confidence: Floats
    net_return: Floats
    r_multiple: Floats
    ladder_return: Floats
    long_return: Floats
    random_return: Floats  # mean net return of an entry at random into the same series and side; NaN if unknown
    bars: Floats  # of the horizon
    closes: npt.NDArray[np.datetime64]  # of the signals' bars, UTC
    start: datetime
    end: datetime
    horizon: timedelta  # the longest of them

    def __len__(self) -> int:
        return len(self.net_return)


@dataclass(frozen=True, slots=True)
class _Column:
    """One number of each outcome, for means: 0 where it is unknown."""

    values: Floats
    is_known: Floats | None  # 1.0 or 0.0; None where all are known

    @classmethod
    def of(cls, values: Floats) -> "_Column":
        is_unknown = np.isnan(values)
        if not is_unknown.any():
            return cls(values, None)
        return cls(np.where(is_unknown, 0.0, values), (~is_unknown).astype(np.float64))

    def means(self, codes: Places, n_groups: int, counts: npt.NDArray[np.int64]) -> Floats:
        """The mean of each group's known values; division by nothing gives NaN."""
        known = counts if self.is_known is None else np.bincount(codes, self.is_known, n_groups)
        found: Floats = np.bincount(codes, self.values, n_groups) / known
        return found


class Statistics:
    """Figures of any grouping of one sample; what does not depend on the grouping is computed once."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        values = sample.net_return, sample.long_return, sample.side * sample.confidence
        with ThreadPoolExecutor(AT_ONCE) as threads:
            self.by_return, self._by_move, self._by_conviction = threads.map(Ascending.of, values)
        times, closes = pd.factorize(sample.closes.astype("datetime64[us]"), sort=True)
        self.closes = np.asarray(closes, dtype="datetime64[us]")
        self._times: Places = times
        length = np.timedelta64(block_length(sample.start, sample.end, sample.horizon))
        begin = np.datetime64(sample.start.replace(tzinfo=None))
        excess = sample.net_return - sample.random_return
        is_known = ~np.isnan(excess)
        self._known: slice | npt.NDArray[np.bool_] = slice(None) if is_known.all() else is_known
        self._excess: Floats = excess[self._known]
        self._blocks: Places = ((self.closes - begin) // length).astype(np.intp)[self._times][self._known]
        self._is_win, self._is_loss = (
            which.astype(np.float64) for which in (sample.net_return > 0.0, sample.net_return < 0.0)
        )
        self._gains = np.maximum(sample.net_return, 0.0)
        self._pains = self._gains - sample.net_return
        self._columns = {
            "mean_return": _Column.of(sample.net_return),
            "expectancy_r": _Column.of(sample.r_multiple),
            "ladder_return": _Column.of(sample.ladder_return),
            "long_return": _Column.of(sample.long_return),
            "random_return": _Column.of(sample.random_return),
        }
        self._excess_return = _Column.of(excess)

    def of(
        self, codes: Codes, n_groups: int, n_signals: npt.NDArray[np.int64], *, is_known_ahead: bool = True
    ) -> pd.DataFrame:
        """The figures of each group, `COUNTS` and `FIGURES`; NaN where a figure has nothing to be made from.

        Parameters
        ----------
        codes : array of shape (n,)
            The group of each outcome.
        n_signals : array of shape (n_groups,)
            Signals of each group, with those that nothing was entered for.
        is_known_ahead
            Whether somebody knows the group on entering. If not it cannot be traded by: it has no book, and chance no
            part in it; these figures are NaN.
        """
        groups = codes.astype(np.intp)
        entered = np.bincount(groups, minlength=n_groups)
        wins, losses = (
            np.bincount(groups, which, n_groups).astype(np.int64) for which in (self._is_win, self._is_loss)
        )
        gains, pains = (np.bincount(groups, part, n_groups) for part in (self._gains, self._pains))
        low, high = wilson(wins.astype(np.float64), entered.astype(np.float64))
        with np.errstate(invalid="ignore", divide="ignore"):
            figures = {
                "hit_rate": wins / entered,
                "hit_low": low,
                "hit_high": high,
                "median_return": medians(self.sample.net_return, Grouped.of(groups, n_groups, self.by_return)),
                "profit_factor": np.where(pains > 0.0, gains / pains, np.nan),
                **{name: column.means(groups, n_groups, entered) for name, column in self._columns.items()},
            }
        if is_known_ahead:
            figures |= self._of_trades(groups, n_groups, entered)
        counts = {
            "signals": n_signals,
            "entered": entered,
            "wins": wins,
            "losses": losses,
            "breakeven": entered - wins - losses,
        }
        return pd.DataFrame(counts | {name: figures.get(name, np.nan) for name in FIGURES})

    def equity(self, codes: Codes | Places, n_groups: int) -> Floats:
        """Each group's equal-weight book after each of `closes`; shape (n_groups, n_closes)."""
        s = self.sample
        return curves(s.net_return, s.bars, codes, n_groups, self._times, len(self.closes))

    def _of_trades(self, groups: Places, n_groups: int, entered: npt.NDArray[np.int64]) -> dict[str, Floats]:
        equity = self.equity(groups, n_groups)
        p_value, low, high = p_values(self._excess, groups[self._known], n_groups, self._blocks)
        last = equity[:, -1] - 1.0 if equity.shape[1] else np.full(n_groups, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            excess = self._excess_return.means(groups, n_groups, entered)
        return {
            "information_coefficient": self._information(groups, n_groups),
            "max_drawdown": np.where(entered > 0, drawdowns(equity), np.nan),
            "total_return": np.where(entered > 0, last, np.nan),
            "excess_return": excess,
            "excess_low": low,
            "excess_high": high,
            "p_value": p_value,
        }

    def _information(self, groups: Places, n_groups: int) -> Floats:
        conviction, moved = (
            deviations(Grouped.of(groups, n_groups, values)) for values in (self._by_conviction, self._by_move)
        )
        return correlations(conviction, moved, groups, n_groups)
