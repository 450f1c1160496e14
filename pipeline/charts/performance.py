"""Pictures of how signals did: of a `Performance` alone, for the UI and for the page.

Add a picture here when the eye sees at once what a table hides: an interval that reaches over a line, a curve that
falls. What a picture shows is first a table (`hit_rates`, `against_chance`, ...), which tests can hold to the figures.
Where nothing is known the picture says so.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from pipeline.charts import style
from pipeline.charts.frame import legend, picture, prepare, say, set_margins, size_of, title
from pipeline.performance.report import ALL, Performance
from pipeline.performance.wording import horizon_words, probability, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENT = 100.0
ROW_PX, CURVE_PX = 26, 300
NARROW_PX = 600  # of a narrower picture the words are shorter
NAME_PX, NARROW_NAME_PX, LEFT_PX, RIGHT_PX, BOTTOM_PX, TOP_PX = 252, 206, 70, 16, 44, 76
UNNAMED_TOP_PX = 54  # above a picture without a legend
LOG_BELOW = 0.3  # a curve that falls lower is drawn by ratios: it would lie flat on the ground
FEW = 30  # signals; an interval of fewer is drawn but not coloured
MARK_ROOM = 0.04  # beyond 0 and 1, for marks that lie there
APART = 0.035  # sources that stated the same stand side by side, so many widths of the picture apart
ROOM = 0.05  # around stated and realised confidence
OWN, OTHER, PLAIN = style.SIGNALS["BUY"], style.DOWN, style.MUTED
SOURCES = {
    ALL: style.TEXT,
    "technical": style.SIGNALS["BUY"],
    "ml_model": style.SIGNALS["SELL"],
    "sentiment": style.TARGET,
    "multi": style.PATTERN,
}
MARKS = {ALL: "o", "technical": "o", "ml_model": "s", "sentiment": "^", "multi": "D"}


class Size(NamedTuple):
    """Width in pixels, and how many dots each of them has to a side."""

    width: int
    scale: int = 1


SMALL = Size(480)  # for the UI
NORMAL = Size(760)
FINE, FINE_SMALL = Size(760, 2), Size(420, 2)  # for pages, on a desk and on a phone


class Picture(NamedTuple):
    """A PNG and what it is called."""

    name: str
    about: str  # how to read it
    png: bytes


Drawing = Callable[[Performance, "Figure"], None]


def draw_performance(performance: Performance, size: Size = NORMAL) -> list[Picture]:
    """All pictures in the order of `PICTURES`; equal figures give equal bytes."""
    return [
        Picture(name, about, picture(size.width, height(performance), partial(drawing, performance), scale=size.scale))
        for name, about, height, drawing in PICTURES
    ]


def hit_rates(performance: Performance) -> pd.DataFrame:
    """All signals and each source: group, entered, hit_rate, hit_low, hit_high, mean_return, random_return."""
    columns = ["group", "entered", "hit_rate", "hit_low", "hit_high", "mean_return", "random_return"]
    of_source = performance.figures["source"]
    parts = [of_source] if len(of_source) == 1 else [performance.figures[ALL], of_source]
    table = pd.concat(parts, ignore_index=True)[columns]
    return table[table["entered"] > 0].reset_index(drop=True)


def against_chance(performance: Performance) -> pd.DataFrame:
    """Strategies that can be compared, best first: group, entered, excess_return, excess_low, excess_high, p_value."""
    columns = ["group", "entered", "excess_return", "excess_low", "excess_high", "p_value"]
    known = performance.figures["component"][columns].dropna(subset=["excess_return"])
    return known.sort_values("excess_return", ascending=False, kind="stable").reset_index(drop=True)


def equity_curves(performance: Performance) -> pd.DataFrame:
    """The equal-weight books after each close, by name, from a capital of 1 when the window begins."""
    start = pd.Timestamp(performance.window.start).tz_convert(None)
    curves = pd.DataFrame(performance.equity, index=pd.DatetimeIndex(performance.closes))
    if len(performance.equity) == 2:  # all signals are of one source
        curves = curves.drop(columns=ALL)
    first = pd.DataFrame(1.0, index=pd.DatetimeIndex([start]), columns=curves.columns)
    return pd.concat([first, curves]) if len(curves) else curves


def _equity(performance: Performance, figure: "Figure") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, LogLocator

    axes = figure.subplots()
    set_margins(figure, LEFT_PX, RIGHT_PX, BOTTOM_PX, TOP_PX)
    prepare(axes)
    curves = equity_curves(performance)
    for name in curves:
        colour = SOURCES.get(str(name), PLAIN)
        axes.plot(
            curves.index,
            curves[name],
            color=colour,
            linewidth=1.6 if name == ALL else 1.1,
            label=str(name),
            drawstyle="steps-post",
        )
    if curves.empty:
        axes.set(xticks=[], yticks=[])
        say(axes, "no signal has an outcome here")
    else:
        axes.axhline(1.0, color=style.TEXT, linewidth=0.9, zorder=1)
        lowest, highest = float(curves.min().min()), float(curves.max().max())
        if 0.0 < lowest < LOG_BELOW or highest > 1.0 / LOG_BELOW:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if highest > 30 * lowest else (1.0, 2.0, 5.0)))
            axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, place: ""))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
        locator = AutoDateLocator(minticks=2, maxticks=5 if _is_narrow(figure) else 8)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        axes.xaxis.get_offset_text().set(fontsize=8, color=style.MUTED)
        legend(figure, axes)
    axes.set_ylabel("capital, 1 at the beginning")
    fall = performance.overall["max_drawdown"]
    words = "after fees and slippage; deepest fall of all signals"
    title(figure, "Equal stakes on every signal", f"{words} {rate(fall)}")


def _hit_rates(performance: Performance, figure: "Figure") -> None:
    """Rates with their Wilson intervals; beside them what was earned, and what entries at random earned."""
    rates, returns = figure.subplots(1, 2, sharey=True)
    set_margins(figure, _name_px(figure), RIGHT_PX, BOTTOM_PX, TOP_PX)
    figure.subplots_adjust(wspace=0.1)
    table = hit_rates(performance)
    places = np.arange(len(table))
    for axes in (rates, returns):
        prepare(axes, "x")
    hits, low, high = (table[name].to_numpy() * PERCENT for name in ("hit_rate", "hit_low", "hit_high"))
    for place, name in enumerate(table["group"]):
        _interval(rates, place, hits[place], low[place], high[place], SOURCES.get(name, PLAIN))
        rates.annotate(
            f"{hits[place]:.1f} %", (hits[place], place), (0, 8), textcoords="offset points", ha="center", fontsize=8
        )
    returns.plot(
        table["random_return"] * PERCENT, places, "D", color=OTHER, markersize=5, label="entries at random", zorder=2
    )
    returns.plot(table["mean_return"] * PERCENT, places, "o", color=OWN, markersize=6, label="signals", zorder=3)
    rates.set_xlabel("hit rate, %")
    returns.set_xlabel("mean return, %")
    _name_rows(figure, rates, table, [f"{n:,}" for n in table["entered"]])
    if len(table):
        rates.set_xlim(max(min(low.min(), 40.0) - 4, 0), min(max(high.max(), 60.0) + 4, 100))
        reached = [*(table["random_return"] * PERCENT).dropna(), *(table["mean_return"] * PERCENT), 0.0]
        room = 0.12 * (max(reached) - min(reached)) or 0.1
        returns.set_xlim(min(reached) - room, max(reached) + room)
        rates.axvline(50.0, color=style.GRID, linewidth=1.2, zorder=0.5)
        returns.axvline(0.0, color=style.TEXT, linewidth=0.9, zorder=1)
        legend(figure, returns)
    else:
        rates.set_xticks([])
        returns.set_xticks([])
    title(figure, "Hit rates and returns", f"{_followed(performance)}; bars: 95 % (Wilson)")


def _chance(performance: Performance, figure: "Figure") -> None:
    axes = figure.subplots()
    set_margins(figure, _name_px(figure), 64, BOTTOM_PX, UNNAMED_TOP_PX)
    prepare(axes, "x")
    table = against_chance(performance)
    excess, low, high = (table[name].to_numpy() * PERCENT for name in ("excess_return", "excess_low", "excess_high"))
    is_many = table["entered"].to_numpy() >= FEW
    is_better, is_worse = is_many & (low > 0), is_many & (high < 0)
    for place in range(len(table)):
        colour = OWN if is_better[place] else style.STOP if is_worse[place] else PLAIN
        _interval(axes, place, excess[place], low[place], high[place], colour)
        axes.text(
            1.015,
            place,
            probability(table["p_value"].iloc[place]),
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=8,
            color=style.TEXT,
        )
    _name_rows(figure, axes, table, [f"{n:,}" for n in table["entered"]])
    if len(table):
        axes.axvline(0.0, color=style.TEXT, linewidth=0.9, zorder=1)
        axes.text(1.015, -0.85, "p", transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=PLAIN)
    else:
        axes.set_xticks([])
    axes.set_xlabel("mean return above that of entries at random, %")
    said = f"followed to {horizon_words(performance.window.horizon)}; 95 % interval above 0: "
    title(figure, "Strategies against entries at random", f"{said}{int(is_better.sum())} of {len(table)}")


def _reliability(performance: Performance, figure: "Figure") -> None:
    axes = figure.subplots()
    set_margins(figure, LEFT_PX, RIGHT_PX, BOTTOM_PX, TOP_PX)
    prepare(axes)
    stated, calibrated = performance.source_reliability, performance.source_calibrated
    calibrated = calibrated[calibrated["n"] >= FEW]  # classes at the edges of what was ever said hold a handful
    if stated.empty:
        axes.set(xticks=[], yticks=[])
        say(axes, "no signal has an outcome here")
    else:
        both = pd.concat([stated, calibrated], ignore_index=True)
        said = (float(both["stated"].min()) - ROOM, float(both["stated"].max()) + ROOM)
        reached = [*said, *both["realised"], *both["low"], *both["high"]]
        ends = (max(min(reached) - ROOM, -MARK_ROOM), min(max(reached) + ROOM, 1.0 + MARK_ROOM))
        axes.plot(said, said, color=PLAIN, linewidth=0.9, label="as often as said")
        apart = APART * (said[1] - said[0])
        _confidences(axes, stated, apart, is_small=_is_narrow(figure))
        _confidences(axes, calibrated, apart, is_small=_is_narrow(figure), is_calibrated=True)
        axes.set(xlim=said, ylim=ends)
        legend(figure, axes)
    axes.set(xlabel="stated confidence, hollow: calibrated (mean of its class)", ylabel="share that won after costs")
    title(figure, "What confidence was worth", f"{_followed(performance)}; above filled points their signals")


def _confidences(
    axes: "Axes", table: pd.DataFrame, apart: float, *, is_small: bool, is_calibrated: bool = False
) -> None:
    """A mark for each source and class, with its interval and number of signals; hollow where it was calibrated."""
    for place, (name, points) in enumerate(table.groupby("group")):
        at = points["stated"] + (place - (table["group"].nunique() - 1) / 2) * apart
        reach = [points["realised"] - points["low"], points["high"] - points["realised"]]
        colour, mark = SOURCES.get(str(name), PLAIN), MARKS.get(str(name), "o")
        axes.errorbar(
            at,
            points["realised"],
            yerr=[each.clip(lower=0) for each in reach],
            fmt=mark,
            color=colour,
            markersize=6,
            markerfacecolor="white" if is_calibrated else colour,
            elinewidth=1.6,
            label=None if is_calibrated else str(name),
        )
        named = [] if is_calibrated else zip(points["n"], at, points["high"], strict=True)
        for n, x, above in named:
            axes.annotate(
                f"{n:,}",
                (x, above),
                (0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=7 if is_small else 8,
                color=colour,
            )


def _exits(performance: Performance, figure: "Figure") -> None:
    axes = figure.subplots()
    set_margins(figure, _name_px(figure), RIGHT_PX, BOTTOM_PX, UNNAMED_TOP_PX)
    prepare(axes, "x")
    table = performance.exits
    places = np.arange(len(table))
    spread = table[["q05", "q25", "q50", "q75", "q95"]].to_numpy() * PERCENT
    colours = [OWN if middle > 0 else style.STOP for middle in spread[:, 2]]
    axes.hlines(places, spread[:, 0], spread[:, 4], color=colours, linewidth=1.4)
    axes.hlines(places, spread[:, 1], spread[:, 3], color=colours, linewidth=7, alpha=0.6)
    axes.plot(spread[:, 2], places, "|", color=style.TEXT, markersize=11, markeredgewidth=1.8)
    _name_rows(figure, axes, table, [rate(share) for share in table["share"]])
    if table.empty:
        axes.set_xticks([])
    else:
        axes.axvline(0.0, color=style.TEXT, linewidth=0.9, zorder=1)
    axes.set_xlabel("net return, %; line: 5 to 95 % of the signals, bar: the middle half")
    if _is_narrow(figure):
        axes.set_xlabel("net return, %; line: 5 to 95 %, bar: middle half")
    title(figure, "Returns by how positions ended", _followed(performance))


def _interval(axes: "Axes", place: int, value: float, low: float, high: float, colour: str) -> None:
    """A figure in its row, and the line of what it leaves open, where that is known."""
    axes.hlines(place, low, high, color=colour, linewidth=1.6)
    axes.plot(value, place, "o", color=colour, markersize=6)


def _name_rows(figure: "Figure", axes: "Axes", table: pd.DataFrame, sizes: Sequence[str]) -> None:
    """Groups from the top down, each with how large it is."""
    words = [f"{name}  {size}" for name, size in zip(table["group"], sizes, strict=True)]
    axes.set_yticks(np.arange(len(table)), words, fontsize=7 if _is_narrow(figure) else 8)
    axes.set_ylim(max(len(table), 1) - 0.4, -0.9)
    if table.empty:
        say(axes, "no outcome to compare")


def _name_px(figure: "Figure") -> int:
    return NARROW_NAME_PX if _is_narrow(figure) else NAME_PX


def _is_narrow(figure: "Figure") -> bool:
    return size_of(figure)[0] < NARROW_PX


def _followed(performance: Performance) -> str:
    n = int(performance.overall["entered"])
    return f"{n:,} signals, followed to {horizon_words(performance.window.horizon)}"


def _rows_px(n_rows: int, top: int) -> int:
    return top + BOTTOM_PX + ROW_PX * max(n_rows + 1, 3)


PICTURES: tuple[tuple[str, str, Callable[[Performance], int], Drawing], ...] = (
    (
        "hit rate by source",
        "The share of signals that earned anything after costs, in the interval that so many signals leave open; and "
        "what they brought on average beside entries on every bar of the same series.",
        lambda performance: _rows_px(len(hit_rates(performance)), TOP_PX),
        _hit_rates,
    ),
    (
        "strategies against random entries",
        "What each strategy brought above entries at random into the same series, with the same stops and costs. Where "
        "the bar reaches over the line, chance may explain it; p says how often chance would do as well.",
        lambda performance: _rows_px(len(against_chance(performance)), UNNAMED_TOP_PX),
        _chance,
    ),
    (
        "equity",
        "A capital of 1 that is shared out equally to the signals of each close, costs included. It compares signals "
        "with one another; nobody would trade each of them.",
        lambda performance: CURVE_PX,
        _equity,
    ),
    (
        "reliability of confidence",
        "Stated confidence against how often signals of that class won. On the line, confidence is a probability of "
        "winning; below it, it promises too much. Hollow marks are calibrated confidence, in classes of at least 30 "
        "signals. The bars are 95 % intervals (Wilson).",
        lambda performance: CURVE_PX + 40,
        _reliability,
    ),
    (
        "returns by exit reason",
        "How positions ended, and how far apart their returns lie. It explains a mean; since nobody knows the end on "
        "entering, it is nothing to trade by.",
        lambda performance: _rows_px(len(performance.exits), UNNAMED_TOP_PX),
        _exits,
    ),
)
