"""What small pictures share: a white ground of so many pixels, quiet axes, a title in the corner, a legend below it.

matplotlib is loaded with the first picture, as in `charts.png`, and no figure stays open.
"""

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from pipeline.charts import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100


def picture(width: int, height: int, drawing: "Callable[[Figure], None]", *, scale: int = 1) -> bytes:
    """A PNG of ``width`` by ``height`` pixels, ``scale`` dots each way to a pixel; equal drawings give equal bytes."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "font.family": "DejaVu Sans", "axes.unicode_minus": False}):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        drawing(figure)
        file = BytesIO()
        figure.savefig(file, format="png", dpi=DPI * scale, metadata={"Software": None}, pil_kwargs={"optimize": True})
    return file.getvalue()


def set_margins(figure: "Figure", left: int, right: int, bottom: int, top: int) -> None:
    """Keep so many pixels free around the axes."""
    width, height = size_of(figure)
    figure.subplots_adjust(left=left / width, right=1 - right / width, bottom=bottom / height, top=1 - top / height)


def size_of(figure: "Figure") -> tuple[float, float]:
    """Width and height in pixels of scale 1."""
    return figure.get_figwidth() * DPI, figure.get_figheight() * DPI


def prepare(axes: "Axes", grid_axis: str = "y") -> None:
    """Thin and grey, so that what is drawn stands out."""
    for side in ("top", "left", "right", "bottom"):
        axes.spines[side].set_color(style.GRID)
    axes.tick_params(which="both", colors=style.TEXT, labelsize=8, length=0)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="x" if grid_axis == "x" else "y", color=style.GRID, linewidth=0.7)
    axes.yaxis.label.set(color=style.MUTED, fontsize=8)
    axes.xaxis.label.set(color=style.MUTED, fontsize=8)


def say(axes: "Axes", words: str, height: float = 0.5) -> None:
    """Write something across an empty picture, at a share of its height."""
    axes.text(0.5, height, words, transform=axes.transAxes, ha="center", va="center", color=style.MUTED)


def title(figure: "Figure", words: str, subtitle: str) -> None:
    """What is seen, and below it smaller what it comes to."""
    width, height = size_of(figure)
    figure.text(14 / width, 1 - 8 / height, words, va="top", fontsize=11, fontweight="bold", color=style.TEXT)
    figure.text(14 / width, 1 - 29 / height, subtitle, va="top", fontsize=8, color=style.MUTED)


def legend(figure: "Figure", axes: "Axes") -> None:
    """The labels of what is drawn, in a line below the title."""
    width, height = size_of(figure)
    handles, words = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        words,
        loc="upper left",
        bbox_to_anchor=(8 / width, 1 - 44 / height),
        ncols=max(len(words), 1),
        frameon=False,
        fontsize=8,
        handlelength=1.6,
        columnspacing=1.6,
        labelcolor=style.TEXT,
    )
