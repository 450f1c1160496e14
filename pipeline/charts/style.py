"""Colours and words of a picture, the same in both backends.

Colours are told apart by people with any common colour blindness (after Okabe and Ito, "Color Universal Design", made
calmer), and never alone: up and down differ in shape or side too. Up is blue, down is orange, not green and red.
"""

import math
from typing import NamedTuple

from pipeline.charts.scene import LevelLine, PatternDrawing, Scene, SignalMark, Stretch
from pipeline.domain.status import SignalStatus

UP, DOWN = "#4a90b8", "#d98a4b"
TEXT, MUTED, GRID = "#333333", "#8a8a8a", "#ececec"
BAND = "#8a9db0"
PATTERN = "#a0327d"
TARGET = "#2a8068"
ENTRY = "#222222"
STOP = "#b5442e"
AVERAGES = {"sma_20": "#c9a227", "sma_50": "#6f5aa8", "sma_200": "#555555"}
LEVELS = {"support": "#1f6490", "resistance": "#a8551a"}
# What texts say, thin: of the news, of X and Reddit; together, and strong where it is enough for an advice.
SENTIMENT = {"news_score": "#c9a227", "social_score": "#6f5aa8", "overall_score": "#8a8a8a", "covered_score": "#333333"}
SENTIMENT_WORDS = {
    "news_score": "news",
    "social_score": "X and Reddit",
    "overall_score": "together, too little said",
    "covered_score": "together",
}
SENTIMENT_LEVEL = 0.6  # beyond which it is advised upon, unless the settings say otherwise
SIGNALS = {"BUY": "#12507b", "SELL": "#b0500f", "ALERT": "#777777"}
STRETCHES = {"filled": "#bfbfbf", "blocked": "#e6b84d"}
STRETCH_WORDS = {"filled": "filled bar (no trade)", "blocked": "blocked"}

PNG_SYMBOLS = {"BUY": "^", "SELL": "v", "ALERT": "D"}
HTML_SYMBOLS = {"BUY": "triangle-up", "SELL": "triangle-down", "ALERT": "diamond"}

SOLID = ("entry", "stop")  # the lines of targets are dashed


class Label(NamedTuple):
    """What is written beside the picture at a price."""

    price: float
    words: str
    colour: str
    is_bold: bool


def price_words(value: float) -> str:
    """A price with six digits that matter, as far as twelve decimals hold them: ``67,123.45``, ``0.612345``."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    decimals = 2 if abs(value) >= 1000 else min(max(5 - math.floor(math.log10(abs(value))), 2), 12)
    return f"{value:,.{decimals}f}"


def tick_format(step: float) -> str:
    """How prices beside the picture are written that lie ``step`` apart: with the decimals that tell them apart."""
    return f"{{x:,.{max(0, -math.floor(math.log10(step)))}f}}"


def level_words(line: LevelLine) -> str:
    """What stands beside a level: its price and how often it was touched."""
    return f"{price_words(line.price)}  x{line.touches}"


def level_width(line: LevelLine) -> float:
    """Width of a level's line: its weight is its strength."""
    return 0.4 + 1.3 * line.strength**2


def signal_prices(mark: SignalMark) -> list[tuple[str, float, str]]:
    """Entry, stop and targets: what it is called, the price, the colour."""
    found = [("entry", mark.price, ENTRY)]
    if mark.stop is not None:
        found.append(("stop", mark.stop, STOP))
    return [*found, *((name, price, TARGET) for name, price in mark.targets)]


def pattern_words(scene: Scene, pattern: PatternDrawing) -> str:
    """The name of a pattern, and its target where there is room for it."""
    if pattern.target is None or scene.is_line:
        return pattern.name
    return f"{pattern.name}, target {price_words(pattern.target)}"


def stretch_words(stretch: Stretch) -> str:
    """What is the matter with some bars."""
    words = STRETCH_WORDS[stretch.kind]
    return f"{words}: {stretch.reason}" if stretch.kind == "blocked" else words


def margin_labels(scene: Scene) -> list[Label]:
    """Prices beside the picture, lowest first: standing levels, the labelled signal's prices, the last close."""
    labels = [
        Label(each.price, level_words(each), LEVELS[each.role], False) for each in scene.levels if each.is_standing
    ]
    labels += [
        Label(price, f"{price_words(price)}  {name}", colour, True)
        for mark in scene.signals
        if mark.is_labelled
        for name, price, colour in signal_prices(mark)
    ]
    known = scene.bars["close"].dropna()
    if len(known):
        last = float(known.iloc[-1])
        labels.append(Label(last, f"{price_words(last)}  last", TEXT, True))
    return sorted(label for label in labels if scene.lowest <= label.price <= scene.highest)


def is_void(mark: SignalMark) -> bool:
    """Whether a signal was taken back, so that its mark is hollow."""
    return mark.status == SignalStatus.INVALIDATED


def above_or_below(scene: Scene, mark: SignalMark) -> tuple[float, int]:
    """From which price a mark keeps its distance, and to which side: a BUY below the low, a SELL above the high."""
    bar = scene.bars.iloc[min(max(int(mark.place), 0), scene.n_bars - 1)]
    return (float(bar["low"]), -1) if mark.signal_type == "BUY" else (float(bar["high"]), 1)
