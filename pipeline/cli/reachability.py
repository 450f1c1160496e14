"""What `signals doctor` finds out about a live exchange: reach, clock, timeframes, symbols, and what its limit is."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pipeline.domain.errors import SignalsError
from pipeline.market.health import CLOCK_TOLERANCE
from pipeline.settings import Settings
from pipeline.storage.universe import DEFAULT_TIMEFRAMES


def examine_exchange(settings: Settings) -> tuple[dict[str, Any] | None, list[str]]:
    """Facts and problems; None and nothing where no exchange is live."""
    market = settings.market
    if market.source != "live" or market.exchange is None:
        return None, []
    from resources.exchange_client import check_exchange
    from resources.exchange_survey import survey

    symbols, timeframes = market.symbols or (), market.timeframes or DEFAULT_TIMEFRAMES
    try:
        check_exchange(market.exchange, timeframes)
        found = survey(market.exchange, symbols, market.exchange_url)
    except SignalsError as error:
        return None, [str(error)]
    requests = len(symbols) * len(timeframes)
    facts = {
        "answered_in_s": round(found.answered_in.total_seconds(), 2),
        "clock_ahead_s": None if found.clock_skew is None else round(found.clock_skew.total_seconds(), 2),
        "symbols": found.symbols,
        "timeframes": list(found.timeframes),
        "requests_per_minute": found.requests_per_minute,
        "requests_per_close": requests,
    }
    problems = [*_problems(found.not_traded, found.clock_skew, market.exchange)]
    if requests > found.requests_per_minute:
        problems.append(
            f"market.symbols and market.timeframes need {requests} requests at a close, {market.exchange} allows "
            f"about {found.requests_per_minute} a minute: candles come late; watch fewer"
        )
    return facts, problems


def _problems(not_traded: tuple[str, ...], skew: timedelta | None, exchange: str) -> Iterator[str]:
    if not_traded:
        yield f"market.symbols must be traded on {exchange}, {', '.join(not_traded)} are not: leave them out"
    if skew is not None and abs(skew) > CLOCK_TOLERANCE:
        yield f"the clock must agree with {exchange}'s, is {skew.total_seconds():+.0f} s ahead; let NTP set it"
