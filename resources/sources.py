"""Which source of candles the settings mean."""

from pipeline.settings import Settings
from resources.market import ImportedMarket, MarketSource
from resources.simulated import SimulatedMarket


def market_source(settings: Settings, exchange: str) -> MarketSource:
    """The source that gives the candles of ``exchange``."""
    if settings.market.source == "simulated":
        return SimulatedMarket(settings.market.simulation_seed)
    return ImportedMarket(exchange)
