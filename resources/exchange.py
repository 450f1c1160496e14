"""A live exchange as a source of candles: what is missing and no more, in pages, within the exchange's limits.

One series that fails never holds up another: it is asked again with pauses, then reported beside those that came.
Pages of a series follow each other without a gap, so that whatever was handed over before an interruption can be kept.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pandas as pd
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.contracts.candles import KEY, VALUES
from pipeline.domain.errors import (
    DataContractError,
    SeriesEndedError,
    SignalsError,
    SourceUnavailableError,
    TemporaryError,
)
from pipeline.domain.timeframe import BITCOIN_GENESIS, EPOCH, Timeframe
from pipeline.domain.universe import SeriesKey
from resources.exchange_client import Gate, clock_skew, open_client, vendor_errors
from resources.market import Fetched, Progress, SeriesWindow

AT_ONCE = 16  # requests under way; more only wait in the exchange's queue
PAGE_BARS = 1000  # asked for at once; an exchange that gives fewer is asked again
SPARE_BARS = 10  # asked for beyond what is wanted: some exchanges begin a little before the instant they are asked for
PORTION_ROWS = 50_000  # handed over at once, and so stored in one transaction
ATTEMPTS, LONGEST_PAUSE_S = 5, 15.0
MILLISECOND = timedelta(milliseconds=1)
PATIENCE = timedelta(seconds=60)  # how long a run waits for a close that its own clock took for past
GENESIS_MS = (BITCOIN_GENESIS - EPOCH) // MILLISECOND
FAR_FUTURE_MS = 10_000_000_000_000  # in 2286; microseconds are beyond it
FIRST_ASK_AGAIN_S, LONGEST_ASK_AGAIN_S = 0.5, 4.0  # pauses while a candle that must be there is not


def utc_now() -> datetime:
    """Our clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeMarket:
    """An exchange's public candles; no key is needed."""

    exchange: str
    grace: timedelta  # a candle is closed when the exchange's clock says `close_at + grace`
    straggler_limit: timedelta  # after the close: how long the newest candles are waited for
    deadline: timedelta  # for everything; what is missing then comes with the next run
    url: str | None = None  # instead of the exchange's own address
    first_pause: timedelta = timedelta(seconds=0.5)  # before a request is repeated, at most; doubles each time
    now: Callable[[], datetime] = utc_now

    def portions(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Iterator[Fetched]:
        """What came of the windows, as it comes; see `MarketSource`."""
        if not wanted:
            return
        with asyncio.Runner() as runner:
            fetching = _Fetching(self, wanted, on_progress)
            try:
                while True:
                    part = runner.run(fetching.portion())
                    if part is None:
                        break
                    yield part
            finally:
                runner.run(fetching.close())


@dataclass
class _Fetching:
    """One fetch under way: its tasks live from portion to portion."""

    market: ExchangeMarket
    wanted: Sequence[SeriesWindow]
    on_progress: Progress | None
    gate: Gate = field(default_factory=Gate)
    skew: timedelta | None = None  # our clock less the exchange's
    _client: Any = None
    _tasks: set[asyncio.Task[None]] | None = None
    _rows: list[pd.DataFrame] = field(default_factory=list)
    _failures: dict[SeriesKey, str] = field(default_factory=dict)
    _ended: dict[SeriesKey, str] = field(default_factory=dict)
    _done: int = 0
    _is_told: bool = False

    async def portion(self) -> Fetched | None:
        """The next portion; None after the last."""
        if self._tasks is None:
            await self._begin()
        pending = {task for task in self._tasks or () if not task.done()}
        while pending and sum(map(len, self._rows)) < PORTION_ROWS:
            _, pending = await asyncio.wait(pending, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks or ():
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
        if not pending and self._is_told and not self._rows:
            return None
        self._is_told = not pending
        return self._handed_over()

    def _handed_over(self) -> Fetched:
        frame = pd.concat(self._rows, ignore_index=True) if self._rows else pd.DataFrame(columns=[*KEY, *VALUES])
        part = Fetched(
            frame,
            self._failures,
            ended=self._ended,
            clock_skew=self.skew,
            requests=self.gate.requests,
            used_weight=self.gate.used_weight,
        )
        self._rows, self._failures, self._ended = [], {}, {}
        return part

    async def _begin(self) -> None:
        self._tasks = set()
        ends_at = asyncio.get_running_loop().time() + self.market.deadline.total_seconds()
        self.gate.closes = time.monotonic() + self.market.deadline.total_seconds()
        symbols = {window.series.symbol for window in self.wanted}
        self._client = open_client(self.market.exchange, self.gate, url=self.market.url, symbols=symbols)
        try:
            async with asyncio.timeout_at(ends_at):
                await self._call(self._load_markets)
                await self._compare_clocks()
                await self._wait_for_close()
        except TimeoutError:
            self._failures |= {window.series: self._deadline for window in self.wanted}
        except SignalsError as error:
            self._failures |= {window.series: f"unavailable({error})" for window in self.wanted}
        else:
            places = asyncio.Semaphore(AT_ONCE)
            self._tasks = {asyncio.create_task(self._series(window, places, ends_at)) for window in self.wanted}

    @property
    def _deadline(self) -> str:
        return f"deadline({self.market.deadline.total_seconds():.0f} s)"

    async def _load_markets(self) -> None:
        if not await self._client.load_markets():
            raise SourceUnavailableError(f"{self.market.exchange} lists no symbols at all")

    async def _compare_clocks(self) -> None:
        """Note by how much our clock is ahead of the exchange's, where it tells the time."""
        if not self._client.has.get("fetchTime"):
            return
        asked_at = self.market.now()
        told = await self._call(self._client.fetch_time)
        self.skew = clock_skew(asked_at, self.market.now(), told)

    def _now(self) -> datetime:
        """The exchange's time: it decides what has closed, whatever our clock says."""
        return self.market.now() - (self.skew or timedelta(0))

    async def _wait_for_close(self) -> None:
        newest = max(window.series.timeframe.floor(window.end) for window in self.wanted)
        remaining = newest + self.market.grace - self._now()
        if timedelta(0) < remaining <= PATIENCE:
            await asyncio.sleep(remaining.total_seconds())

    async def _series(self, window: SeriesWindow, places: asyncio.Semaphore, ends_at: float) -> None:
        key = window.series
        try:
            self._check_is_traded(key)
            self._check_clock(key)
            async with asyncio.timeout_at(ends_at):
                async for page in self._pages(window, places):
                    self._rows.append(page)
        except SeriesEndedError as error:
            self._ended[key] = str(error)
        except DataContractError as error:
            self._failures[key] = str(error)
        except TimeoutError:
            self._failures[key] = self._deadline
        except SignalsError as error:
            self._failures[key] = f"unavailable({error})"
        finally:
            self._done += 1
            if self.on_progress is not None:
                self.on_progress(self._done, len(self.wanted))

    def _check_is_traded(self, key: SeriesKey) -> None:
        market = self._client.markets.get(key.symbol)
        if market is None:
            raise SeriesEndedError(f"{self.market.exchange} does not list {key.symbol}")
        if market.get("active") is False:
            raise SeriesEndedError(f"{self.market.exchange} has halted {key.symbol}")

    def _check_clock(self, key: SeriesKey) -> None:
        if self.skew is not None and abs(self.skew) > key.timeframe.duration:
            raise DataContractError(f"clock_skew({self.skew.total_seconds():.0f} s)")

    async def _pages(self, window: SeriesWindow, places: asyncio.Semaphore) -> AsyncIterator[pd.DataFrame]:
        """What there is of a window; newest first, if so wanted, and then never a part without what comes after it."""
        timeframe = window.series.timeframe
        start = timeframe.ceil(window.start)
        end = timeframe.floor(min(window.end, self._now() - self.market.grace))
        while window.is_backward and start < end:
            begin = max(start, end - PAGE_BARS * timeframe.duration)
            pages = [page async for page in self._onward(window.series, begin, end, places)]
            for page in pages:
                yield page.frame
            end = begin if pages else start
        pause_s = FIRST_ASK_AGAIN_S
        while start < end:
            async for page in self._onward(window.series, start, end, places):
                yield page.frame
                start = page.next_open
            if start >= end or self._now() >= end + self.market.straggler_limit:
                return
            await asyncio.sleep(pause_s)  # closed, and not published yet
            pause_s = min(2 * pause_s, LONGEST_ASK_AGAIN_S)

    async def _onward(
        self, key: SeriesKey, start: datetime, end: datetime, places: asyncio.Semaphore
    ) -> AsyncIterator["_Page"]:
        """Pages from ``start`` on, one after the other, until ``end``; a page without bars is passed over."""
        while start < end:
            bars = (end - start) // key.timeframe.duration + SPARE_BARS
            limit = min(bars, PAGE_BARS, self._client.feature_value(key.symbol, "fetchOHLCV", "limit") or PAGE_BARS)
            since = (start - EPOCH) // MILLISECOND
            async with places:
                rows = await self._call(self._client.fetch_ohlcv, key.symbol, str(key.timeframe), since, limit)
            page = _page(key, rows, start, end, self._now())
            if not page.frame.empty:
                yield page
            if page.fault is not None:
                raise DataContractError(page.fault)
            if page.next_open > start:
                start = page.next_open
            else:  # nothing in these bars; a series that was listed later begins in one of the next
                start += limit * key.timeframe.duration

    async def _call(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Ask, again with growing pauses while there is hope."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, TemporaryError) and not self.gate.is_shut),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=self.market.first_pause.total_seconds(), max=LONGEST_PAUSE_S),
            reraise=True,
        ):
            with attempt, vendor_errors(self.market.exchange, self.gate):
                return await function(*arguments)
        raise AssertionError("tenacity returns or raises")

    async def close(self) -> None:
        """Give up what is under way, and the connections."""
        for task in self._tasks or ():
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            with contextlib.suppress(Exception):
                await self._client.close()


class _Page(NamedTuple):
    """What one answer gives of a window."""

    frame: pd.DataFrame  # raw rows
    next_open: datetime  # the first bar after them; the start of the window if there are none that can be used
    fault: str | None = None  # why nothing that this exchange says about the series can be used


def _page(key: SeriesKey, rows: Sequence[Sequence[Any]], start: datetime, end: datetime, now: datetime) -> _Page:
    """Rows of ccxt as a source hands them over: those with ``start <= open`` and ``close <= end``.

    Others were not asked for, such as the bar that is still open. A row whose time is no time is handed over:
    cleaning refuses it with a reason. If no row has a bar's time, or one is from the future, then no time of this
    answer means what we take it for, and only the rows that show it are handed over.
    """
    timeframe = key.timeframe
    first, last, newest = (
        (at - EPOCH) // MILLISECOND for at in (start, end - timeframe.duration, now + timeframe.duration)
    )
    ahead = [row for row in rows if _is_time(row[0]) and row[0] > newest]
    if ahead:
        fault = f"time_out_of_range({len(ahead)} of {len(rows)} bars are in the future)"
        return _Page(_raw_frame(key, ahead), start, fault)
    if rows and not any(_is_time(row[0]) for row in rows):
        return _Page(_raw_frame(key, rows), start, f"time_out_of_range({rows[0][0]} is not in milliseconds)")
    if rows and not any(_is_open(row[0], timeframe) for row in rows):
        opened = EPOCH + next(row[0] for row in rows if _is_time(row[0])) * MILLISECOND
        shown = [row for row in rows if not _is_time(row[0]) or row[0] <= last]
        return _Page(_raw_frame(key, shown), start, f"off_grid(a bar opens at {opened:%A %H:%M:%S})")
    kept = [row for row in rows if not _is_time(row[0]) or first <= row[0] <= last]
    opens = [row[0] for row in kept if _is_time(row[0])]
    next_open = timeframe.floor(EPOCH + max(opens) * MILLISECOND) + timeframe.duration if opens else start
    return _Page(_raw_frame(key, kept), next_open)


def _raw_frame(key: SeriesKey, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    frame = pd.DataFrame([row[:6] for row in rows], columns=["open_at", *VALUES])
    if all(_is_time(row[0]) for row in rows):
        frame["open_at"] = pd.to_datetime(frame["open_at"].astype("int64"), unit="ms", utc=True)
    else:
        frame["open_at"] = frame["open_at"].astype(object)
    return frame.assign(exchange=key.exchange, symbol=key.symbol, timeframe=str(key.timeframe))[[*KEY, *VALUES]]


def _is_time(value: Any) -> bool:
    """Whether a number can be milliseconds since 1970: neither seconds nor microseconds."""
    return isinstance(value, int) and GENESIS_MS <= value < FAR_FUTURE_MS


def _is_open(value: Any, timeframe: Timeframe) -> bool:
    """Whether it is the open of a bar on the UTC grid."""
    return _is_time(value) and (EPOCH + value * MILLISECOND - timeframe.origin) % timeframe.duration == timedelta(0)
