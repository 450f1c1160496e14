"""The universe: which exchange and which series a run is about, named by the settings or all that was imported."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from difflib import get_close_matches

import sqlalchemy as sa

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.settings_sections import SIMULATED_EXCHANGE, SIMULATED_SYMBOLS, MarketSettings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import Series, SeriesGroup

DEFAULT_TIMEFRAMES = (Timeframe.H1,)
MOST_HINTS = 5  # names that a refusal lists


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


def exchanges_shown(conn: sa.Connection, market: MarketSettings) -> tuple[str, ...]:
    """The exchanges whose signals are shown to whoever names none.

    The one that the settings mean; where several were imported and none is chosen each of them, but never the simulated
    one: that would be taken for a market.
    """
    try:
        return (exchange_of(conn, market),)
    except ConfigurationError:
        if market.exchange is not None:
            return (market.exchange,)
        s = tables.series.c
        imported = sa.select(s.exchange).where(s.exchange != SIMULATED_EXCHANGE).distinct().order_by(s.exchange)
        return tuple(conn.scalars(imported))


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


def listed_at(database: Database, group: SeriesGroup) -> dict[str, datetime]:
    """Open of the first stored candle by symbol, of those that have one."""
    s = tables.series.c
    query = sa.select(s.symbol, s.listed_at).where(s.series_id.in_(group.ids), s.listed_at.is_not(None))
    with database.begin() as conn:
        return {row.symbol: row.listed_at for row in conn.execute(query)}


def known_series(conn: sa.Connection, *, has_candles: bool = True) -> list[SeriesKey]:
    """Every series, or every one that has candles, by exchange, symbol and length."""
    s = tables.series.c
    query = sa.select(s.exchange, s.symbol, s.timeframe)
    if has_candles:
        query = query.where(s.listed_at.is_not(None))
    rows = conn.execute(query.order_by(s.exchange, s.symbol, s.bar_seconds))
    return [SeriesKey(exchange, symbol, Timeframe(timeframe)) for exchange, symbol, timeframe in rows]


def candle_days(conn: sa.Connection) -> tuple[date, date] | None:
    """The first and the last day of which any candle is stored, by close, but for the simulated market's."""
    row = conn.execute(
        sa.text(
            """SELECT min(s.listed_at + make_interval(secs => s.bar_seconds)), max(l.close_at) FROM series s
CROSS JOIN LATERAL (SELECT close_at FROM candles c WHERE c.series_id = s.series_id ORDER BY c.open_at DESC LIMIT 1) l
WHERE s.exchange <> :simulated"""
        ),
        {"simulated": SIMULATED_EXCHANGE},
    ).one()
    return None if row[0] is None else (row[0].date(), row[1].date())


def unknown_series(conn: sa.Connection, key: SeriesKey) -> DataContractError:
    """The series has no candles; what is stored instead."""
    hint = stored_instead(known_series(conn), key.symbol, key.exchange)
    return DataContractError(f"series must be one that has candles, was {key}: {hint}")


def stored_instead(known: Sequence[SeriesKey], symbol: str, exchange: str | None = None) -> str:
    """What of the ``known`` may have been meant: the same symbol elsewhere, else those that are written almost so."""
    if not known:
        return "no candles are stored yet; `signals import candles PATH --exchange NAME` reads files"
    if same := [each for each in known if each.symbol == symbol]:
        same.sort(key=lambda each: each.exchange != exchange)
        return f"of {symbol} there are {listed(f'{each.timeframe} on {each.exchange}' for each in same)}"
    symbols = sorted({each.symbol for each in known})
    near = get_close_matches(symbol, symbols, n=MOST_HINTS, cutoff=0.7)
    return f"did you mean {listed(near)}?" if near else f"there are {listed(symbols)}"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, the first few of them."""
    found = list(names)
    more = f" and {len(found) - MOST_HINTS} more" if len(found) > MOST_HINTS else ""
    return ", ".join(found[:MOST_HINTS]) + more


def exchange_meant(conn: sa.Connection, market: MarketSettings, symbol: str, timeframe: Timeframe) -> str:
    """The exchange that the settings mean; where they leave it open, the only one that has the series."""
    try:
        return exchange_of(conn, market)
    except ConfigurationError:
        having = {key.exchange for key in known_series(conn) if (key.symbol, key.timeframe) == (symbol, timeframe)}
        if len(having) != 1:
            raise
        return having.pop()
