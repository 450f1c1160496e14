"""A report as facts and tables of text: what `signals report` prints and the page shows, in one order and wording.

Only what a grouping can tell is in its table: of exits, whose groups nobody knows on entering, no comparison with
chance.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from pipeline.performance.executed import SOURCES
from pipeline.performance.report import ALL, Performance
from pipeline.performance.wording import (
    NOTHING,
    horizon_words,
    number,
    probability,
    rate,
    rates_between,
    returns_between,
    signed,
)

FEW = 30  # outcomes; of fewer the intervals say how little they tell
CHANCE = 0.05  # what one in twenty of pure luck reaches


class Fact(NamedTuple):
    """One figure of all signals together."""

    name: str
    value: str
    about: str


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column."""

    title: str
    is_number: bool = True
    is_optional: bool = False  # left out where there is no room, the last one first


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under their headings."""

    name: str
    about: str
    headings: Sequence[Heading]
    rows: Sequence[Sequence[str]]


class _Figure(NamedTuple):
    heading: Heading
    tell: Callable[[Any], str]  # from a row of figures


GROUP_FIGURES = (
    _Figure(Heading("signals"), lambda row: f"{row.signals:,}"),
    _Figure(Heading("hit rate"), lambda row: rate(row.hit_rate)),
    _Figure(Heading("mean"), lambda row: signed(row.mean_return)),
    _Figure(Heading("over random"), lambda row: signed(row.excess_return)),
    _Figure(Heading("p"), lambda row: probability(row.p_value)),
    _Figure(Heading("random", is_optional=True), lambda row: signed(row.random_return)),
    _Figure(Heading("over random, 95 %", is_optional=True), lambda r: returns_between(r.excess_low, r.excess_high)),
    _Figure(Heading("hit rate, 95 %", is_optional=True), lambda row: rates_between(row.hit_low, row.hit_high)),
    _Figure(Heading("median", is_optional=True), lambda row: signed(row.median_return)),
    _Figure(Heading("long", is_optional=True), lambda row: signed(row.long_return)),
    _Figure(Heading("profit factor", is_optional=True), lambda row: number(row.profit_factor)),
    _Figure(Heading("R", is_optional=True), lambda row: number(row.expectancy_r)),
    _Figure(Heading("ladder", is_optional=True), lambda row: signed(row.ladder_return)),
    _Figure(Heading("IC", is_optional=True), lambda row: number(row.information_coefficient)),
    _Figure(Heading("fall", is_optional=True), lambda row: rate(row.max_drawdown)),
)
# Name of the table -> grouping, and what is to be said of it; in the order in which they are shown.
GROUPINGS = {
    "source": ("source", "By where advice came from; multi is advice on which several sources agreed."),
    "strategy": (
        "component",
        "A strategy with a part in a signal is given the whole of its outcome, so that the rows overlap.",
    ),
    "side": ("signal_type", "A market that rises or falls for long favours one of them, and its random entries too."),
    "timeframe": ("timeframe", "By the length of the bars."),
    "symbol": ("symbol", "By symbol; of so many rows some look good by luck."),
    "decision": (
        "decision",
        "Signals that risk kept, beside the advice that it dropped, by reason: would it have won?",
    ),
}


def facts(performance: Performance) -> list[Fact]:
    """The figures of all signals, outcomes first."""
    row = performance.overall
    return [
        Fact(
            "signals",
            f"{int(row['signals']):,}",
            f"BUY and SELL, followed to {horizon_words(performance.window.horizon)}",
        ),
        Fact(
            "hit rate",
            rate(row["hit_rate"]),
            f"earned anything after costs; 95 %: {rates_between(row['hit_low'], row['hit_high'])}",
        ),
        Fact(
            "mean return", signed(row["mean_return"]), f"after fees and slippage; median {signed(row['median_return'])}"
        ),
        Fact(
            "entries at random",
            signed(row["random_return"]),
            "same series and sides, same stops and costs",
        ),
        Fact(
            "over random",
            signed(row["excess_return"]),
            f"95 %: {returns_between(row['excess_low'], row['excess_high'])}; p = {probability(row['p_value'])}",
        ),
        Fact("always long", signed(row["long_return"]), "bought at the same instants, held to the horizon"),
        Fact("profit factor", number(row["profit_factor"]), "won for each unit that was lost"),
        Fact("expectancy", number(row["expectancy_r"], " R"), "mean return in units of the planned risk"),
        Fact("thirds at targets", signed(row["ladder_return"]), "mean return with a third at each of three targets"),
        Fact(
            "information",
            number(row["information_coefficient"]),
            "rank correlation of advice and move; 0 knows nothing",
        ),
        Fact("deepest fall", rate(row["max_drawdown"]), "of equal stakes on every signal"),
    ]


def cautions(performance: Performance) -> Iterator[str]:
    """What the figures leave out or cannot say."""
    row = performance.overall
    signals, entered = int(row["signals"]), int(row["entered"])
    if performance.n_pending:
        wait = "1 signal waits" if performance.n_pending == 1 else f"{performance.n_pending:,} signals wait"
        yield f"{wait} for candles; in the figures are those that have an outcome"
    if signals > entered:
        yield f"{signals - entered:,} signals have no return: nobody traded in the bar to enter at"
    if 0 < entered < FEW:
        yield f"{entered} outcomes say little: look at the intervals"
    if entered and pd.isna(row["random_return"]):
        yield "no entries at random are known for these series and days, so that nothing is said about chance"
    elif entered and pd.isna(row["p_value"]):
        yield "all outcomes lie within one block of time, of which no p value can be told"
    tried = int(performance.figures["component"]["p_value"].notna().sum())
    if tried > 1:
        yield f"of {tried} strategies without any skill, {CHANCE * tried:.2g} have p < {CHANCE:g} on average"
    yield "ALERTs advise neither side: they have no outcome and are not counted"


def tables(performance: Performance) -> dict[str, Table]:
    """Every table of the report by name, in the order in which they are read."""
    found = {
        name: _by_group(name, about, performance.figures[grouping]) for name, (grouping, about) in GROUPINGS.items()
    }
    found |= {
        "confidence": _confidence(performance),
        "calibration": _calibration(performance),
        "calibrated": _calibrated(performance),
        "exit": _exits(performance),
    }
    order = ("source", "strategy", "side", "timeframe", "confidence", "decision", "exit", "symbol")
    return {name: found[name] for name in (*order, "calibration", "calibrated")}


def executed_table(performance: Performance) -> Table:
    """What was executed, with the description's fields, by source."""
    executed = performance.executed
    headings = [Heading("source", is_number=False)]
    headings += [Heading(title) for title in ("executed", "expired", "win rate", "mean profit")]
    parts = [(ALL, _executed_of(executed, executed["executed_signals"], executed["expired_signals"]))]
    parts += [
        (name, _executed_of(part, part["executed"], part["expired"]))
        for name in SOURCES
        if (part := executed["by_source"][name])
    ]
    return Table(
        "executed",
        f"{rate(executed['execution_rate'])} of the signals that ended were executed; "
        f"{executed['profitable_signals']:,} won, {executed['losing_signals']:,} lost, "
        f"{executed['breakeven_signals']:,} of these came out even. The profit is that of the executions as they were "
        "reported, without costs.",
        headings,
        [(name, *cells) for name, cells in parts],
    )


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    """Rows with their columns as attributes, which no type describes."""
    yield from table.itertuples(index=False)


def _executed_of(part: Any, executed: int, expired: int) -> tuple[str, ...]:
    if not executed:
        return f"{executed:,}", f"{expired:,}", NOTHING, NOTHING
    return f"{executed:,}", f"{expired:,}", rate(part["win_rate"]), signed(part["avg_profit_loss"])


def _by_group(name: str, about: str, figures: pd.DataFrame) -> Table:
    headings = [Heading(name, is_number=False), *(figure.heading for figure in GROUP_FIGURES)]
    rows = [(str(row.group), *(figure.tell(row) for figure in GROUP_FIGURES)) for row in _rows(figures)]
    return Table(name, about, headings, rows)


def _confidence(performance: Performance) -> Table:
    return Table(
        "confidence",
        "In classes of what was stated: the mean that was stated, and how many really won.",
        [
            Heading("source", is_number=False),
            Heading("class", is_number=False),
            *(Heading(title) for title in ("signals", "stated", "won", "95 %")),
        ],
        _reliability_rows(performance.source_reliability),
    )


def _calibration(performance: Performance) -> Table:
    error = dict(zip(performance.calibration_error["group"], performance.calibration_error["error"], strict=True))
    table = performance.reliability
    told = [rate(error[name]) for name in table["group"]]
    rows = [(*row, said) for row, said in zip(_reliability_rows(table), told, strict=True)]
    return Table(
        "calibration",
        "The same by source and strategy, with the expected calibration error: how far stated and realised lie apart, "
        "on average over all classes of the strategy.",
        [
            Heading("source and strategy", is_number=False),
            Heading("class", is_number=False),
            *(Heading(title) for title in ("signals", "stated", "won", "95 %", "error")),
        ],
        rows,
    )


def _calibrated(performance: Performance) -> Table:
    return Table(
        "calibrated",
        "Signals that had a calibrated confidence, fitted on outcomes that were known when they came: what it said of "
        "them on average, how many won, and how far what it said and what was stated lie from that.",
        [
            Heading("source and strategy", is_number=False),
            *(Heading(title) for title in ("signals", "calibrated", "won", "95 %", "stated's error", "its error")),
        ],
        [
            (
                str(row.group),
                f"{row.n:,}",
                rate(row.calibrated),
                rate(row.realised),
                rates_between(row.low, row.high),
                rate(row.stated_error),
                rate(row.calibrated_error),
            )
            for row in _rows(performance.calibrated)
        ],
    )


def _reliability_rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (
            str(row.group),
            str(row.confidence),
            f"{row.n:,}",
            rate(row.stated),
            rate(row.realised),
            rates_between(row.low, row.high),
        )
        for row in _rows(table)
    ]


def _exits(performance: Performance) -> Table:
    rows = [
        (str(row.group), f"{row.n:,}", *(rate(row.share), *map(signed, (row.mean, row.q05, row.q50, row.q95))))
        for row in _rows(performance.exits)
    ]
    titles = ("signals", "share", "mean", "5 %", "median", "95 %")
    return Table(
        "exit",
        "How positions ended, and what they brought. It explains the mean; nobody knows the end on entering.",
        [Heading("exit", is_number=False), *(Heading(title) for title in titles)],
        rows,
    )
