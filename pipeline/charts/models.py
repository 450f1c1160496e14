"""Pictures of how models were judged: small ones, for the UI and the pages.

Add a picture here when a table of numbers hides what the eye would see at once: a curve beside its diagonal, an
interval that reaches over the line. Every picture is drawn from an `Evaluation` alone. A measure that is unknown is
left out, and where nothing is known the picture says so.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from pipeline.charts import style
from pipeline.charts.frame import legend, picture, prepare, say, set_margins, title
from pipeline.domain.model import ModelKind
from pipeline.models.evaluation import ALL_FOLDS, Evaluation
from pipeline.models.validation import BAND, BASE, BUY_ABOVE, SELL_BELOW

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, LOW, HIGH = 720, 360, 500  # pixels
LEFT_PX, RIGHT_PX, BOTTOM_PX, TOP_PX = 58, 14, 44, 76
UNNAMED_TOP_PX = 52  # above a picture without a legend
MODEL, REGRESSION, PERSISTENCE = "model", "logistic_regression", "persistence"
OWN, OTHER, PLAIN = style.SIGNALS["BUY"], style.DOWN, style.MUTED  # the model; what it is measured against; the rest
COVERAGE, TOLERATED = 0.8, (0.78, 0.82)  # of the band from the 10 % to the 90 % quantile
BASIS_POINTS, PERCENT = 10_000.0, 100.0
PARTS = 50  # bars of a histogram
RARE = 0.0005  # share of the predictions that may lie beyond either end of the axis
NARROWEST = 0.15  # of the axis of probabilities, to either side of .5: both thresholds are always seen
MOST_NAMES = 7  # folds that are named below the axis
APART = 0.12  # marks of one fold, in widths of a fold

Drawing = Callable[[Evaluation, "Figure"], None]


class Series(NamedTuple):
    """One measure of one predictor by fold, told apart by colour and mark."""

    predictor: str
    metric: str
    words: str
    colour: str
    mark: str


def draw_evaluation(kind: ModelKind, evaluation: Evaluation) -> list[tuple[str, bytes]]:
    """Titles and PNGs, 720 pixels wide; equal evaluations give equal bytes."""
    return [(name, _png(evaluation, height, drawing)) for name, height, drawing in PICTURES[kind]]


def _png(evaluation: Evaluation, height: int, drawing: Drawing) -> bytes:
    def draw(figure: "Figure") -> None:
        set_margins(figure, LEFT_PX, RIGHT_PX, BOTTOM_PX, TOP_PX)
        drawing(evaluation, figure)

    return picture(WIDTH, height, draw)


def _reliability(evaluation: Evaluation, figure: "Figure") -> None:
    """How often the next close was higher, by the probability that was said; below it, how often that was said."""
    curve, count = figure.subplots(2, 1, sharex=True, height_ratios=(3.6, 1.0))
    figure.subplots_adjust(hspace=0.07)
    said = evaluation.predictions[MODEL].dropna().to_numpy() if MODEL in evaluation.predictions else np.empty(0)
    reach = NARROWEST
    if len(said):
        reach = min(max(reach, 1.05 * float(np.abs(np.quantile(said, (RARE, 1 - RARE)) - 0.5).max())), 0.5)
    ends = (0.5 - reach, 0.5 + reach)
    for axes in (curve, count):
        prepare(axes)
        for threshold in (SELL_BELOW, BUY_ABOVE):
            axes.axvline(threshold, color=style.STOP, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    curve.plot(ends, ends, color=PLAIN, linewidth=0.9, label="as often as said")
    known = [*ends]
    for predictor, words, colour in ((REGRESSION, "logistic regression", OTHER), (MODEL, "model", OWN)):
        known += _curve(curve, evaluation, predictor, words, colour)
    base = _reliability_of(evaluation, BASE)
    curve.plot(base["mean_predicted"], base["observed"], "D", color=PLAIN, markersize=4, zorder=2.5, label="base rate")
    curve.set(xlim=ends, ylim=(max(min(known), 0.0) - 0.01, min(max(known), 1.0) + 0.01), ylabel="share that rose")
    bottom = curve.get_ylim()[0]
    for threshold, words, side in (
        (SELL_BELOW, f"SELL below {SELL_BELOW:g}  ", "right"),
        (BUY_ABOVE, f"  BUY above {BUY_ABOVE:g}", "left"),
    ):
        curve.text(threshold, bottom + 0.008, words, ha=side, fontsize=8, color=style.STOP)
    if len(said):
        inside = said[np.abs(said - 0.5) <= reach]
        heights, edges = np.histogram(inside, bins=PARTS, range=ends)
        count.bar(edges[:-1], heights, width=np.diff(edges), align="edge", color=OWN, alpha=0.55, linewidth=0)
    else:
        _say_nothing(curve)
    count.set(yticks=[], ylabel="bars", xlabel="probability that the next close is higher")
    title(figure, "How often the next close was higher, by what was said", _calls(evaluation))
    legend(figure, curve)


def _curve(axes: "Axes", evaluation: Evaluation, predictor: str, words: str, colour: str) -> list[float]:
    """Draw a predictor's curve in its interval; returns the shares that it reaches."""
    points, is_model = _reliability_of(evaluation, predictor), predictor == MODEL
    said = points["mean_predicted"]
    axes.fill_between(said, points["lower"], points["upper"], color=colour, alpha=0.16, linewidth=0, zorder=1.5)
    axes.plot(
        said,
        points["observed"],
        "-o",
        color=colour,
        linewidth=1.7 if is_model else 1.0,
        markersize=4.0 if is_model else 2.5,
        label=words,
        zorder=3 if is_model else 2,
    )
    reached = points[["observed", "lower", "upper"]].to_numpy(dtype=np.float64).ravel()
    found: list[float] = reached[np.isfinite(reached)].tolist()
    return found


def _reliability_of(evaluation: Evaluation, predictor: str) -> pd.DataFrame:
    columns = ["mean_predicted", "observed", "lower", "upper"]
    if evaluation.reliability.empty:
        return pd.DataFrame(columns=columns, dtype=np.float64)
    return evaluation.reliability.query("predictor == @predictor")[columns].sort_values("mean_predicted")


def _calls(evaluation: Evaluation) -> str:
    """How often bars beyond the thresholds were right, in words."""
    calls = []
    for side, metric in (("BUY", "hit_rate_above"), ("SELL", "hit_rate_below")):
        n_calls = int(_measured(evaluation, MODEL, metric).query("fold == @ALL_FOLDS")["n_rows"].sum())
        share = _overall(evaluation, MODEL, metric, ".1f", PERCENT)
        calls.append(f"{side} {share} % of {n_calls:,} bars" if n_calls else f"no {side}")
    return f"right beyond the thresholds: {', '.join(calls)}"


def _auc(evaluation: Evaluation, figure: "Figure") -> None:
    axes = figure.subplots()
    series = (
        Series(MODEL, "auc", "model", OWN, "o"),
        Series(REGRESSION, "auc", "logistic regression", OTHER, "s"),
        Series(PERSISTENCE, "auc", "last move", PLAIN, "D"),
    )
    _by_fold(axes, evaluation, series, spoken=".3f")
    axes.axhline(0.5, color=style.TEXT, linewidth=0.9, zorder=1)
    axes.set_ylim(min(axes.get_ylim()[0], 0.495), max(axes.get_ylim()[1], 0.505))
    axes.set_ylabel("AUC; .5 knows nothing")
    _name_folds(axes, evaluation)
    title(figure, "How well rises and falls were told apart", _together(evaluation, series, ".3f"))
    legend(figure, axes)


def _coverage(evaluation: Evaluation, figure: "Figure") -> None:
    axes = figure.subplots()
    series = (
        Series(MODEL, "coverage_high", "of the high", OWN, "^"),
        Series(MODEL, "coverage_low", "of the low", OTHER, "v"),
    )
    _by_fold(axes, evaluation, series, spoken=".3f")
    axes.axhspan(*TOLERATED, color=style.BAND, alpha=0.16, linewidth=0, zorder=0.5)
    axes.axhline(COVERAGE, color=style.TEXT, linewidth=0.9, zorder=1)
    low, high = axes.get_ylim()
    axes.set(ylim=(min(low, TOLERATED[0] - 0.01), max(high, TOLERATED[1] + 0.01)), ylabel="share inside its band")
    _name_folds(axes, evaluation)
    title(figure, "How often high and low stayed in their 80 % bands", _together(evaluation, series, ".3f"))
    legend(figure, axes)


def _pinball(evaluation: Evaluation, figure: "Figure") -> None:
    """Both losses move with the market; the share that is saved is measured on equal bars, and steadier."""
    loss, saved = figure.subplots(2, 1, sharex=True)
    figure.subplots_adjust(hspace=0.1)
    series = (
        Series(MODEL, "pinball", "model", OWN, "o"),
        Series(BAND, "pinball", "quantiles of the average true range", OTHER, "s"),
    )
    _by_fold(loss, evaluation, series, unit=BASIS_POINTS, spoken=".2f")
    loss.set_ylabel("pinball loss, 1/100 % of the close")
    skill = Series(MODEL, "pinball_skill", "saved", OWN, "o")
    _by_fold(saved, evaluation, [skill], unit=PERCENT, spoken=".1f")
    saved.axhline(0.0, color=style.TEXT, linewidth=0.9, zorder=1)
    saved.set_ylim(min(saved.get_ylim()[0], -0.2), max(saved.get_ylim()[1], 0.2))
    saved.set_ylabel("of it saved by the model, %")
    _name_folds(saved, evaluation)
    together = _overall(evaluation, MODEL, skill.metric, ".1f", PERCENT)
    title(figure, "How far the quantiles were off", f"all folds: {together} % of the loss saved")
    legend(figure, loss)


def _flags(evaluation: Evaluation, figure: "Figure") -> None:
    share, lift = figure.subplots(2, 1, sharex=True)
    figure.subplots_adjust(hspace=0.1, top=1 - UNNAMED_TOP_PX / HIGH)
    _by_fold(share, evaluation, [Series(MODEL, "flagged_share", "flagged", OWN, "o")], unit=PERCENT, spoken=".2f")
    _by_fold(lift, evaluation, [Series(MODEL, "lift", "lift", OWN, "o")], spoken=".1f")
    share.set_ylim(0.0, 1.05 * share.get_ylim()[1])
    share.set_ylabel("bars flagged, %")
    lift.axhline(1.0, color=style.TEXT, linewidth=0.9, zorder=1)
    lift.set_ylim(min(lift.get_ylim()[0], 0.8), max(lift.get_ylim()[1], 1.2))
    lift.set_ylabel("lift; 1 foretells nothing")
    _name_folds(lift, evaluation)
    flagged = _overall(evaluation, MODEL, "flagged_share", ".2f", PERCENT)
    likelier = _overall(evaluation, MODEL, "lift", ".1f")
    words = f"all folds: {flagged} % flagged; an extreme move is {likelier} times as likely to follow"
    title(figure, "Unusual bars, and the moves after them", words)


def _by_fold(axes: "Axes", evaluation: Evaluation, series: Sequence[Series], *, unit: float = 1.0, spoken: str) -> None:
    """Points with their intervals, one group per fold; with a single fold the numbers beside them."""
    prepare(axes)
    is_drawn = False
    for place, each in enumerate(series):
        found = _measured(evaluation, each.predictor, each.metric).query("fold != @ALL_FOLDS").dropna(subset="value")
        places = found["fold"].to_numpy() + (place - (len(series) - 1) / 2) * APART
        values = found["value"] * unit
        reaches = [(values - found["lower"] * unit).clip(lower=0), (found["upper"] * unit - values).clip(lower=0)]
        axes.errorbar(
            places,
            values,
            yerr=[reach.fillna(0.0) for reach in reaches],
            fmt=each.mark,
            color=each.colour,
            markersize=6.0,
            elinewidth=1.4,
            capsize=0,
            label=each.words,
            zorder=3,
        )
        is_drawn |= len(found) > 0
        if len(_folds(evaluation)) == 1:
            for x, value in zip(places, values, strict=True):
                words = f"{value:{spoken}}"
                axes.annotate(
                    words, (x, value), (8, 0), textcoords="offset points", va="center", fontsize=8, color=each.colour
                )
    if is_drawn:
        axes.margins(y=0.12)
    else:
        _say_nothing(axes)


def _folds(evaluation: Evaluation) -> pd.DataFrame:
    table = evaluation.table
    return table[table["fold"] != ALL_FOLDS].drop_duplicates("fold").sort_values("fold")


def _measured(evaluation: Evaluation, predictor: str, metric: str) -> pd.DataFrame:
    table = evaluation.table
    return table[(table["predictor"] == predictor) & (table["metric"] == metric)]


def _overall(evaluation: Evaluation, predictor: str, metric: str, spoken: str, unit: float = 1.0) -> str:
    """One measure over all folds with its interval, in words."""
    found = _measured(evaluation, predictor, metric).query("fold == @ALL_FOLDS")
    if found.empty or not np.isfinite(found["value"].iloc[0]):
        return "unknown"
    value, lower, upper = (found[["value", "lower", "upper"]].iloc[0].astype(float) * unit).tolist()
    return f"{value:{spoken}}" + (f" ({lower:{spoken}} to {upper:{spoken}})" if np.isfinite(lower) else "")


def _together(evaluation: Evaluation, series: Sequence[Series], spoken: str) -> str:
    found = (f"{each.words} {_overall(evaluation, each.predictor, each.metric, spoken)}" for each in series)
    return f"all folds: {', '.join(found)}"


def _name_folds(axes: "Axes", evaluation: Evaluation) -> None:
    """Below each fold the closes that it judges; of many folds every second or third is named."""
    folds = _folds(evaluation)
    named = folds.iloc[:: -(-len(folds) // MOST_NAMES) or 1]
    words = [f"{row.test_from:%Y-%m-%d}\nto {row.test_to:%Y-%m-%d}" for row in named.itertuples()]
    axes.set_xticks(named["fold"].tolist(), words)
    axes.set_xlim(0.4, max(len(folds), 1) + 0.6)


def _say_nothing(axes: "Axes") -> None:
    say(axes, "nothing was measured", height=0.72)


PICTURES: dict[ModelKind, tuple[tuple[str, int, Drawing], ...]] = {
    ModelKind.DIRECTION: (("reliability", HIGH, _reliability), ("AUC by fold", LOW, _auc)),
    ModelKind.PRICE_RANGE: (("coverage by fold", LOW, _coverage), ("pinball loss by fold", HIGH, _pinball)),
    ModelKind.ANOMALY: (("flags and lift by fold", HIGH, _flags),),
}
