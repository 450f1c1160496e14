"""`signals list`: the stored signals of one exchange, the active ones or all."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import click
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.cli.display import Column, instant, price, remark, share, show_table
from pipeline.cli.parameters import EVERY_EXCHANGE, EXCHANGE, SYMBOL
from pipeline.cli.session import open_database
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.json_values import json_text
from pipeline.settings import load_settings
from pipeline.settings_sections import SIMULATED_EXCHANGE, MarketSettings
from pipeline.storage.accounts import one_profile, profile_names
from pipeline.storage.queries import (
    EVERY_PROFILE,
    SignalFilter,
    SignalOccasion,
    count_signals,
    detail,
    list_signals,
    signal_occasions,
)
from pipeline.storage.universe import exchange_of

TABLE_LIMIT = 50
MOST_HINTS = 3

# The last optional columns go first where a terminal is narrow.
COLUMNS = (
    Column(title="score", is_number=True),
    Column(title="symbol"),
    Column(title="tf"),
    Column(title="type"),
    Column(title="strategy"),
    Column(title="conf", is_number=True),
    Column(title="entry", is_number=True),
    Column(title="stop", is_number=True, is_optional=True),
    Column(title="target 1", is_number=True, is_optional=True),
    Column(title="close (UTC)"),
    Column(title="id"),
    Column(title="expires", is_optional=True),
    Column(title="exchange", is_optional=True),
    Column(title="strength", is_number=True, is_optional=True),
    Column(title="calibrated", is_number=True, is_optional=True),
    Column(title="profile", is_optional=True),
    Column(title="description", wraps=True, is_optional=True),
)
STATUS = Column(title="status")
# Only where signals are shown that have ended.
ENDS = (
    Column(title="ended", is_optional=True),
    Column(title="by", is_optional=True),
    Column(title="because", is_optional=True),
)
ID_DIGITS = 8  # of the id's 32; the commands that take one are content with a beginning


@click.command("list")
@click.option("--symbol", type=SYMBOL, help="Only of this symbol.")
@click.option("--exchange", type=EXCHANGE, help="Only of this exchange; the settings' by default, all: of every one.")
@click.option("--origin", type=click.Choice([o.value for o in Origin]), help="live (default), or replay.")
@click.option("--scope", default=None, help="default, or the name of a replay.")
@click.option("--profile", help="Only of this risk profile; house by default, all: of every one.")
@click.option("--all", "has_ended", is_flag=True, help="Those too that have ended or not begun; newest first.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many (a table has {TABLE_LIMIT} by default).")
@click.option("--json", "as_json", is_flag=True, help="Print an array of signals as JSON; always best first.")
def list_command(
    symbol: str | None,
    exchange: str | None,
    origin: str | None,
    scope: str | None,
    profile: str | None,
    has_ended: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the signals that are active now, best first; with --all every one, newest first.

    Active are live signals with status ACTIVE between their close and their expiry, of the exchange that the settings
    name. What a backfill makes is of the origin replay; a replay with a name is found by --scope.

    \b
    Examples:
      signals list
      signals list --symbol BTCUSDT --all --limit 10
      signals list --exchange simulated
      signals list --origin replay --all --json
      signals list --scope fast-sma --all
      signals list --profile alice
    """
    settings = load_settings()
    with open_database(settings) as database, database.begin() as conn:
        exchanges, caution = _exchanges(conn, settings.market, exchange, scope)
        wanted = SignalFilter(
            as_of=datetime.now(UTC),
            symbol=symbol,
            exchanges=exchanges,
            origin=_origin(origin, scope),
            scope=scope or DEFAULT_SCOPE,
            profile=_profile(conn, profile, scope),
            is_by_calibrated=settings.calibration.ranks_signals,
            has_ended=has_ended,
            limit=limit or (None if as_json else TABLE_LIMIT),
        )
        found = list_signals(conn, wanted)
        n_found = len(found) if limit is None and len(found) < TABLE_LIMIT else count_signals(conn, wanted)
        why_none = None if found else _why_none(conn, wanted)
    if as_json:
        best_first = sorted(found, key=wanted.merit, reverse=True)  # stable: equal ones stay in order
        click.echo(json_text([detail(row) for row in best_first]))
    elif found:
        show_signals(found, has_status=has_ended)
        if n_found > len(found):
            remark(f"{len(found):,} of {n_found:,} signals; --limit {n_found} shows all")
    for said in (caution, why_none):
        if said:
            remark(said)


def _exchanges(
    conn: sa.Connection, market: MarketSettings, given: str | None, scope: str | None
) -> tuple[tuple[str, ...] | None, str | None]:
    """The exchanges that are asked for, None for every one; and what is wrong with the settings that say so.

    A replay's name says already which signals are meant, of whatever exchange its own settings named. Where several
    exchanges were imported and none is chosen, each is shown but never the simulated one: that would be taken for a
    market.
    """
    if given is not None:
        return None if given == EVERY_EXCHANGE else (given,), None
    if scope not in (None, DEFAULT_SCOPE):
        return None, None
    try:
        return (exchange_of(conn, market),), None
    except ConfigurationError as error:
        if market.exchange is not None:
            return (market.exchange,), str(error)
        stored = {occasion.exchange for occasion in signal_occasions(conn)} - {SIMULATED_EXCHANGE}
        return tuple(sorted(stored)), f"{error}; signals of each are shown" if stored else str(error)


def _profile(conn: sa.Connection, given: str | None, scope: str | None) -> str | None:
    """Whose signals are asked for, None for everybody's; a scope of one's own has but those that its name means."""
    if given == EVERY_PROFILE:
        return None
    if given is not None and given not in (known := profile_names(conn)):
        raise ConfigurationError(f"profile must be one of {', '.join(known)}, or {EVERY_PROFILE}, was {given!r}")
    return one_profile(scope or DEFAULT_SCOPE, given)


def _origin(origin: str | None, scope: str | None) -> Origin | None:
    """Live unless another is named; a scope of one's own has but one origin, which need not be said."""
    if origin is not None:
        return Origin(origin)
    return Origin.LIVE if scope in (None, DEFAULT_SCOPE) else None


def show_signals(found: Sequence[RowMapping], *, has_status: bool) -> None:
    """Print signals as a table, in the order given."""
    columns = [*COLUMNS[:5], STATUS, *COLUMNS[5:], *ENDS] if has_status else list(COLUMNS)
    told_apart = {name for name in ("exchange", "profile") if len({row[name] for row in found}) > 1}
    columns = [replace(c, is_optional=c.is_optional and c.title not in told_apart) for c in columns]
    rows = []
    for row in found:
        cells = [
            f"{row['rank_score']:.3f}",
            row["symbol"],
            row["timeframe"],
            row["signal_type"],
            row["strategy"],
            share(row["confidence"]),
            None if row["entry_price"] is None else price(row["entry_price"]),
            row["stop_loss_price"],
            (row["target_prices"] or {}).get("tp1"),
            instant(row["candle_close_at"]),
            row["id"].hex[:ID_DIGITS],
            instant(row["expires_at"]),
            row["exchange"],
            share(row["strength"]),
            None if row["calibrated_confidence"] is None else share(row["calibrated_confidence"]),
            row["profile"],
            row["description"],
        ]
        if has_status:
            cells = [*cells[:5], row["status"], *cells[5:], row["ended_at"], row["ended_by"], row["end_reason"]]
        rows.append(cells)
    show_table(columns, rows)


def _why_none(conn: sa.Connection, wanted: SignalFilter) -> str:
    """Why nothing was found, and what would find something: of the same symbol, and of the same exchange if it can."""
    occasions = signal_occasions(conn, wanted.symbol)
    if not occasions and (wanted.symbol is None or not signal_occasions(conn)):
        return "no signal is stored yet; `signals run` makes them, `signals demo` shows how"
    near = [o for o in occasions if wanted.exchanges is None or o.exchange in wanted.exchanges]
    hints = []
    if near:
        ended = 0 if wanted.has_ended else count_signals(conn, replace(wanted, has_ended=True, limit=None))
        if ended:
            hints.append(f"{ended:,} have ended or not begun: --all shows them")
        others = [o for o in near if (o.scope, o.origin) != (wanted.scope, wanted.origin or o.origin)]
        hints += _found_by(wanted, others)
    elif occasions:
        hints += _found_by(wanted, occasions)
    else:
        hints.append(f"none of {wanted.symbol} is stored, other symbols have some")
    kind = wanted.origin or f"{wanted.scope!r}"
    of_symbol = f" of {wanted.symbol}" if wanted.symbol else ""
    on_exchange = f" on {' or '.join(wanted.exchanges)}" if wanted.exchanges else ""
    state = "stored" if wanted.has_ended else "active now"
    return "; ".join([f"no {kind} signal{of_symbol}{on_exchange} is {state}", *hints[:MOST_HINTS]])


def _found_by(wanted: SignalFilter, occasions: Iterable[SignalOccasion]) -> Iterator[str]:
    """What exists of the occasions, one hint for all that the same options show."""
    groups: dict[tuple[str, ...], list[SignalOccasion]] = {}
    for occasion in occasions:
        groups.setdefault(tuple(_options(wanted, occasion)), []).append(occasion)
    for options, group in groups.items():
        count, newest = sum(o.signals for o in group), max(o.newest_close_at for o in group)
        kind = group[0].origin
        yield f"{count:,} {kind} signals up to {newest:%Y-%m-%d} exist: try {' '.join(options)} --all"


def _options(wanted: SignalFilter, occasion: SignalOccasion) -> Iterator[str]:
    """What must be typed otherwise than it was to see an occasion."""
    if wanted.exchanges is not None and occasion.exchange not in wanted.exchanges:
        yield f"--exchange {occasion.exchange}"
    if occasion.scope != wanted.scope:
        yield f"--scope {occasion.scope}"
    if occasion.origin != wanted.origin and (wanted.origin or occasion.scope == DEFAULT_SCOPE):
        yield f"--origin {occasion.origin}"
