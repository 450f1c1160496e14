"""A scene as an HTML page by plotly: zoom with the wheel, drag to move, read the values of a bar under the pointer.

One file with the whole of plotly in it (5 MB), which opens without a network and says nothing to anybody. plotly is
loaded with the first page, not with the module.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.charts import style
from pipeline.charts.axis import spread
from pipeline.charts.scene import LevelLine, Scene, SignalMark

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SHARES = (0.64, 0.12, 0.11, 0.13)
SHARES_WITH_SENTIMENT = (0.56, 0.10, 0.10, 0.12, 0.12)
LABEL_GAP_SHARE = 0.032  # of the price panel's height
STRETCH_SIDES = {"filled": "bottom", "blocked": "top"}
CONFIG = {"responsive": True, "scrollZoom": True, "displaylogo": False}


def draw_html(scene: Scene) -> str:
    """The page; equal scenes give equal text."""
    from plotly.subplots import make_subplots

    shares = SHARES_WITH_SENTIMENT if scene.has_sentiment else SHARES
    figure = make_subplots(rows=len(shares), shared_xaxes=True, row_heights=shares, vertical_spacing=0.015)
    # Instead of every open, which would be most of the page where there are many bars.
    grid = {"x0": scene.instant_of(0.0), "dx": scene.step.total_seconds() * 1000.0}
    _bars(scene, figure, grid)
    _panels(scene, figure, grid)
    if scene.has_sentiment:
        _sentiment(scene, figure, grid)
    _stretches(scene, figure)
    _levels(scene, figure)
    _patterns(scene, figure)
    _signals(scene, figure)
    _margin(scene, figure)
    _layout(scene, figure)
    page: str = figure.to_html(
        include_plotlyjs=True,
        full_html=True,
        config=CONFIG,
        div_id="chart",
        default_width="100%",
        default_height="100vh",
    )
    return page.replace("<head>", f"<head><title>{scene.title}</title><style>body {{ margin: 0 }}</style>", 1)


def _bars(scene: Scene, figure: "Figure", grid: Mapping[str, Any]) -> None:
    import plotly.graph_objects as go

    bars = scene.bars
    if scene.has_bands:
        thin = {"color": style.BAND, "width": 1}
        figure.add_scatter(
            **grid, y=bars["bb_upper"], name="Bollinger 20, 2", line=thin, legendgroup="bands", row=1, col=1
        )
        figure.add_scatter(
            **{**grid, "y": bars["bb_lower"], "name": "Bollinger lower", "line": thin, "legendgroup": "bands"},
            **{"fill": "tonexty", "fillcolor": "rgba(138, 157, 176, 0.10)", "showlegend": False, "row": 1, "col": 1},
        )
    if scene.is_line:
        figure.add_scatter(**grid, y=bars["close"], name="close", line={"color": style.TEXT, "width": 1}, row=1, col=1)
    else:
        figure.add_trace(
            go.Candlestick(
                **{
                    "x": bars.index,
                    "open": bars["open"],
                    "high": bars["high"],
                    "low": bars["low"],
                    "close": bars["close"],
                },
                name="candles",
                increasing={"line": {"color": style.UP, "width": 1}, "fillcolor": style.UP},
                decreasing={"line": {"color": style.DOWN, "width": 1}, "fillcolor": style.DOWN},
            ),
            row=1,
            col=1,
        )
    for name, words in scene.averages.items():
        line = {"color": style.AVERAGES[name], "width": 1.3}
        figure.add_scatter(**grid, y=bars[name], name=words, line=line, row=1, col=1)


def _panels(scene: Scene, figure: "Figure", grid: Mapping[str, Any]) -> None:
    bars = scene.bars
    colours = np.where(bars["close"] >= bars["open"], style.UP, style.DOWN)
    volume = {"color": style.BAND if scene.is_line else colours, "line": {"width": 0}}
    figure.add_bar(**grid, y=bars["volume"], name="volume", marker=volume, showlegend=False, row=2, col=1)
    sides = style.BAND if scene.is_line else np.where(bars["macd_histogram"] >= 0, style.UP, style.DOWN)
    histogram = {"color": sides, "opacity": 0.6, "line": {"width": 0}}
    figure.add_bar(
        **grid, y=bars["macd_histogram"], name="MACD histogram", marker=histogram, showlegend=False, row=4, col=1
    )
    for row, name, words, colour in (
        (2, "volume_median_20", "volume, median 20", style.MUTED),
        (3, "rsi_14", "RSI 14", style.AVERAGES["sma_50"]),
        (4, "macd", "MACD", style.TEXT),
        (4, "macd_signal", "MACD signal", style.AVERAGES["sma_20"]),
    ):
        line = {"color": colour, "width": 1.1}
        figure.add_scatter(**grid, y=bars[name], name=words, line=line, showlegend=False, row=row, col=1)
    figure.add_hrect(y0=30, y1=70, fillcolor=style.BAND, opacity=0.10, line_width=0, row=3, col=1)


def _sentiment(scene: Scene, figure: "Figure", grid: Mapping[str, Any]) -> None:
    for name, colour in style.SENTIMENT.items():
        line = {"color": colour, "width": 2 if name == "covered_score" else 1}
        words = {"name": style.SENTIMENT_WORDS[name], "showlegend": False}
        figure.add_scatter(**grid, **words, y=scene.bars[name], line=line, row=5, col=1)
    level = style.SENTIMENT_LEVEL
    figure.add_hrect(y0=-level, y1=level, fillcolor=style.BAND, opacity=0.10, line_width=0, row=5, col=1)


def _stretches(scene: Scene, figure: "Figure") -> None:
    said = set()
    for stretch in scene.stretches:
        words = style.stretch_words(stretch)
        figure.add_vrect(
            x0=scene.instant_of(stretch.begin - 0.5),
            x1=scene.instant_of(stretch.end + 0.5),
            **{"fillcolor": style.STRETCHES[stretch.kind], "opacity": 0.3, "line_width": 0, "layer": "below"},
            **{"row": 1, "col": 1, "annotation_text": "" if words in said else words},
            **{
                "annotation_position": f"{STRETCH_SIDES[stretch.kind]} left",
                "annotation_font": {"size": 10, "color": style.MUTED},
            },
        )
        said.add(words)


def _levels(scene: Scene, figure: "Figure") -> None:
    """One trace for lines of the same role and weight, so that the legend can switch a role off."""
    groups: dict[tuple[str, float, bool], list[LevelLine]] = defaultdict(list)
    for line in scene.levels:
        groups[line.role, style.level_width(line), line.is_standing].append(line)
    named = set()
    for (role, width, is_standing), lines in sorted(groups.items()):
        right = scene.n_bars - 1 + scene.room
        ends = [((line.begin, line.price), (right if line.is_standing else line.end, line.price)) for line in lines]
        figure.add_scatter(
            **_polyline(scene, ends),
            **{
                "mode": "lines",
                "name": role,
                "legendgroup": role,
                "showlegend": role not in named,
                "hoverinfo": "skip",
            },
            line={"color": style.LEVELS[role], "width": width},
            **{"opacity": 0.85 if is_standing else 0.35, "row": 1, "col": 1},
        )
        named.add(role)


def _polyline(scene: Scene, lines: Iterable[Sequence[tuple[float, float]]]) -> dict[str, list[Any]]:
    """Separate lines as one: x and y with a gap after each."""
    x: list[Any] = []
    y: list[Any] = []
    for line in lines:
        x += [*(scene.instant_of(place) for place, _ in line), None]
        y += [*(price for _, price in line), None]
    return {"x": x, "y": y}


def _patterns(scene: Scene, figure: "Figure") -> None:
    for number, pattern in enumerate(scene.patterns):
        group = {"legendgroup": "patterns", "row": 1, "col": 1}
        figure.add_scatter(
            x=[scene.instant_of(anchor.place) for anchor in pattern.anchors],
            y=[anchor.price for anchor in pattern.anchors],
            text=[f"{pattern.name}: {anchor.role} {style.price_words(anchor.price)}" for anchor in pattern.anchors],
            **{"mode": "lines+markers", "hovertemplate": "%{text}<extra></extra>", "name": "patterns"},
            **{"line": {"color": style.PATTERN, "width": 1}, "marker": {"size": 5}, "showlegend": number == 0},
            **group,
        )
        for place, boundary in enumerate(pattern.boundaries):
            dash = {"width": 2, "dash": "solid"} if place == 0 else {"width": 1.2, "dash": "dash"}
            figure.add_scatter(
                **_polyline(scene, [boundary]),
                **{"mode": "lines", "line": {"color": style.PATTERN, **dash}, "hoverinfo": "skip", "showlegend": False},
                **group,
            )
        if pattern.target is not None:
            ends = ((pattern.completed.place, pattern.target), (pattern.target_end, pattern.target))
            figure.add_scatter(
                **_polyline(scene, [ends]),
                **{"mode": "lines", "line": {"color": style.PATTERN, "width": 1, "dash": "dashdot"}},
                **{"hoverinfo": "skip", "showlegend": False},
                **group,
            )
        prices = [anchor.price for anchor in pattern.anchors]
        is_above = pattern.direction < 0
        figure.add_annotation(
            x=scene.instant_of(max((pattern.anchors[0].place + pattern.completed.place) / 2, 0)),
            y=max(prices) if is_above else min(prices),
            text=style.pattern_words(scene, pattern),
            **{"showarrow": False, "yshift": 12 if is_above else -12, "font": {"size": 11, "color": style.PATTERN}},
            **{"bgcolor": "rgba(255, 255, 255, 0.75)", "row": 1, "col": 1},
        )


def _signals(scene: Scene, figure: "Figure") -> None:
    offset = 0.018 * (scene.highest - scene.lowest)
    by_type: dict[str, list[SignalMark]] = defaultdict(list)
    for mark in scene.signals:
        by_type[mark.signal_type].append(mark)
    for signal_type, marks in sorted(by_type.items()):
        anchors = [style.above_or_below(scene, mark) for mark in marks]
        colour = style.SIGNALS[signal_type]
        figure.add_scatter(
            x=[scene.instant_of(mark.place) for mark in marks],
            y=[price + side * offset for price, side in anchors],
            text=[mark.text for mark in marks],
            **{"mode": "markers", "name": signal_type, "legendgroup": signal_type, "row": 1, "col": 1},
            hovertemplate="%{text}<extra></extra>",
            marker={
                "symbol": style.HTML_SYMBOLS[signal_type],
                "size": [13 if mark.is_full else 9 for mark in marks],
                "color": ["white" if style.is_void(mark) else colour for mark in marks],
                "line": {"color": colour, "width": 1},
            },
        )
        for mark in marks:
            if mark.is_full:
                _prices(scene, figure, mark)


def _prices(scene: Scene, figure: "Figure", mark: SignalMark) -> None:
    right = scene.n_bars - 1 + scene.room
    for name, price, colour in style.signal_prices(mark):
        common = {"mode": "lines", "hoverinfo": "skip", "showlegend": False, "legendgroup": mark.signal_type}
        figure.add_scatter(
            **_polyline(scene, [((mark.place - 0.5, price), (mark.end + 0.5, price))]),
            line={"color": colour, "width": 2.5, "dash": "solid" if name in style.SOLID else "dot"},
            **{**common, "row": 1, "col": 1},
        )
        if mark.is_labelled:
            figure.add_scatter(
                **_polyline(scene, [((mark.end + 0.5, price), (right, price))]),
                line={"color": colour, "width": 0.8, "dash": "dot"},
                **{**common, "row": 1, "col": 1},
            )


def _margin(scene: Scene, figure: "Figure") -> None:
    """Prices beside the picture, moved apart where they would overlap."""
    labels = style.margin_labels(scene)
    height = scene.highest - scene.lowest or 1.0
    gap = LABEL_GAP_SHARE * height
    for (price, words, colour, is_bold), at in zip(
        labels, spread([label[0] for label in labels], gap, scene.lowest, scene.highest), strict=True
    ):
        figure.add_annotation(
            **{"xref": "x domain", "x": 1.0, "xanchor": "left", "y": at, "yref": "y", "showarrow": False},
            text=f"<b>{words}</b>" if is_bold else words,
            font={"size": 10, "color": colour},
            hovertext=style.price_words(price),
        )


def _layout(scene: Scene, figure: "Figure") -> None:
    pad = 0.05 * (scene.highest - scene.lowest) or 0.01 * scene.highest
    longest = max((len(label.words) for label in style.margin_labels(scene)), default=0)
    decimals = len(style.price_words(scene.highest).partition(".")[2])
    figure.update_layout(
        title={"text": f"<b>{scene.title}</b><br><sub>{scene.subtitle}</sub>", "x": 0.01, "font": {"size": 18}},
        **{"template": "plotly_white", "hovermode": "x unified", "dragmode": "pan", "bargap": 0.15},
        legend={"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        margin={"l": 55, "r": max(130, 20 + 7 * longest), "t": 80, "b": 30},
        font={"color": style.TEXT, "size": 12},
    )
    figure.update_xaxes(
        range=[scene.instant_of(-1.0), scene.instant_of(scene.n_bars - 1 + scene.room)],
        **{
            "type": "date",
            "rangeslider_visible": False,
            "gridcolor": style.GRID,
            "hoverformat": "%Y-%m-%d %H:%M UTC (open)",
        },
    )
    figure.update_yaxes(gridcolor=style.GRID, zeroline=False)
    figure.update_yaxes(
        range=[scene.lowest - pad, scene.highest + pad],
        tickformat=f",.{decimals}f",
        hoverformat=f",.{decimals}f",
        row=1,
    )
    for row, words in ((2, "volume"), (3, "RSI 14"), (4, "MACD")):
        figure.update_yaxes(title={"text": words, "font": {"size": 10}}, nticks=4, row=row)
    figure.update_yaxes(range=[0, 100], tickvals=[30, 70], row=3)
    if scene.has_sentiment:
        level = style.SENTIMENT_LEVEL
        title = {"text": "sentiment", "font": {"size": 10}}
        figure.update_yaxes(title=title, range=[-1, 1], tickvals=[-level, 0, level], row=5)
