"""What `signals doctor` finds: facts about what is stored, and the problems that a person must act on.

A problem is a sentence that says what to do. Whatever mends itself with the next run is a fact and no problem; a hint
is good to know, and nothing is wrong without it.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import RowMapping

from pipeline.cli.display import instant
from pipeline.cli.reachability import examine_exchange
from pipeline.cli.session import open_database
from pipeline.cli.speaking import examine_models
from pipeline.cli.storage_growth import disk_problems, storage_of
from pipeline.cli.text_diagnosis import examine_texts
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.market.health import HealthStatus
from pipeline.sentiment.scorers import scorer_name
from pipeline.settings import Settings, config_file
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage.document_scores import count_unscored
from pipeline.storage.models import list_models
from pipeline.storage.queries import open_jumps, quarantine_counts, series_overview, versions
from pipeline.storage.roles import statements_for_another
from pipeline.storage.text_health import source_states
from pipeline.storage.universe import exchange_of, wanted_series

BLOCKED_NAMED = 3  # symbols that share a reason


def examine(settings: Settings) -> dict[str, Any]:
    """Everything that `signals doctor` finds, with the problems that a person must act on."""
    with open_database(settings) as database:
        with database.begin() as conn:
            server, schema = versions(conn)
            series, jumps, refused = series_overview(conn), open_jumps(conn), quarantine_counts(conn)
            address = str(database.address)
            try:
                exchange, problems = exchange_of(conn, settings.market), []
                wanted = wanted_series(conn, settings.market, exchange)
            except ConfigurationError as error:
                exchange, problems, wanted = None, [str(error)], []
            models = [] if exchange is None else list_models(conn, exchange=exchange)
            texts = source_states(conn, is_simulated=exchange == SIMULATED_EXCHANGE)
            storage = storage_of(conn, settings.home)
            unscored = count_unscored(conn, scorer_name(settings.sentiment.scorer))
            rights = statements_for_another(conn)
        timeframes = {_key(row).timeframe for row in series if row["bars"] and _key(row) in wanted}
        asked = sorted(timeframes, key=lambda timeframe: timeframe.duration)
        silent, hints = examine_models(database, models, settings, asked) if asked else ([], [])
    sources, refused_keys, lacking = examine_texts(settings, texts)
    if rights:
        lacking.append(
            "logins for analysts and bots need what this database's user may not do; a superuser must run, connected "
            f"to {address}: {'; '.join(rights)}"
        )
    if unscored:
        lacking.append(f"{unscored:,} texts are not scored yet, `signals ingest` or the next backfill scores them")
    reach, unreachable = examine_exchange(settings)
    return {
        "settings": str(config_file()) if config_file().is_file() else "defaults and environment",
        "home": str(settings.home.resolve()),
        "database": address,
        "server_version": server,
        "schema": schema,
        "source": settings.market.source,
        "exchange": exchange,
        "reach": reach,
        "series": [dict(row) for row in series],
        "price_jumps": [dict(row) for row in jumps],
        "quarantine": [dict(row) for row in refused],
        "texts": sources,
        "problems": [
            *problems,
            *unreachable,
            *_problems(settings, exchange, wanted, series, jumps),
            *silent,
            *refused_keys,
            *disk_problems(storage, settings),
        ],
        "hints": [*hints, *lacking],
    }


def _problems(
    settings: Settings,
    exchange: str | None,
    wanted: Collection[SeriesKey],
    series: Sequence[RowMapping],
    jumps: Sequence[RowMapping],
) -> Iterator[str]:
    """What a person must act on; what the settings leave out needs nobody."""
    stored = [row for row in series if row["exchange"] == exchange and row["bars"]]
    if settings.market.source == "files" and stored:
        yield from _not_stored(settings, exchange, stored)
    for symbol in sorted({jump["symbol"] for jump in jumps if _key(jump) in wanted}):
        yield (
            f"{symbol} is blocked by a price jump; if it is real: signals doctor --accept-jump {symbol}; "
            "if not, import corrected candles"
        )
    judged = [row for row in stored if _key(row) in wanted and row["status"] is not None]
    alike: dict[tuple[str, str], list[RowMapping]] = {}
    for row in judged:
        if row["status"] == HealthStatus.BLOCKED and row["reason"] != "price_jump":
            alike.setdefault((row["timeframe"], row["reason"]), []).append(row)
    usable = [row for row in judged if row["status"] != HealthStatus.BLOCKED]
    for (timeframe, reason), rows in alike.items():
        yield (
            f"{_names(rows)} {timeframe} {'is' if len(rows) == 1 else 'are'} blocked: {reason}; "
            f"{_advice(settings, rows, usable)} (as of {instant(max(row['as_of'] for row in rows))})"
        )


def _not_stored(settings: Settings, exchange: str | None, stored: Sequence[RowMapping]) -> Iterator[str]:
    market = settings.market
    for part, asked in {"symbol": market.symbols, "timeframe": market.timeframes}.items():
        if missing := ", ".join(sorted(set(asked or ()) - {row[part] for row in stored})):
            yield f"market.{part}s must be stored on {exchange}, {missing} are not: import or leave them out"


def _key(row: RowMapping) -> SeriesKey:
    return SeriesKey(row["exchange"], row["symbol"], Timeframe(row["timeframe"]))


def _names(rows: Sequence[RowMapping]) -> str:
    others = len(rows) - BLOCKED_NAMED
    return ", ".join(row["symbol"] for row in rows[:BLOCKED_NAMED]) + (f" and {others} more" if others > 0 else "")


def _advice(settings: Settings, blocked: Sequence[RowMapping], usable: Sequence[RowMapping]) -> str:
    """What ends the block of series of one timeframe; or how to leave them out, where others go on without them."""
    if settings.market.source != "files":
        return "`signals run` fetches what has closed since"
    is_behind, timeframe = blocked[0]["reason"].startswith(("stale", "missing")), blocked[0]["timeframe"]
    advice = "import candles that are newer" if is_behind else "import what is missing"
    if any(row["timeframe"] == timeframe for row in usable):
        them = "it" if len(blocked) == 1 else "them"
        return f"{advice}, or leave {them} out: market.symbols names those that are wanted"
    if usable:
        return f"{advice}, or leave {timeframe} out: market.timeframes names those that are wanted"
    return advice
