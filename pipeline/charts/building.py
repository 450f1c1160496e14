"""A scene from stored rows: which bars, lines, levels, patterns and signals a picture shows, and how far they reach.

What depends on pixels or colours belongs to the backends. Everything is cut here to what a reader can tell apart: a
picture of 20,000 bars has no candles, and the strongest of its thousands of signals.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from pipeline.charts.material import ChartMaterial
from pipeline.charts.scene import Anchor, LevelLine, PatternDrawing, Point, Scene, SignalMark, Stretch
from pipeline.domain.errors import DataContractError
from pipeline.domain.status import SignalStatus

CANDLES_AT_MOST = 400  # more would be thinner than three pixels each
MOST_MARKS = 200  # signals
MOST_PATTERNS = 8
FULL_SIGNALS = 4  # the newest few, whose prices are drawn
LEVELS_SHOWN = 8  # standing ones, the nearest to the close
MIN_TOUCHES = 2  # a single swing is a level to the strategies, but clutter to the eye once it is over
ROOM_SHARE = 0.06  # of the bars, free on the right
MIN_ROOM = 6.0
NARROWEST = 800  # a stretch of bars is shown from this part of the picture's width on: two pixels
STRETCHED_BY = 0.6  # prices that are drawn in full may widen the picture by so much of its height, each way
AVERAGES = {"sma_20": "SMA 20", "sma_50": "SMA 50", "sma_200": "SMA 200"}
SLOW_AVERAGES = ("sma_50", "sma_200")  # the others lie upon the close where there are many bars


def build_scene(material: ChartMaterial, focus: UUID | None = None) -> Scene:
    """Decide what a picture of these rows shows.

    Parameters
    ----------
    focus
        Id of the one signal that is drawn in full; None draws the newest `FULL_SIGNALS` in full.

    Raises
    ------
    DataContractError
        When there is no bar.
    """
    bars = material.bars
    if bars.empty:
        raise DataContractError(f"a chart must have a bar at least, had none ({material.key})")
    step = material.key.timeframe.duration
    is_line = len(bars) > CANDLES_AT_MOST
    room = max(ROOM_SHARE * len(bars), MIN_ROOM)
    grid = _Grid(bars.index[0], step, len(bars), room)
    signals = _marks(material.signals, grid, focus)
    patterns = tuple(_pattern(row, grid) for row in material.patterns[-MOST_PATTERNS:])
    lowest, highest = _price_window(bars, signals, patterns)
    lines = _level_lines(material.levels, grid)
    return Scene(
        title=f"{material.key.symbol}  {material.key.timeframe}  {material.key.exchange}",
        subtitle=_subtitle(material, len(signals), len(patterns), step),
        step=step,
        bars=bars,
        is_line=is_line,
        averages={
            name: words
            for name, words in AVERAGES.items()
            if bars[name].notna().any() and (not is_line or name in SLOW_AVERAGES)
        },
        levels=_chosen(lines, bars, lowest, highest, is_line=is_line),
        patterns=patterns,
        signals=signals,
        stretches=(
            *_stretches(bars["is_filled"].to_numpy() == 1.0, ["no trade"] * len(bars), "filled"),
            *_stretches(bars["block_reason"].notna().to_numpy(), bars["block_reason"].tolist(), "blocked"),
        ),
        lowest=lowest,
        highest=highest,
        room=room,
    )


class _Grid:
    """Places of instants."""

    def __init__(self, first_open: datetime, step: timedelta, n_bars: int, room: float) -> None:
        self.first_open, self.step = first_open, step
        self.last = n_bars - 1
        self.right = self.last + room  # where the picture ends

    def of_open(self, instant: datetime) -> float:
        """Place of the bar that opens then."""
        return (instant - self.first_open) / self.step

    def of_close(self, instant: datetime) -> float:
        """Place of the bar that closes then."""
        return self.of_open(instant) - 1.0


def _subtitle(material: ChartMaterial, n_marks: int, n_patterns: int, step: timedelta) -> str:
    last_close = material.bars.index[-1] + step
    n_bars = len(material.bars)
    parts = [f"{n_bars:,} {'bar' if n_bars == 1 else 'bars'}, newest close {last_close:%Y-%m-%d %H:%M} UTC"]
    for word, shown, among in (
        (f"{material.origin} signals", n_marks, len(material.signals)),
        ("patterns", n_patterns, len(material.patterns)),
    ):
        which = "the strongest" if word.endswith("signals") else "the newest"
        if among == 0:
            parts.append(f"no {word.rpartition(' ')[2]}")
        elif among == 1:
            parts.append(f"1 {word.removesuffix('s')}")
        else:
            parts.append(f"{shown:,} {word}" if shown == among else f"{which} {shown:,} of {among:,} {word}")
    known = material.bars.index[material.bars["obv"].notna()]  # from a series' first bar on, once it is computed
    if known.empty:
        parts.append("no indicators stored: `signals backfill` computes them")
    elif known[-1] != material.bars.index[material.bars["close"].notna()][-1]:
        parts.append(f"indicators up to {known[-1] + step:%Y-%m-%d %H:%M}")
    return "  |  ".join(parts)


def _marks(rows: Sequence[Mapping[str, Any]], grid: _Grid, focus: UUID | None) -> tuple[SignalMark, ...]:
    strongest = sorted(rows, key=lambda row: (row["id"] != focus, -row["rank_score"], row["created_at"]))[:MOST_MARKS]
    kept = sorted(strongest, key=lambda row: (row["created_at"], row["rank_score"]))
    priced = [row for row in kept if row["stop_loss_price"] is not None]
    if focus is not None:
        full = {row["id"] for row in priced if row["id"] == focus}
    else:
        valid = [row for row in priced if row["status"] != SignalStatus.INVALIDATED]
        full = {row["id"] for row in valid[-FULL_SIGNALS:]}
    marks = [_mark(row, grid, is_full=row["id"] in full) for row in kept]
    newest = max((place for place, mark in enumerate(marks) if mark.is_full), default=None)
    return tuple(replace(mark, is_labelled=place == newest) for place, mark in enumerate(marks))


def _mark(row: Mapping[str, Any], grid: _Grid, *, is_full: bool) -> SignalMark:
    label = f"{row['signal_type']} {row['strategy']}"
    return SignalMark(
        signal_id=row["id"],
        place=grid.of_close(row["created_at"]),
        price=row["entry_price"],
        signal_type=row["signal_type"],
        status=row["status"],
        label=label,
        text=f"{label}, {row['description']}; confidence {row['confidence']:.2f}, strength {row['strength']:.2f}, "
        f"{row['status'].lower()}, until {row['expires_at']:%m-%d %H:%M}",
        end=grid.of_close(row["expires_at"]),
        stop=row["stop_loss_price"],
        targets=tuple((row["target_prices"] or {}).items()),
        is_full=is_full,
        is_labelled=False,
    )


def _pattern(row: Mapping[str, Any], grid: _Grid) -> PatternDrawing:
    def point(at: Mapping[str, Any]) -> Point:
        return Point(grid.of_open(datetime.fromisoformat(at["at"])), float(at["price"]))

    boundaries = tuple((point(begin), point(end)) for begin, end in row["boundaries"])
    completed = grid.of_close(row["completed_at"])
    first = grid.of_open(row["first_at"])
    target = row["target"]
    return PatternDrawing(
        name=str(row["pattern"]).replace("_", " "),
        direction=row["direction"],
        anchors=tuple(Anchor(*point(each), each["role"]) for each in row["anchors"]),
        boundaries=boundaries,
        completed=Point(completed, boundaries[0][1].price),
        target=None if target is None or math.isnan(target) else float(target),
        target_end=min(completed + (completed - first), grid.right),
    )


def _price_window(
    bars: pd.DataFrame, signals: Sequence[SignalMark], patterns: Sequence[PatternDrawing]
) -> tuple[float, float]:
    """The prices that must be seen; those of signals and targets only as far as they leave the candles readable."""
    has_bands = len(bars) <= CANDLES_AT_MOST
    lows, highs = bars[["low", "bb_lower"][: 1 + has_bands]], bars[["high", "bb_upper"][: 1 + has_bands]]
    lowest, highest = float(np.nanmin(lows.to_numpy())), float(np.nanmax(highs.to_numpy()))
    reach = STRETCHED_BY * (highest - lowest)
    wanted = [price for mark in signals if mark.is_full for price in (mark.stop, *dict(mark.targets).values())]
    wanted += [pattern.target for pattern in patterns]
    seen = [price for price in wanted if price is not None and lowest - reach <= price <= highest + reach]
    return min([lowest, *seen]), max([highest, *seen])


def _level_lines(levels: pd.DataFrame, grid: _Grid) -> list[LevelLine]:
    """Each state of each level as a line from the close at which it was known to the one that ended it."""
    ordered = levels.sort_values(["pivot_at", "kind", "known_at"])
    lines = []
    for _, rows in groupby(ordered.to_dict("records"), key=lambda row: (row["pivot_at"], row["kind"])):
        states = list(rows)
        ends = [*(state["known_at"] for state in states[1:]), states[-1]["expires_at"]]
        for state, end_at in zip(states, ends, strict=True):
            begin, end = grid.of_close(state["known_at"]), grid.of_close(min(end_at, state["expires_at"]))
            if state["event"] == "merged" or end <= 0 or begin > grid.last:
                continue
            lines.append(
                LevelLine(
                    begin=max(begin, -0.5),
                    end=min(end, grid.right),
                    price=state["price"],
                    role=state["role"],
                    touches=state["touches"],
                    strength=state["strength"],
                    is_standing=end > grid.last,
                )
            )
    return lines


def _chosen(
    lines: Sequence[LevelLine], bars: pd.DataFrame, lowest: float, highest: float, *, is_line: bool
) -> tuple[LevelLine, ...]:
    """The lines that are worth drawing: standing levels near the close, and past ones that were touched again."""
    seen = [line for line in lines if lowest <= line.price <= highest]
    close = float(bars["close"].dropna().iloc[-1]) if bars["close"].notna().any() else math.nan
    standing = sorted(
        (line for line in seen if line.is_standing),
        key=lambda line: (line.touches < MIN_TOUCHES, abs(line.price - close)),
    )[:LEVELS_SHOWN]
    past = [line for line in seen if not line.is_standing and line.touches >= MIN_TOUCHES and not is_line]
    return (*past, *standing)


def _stretches(is_so: np.typing.NDArray[np.bool_], reasons: Sequence[Any], kind: str) -> Iterator[Stretch]:
    """Runs of bars for which something holds for the same reason."""
    for (holds, reason), run in groupby(enumerate(is_so.tolist()), key=lambda item: (item[1], _word(reasons[item[0]]))):
        places = [place for place, _ in run]
        if holds and len(places) >= len(is_so) // NARROWEST:
            yield Stretch(begin=places[0], end=places[-1], kind=kind, reason=reason)


def _word(reason: Any) -> str:
    """A reason without its figures, which change from bar to bar."""
    return str(reason).partition("(")[0]
