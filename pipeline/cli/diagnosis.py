"""What `signals doctor` finds: facts about what is stored, and the problems that a person must act on.

A problem is a sentence that says what to do. Whatever mends itself with the next run is a fact and no problem.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import RowMapping

from pipeline.cli.display import instant
from pipeline.cli.session import open_database
from pipeline.domain.errors import ConfigurationError
from pipeline.settings import Settings, config_file
from pipeline.storage.queries import open_jumps, quarantine_counts, series_overview, versions
from pipeline.storage.universe import exchange_of


def examine(settings: Settings) -> dict[str, Any]:
    """Everything that `signals doctor` finds, with the problems that a person must act on."""
    with open_database(settings) as database, database.begin() as conn:
        server, schema = versions(conn)
        series, jumps, refused = series_overview(conn), open_jumps(conn), quarantine_counts(conn)
        address = str(database.address)
        try:
            exchange, problems = exchange_of(conn, settings.market), []
        except ConfigurationError as error:
            exchange, problems = None, [str(error)]
    return {
        "settings": str(config_file()) if config_file().is_file() else "defaults and environment",
        "home": str(settings.home.resolve()),
        "database": address,
        "server_version": server,
        "schema": schema,
        "source": settings.market.source,
        "exchange": exchange,
        "series": [dict(row) for row in series],
        "price_jumps": [dict(row) for row in jumps],
        "quarantine": [dict(row) for row in refused],
        "problems": [*problems, *_problems(settings, exchange, series, jumps)],
    }


def _problems(
    settings: Settings, exchange: str | None, series: Sequence[RowMapping], jumps: Sequence[RowMapping]
) -> Iterator[str]:
    stored = [row for row in series if row["exchange"] == exchange and row["bars"]]
    if settings.market.source == "files" and settings.market.symbols and stored:
        missing = sorted(set(settings.market.symbols) - {row["symbol"] for row in stored})
        if missing:
            yield f"market.symbols must be stored on {exchange}, {', '.join(missing)} are not: import or leave them out"
    for symbol in sorted({jump["symbol"] for jump in jumps if jump["exchange"] == exchange}):
        yield (
            f"{symbol} is blocked by a price jump; if it is real: signals doctor --accept-jump {symbol}; "
            "if not, import corrected candles"
        )
    watched = settings.market.symbols
    for row in stored:
        is_watched = watched is None or row["symbol"] in watched
        if row["status"] == "BLOCKED" and row["reason"] != "price_jump" and is_watched:
            yield (
                f"{row['symbol']} {row['timeframe']} is blocked: {row['reason']}; {_advice(settings, row['reason'])} "
                f"(as of {instant(row['as_of'])})"
            )


def _advice(settings: Settings, reason: str) -> str:
    if settings.market.source == "files":
        return "import candles that are newer" if reason.startswith(("stale", "missing")) else "import what is missing"
    return "`signals run` fetches what has closed since"
