"""What an explanation tells of a bar before anybody judges it: the bar, the models, the texts; as tables.

Add here how an input is shown; what strategies and risk make of it is shown by `pipeline.cli.explaining`.
"""

from collections.abc import Iterator
from typing import Any

import click

from pipeline.cli.display import Column, instant, show_table
from pipeline.explain.explanation import Explanation
from pipeline.explain.models import drivers_in_words
from pipeline.explain.sentiment import SentimentFinding
from pipeline.strategies.checks import written

FACT = (Column(title="fact"), Column(title="value", wraps=True))


def bar_facts(found: Explanation) -> Iterator[tuple[str, Any]]:
    """The candle, whether it may speak, its series, and by which settings it is judged."""
    bar, state = found.findings.bar, found.state
    yield "candle", ", ".join(f"{name} {written(value)}" for name, value in bar.candle.items())
    yield "bar", f"{instant(bar.open_at)} to {instant(bar.close_at)}, {'filled' if bar.is_filled else 'traded'}"
    yield "may speak", "yes" if bar.silenced_by is None else f"no: {bar.silenced_by}"
    filled = "" if bar.filled_share is None else f", {bar.filled_share:.1%} of the newest 500 filled"
    yield "history", f"bar {bar.n_bars:,} of the series{filled}"
    yield from (("short", text) for text in _short_histories(found))
    yield "volatility", bar.volatility
    yield "series", f"{_status(state.status, state.reason)} as of {instant(state.as_of)}"
    if state.recorded_status is not None and state.recorded_as_of is not None:
        yield (
            "recorded",
            f"{_status(state.recorded_status, state.recorded_reason)} as of {instant(state.recorded_as_of)}",
        )
    yield "judged by", found.settings.words


def _status(status: str, reason: str | None) -> str:
    return status if reason is None else f"{status} {reason}"


def _short_histories(found: Explanation) -> Iterator[str]:
    """Columns with too little history, those alike together."""
    by_words: dict[tuple[bool, str], list[str]] = {}
    for each in found.findings.short_history:
        by_words.setdefault((each.is_known, each.reason), []).append(each.column)
    for (is_known, reason), columns in by_words.items():
        word = "known, still settling" if is_known else "unknown"
        yield f"{', '.join(columns)}: {word}, {reason}"


def model_facts(found: Explanation) -> Iterator[tuple[str, str]]:
    """What each kind of model said, or why it did not."""
    for each in found.models:
        yield each.kind, each.words
        if each.drivers:
            yield "drivers", f"{drivers_in_words(each.drivers)}: how much lower the score would be without each"


def show_sentiment(found: SentimentFinding) -> None:
    """The scores, then the texts that moved them most, then what was left out."""
    rows = [(found.asset, found.words), *((each.source, each.words) for each in found.sources)]
    if found.left_out:
        counted = ", ".join(f"{count:,} {reason}" for reason, count in found.left_out.items())
        rows.append(("left out", counted))
    show_table(FACT, rows)
    if told := [*found.texts, *found.others]:
        click.echo()
        columns = (
            *(Column(title="part", is_number=True), Column(title="score", is_number=True), Column(title="source")),
            *(Column(title="published"), Column(title="text", wraps=True), Column(title="linked by")),
            Column(title="left out", is_optional=True),
        )
        show_table(
            columns,
            [
                (
                    *(None if value is None else f"{value:+.3f}" for value in (each.part, each.compound)),
                    *(each.source, each.published_at, each.beginning, each.linked_by, each.left_out),
                )
                for each in told
            ],
        )
