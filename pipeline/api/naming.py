"""Series that a request names: which exchanges it means, and whether there is anything of the kind at all."""

from collections.abc import Collection

from sqlalchemy import Connection

from pipeline.api.errors import WrongFieldsError
from pipeline.api.parameters import EVERY_EXCHANGE, SignalFilters
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.settings_sections import MarketSettings
from pipeline.storage.universe import exchanges_shown, known_series, listed, stored_instead


def exchanges_asked(conn: Connection, market: MarketSettings, exchange: str | None) -> tuple[str, ...] | None:
    """The exchanges whose signals are asked for; None for every one."""
    if exchange == EVERY_EXCHANGE:
        return None
    return exchanges_shown(conn, market) if exchange is None else (exchange,)


def names_series(filters: SignalFilters) -> bool:
    """Whether an exchange, a symbol or a timeframe is named."""
    return any(name is not None for name in _named(filters))


def _named(filters: SignalFilters) -> tuple[str | None, str | None, str | None]:
    return None if filters.exchange == EVERY_EXCHANGE else filters.exchange, filters.symbol, filters.timeframe


def check_named(conn: Connection, filters: SignalFilters) -> None:
    """Raise `WrongFieldsError` where the exchange, symbol and timeframe that are named are those of no stored series.

    Where none is stored yet there is nothing to compare with. To be asked where nothing was found.
    """
    if not names_series(filters):
        return
    wanted = _named(filters)
    known = known_series(conn, has_candles=False)
    if known and not any(all(w in (None, has) for w, has in zip(wanted, each, strict=True)) for each in known):
        _refuse(filters, known)


def check_exchange(conn: Connection, exchange: str) -> None:
    """Raise `WrongFieldsError` where series are stored, but none of the one exchange that is named."""
    exchanges = _exchanges(known_series(conn, has_candles=False))
    if exchanges and exchange not in exchanges:
        raise WrongFieldsError(f"must be one of {listed(exchanges)}, was {exchange}", "query.exchange")


def _refuse(filters: SignalFilters, known: Collection[SeriesKey]) -> None:
    exchanges, timeframes = _exchanges(known), {each.timeframe for each in known}
    if filters.exchange not in (None, EVERY_EXCHANGE, *exchanges):
        message = f"must be one of {listed(exchanges)}, or {EVERY_EXCHANGE}, was {filters.exchange}"
        raise WrongFieldsError(message, "query.exchange")
    if filters.symbol is None:
        there = listed(timeframe for timeframe in Timeframe if timeframe in timeframes)
        message = f"must be one that is stored, was {filters.timeframe}: there are {there}"
        raise WrongFieldsError(message, "query.timeframe")
    hint = stored_instead(list(known), filters.symbol, filters.exchange)
    raise WrongFieldsError(f"must be one that is stored, was {filters.symbol}: {hint}", "query.symbol")


def _exchanges(known: Collection[SeriesKey]) -> list[str]:
    return sorted({each.exchange for each in known})
