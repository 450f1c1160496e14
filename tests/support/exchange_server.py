"""A local exchange: Binance's or Kraken's wire format over any candles, with a clock to set and faults to order.

In a test, ``with exchange_server(candles) as exchange:`` gives a `LocalExchange`; for benchmarks and the demo it is
a program of its own, ``python -m tests.support.exchange_server --port 8099 --symbols 500``. Formats, faults and
candles have modules beside this one; here they are put together.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from pipeline.domain.timeframe import Timeframe, parse_instant
from tests.support.exchange_binance import Binance
from tests.support.exchange_candles import CandleProvider, EndlessMarket, simulated_symbols
from tests.support.exchange_clock import ExchangeClock
from tests.support.exchange_dialect import Asked, Dialect, Endpoint
from tests.support.exchange_faults import AnswerFault, Fault, slow
from tests.support.exchange_kraken import Kraken
from tests.support.exchange_market import Market
from tests.support.http_server import Answer, Ending, HttpServer, Request
from tests.support.real_data import ROOT

DIALECTS: dict[str, type[Binance] | type[Kraken]] = {Binance.name: Binance, Kraken.name: Kraken}
STATISTICS = "/statistics"  # the server's own page, which no exchange has


@dataclass
class Misbehaviour:
    """A fault that was ordered, and for which requests."""

    fault: Fault
    symbol: str | None  # None: all, and requests that name no symbol
    endpoint: Endpoint | None  # None: all
    times: int | None  # how often still; None: until `LocalExchange.behave`
    after: int = 0  # requests that are still let off
    seen: int = 0  # requests that it has touched

    def takes(self, asked: Asked) -> bool:
        """Whether a request is touched; counts it."""
        is_meant = self.symbol in (None, asked.symbol) and self.endpoint in (None, asked.endpoint)
        if not is_meant or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        self.seen += 1
        return True


class Seen(NamedTuple):
    """A request that was served."""

    at: datetime  # by the exchange's clock
    endpoint: Endpoint
    symbol: str | None
    params: dict[str, str]
    weight: int
    status: int  # 0 where no whole answer was sent


class LocalExchange:
    """The server and its controls, which may be used from any thread while it runs."""

    def __init__(self, dialect: Dialect, port: int = 0) -> None:
        self.dialect = dialect
        self.market = dialect.market
        self.clock = dialect.market.clock
        self.requests: list[Seen] = []
        self.server = HttpServer(self._serve, port)
        self._misbehaviours: tuple[Misbehaviour, ...] = ()

    @property
    def url(self) -> str:
        """Where clients find it, without a path."""
        return self.server.url

    @property
    def weight_used(self) -> int:
        """Weight of the requests of the running minute."""
        return self.dialect.window.used

    def misbehave(
        self,
        fault: Fault,
        *,
        symbol: str | None = None,
        endpoint: Endpoint | None = None,
        times: int | None = None,
        after: int = 0,
    ) -> Misbehaviour:
        """From now on do this wrong: for one symbol or all, at one endpoint or all, so many times or for good.

        The first ``after`` requests that it could touch are served well.

        Several faults act in the order in which they were ordered. Faults of candles act where candles are asked
        for, whatever the endpoint says.
        """
        at = endpoint if isinstance(fault, AnswerFault) else Endpoint.CANDLES
        ordered = Misbehaviour(fault, symbol, at, times, after)
        self._misbehaviours += (ordered,)
        return ordered

    def behave(self) -> None:
        """Forget every fault, skew, halt and delisting."""
        self._misbehaviours = ()
        self.dialect.clock_skew = timedelta(0)
        self.market.halted_ms.clear()
        self.market.delisted.clear()

    def skew_clock(self, by: timedelta) -> None:
        """Tell another time than candles are made by (F14)."""
        self.dialect.clock_skew = by

    def halt(self, symbol: str) -> None:
        """Stop its trading now: listed as inactive, and no newer trades (F17)."""
        self.market.halted_ms[symbol] = self.clock.now_ms()

    def delist(self, symbol: str) -> None:
        """Forget the symbol: not listed any more, and unknown (F17)."""
        self.market.delisted.add(symbol)

    def statistics(self) -> dict[str, object]:
        """What was asked so far, in numbers."""
        seen = list(self.requests)
        return {
            "requests": len(seen),
            "endpoints": Counter(str(request.endpoint) for request in seen),
            "statuses": Counter(str(request.status) for request in seen),
            "weight_used": self.weight_used,
            "weight_peak": self.dialect.window.peak,
            "weight_limit": self.dialect.window.limit,
        }

    def _serve(self, request: Request) -> Answer:
        if request.path == STATISTICS:
            return Answer(json.dumps(self.statistics()).encode())
        asked = self.dialect.read(request)
        faults = [ordered.fault for ordered in self._misbehaviours if ordered.takes(asked)]
        now = self.clock.now()
        if refused := self.dialect.window.spend(asked.weight, self.clock.now_ms()):
            answer = self.dialect.refuse(*refused)
        else:
            answer = self.dialect.answer(asked, faults)
        for fault in faults:
            if isinstance(fault, AnswerFault):
                answer = fault.change(answer, self.dialect.refuse)
        status = answer.status if answer.ending is Ending.KEEP else 0
        self.requests.append(Seen(now, asked.endpoint, asked.symbol, request.params, asked.weight, status))
        return replace(answer, headers=answer.headers + self.dialect.headers())


@contextmanager
def exchange_server(
    candles: CandleProvider,
    *,
    exchange: str = "binance",
    clock: ExchangeClock | None = None,
    port: int = 0,
    weight_limit: int | None = None,
    shows_open_candle: bool = True,
) -> Iterator[LocalExchange]:
    """A running exchange, in a thread of this process, on a free port unless one is given.

    The clock is the real time unless one is given; ``weight_limit`` is the exchange's own unless stated.
    """
    market = Market(candles, clock or ExchangeClock(), shows_open_candle)
    local = LocalExchange(DIALECTS[exchange](market, weight_limit), port)
    local.server.start()
    try:
        yield local
    finally:
        local.server.stop()


@contextmanager
def exchange_process(*arguments: str) -> Iterator[str]:
    """The address of an exchange in a process of its own, so that it takes no time from the client it is asked by.

    ``arguments`` are the program's; how it fared is at `STATISTICS`, as long as it runs.
    """
    command = [sys.executable, "-m", "tests.support.exchange_server", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            yield json.loads(program.stdout.readline())["url"]
        finally:
            program.terminate()


def main() -> None:
    """Serve the simulated market until a signal; the address is printed first, as JSON."""
    parser = argparse.ArgumentParser(description="A local exchange over the simulated market.")
    parser.add_argument("--exchange", choices=DIALECTS, default="binance")
    parser.add_argument("--port", type=int, default=0, help="0 for a free one")
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=parse_instant, help="its clock's first instant; the real time if left out")
    parser.add_argument("--speed", type=float, default=1.0, help="of its clock; 0 stands still")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="how much later every answer comes")
    parser.add_argument("--weight-limit", type=int, help="a minute; the exchange's own if left out")
    parser.add_argument("--prepare", metavar="TIMEFRAME:BARS", help="make these candles before serving")
    chosen = parser.parse_args()

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    candles = EndlessMarket(simulated_symbols(chosen.symbols), seed=chosen.seed)
    clock = ExchangeClock(chosen.start, speed=chosen.speed)
    if chosen.prepare:
        timeframe, _, bars = chosen.prepare.partition(":")
        candles.prepare(Timeframe(timeframe), clock.now(), int(bars))
    running = exchange_server(
        candles, exchange=chosen.exchange, clock=clock, port=chosen.port, weight_limit=chosen.weight_limit
    )
    with running as local:
        if chosen.latency_ms:
            local.misbehave(slow(timedelta(milliseconds=chosen.latency_ms)))
        print(json.dumps({"url": local.url}), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
