"""An evaluation: what predictors said of bars that they had not seen, measured per fold and over all, with intervals.

Add here what evaluations of every kind of model have in common. Which measures a kind has is said in `validation`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.models.bootstrap import Interval, Resamples, interval, resample
from pipeline.models.out_of_sample import Judged
from pipeline.models.panel import Numbers, Panel, Rows

ALL_FOLDS = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How predictors did on bars that they had not seen.

    Attributes
    ----------
    table : DataFrame
        ``fold test_from test_to predictor metric value lower upper n_rows``: closes in (test_from, test_to]; fold 1 is
        the oldest and 0 all of them together; ``lower`` and ``upper`` a 95 % interval, NaN where there is none;
        ``n_rows`` the rows that the value is about, for a hit rate its calls.
    predictions : DataFrame
        One row per judged row, oldest first: ``fold close_at symbol place bar`` and what each predictor said, in a
        column of its name or, for several numbers, of its name and theirs (``atr_band high_q10``).
    reliability : DataFrame
        ``predictor mean_predicted observed lower upper n_rows`` over all folds; empty but for directions.
    """

    table: pd.DataFrame
    predictions: pd.DataFrame
    reliability: pd.DataFrame

    def value(self, predictor: str, metric: str, fold: int = ALL_FOLDS) -> Interval:
        """One measure; `KeyError` if there is none."""
        found = self.table.query("predictor == @predictor and metric == @metric and fold == @fold")
        if found.empty:
            raise KeyError((predictor, metric, fold))
        value, lower, upper = found[["value", "lower", "upper"]].iloc[0]
        return Interval(value, lower, upper)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows that are measured together: those of one fold, or of all."""

    fold: int
    test_from: datetime
    test_to: datetime
    rows: Rows
    said: Mapping[str, Numbers]
    resamples: Resamples


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric of one predictor, of the rows as they are and of every resample (`bootstrap.Resamples`)."""

    predictor: str
    metric: str
    statistic: Numbers
    n_rows: int


def stretches(panel: Panel, judged: Sequence[Judged], *, seed: int, n_resamples: int) -> tuple[Stretch, ...]:
    """All folds together, then each, oldest first. Every predictor of a stretch is measured on the same resamples."""
    together = [(ALL_FOLDS, judged)] + [(number, [one]) for number, one in enumerate(judged, start=1)]
    return tuple(_stretch(panel, number, parts, seed, n_resamples) for number, parts in together)


def _stretch(panel: Panel, number: int, parts: Sequence[Judged], seed: int, n_resamples: int) -> Stretch:
    rows = np.concatenate([part.rows for part in parts])
    return Stretch(
        fold=number,
        test_from=parts[0].fold.test_after,
        test_to=parts[-1].fold.test_until,
        rows=rows,
        said={name: np.concatenate([part.said[name] for part in parts]) for name in parts[0].said},
        resamples=resample(panel.timeframe, panel.close_at[rows[:, 1]], seed=seed, n_resamples=n_resamples),
    )


def tabulate(
    judged: Sequence[Judged], measured: Sequence[Stretch], measures: Callable[[Stretch], Sequence[Measure]]
) -> pd.DataFrame:
    """The table of an `Evaluation`: the measures of every stretch, and the share of rows that predictors answered."""
    records: list[tuple[object, ...]] = []
    for stretch in measured:
        head = (stretch.fold, stretch.test_from, stretch.test_to)
        for measure in measures(stretch):
            found = interval(measure.statistic)
            ends = (found.value, found.lower, found.upper)
            records.append((*head, measure.predictor, measure.metric, *ends, measure.n_rows))
        parts = judged if stretch.fold == ALL_FOLDS else [judged[stretch.fold - 1]]
        n_asked = sum(part.n_asked for part in parts)
        for name in stretch.said:
            share = sum(part.n_answered[name] for part in parts) / n_asked
            records.append((*head, name, "answered", share, np.nan, np.nan, n_asked))
    names = ["fold", "test_from", "test_to", "predictor", "metric", "value", "lower", "upper", "n_rows"]
    return pd.DataFrame.from_records(records, columns=names)


def told(panel: Panel, judged: Sequence[Judged], numbers: Sequence[str] = ()) -> pd.DataFrame:
    """The predictions of an `Evaluation`; ``numbers`` names the columns of predictors that say several."""
    rows = np.concatenate([part.rows for part in judged])
    place, bar = rows.T
    columns: dict[str, object] = {
        "fold": np.repeat(np.arange(1, len(judged) + 1), [len(part.rows) for part in judged]),
        "close_at": pd.DatetimeIndex(panel.close_at[bar]).tz_localize("UTC").as_unit(TIME_UNIT),
        "symbol": np.array(panel.symbols, dtype=object)[place],
        "place": place,
        "bar": bar,
    }
    for name in judged[0].said:
        said = np.concatenate([part.said[name] for part in judged])
        if numbers:
            columns |= {f"{name} {number}": said[:, column] for column, number in enumerate(numbers)}
        else:
            columns[name] = said
    return pd.DataFrame(columns)
