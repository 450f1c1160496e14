"""What a local exchange can be told to do wrong, and where in the making of an answer each fault acts.

Add a fault here when an exchange can really do it; it must not know any exchange's wire format. Times are opens
of bars, as aware instants. What no request can show (a refused connection, a delisting) is a method of the server.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pipeline.contracts import candles as contract
from pipeline.domain.timeframe import Timeframe
from tests.support.exchange_clock import MILLISECOND, bar_ms, milliseconds, open_ms_of, position_at
from tests.support.exchange_limits import Refusal
from tests.support.http_server import Answer, Ending

Row = list[Any]  # open in milliseconds, open, high, low, close, volume; any type once a fault has been there
PLACES = {name: place for place, name in enumerate(contract.VALUES, start=1)}
PRICES = slice(1, 5)
VALUES = slice(1, 6)


def is_plain(row: Row) -> bool:
    """Whether a row can be written without looking at each value: all prices and the volume are numbers."""
    _, first, high, low, close, volume = row
    is_float = type(first) is type(high) is type(low) is type(close) is type(volume) is float
    return is_float and math.isfinite(first + high + low + close + volume)


def as_sent(value: Any) -> Any:
    """What JSON shall hold for a price or an amount: exchanges write floats as text; the rest is a fault's."""
    return f"{value:.8f}" if type(value) is float and math.isfinite(value) else value


@dataclass(frozen=True, slots=True)
class Query:
    """Which candles are asked for, as of when."""

    symbol: str
    timeframe: Timeframe
    limit: int
    now_ms: int
    end_ms: int  # the newest open wanted
    start_ms: int | None = None  # the oldest open wanted; without it the newest candles are given
    newer_than_ms: int | None = None  # drop what opened then or before, but for the newest row (Kraken's `since`)


@dataclass(frozen=True, slots=True)
class QueryFault:
    """The exchange answers another question than it was asked."""

    change: Callable[[Query], Query]


@dataclass(frozen=True, slots=True)
class SeriesFault:
    """The exchange's own rows are wrong: acts before a page is cut out of them."""

    change: Callable[[list[Row], Query], list[Row]]


@dataclass(frozen=True, slots=True)
class PageFault:
    """A page is put together wrongly."""

    change: Callable[[list[Row]], list[Row]]


# How the exchange words a refusal; the number is that of the seconds to wait.
Refuse = Callable[[Refusal, int], Answer]


@dataclass(frozen=True, slots=True)
class AnswerFault:
    """Something else is sent than the answer."""

    change: Callable[[Answer, Refuse], Answer]


Fault = QueryFault | SeriesFault | PageFault | AnswerFault


def gap(at: datetime, n_candles: int = 1) -> Fault:
    """The candles from ``at`` on do not exist (F03)."""

    def change(rows: list[Row], query: Query) -> list[Row]:
        first = milliseconds(at)
        last = first + (n_candles - 1) * bar_ms(query.timeframe)
        return [row for row in rows if not first <= row[0] <= last]

    return SeriesFault(change)


def duplicated(at: datetime | None = None, factor: float = 1.001) -> Fault:
    """The bar at ``at`` (every bar, if None) comes twice, the second time with values times ``factor`` (F04)."""

    def change(rows: list[Row], _: Query) -> list[Row]:
        pairs = ([row, _times(row, VALUES, factor)] if _is_at(row, at) else [row] for row in rows)
        return [row for pair in pairs for row in pair]

    return SeriesFault(change)


def changed(at: datetime | None = None, **values: Any) -> Fault:
    """The bar at ``at`` (every bar, if None) has other values, of any type (F06, F07, F12).

    Floats are written as the exchange writes prices; anything else as JSON has it: ``None`` is null, a string a
    string, an int a bare number, a NaN the bare word.
    """
    places = [(PLACES[name], value) for name, value in values.items()]

    def change(rows: list[Row], _: Query) -> list[Row]:
        for row in rows:
            if _is_at(row, at):
                for place, value in places:
                    row[place] = value
        return rows

    return SeriesFault(change)


def revised(at: datetime, factor: float = 1.001) -> Fault:
    """The bar at ``at`` has other values than before, valid ones (F12)."""
    return SeriesFault(lambda rows, _: [_times(row, VALUES, factor) if _is_at(row, at) else row for row in rows])


def jump(at: datetime, factor: float) -> Fault:
    """Prices from the bar at ``at`` on are multiplied by ``factor`` (F08)."""
    first = milliseconds(at)
    return SeriesFault(lambda rows, _: [_times(row, PRICES, factor) if row[0] >= first else row for row in rows])


def stale(since: datetime) -> Fault:
    """Nothing that closed after ``since`` is shown (F11)."""

    def change(query: Query) -> Query:
        newest = position_at(query.timeframe, milliseconds(since)) - 1
        return replace(query, end_ms=min(query.end_ms, open_ms_of(query.timeframe, newest)))

    return QueryFault(change)


def late(by: timedelta) -> Fault:
    """A candle is shown only ``by`` after its close, and the one after it not before."""

    def change(query: Query) -> Query:
        running = position_at(query.timeframe, query.now_ms)
        if query.now_ms - open_ms_of(query.timeframe, running) >= by // MILLISECOND:
            return query
        return replace(query, end_ms=min(query.end_ms, open_ms_of(query.timeframe, running - 2)))

    return QueryFault(change)


def overlapping(n_candles: int) -> Fault:
    """Pages start ``n_candles`` before what was asked for (F05)."""

    def change(query: Query) -> Query:
        back = n_candles * bar_ms(query.timeframe)
        start = None if query.start_ms is None else query.start_ms - back
        newer_than = None if query.newer_than_ms is None else query.newer_than_ms - back
        return replace(query, start_ms=start, newer_than_ms=newer_than)

    return QueryFault(change)


def short_pages(n_rows: int) -> Fault:
    """Pages hold at most ``n_rows`` rows, whatever the limit (F19); 0 for none."""
    return QueryFault(lambda query: replace(query, limit=min(query.limit, n_rows)))


def windowed() -> Fault:
    """A page never reaches beyond the bars that it was asked for, also if it holds none of them (F19)."""

    def change(query: Query) -> Query:
        if query.start_ms is None:
            return query
        return replace(query, end_ms=min(query.end_ms, query.start_ms + (query.limit - 1) * bar_ms(query.timeframe)))

    return QueryFault(change)


def unsorted() -> Fault:
    """Every other row comes first (F05)."""
    return PageFault(lambda rows: rows[1::2] + rows[::2])


def times_multiplied(factor: float) -> Fault:
    """Opens in another unit: by 0.001 in seconds, by 1000 in microseconds, as milliseconds have it (F13)."""
    return PageFault(lambda rows: [[int(row[0] * factor), *row[1:]] for row in rows])


def times_shifted(by: timedelta) -> Fault:
    """Opens in local time (F13), or weeks that do not start on Monday (F20)."""
    return PageFault(lambda rows: [[row[0] + by // MILLISECOND, *row[1:]] for row in rows])


def refusal(reason: Refusal, retry_after_s: int = 1) -> Fault:
    """The exchange refuses in its own words (F15, F17)."""
    return AnswerFault(lambda _, refuse: refuse(reason, retry_after_s))


def html(status: int, title: str = "ERROR: The request could not be satisfied") -> Fault:
    """A page for people, as firewalls and maintenance send it (F15); 200 is possible too."""
    body = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{status}</h1></body></html>\n"
    return AnswerFault(lambda *_: Answer(body.encode(), status, "text/html"))


def truncated() -> Fault:
    """Half of the JSON, sent as if it were all."""
    return AnswerFault(lambda answer, _: replace(answer, body=answer.body[: len(answer.body) // 2]))


def slow(by: timedelta) -> Fault:
    """The answer comes later."""
    return AnswerFault(lambda answer, _: replace(answer, delay_s=answer.delay_s + by.total_seconds()))


def silent() -> Fault:
    """No answer ever comes (F16)."""
    return AnswerFault(lambda answer, _: replace(answer, ending=Ending.SILENCE))


def reset() -> Fault:
    """The connection is reset in the middle of the body (F16)."""
    return AnswerFault(lambda answer, _: replace(answer, ending=Ending.RESET))


def closed() -> Fault:
    """The connection is closed in place of an answer (F16); HTTP clients may silently ask once more."""
    return noise(b"")


def noise(sent: bytes = b"\x15\x03\x03\x00\x02\x02\x28\r\n\r\n") -> Fault:
    """Bytes that are not HTTP; a TLS alert, if not stated otherwise (F16)."""
    return AnswerFault(lambda answer, _: replace(answer, body=sent, ending=Ending.NOISE))


def _is_at(row: Row, at: datetime | None) -> bool:
    return at is None or row[0] == milliseconds(at)


def _times(row: Row, columns: slice, factor: float) -> Row:
    return [*row[: columns.start], *(value * factor for value in row[columns]), *row[columns.stop :]]
