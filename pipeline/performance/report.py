"""The report of a window: figures by every grouping that somebody asks about, and the curves behind the pictures."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.performance.ranking import Codes, Floats, Grouped, quantiles
from pipeline.performance.reliability import (
    N_CLASSES,
    calibrated_beside_stated,
    class_name,
    classes,
    reliability,
)
from pipeline.performance.statistics import AT_ONCE, Sample, Statistics

Rows = slice | npt.NDArray[Any]  # which of the outcomes

ALL = "all"
KEPT, DROPPED = "kept", "dropped"
EXIT_QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}


@dataclass(frozen=True, slots=True)
class Labels:
    """A grouping: the name of each group, and the group of each row."""

    names: tuple[str, ...]
    codes: Codes

    def at(self, rows: "Rows") -> "Labels":
        """Of some of the rows."""
        return Labels(self.names, self.codes[rows])


@dataclass(frozen=True, slots=True)
class Window:
    """What a report is about."""

    start: datetime
    end: datetime  # as of when; the last close that counts
    origin: str
    scope: str
    horizon: str
    label: str  # 24h, 7d, 30d, or the days
    exchange: str | None = None  # None: of every exchange
    known_at: datetime | None = None  # outcomes that were known then; None: all that are stored
    profile: str | None = None  # whose signals; None: of every profile, and the same advice once for each


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All outcomes of a window at one horizon; arrays of shape (n,), NaN where nothing was entered."""

    sample: Sample  # with those that nothing was entered for
    groupings: Mapping[str, Labels]
    components: tuple[Labels, npt.NDArray[np.int64]]  # of the strategies behind each, and the row of each of those
    calibrated: Floats  # calibrated confidence; NaN where there was none

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True, slots=True)
class Performance:
    """How the signals of a window did."""

    window: Window
    executed: Mapping[str, Any]  # the description's report
    n_pending: int  # signals that wait for candles
    figures: Mapping[str, pd.DataFrame]  # by grouping; the column `group` has the name, ALL alone under ALL
    reliability: pd.DataFrame  # by source and strategy: group, confidence, n, stated, realised, low, high
    calibration_error: pd.DataFrame  # group, n, error
    source_reliability: pd.DataFrame  # like reliability, by source alone
    source_calibrated: pd.DataFrame  # the same of calibrated confidence, of the signals that had one
    calibrated: pd.DataFrame  # by source and strategy: as `calibrated_beside_stated` has it, groups by name
    exits: (
        pd.DataFrame
    )  # by exit reason, most frequent first: group, n, share, mean and `EXIT_QUANTILES` of net returns
    closes: npt.NDArray[np.datetime64]
    equity: Mapping[str, Floats]  # the equal-weight book of all signals and of each source, after each of `closes`

    @property
    def overall(self) -> "pd.Series[Any]":
        """The figures of all signals together."""
        return self.figures[ALL].iloc[0]


def performance(
    window: Window, outcomes: Outcomes, dropped: Outcomes, executed: Mapping[str, Any], n_pending: int
) -> Performance:
    """Figures of every grouping, from outcomes of signals, and of dropped advice, that are all of one horizon."""
    is_entered = _entered(outcomes.sample)
    sample = _at(outcomes.sample, is_entered)
    statistics = Statistics(sample)
    everything = Labels((ALL,), np.zeros(len(outcomes), dtype=np.int32))
    figures = {ALL: _figures(statistics, everything, is_entered)}

    def figures_of(name: str) -> pd.DataFrame:
        labels, is_known_ahead = outcomes.groupings[name], name != "exit_reason"
        if len(labels.names) == 1 and is_known_ahead:
            return figures[ALL].assign(group=labels.names[0])
        return _figures(statistics, labels, is_entered, is_known_ahead=is_known_ahead)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        by_component = threads.submit(_by_component, outcomes, is_entered)  # the longest, so the first
        figures |= zip(outcomes.groupings, threads.map(figures_of, outcomes.groupings), strict=True)
    figures["component"] = figures["strategy"] if (apart := by_component.result()) is None else apart
    figures["decision"] = _by_decision(figures[ALL], dropped)
    stated = Labels(*_with_source(outcomes)).at(is_entered)
    is_win = (sample.net_return > 0.0).astype(float)
    found = reliability(sample.confidence, is_win, stated.codes, len(stated.names))
    said = outcomes.calibrated[is_entered]
    calibrated = calibrated_beside_stated(said, sample.confidence, is_win, stated.codes, len(stated.names))
    counts = np.bincount(stated.codes, minlength=len(stated.names))
    sources = outcomes.groupings["source"].at(is_entered)
    of_source = reliability(sample.confidence, is_win, sources.codes, len(sources.names)).table
    has = ~np.isnan(said)
    of_calibrated = reliability(said[has], is_win[has], sources.codes[has], len(sources.names)).table
    equity = {ALL: statistics.equity(everything.at(is_entered).codes, 1)[0]} | dict(
        zip(sources.names, statistics.equity(sources.codes, len(sources.names)), strict=True)
    )
    return Performance(
        window=window,
        executed=executed,
        n_pending=n_pending,
        figures=figures,
        reliability=_by_name(found.table, stated),
        calibration_error=pd.DataFrame(
            {"group": np.array(stated.names, dtype=object), "n": counts, "error": found.error}
        ),
        source_reliability=_by_name(of_source, sources),
        source_calibrated=_by_name(of_calibrated, sources),
        calibrated=_by_name(calibrated, stated),
        exits=_exits(statistics, outcomes.groupings["exit_reason"].at(is_entered)),
        closes=statistics.closes,
        equity=equity,
    )


def confidence_labels(confidence: Floats) -> Labels:
    """The classes of stated confidence that occur, as a grouping."""
    used, codes = _renumbered(classes(confidence), N_CLASSES)
    return Labels(tuple(class_name(int(number)) for number in used), codes)


def _by_name(table: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """A table of groups by number, with their names instead."""
    names = np.array(labels.names, dtype=object)
    return table.assign(group=names[table["group"].to_numpy(dtype=np.int64)])


def _renumbered(codes: Codes, n_codes: int) -> tuple[npt.NDArray[np.intp], Codes]:
    """Which of so many codes occur, and the codes counted among those."""
    used = np.flatnonzero(np.bincount(codes, minlength=n_codes))
    places = np.zeros(n_codes, dtype=np.int32)
    places[used] = np.arange(len(used))
    return used, places[codes]


def _entered(sample: Sample) -> Rows:
    """The outcomes that were entered; all of them as a slice, which copies nothing."""
    is_entered: npt.NDArray[np.bool_] = ~np.isnan(sample.net_return)
    return slice(None) if is_entered.all() else is_entered


def _figures(statistics: Statistics, labels: Labels, is_entered: Rows, *, is_known_ahead: bool = True) -> pd.DataFrame:
    n_groups = len(labels.names)
    n_signals = np.bincount(labels.codes, minlength=n_groups)
    table = statistics.of(labels.codes[is_entered], n_groups, n_signals, is_known_ahead=is_known_ahead)
    table.insert(0, "group", list(labels.names))
    return table


def _exits(statistics: Statistics, reasons: Labels) -> pd.DataFrame:
    """How far apart the returns of each way out lie."""
    sample, n_groups = statistics.sample, len(reasons.names)
    n = np.bincount(reasons.codes, minlength=n_groups)
    grouped = Grouped.of(reasons.codes, n_groups, statistics.by_return)
    spread = quantiles(sample.net_return, grouped, tuple(EXIT_QUANTILES.values()))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(reasons.codes, sample.net_return, n_groups) / n
        table = pd.DataFrame(
            {"group": np.array(reasons.names, dtype=object), "n": n, "share": n / n.sum(), "mean": mean}
        )
    table = pd.concat([table, pd.DataFrame(spread, columns=list(EXIT_QUANTILES))], axis=1)
    return table[table["n"] > 0].sort_values("n", ascending=False, kind="stable").reset_index(drop=True)


def _by_component(outcomes: Outcomes, is_entered: Rows) -> pd.DataFrame | None:
    """Every strategy that had a part in a signal is given the whole of its outcome; None where each had one alone."""
    labels, rows = outcomes.components
    strategy = outcomes.groupings["strategy"]
    if labels.names == strategy.names and np.array_equal(labels.codes, strategy.codes):
        return None
    entered = rows if isinstance(is_entered, slice) else rows[is_entered[rows]]
    of_rows = slice(None) if isinstance(is_entered, slice) else is_entered[rows]
    return _figures(Statistics(_at(outcomes.sample, entered)), labels, of_rows)


def _by_decision(kept: pd.DataFrame, dropped: Outcomes) -> pd.DataFrame:
    """Signals beside the advice that risk dropped, in all and for each reason: would it have won?"""
    is_entered = _entered(dropped.sample)
    statistics = Statistics(_at(dropped.sample, is_entered))
    together = Labels((DROPPED,), np.zeros(len(dropped), dtype=np.int32))
    tables = [_figures(statistics, labels, is_entered) for labels in (together, dropped.groupings["reason"])]
    return pd.concat([kept.assign(group=KEPT), *tables], ignore_index=True)


def _with_source(outcomes: Outcomes) -> tuple[tuple[str, ...], Codes]:
    """Source and strategy together: what confidence is a statement of."""
    source, strategy = outcomes.groupings["source"], outcomes.groupings["strategy"]
    cells = source.codes * len(strategy.names) + strategy.codes
    used, codes = _renumbered(cells, len(source.names) * len(strategy.names))
    names = tuple(
        f"{source.names[cell // len(strategy.names)]} {strategy.names[cell % len(strategy.names)]}" for cell in used
    )
    return names, codes


def _at(sample: Sample, rows: Rows) -> Sample:
    values = {field.name: getattr(sample, field.name) for field in fields(sample)}
    taken: dict[str, Any] = {name: v[rows] for name, v in values.items() if isinstance(v, np.ndarray)}
    return replace(sample, **taken)
