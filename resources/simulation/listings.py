"""What is listed on the simulated market: at which level a symbol trades, how wildly, how much.

Levels are those of 2024, in order of magnitude; what is not in the table gets its own from its name.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from resources.simulation.noise import Stream, uniform

# asset: (price in USD, turnover a day in millions of USD)
ASSETS: dict[str, tuple[float, float]] = {
    "BTC": (60_000, 2_000), "ETH": (3_000, 1_200), "BNB": (550, 250), "SOL": (150, 450),
    "XRP": (0.6, 250), "ADA": (0.5, 80), "DOGE": (0.15, 180), "AVAX": (35, 70), "DOT": (7, 40),
    "LINK": (15, 60), "LTC": (85, 60), "TRX": (0.12, 40), "MATIC": (0.7, 50), "UNI": (9, 30),
    "ATOM": (9, 25), "ETC": (27, 30), "BCH": (400, 60), "XLM": (0.12, 15), "NEAR": (6, 60),
    "FIL": (6, 40), "APT": (9, 35), "ARB": (1.1, 60), "OP": (2.4, 50), "INJ": (28, 40),
    "AAVE": (100, 20), "SUI": (1.2, 60), "SHIB": (2.2e-5, 120), "PEPE": (1e-5, 150),
}  # fmt: skip

# Quote currencies in USD; with another asset as the quote, the level is the ratio of both.
CURRENCIES = {"EUR": 1.1, "GBP": 1.25, "TRY": 0.03} | dict.fromkeys(
    ("USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD"), 1.0
)

LOTS_PER_MINUTE = 50_000.0  # fine enough that volumes look continuous, coarse enough that sums are exact


@dataclass(frozen=True, slots=True)
class Listing:
    """How one symbol trades."""

    level: float  # quote currency; the price swings around it for ever
    decimals: int  # of its prices
    beta: float  # how strongly it follows the market
    volatility: float  # of its own, per day, in an average regime
    lot: float  # base currency; a power of two, so that volumes add up exactly in any order


@lru_cache(maxsize=4096)
def listing(seed: int, symbol: str) -> Listing:
    """The terms on which ``symbol`` trades on the market of ``seed``."""
    base, _, quote = symbol.partition(":")[0].partition("/")
    price, turnover = _asset(base)
    level = price / (CURRENCIES.get(quote) or _asset(quote)[0])
    per_minute = turnover * 1e6 / price / 1440
    draws = uniform(Stream(seed, "listing", symbol).words(0, 1, 4))[0]
    return Listing(
        level=level,
        decimals=max(2, 4 - math.floor(math.log10(level))),
        beta=0.85 + 0.45 * float(draws[0]),
        volatility=0.009 + 0.007 * float(draws[1]),
        lot=2.0 ** math.floor(math.log2(per_minute / LOTS_PER_MINUTE)),
    )


def _asset(name: str) -> tuple[float, float]:
    """Price and turnover: from the table, otherwise from the name alone, so that all its pairs agree."""
    if name in ASSETS:
        return ASSETS[name]
    draws = uniform(Stream("asset", name).words(0, 1, 4))[0]
    return 10.0 ** (4.3 * float(draws[0]) - 2.0), 10.0 ** (0.5 + 1.5 * float(draws[1]))
