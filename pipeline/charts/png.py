"""A scene as PNG: candles and volume by mplfinance, what is drawn upon them by matplotlib.

mplfinance is what people of this field draw candles with. matplotlib is loaded with the first picture, not with the
module: it takes a second, and most processes never draw. Figures are made without `pyplot`'s list of open figures, so
that a process that draws for months keeps none.
"""

from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from pipeline.charts import style
from pipeline.charts.axis import spread, ticks
from pipeline.charts.scene import PatternDrawing, Scene, SignalMark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 100
LABEL_GAP_PX = 15
MARGIN_PX = 130.0  # at the least
TICK_PX = 110
CHARACTER_SHARE = 0.62  # width of a character as a share of its size
MARK_SIZE = 70.0
SMALL_MARK_SIZE = 26.0


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


LARGE = Size(1600, 1000)
SMALL = Size(900, 520)  # for the UI; without the panels of RSI and MACD


def draw_png(scene: Scene, size: Size = LARGE, *, n_colours: int | None = None) -> bytes:
    """The picture, exactly as large as asked, in at most ``n_colours`` if given; equal scenes give equal bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "font.family": "DejaVu Sans", "axes.unicode_minus": False}):
        figure = Figure(figsize=(size.width / DPI, size.height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        has_panels = size.height > SMALL.height
        shares = [6, 1.1, 1.0, 1.0, *([1.0] if scene.has_sentiment else [])] if has_panels else [5, 1]
        axes = figure.subplots(len(shares), 1, sharex=True, height_ratios=shares)
        figure.subplots_adjust(
            left=12 / size.width,
            right=1 - _margin_px(scene) / size.width,
            bottom=34 / size.height,
            top=1 - 62 / size.height,
            hspace=0.05,
        )
        for each in axes:
            _prepare(each)
        _bars(scene, axes[0], axes[1])
        _overlays(scene, axes[0])
        _stretches(scene, axes)
        if has_panels:
            _rsi(scene, axes[2])
            _macd(scene, axes[3])
        if has_panels and scene.has_sentiment:
            _sentiment(scene, axes[4])
        _frame(scene, axes, size)
        _levels(scene, axes[0])
        _signals(scene, axes[0])
        _patterns(scene, axes[0])
        _margin(scene, axes[0])
        _titles(scene, figure, axes, size)
        file = BytesIO()
        figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return file.getvalue() if n_colours is None else _reduced(file, n_colours)


def _reduced(file: BytesIO, n_colours: int) -> bytes:
    """The picture with a palette, which covers all its colours: a median cut would lose those of thin lines.

    Without dithering, which would put dots on a white ground.
    """
    from PIL import Image

    with Image.open(file) as picture:
        reduced = picture.convert("RGB").quantize(n_colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    smaller = BytesIO()
    reduced.save(smaller, format="png", optimize=True)
    return smaller.getvalue()


def _prepare(axes: "Axes") -> None:
    axes.set_facecolor("white")
    for side in ("top", "left", "right", "bottom"):
        axes.spines[side].set_color(style.GRID)
    axes.yaxis.tick_right()
    axes.tick_params(colors=style.TEXT, labelsize=8, length=0)
    axes.set_axisbelow(True)


def _bars(scene: Scene, axes: "Axes", volume_axes: "Axes") -> None:
    bars, places = scene.bars, np.arange(scene.n_bars)
    if scene.is_line:
        axes.fill_between(places, bars["low"], bars["high"], color=style.BAND, alpha=0.35, linewidth=0)
        axes.plot(places, bars["close"], color=style.TEXT, linewidth=0.9, label="close")
        volume_axes.fill_between(places, 0, bars["volume"], color=style.BAND, alpha=0.7, linewidth=0, step="mid")
    else:
        _candles(scene, axes, volume_axes)
    volume_axes.plot(places, bars["volume_median_20"], color=style.MUTED, linewidth=0.8)


def _candles(scene: Scene, axes: "Axes", volume_axes: "Axes") -> None:
    import mplfinance as mpf

    frame = scene.bars[["open", "high", "low", "close", "volume"]].rename(columns=str.title)
    colours = {"up": style.UP, "down": style.DOWN}
    market = mpf.make_marketcolors(**colours, edge="inherit", wick="inherit", volume="inherit", alpha=1.0)
    look = mpf.make_mpf_style(marketcolors=market, facecolor="white", gridstyle="", edgecolor=style.GRID)
    mpf.plot(frame, type="candle", ax=axes, volume=volume_axes, style=look, warn_too_much_data=10**9)


def _overlays(scene: Scene, axes: "Axes") -> None:
    bars, places = scene.bars, np.arange(scene.n_bars)
    if scene.has_bands:
        axes.fill_between(
            places, bars["bb_lower"], bars["bb_upper"], color=style.BAND, alpha=0.10, linewidth=0, zorder=0.5
        )
        for name, words in (("bb_upper", "Bollinger 20, 2"), ("bb_lower", "")):
            axes.plot(places, bars[name], color=style.BAND, linewidth=0.7, label=words, zorder=1.5)
    for name, words in scene.averages.items():
        axes.plot(places, bars[name], color=style.AVERAGES[name], linewidth=1.1, label=words, zorder=1.6)


def _stretches(scene: Scene, axes: Any) -> None:
    said = set()
    for stretch in scene.stretches:
        words = style.stretch_words(stretch)
        for each in axes[:2]:
            each.axvspan(
                stretch.begin - 0.5,
                stretch.end + 0.5,
                color=style.STRETCHES[stretch.kind],
                alpha=0.35,
                linewidth=0,
                zorder=0.2,
                label="" if words in said or each is not axes[0] else words,
            )
        said.add(words)


def _rsi(scene: Scene, axes: "Axes") -> None:
    axes.plot(np.arange(scene.n_bars), scene.bars["rsi_14"], color=style.AVERAGES["sma_50"], linewidth=0.9)
    axes.axhspan(30, 70, color=style.BAND, alpha=0.10, linewidth=0)
    axes.set_ylim(0, 100)
    axes.set_yticks([30, 70])
    _name(axes, "RSI 14")


def _macd(scene: Scene, axes: "Axes") -> None:
    bars, places = scene.bars, np.arange(scene.n_bars)
    histogram = bars["macd_histogram"].to_numpy()
    for colour, part in ((style.UP, np.fmax(histogram, 0)), (style.DOWN, np.fmin(histogram, 0))):
        axes.fill_between(places, 0, part, color=colour, alpha=0.6, linewidth=0, step="mid")
    axes.plot(places, bars["macd"], color=style.TEXT, linewidth=0.8)
    axes.plot(places, bars["macd_signal"], color=style.AVERAGES["sma_20"], linewidth=0.8)
    axes.axhline(0, color=style.GRID, linewidth=0.8, zorder=0.1)
    axes.margins(y=0.1)
    if bars["macd"].isna().all():
        axes.set_yticks([])
    _name(axes, "MACD 12, 26, 9")


def _sentiment(scene: Scene, axes: "Axes") -> None:
    places = np.arange(scene.n_bars)
    for name, colour in style.SENTIMENT.items():
        width = 1.5 if name == "covered_score" else 0.8
        axes.plot(places, scene.bars[name], color=colour, linewidth=width, label=style.SENTIMENT_WORDS[name])
    axes.axhline(0, color=style.GRID, linewidth=0.8, zorder=0.1)
    level = style.SENTIMENT_LEVEL
    axes.axhspan(-level, level, color=style.BAND, alpha=0.10, linewidth=0)
    axes.set_ylim(-1, 1)
    axes.set_yticks([-level, 0, level])
    axes.legend(
        **{"loc": "upper left", "bbox_to_anchor": (0.05, 1.06), "ncols": 4, "frameon": False, "fontsize": 7},
        **{"handlelength": 1.2, "columnspacing": 1.0, "labelcolor": style.MUTED},
    )
    _name(axes, "sentiment")


def _name(axes: "Axes", words: str) -> None:
    axes.text(0.005, 0.93, words, transform=axes.transAxes, va="top", fontsize=8, color=style.MUTED, zorder=6)


def _frame(scene: Scene, axes: Any, size: Size) -> None:
    """Limits, dates and grids, after all that would change them."""
    pad = 0.05 * (scene.highest - scene.lowest) or 0.01 * scene.highest
    price, volume = axes[0], axes[1]
    price.set_xlim(-1.0, scene.n_bars - 1 + scene.room)
    price.set_ylim(scene.lowest - pad, scene.highest + pad)
    highest_volume = float(np.nanmax(np.nan_to_num(scene.bars["volume"].to_numpy())))
    volume.set_ylim(0, 1.1 * highest_volume or 1.0)
    volume.set_yticks([])
    _name(volume, "volume, median 20")
    places = ticks(pd.DatetimeIndex(scene.bars.index), scene.step, max(size.width // TICK_PX, 2))
    for each in axes:
        each.set_xticks([place for place, _ in places], [words for _, words in places])
        each.grid(visible=True, color=style.GRID, linewidth=0.7)
        each.set_xlabel("")
        each.set_ylabel("")
        each.tick_params(labelbottom=each is axes[-1], labelrotation=0)
        each.yaxis.tick_right()
    price.locator_params(axis="y", nbins=12)
    price.yaxis.set_major_formatter(style.tick_format(np.diff(price.get_yticks())[0]))


def _levels(scene: Scene, axes: "Axes") -> None:
    right = scene.n_bars - 1 + scene.room
    named = set()
    for line in sorted(scene.levels, key=lambda line: not line.is_standing):
        axes.plot(
            [line.begin, right if line.is_standing else line.end],
            [line.price, line.price],
            color=style.LEVELS[line.role],
            linewidth=style.level_width(line),
            alpha=0.85 if line.is_standing else 0.35,
            solid_capstyle="butt",
            zorder=1.8,
            label="" if line.role in named else line.role,
        )
        named.add(line.role)


def _signals(scene: Scene, axes: "Axes") -> None:
    low, high = axes.get_ylim()
    right = scene.n_bars - 1 + scene.room
    for mark in scene.signals:
        colour = style.SIGNALS[mark.signal_type]
        price, side = style.above_or_below(scene, mark)
        axes.scatter(
            [mark.place],
            [price + side * 0.018 * (high - low)],
            marker=style.PNG_SYMBOLS[mark.signal_type],
            s=MARK_SIZE if mark.is_full else SMALL_MARK_SIZE,
            facecolor="white" if style.is_void(mark) else colour,
            edgecolor=colour if style.is_void(mark) or not mark.is_full else "black",
            linewidth=0.8,
            zorder=5 if mark.is_full else 4,
        )
        if mark.is_full:
            _prices(mark, axes, right)


def _prices(mark: SignalMark, axes: "Axes", right: float) -> None:
    """Entry, stop and targets over the signal's life, which a thin upright line ends."""
    lines = style.signal_prices(mark)
    begin, end = mark.place - 0.5, mark.end + 0.5
    for name, price, colour in lines:
        dashes = "-" if name in style.SOLID else (0, (2, 1))
        axes.plot([begin, end], [price, price], color=colour, linewidth=2.0, linestyle=dashes, zorder=4.5)
        if mark.is_labelled:
            axes.plot([end, right], [price, price], color=colour, linewidth=0.6, linestyle=":", zorder=4)
    prices = [price for _, price, _ in lines]
    axes.plot([end, end], [min(prices), max(prices)], color=style.MUTED, linewidth=0.8, zorder=4.4)


def _margin_px(scene: Scene) -> float:
    """How wide the margin on the right must be for the longest price that is written there."""
    longest = max((len(label.words) for label in style.margin_labels(scene)), default=0)
    return max(MARGIN_PX, 40 + longest * 8 * DPI / 72 * CHARACTER_SHARE)


def _margin(scene: Scene, axes: "Axes") -> None:
    """Write prices to the right of the picture, moved apart where they would overlap, instead of its ticks."""
    low, high = axes.get_ylim()
    gap = LABEL_GAP_PX * (high - low) / axes.get_window_extent().height
    labels = style.margin_labels(scene)
    heights = spread([label.price for label in labels], gap, low + gap / 2, high - gap / 2)
    transform = axes.get_yaxis_transform()
    for (price, words, colour, is_bold), height in zip(labels, heights, strict=True):
        axes.plot([1.0, 1.012], [price, height], transform=transform, color=colour, linewidth=0.7, clip_on=False)
        weight = "bold" if is_bold else "normal"
        axes.text(1.014, height, words, transform=transform, va="center", fontsize=8, color=colour, fontweight=weight)
    taken = np.array(heights)
    axes.set_yticks([tick for tick in axes.get_yticks() if low < tick < high and not _is_near(tick, taken, gap)])


def _is_near(tick: float, taken: "np.typing.NDArray[np.float64]", gap: float) -> bool:
    return bool((np.abs(taken - tick) < gap).any())


def _patterns(scene: Scene, axes: "Axes") -> None:
    boxes: list[tuple[float, float, float, float]] = []
    for pattern in scene.patterns:
        places, prices, _ = zip(*pattern.anchors, strict=True)
        axes.plot(places, prices, "-o", color=style.PATTERN, linewidth=1.0, markersize=3.5, alpha=0.75, zorder=3)
        for number, (begin, end) in enumerate(pattern.boundaries):
            axes.plot(
                [begin.place, end.place],
                [begin.price, end.price],
                color=style.PATTERN,
                linewidth=1.8 if number == 0 else 1.1,
                linestyle="-" if number == 0 else "--",
                zorder=3.1,
            )
        if pattern.target is not None:
            axes.plot(
                [pattern.completed.place, pattern.target_end],
                [pattern.target] * 2,
                color=style.PATTERN,
                linewidth=1.0,
                linestyle="-.",
                zorder=3,
            )
        _pattern_name(scene, pattern, axes, boxes)


def _pattern_name(
    scene: Scene, pattern: PatternDrawing, axes: "Axes", boxes: list[tuple[float, float, float, float]]
) -> None:
    """Write the name on the side that the pattern turned away from, moved off the names before it."""
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    extent = axes.get_window_extent()
    bars_per_px, price_per_px = (right - left) / extent.width, (high - low) / extent.height
    words = style.pattern_words(scene, pattern)
    width, height = len(words) * 8 * DPI / 72 * CHARACTER_SHARE * bars_per_px, 13 * price_per_px
    prices = [anchor.price for anchor in pattern.anchors]
    middle = (max(pattern.anchors[0].place, left) + pattern.completed.place) / 2
    begin = min(max(middle - width / 2, left + 4 * bars_per_px), right - width)
    side = -pattern.direction
    bottom = max(prices) + 0.9 * height if side > 0 else min(prices) - 1.9 * height
    bottom = min(max(bottom, low + 0.2 * height), high - 1.2 * height)
    for _ in range(len(boxes)):
        hit = [b for b in boxes if b[0] < begin + width and begin < b[1] and b[2] < bottom + height and bottom < b[3]]
        if not hit:
            break
        bottom = max(b[3] for b in hit) if side > 0 else min(b[2] for b in hit) - height
    boxes.append((begin, begin + width, bottom, bottom + height))
    axes.text(
        *(begin, bottom, words),
        fontsize=8,
        color=style.PATTERN,
        va="bottom",
        zorder=6,
        clip_on=True,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.8},
    )


def _titles(scene: Scene, figure: Any, axes: Any, size: Size) -> None:
    left = 12 / size.width
    figure.text(left, 1 - 8 / size.height, scene.title, va="top", fontsize=13, fontweight="bold", color=style.TEXT)
    figure.text(left, 1 - 32 / size.height, scene.subtitle, va="top", fontsize=9, color=style.MUTED)
    handles, words = axes[0].get_legend_handles_labels()
    shown = [(handle, text) for handle, text in zip(handles, words, strict=True) if text and not text.startswith("_")]
    if shown:
        figure.legend(
            *zip(*shown, strict=True),
            loc="upper right",
            bbox_to_anchor=(1 - 8 / size.width, 1 - 6 / size.height),
            ncols=len(shown),
            frameon=False,
            fontsize=8,
            handlelength=1.4,
            columnspacing=1.2,
            labelcolor=style.TEXT,
        )
