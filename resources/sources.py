"""Which source of candles the settings mean."""

from datetime import timedelta

from pipeline.domain.timeframe import Timeframe
from pipeline.settings import Settings
from resources.exchange import ExchangeMarket
from resources.market import ImportedMarket, MarketSource
from resources.simulated import SimulatedMarket

SHORTEST_DEADLINE = timedelta(seconds=45)


def market_source(settings: Settings, exchange: str) -> MarketSource:
    """The source that gives the candles of ``exchange``."""
    if settings.market.source == "simulated":
        return SimulatedMarket(settings.market.simulation_seed)
    if settings.market.source == "live":
        return ExchangeMarket(
            exchange=exchange,
            grace=timedelta(seconds=settings.schedule.grace_seconds),
            straggler_limit=timedelta(seconds=settings.schedule.straggler_seconds),
            deadline=deadline_of(settings.market.cadence),
            url=settings.market.exchange_url,
        )
    return ImportedMarket(exchange)


def deadline_of(cadence: Timeframe) -> timedelta:
    """How long a run may fetch: half of the time until the next one, and enough for a short timeframe's tick."""
    return max(SHORTEST_DEADLINE, cadence.duration / 2)
