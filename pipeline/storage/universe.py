"""The universe: which exchange and which series a run is about, named by the settings or all that was imported."""

from collections.abc import Sequence

import sqlalchemy as sa

from pipeline.domain.errors import ConfigurationError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.settings_sections import SIMULATED_EXCHANGE, SIMULATED_SYMBOLS, MarketSettings
from pipeline.storage import tables
from pipeline.storage.history import Series

DEFAULT_TIMEFRAMES = (Timeframe.H1,)


def exchange_of(conn: sa.Connection, market: MarketSettings) -> str:
    """The exchange that the settings mean; for files the one that was imported, if there is no other."""
    if market.source == "simulated":
        return SIMULATED_EXCHANGE
    if market.source == "live" and market.exchange is not None:
        return market.exchange
    imported = conn.scalars(
        sa.select(tables.series.c.exchange).where(tables.series.c.exchange != SIMULATED_EXCHANGE).distinct()
    ).all()
    if market.exchange is not None:
        if market.exchange not in imported:
            known = ", ".join(sorted(imported)) or "none"
            raise ConfigurationError(
                f"market.exchange must be one that was imported ({known}), was {market.exchange}; "
                f"`signals import candles PATH --exchange {market.exchange}` reads files"
            )
        return market.exchange
    if len(imported) != 1:
        raise ConfigurationError(
            "market.exchange must be set, because "
            + (
                f"several were imported: {', '.join(sorted(imported))}"
                if imported
                else "no candles were imported yet; `signals import candles PATH --exchange NAME` reads files"
            )
        )
    return str(imported[0])


def wanted_series(conn: sa.Connection, market: MarketSettings, exchange: str) -> list[SeriesKey]:
    """The series that the chain works on."""
    if market.source == "files":
        return [series.key for series in universe(conn, exchange, market.symbols, market.timeframes)]
    return [
        SeriesKey(exchange, symbol, timeframe)
        for symbol in market.symbols or SIMULATED_SYMBOLS
        for timeframe in market.timeframes or DEFAULT_TIMEFRAMES
    ]


def universe(
    conn: sa.Connection,
    exchange: str,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[Timeframe] | None = None,
) -> list[Series]:
    """The stored series of an exchange that trade, all of them or those named."""
    t = tables.series.c
    query = sa.select(t.series_id, t.symbol, t.timeframe).where(t.exchange == exchange, t.listed_at.is_not(None))
    if symbols is not None:
        query = query.where(t.symbol.in_(symbols))
    if timeframes is not None:
        query = query.where(t.timeframe.in_([str(timeframe) for timeframe in timeframes]))
    return [
        Series(SeriesKey(exchange, symbol, Timeframe(timeframe)), number)
        for number, symbol, timeframe in conn.execute(query.order_by(t.symbol, t.bar_seconds))
    ]
