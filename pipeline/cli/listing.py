"""`signals list`: the stored signals, best first."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import click
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.cli.display import Column, instant, json_text, price, remark, share, show_table
from pipeline.cli.parameters import SYMBOL
from pipeline.cli.session import open_database
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.settings import load_settings
from pipeline.storage.queries import SignalFilter, count_signals, detail, list_signals, signal_occasions

TABLE_LIMIT = 50

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
    Column(title="expires", is_optional=True),
    Column(title="exchange", is_optional=True),
    Column(title="strength", is_number=True, is_optional=True),
    Column(title="description", wraps=True, is_optional=True),
)
STATUS = Column(title="status")


@click.command("list")
@click.option("--symbol", type=SYMBOL, help="Only of this symbol.")
@click.option("--origin", type=click.Choice([o.value for o in Origin]), help="live (default), or replay.")
@click.option("--scope", default=None, help="default, or the name of a replay.")
@click.option("--all", "has_ended", is_flag=True, help="Those that have ended too, newest first.")
@click.option("--limit", type=click.IntRange(min=1), help=f"At most so many (a table has {TABLE_LIMIT} by default).")
@click.option("--json", "as_json", is_flag=True, help="Print an array of signals as JSON, best first.")
def list_command(
    symbol: str | None, origin: str | None, scope: str | None, has_ended: bool, limit: int | None, as_json: bool
) -> None:
    """List the signals that are active now, best first.

    Active are live signals with status ACTIVE between their close and their expiry. What a backfill makes is of the
    origin replay; a replay with a name is found by --scope.

    \b
    Examples:
      signals list
      signals list --symbol BTCUSDT --all --limit 10
      signals list --origin replay --all --json
      signals list --scope fast-sma --all
    """
    wanted = SignalFilter(
        as_of=datetime.now(UTC),
        symbol=symbol,
        origin=_origin(origin, scope),
        scope=scope or DEFAULT_SCOPE,
        has_ended=has_ended,
        limit=limit or (None if as_json else TABLE_LIMIT),
    )
    with open_database(load_settings()) as database, database.begin() as conn:
        found = list_signals(conn, wanted)
        n_found = len(found) if limit is None and len(found) < TABLE_LIMIT else count_signals(conn, wanted)
        why_none = None if found else _why_none(conn, wanted)
    if as_json:
        best_first = sorted(found, key=lambda row: -row["rank_score"])  # stable: equal scores stay in order
        click.echo(json_text([detail(row) for row in best_first]))
    elif found:
        show_signals(found, has_status=has_ended)
        if n_found > len(found):
            remark(f"{len(found):,} of {n_found:,} signals; --limit {n_found} shows all")
    if why_none:
        remark(why_none)


def _origin(origin: str | None, scope: str | None) -> Origin | None:
    """Live unless another is named; a scope of one's own has but one origin, which need not be said."""
    if origin is not None:
        return Origin(origin)
    return Origin.LIVE if scope in (None, DEFAULT_SCOPE) else None


def show_signals(found: Sequence[RowMapping], *, has_status: bool) -> None:
    """Print signals as a table, in the order given."""
    columns = [*COLUMNS[:5], STATUS, *COLUMNS[5:]] if has_status else list(COLUMNS)
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
            instant(row["expires_at"]),
            row["exchange"],
            share(row["strength"]),
            row["description"],
        ]
        rows.append([*cells[:5], row["status"], *cells[5:]] if has_status else cells)
    show_table(columns, rows)


def _why_none(conn: sa.Connection, wanted: SignalFilter) -> str:
    """Why nothing was found, and what would find something."""
    occasions = signal_occasions(conn)
    if not occasions:
        return "no signal is stored yet; `signals run` makes them, `signals demo` shows how"
    kind = wanted.origin or f"{wanted.scope!r}"
    subject = f"{kind} signal of {wanted.symbol}" if wanted.symbol else f"{kind} signal"
    ended = 0 if wanted.has_ended else count_signals(conn, replace(wanted, has_ended=True, limit=None))
    hints = [f"{ended:,} have ended or not begun: --all shows them"] if ended else []
    if not ended and wanted.symbol and count_signals(conn, replace(wanted, symbol=None, has_ended=True)):
        hints.append("other symbols have some")
    for origin, scope, count, newest in occasions:
        if (scope, origin) != (wanted.scope, wanted.origin or origin):
            place = f"--origin {origin}" if scope == DEFAULT_SCOPE else f"--scope {scope}"
            hints.append(f"{count:,} {origin} signals up to {newest:%Y-%m-%d} exist: try {place} --all")
    state = "stored" if wanted.has_ended else "active now"
    return f"no {subject} is {state}" + (f"; {'; '.join(hints[:3])}" if hints else "")
