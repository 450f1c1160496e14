"""`signals import`: what a person has on disk, read into the database.

What a file means is decided in `resources.candle_files`, what becomes of its rows in `pipeline.storage.intake`.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import pandas as pd
import sqlalchemy as sa

from pipeline.cli import display
from pipeline.cli.display import Column, instant, progress, remark, show_table
from pipeline.cli.document_import import documents
from pipeline.cli.parameters import EVERY_EXCHANGE, EXCHANGE, SYMBOL, TIMEFRAME
from pipeline.cli.session import open_database
from pipeline.domain.context import MarketContext
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.json_values import json_text
from pipeline.market.cleaning import Cleaned, clean
from pipeline.settings import Settings, load_settings
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage.database import Database
from pipeline.storage.intake import Intake, keep_cleaned
from pipeline.storage.universe import exchange_of
from resources.candle_files import check_something_is_left, read_candle_file
from resources.candle_names import SUFFIXES
from resources.file_search import find_some

BATCH_ROWS = 100_000  # per transaction; a file is never split
CHANGED_SHOWN, CHANGED_LISTED = 3, 20  # changed bars that the table names, and the JSON

Series = tuple[str, str, str]


@click.group("import")
def import_command() -> None:
    """Read files into the database.

    \b
    Examples:
      signals import candles ~/candles/1h --exchange binance
      signals import documents ~/texts
    """


import_command.add_command(documents)


@import_command.command("candles")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--exchange", type=EXCHANGE, required=True, help="Where the candles were traded, as ccxt writes it: binance."
)
@click.option("--timeframe", type=TIMEFRAME, help="Of all files; otherwise read from them or their names.")
@click.option("--symbol", type=SYMBOL, help="Of all files; otherwise read from them or their names.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def candles(
    paths: tuple[Path, ...], exchange: str, timeframe: Timeframe | None, symbol: str | None, as_json: bool
) -> None:
    """Read candle files, and folders with all that is below them.

    Parquet, feather, CSV (with the usual column names, or Binance's klines), freqtrade's JSON; zipped or gzipped too.
    Symbol and timeframe are read from the file, its name or its folders: BTCUSDT-1h.csv, BTC_USDT-1h.feather,
    1h/BTCUSDT.parquet. Reading the same files again changes nothing; a file that cannot be read does not stop the
    others. docs/market-data.md describes formats, names and reasons.

    \b
    Examples:
      signals import candles ~/candles/1h --exchange binance
      signals import candles BTCUSDT.csv ETHUSDT.csv --exchange kraken --timeframe 15m
    """
    settings = load_settings()
    if exchange in (SIMULATED_EXCHANGE, EVERY_EXCHANGE):
        raise click.BadParameter(
            f"must be one like binance and not {SIMULATED_EXCHANGE} or {EVERY_EXCHANGE}, was {exchange!r}",
            param_hint="--exchange",
        )
    began = time.monotonic()
    with open_database(settings) as database:
        imported = _Import(database, datetime.now(UTC), settings.context.beside)
        files = imported.find(paths)
        with progress(f"importing {exchange}") as report:
            for number, file in enumerate(files, start=1):
                imported.read(file, exchange, timeframe, symbol)
                report(number, len(files))
            imported.flush()
        with database.begin() as conn:
            is_used = _is_used(conn, settings, exchange)
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json_text(imported.summary(exchange, seconds)))
    else:
        _show(imported, exchange, seconds, is_used=is_used)
    for path, message in imported.failures.items():
        remark(f"failed: {message if str(path) in message else f'{path}: {message}'}")
    if imported.failures:
        sys.exit(1)


@dataclass
class _Import:
    """One import: files come in one by one, candles go out in transactions of many files."""

    database: Database
    now: datetime
    context: MarketContext
    failures: dict[Path, str] = field(default_factory=dict)
    files: int = 0
    rows: int = 0
    candles: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    changed: list[tuple[SeriesKey, datetime]] = field(default_factory=list)
    series: set[Series] = field(default_factory=set)
    first_close: datetime | None = None
    last_close: datetime | None = None
    _batch: list[Cleaned] = field(default_factory=list)
    _spans: dict[Series, list[tuple[datetime, datetime]]] = field(default_factory=dict)

    def find(self, paths: Sequence[Path]) -> list[Path]:
        """The files of those paths that have any."""
        files, self.failures = find_some(paths, SUFFIXES)
        return files

    def read(self, file: Path, exchange: str, timeframe: Timeframe | None, symbol: str | None) -> None:
        """Take in one file; what is wrong with it is noted."""
        try:
            raw = read_candle_file(file, exchange, timeframe, symbol)
            cleaned = clean(raw, self.now)
            check_something_is_left(file, cleaned)
        except DataContractError as error:
            self.failures[file] = str(error)
            return
        self.files += 1
        self.rows += len(raw)
        if cleaned.candles.empty:
            return
        key, span = self._place_of(cleaned.candles)
        waiting = sum(len(part.candles) for part in self._batch)
        # Two files may tell of the same bar: the later one then revises the earlier one, in a transaction of its own.
        if waiting + len(cleaned.candles) > BATCH_ROWS or any(_overlap(span, s) for s in self._spans.get(key, [])):
            self.flush()
        self._batch.append(cleaned)
        self._spans.setdefault(key, []).append(span)

    def _place_of(self, candles: pd.DataFrame) -> tuple[Series, tuple[datetime, datetime]]:
        exchange, symbol, timeframe = candles[["exchange", "symbol", "timeframe"]].iloc[0]
        first = candles["open_at"].iloc[0].to_pydatetime()
        last = candles["open_at"].iloc[-1].to_pydatetime()
        duration = Timeframe(timeframe).duration
        self.series.add((exchange, symbol, timeframe))
        self.first_close = min(self.first_close or first + duration, first + duration)
        self.last_close = max(self.last_close or last + duration, last + duration)
        return (exchange, symbol, timeframe), (first, last)

    def flush(self) -> None:
        """Store what was taken in."""
        if not self._batch:
            return
        done: Intake = keep_cleaned(self.database, self._batch, self.context)
        self.candles += sum(len(part.candles) for part in self._batch)
        self.refused += done.refused
        self.changed += done.stored.revised_bars[: CHANGED_LISTED - len(self.changed)]
        self.totals.update(
            new=done.stored.written - done.stored.revised,
            changed=done.stored.revised,
            filled=done.stored.filled,
            jumps=done.stored.jumps,
            merged=done.merged,
            not_closed=done.not_closed,
        )
        self._batch, self._spans = [], {}

    @property
    def days(self) -> tuple[date, date] | None:
        """First and last day of what was read, by close."""
        if self.first_close is None or self.last_close is None:
            return None
        return self.first_close.date(), self.last_close.date()

    def summary(self, exchange: str, seconds: float) -> dict[str, Any]:
        """Everything that happened."""
        days = self.days
        return {
            "exchange": exchange,
            "files": self.files,
            "series": len(self.series),
            "rows_read": self.rows,
            "rows_new": self.totals["new"],
            "rows_changed": self.totals["changed"],
            "changed": [{"symbol": k.symbol, "timeframe": k.timeframe, "open_at": at} for k, at in self.changed],
            "rows_duplicate": self.candles - self.totals["new"] - self.totals["changed"],
            "rows_filled": self.totals["filled"],
            "rows_refused": self.refused.total(),
            "refused": dict(self.refused.most_common()),
            "rows_not_closed": self.totals["not_closed"],
            "bars_merged": self.totals["merged"],
            "jumps": self.totals["jumps"],
            "first_day": days[0] if days else None,
            "last_day": days[1] if days else None,
            "failed": [{"path": str(path), "message": message} for path, message in self.failures.items()],
            "seconds": round(seconds, 3),
        }


def _overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _is_used(conn: sa.Connection, settings: Settings, exchange: str) -> bool:
    """Whether the pipeline works on what is stored of the exchange, as it is set now."""
    try:
        return exchange_of(conn, settings.market) == exchange
    except ConfigurationError:
        return False


def _show(imported: _Import, exchange: str, seconds: float, *, is_used: bool) -> None:
    summary = imported.summary(exchange, seconds)
    days, reasons = imported.days, imported.refused.most_common()
    facts: list[tuple[str, int, str]] = [
        ("files read", summary["files"], f"{len(imported.failures)} failed, see below" if imported.failures else ""),
        ("series", summary["series"], f"of {exchange}, closes from {days[0]} to {days[1]}" if days else ""),
        ("rows read", summary["rows_read"], f"{display.seconds(seconds)} s"),
        ("new", summary["rows_new"], ""),
        ("changed", summary["rows_changed"], f"{_changed_bars(imported)}; the old values are in candle_revisions"),
        ("duplicate", summary["rows_duplicate"], "stored already, the same"),
        ("refused", summary["rows_refused"], ", ".join(f"{count:,} {reason}" for reason, count in reasons)),
        ("not closed", summary["rows_not_closed"], "left out; read the file again when they are"),
        ("bars merged", summary["bars_merged"], "of copies that differed"),
        ("bars filled", summary["rows_filled"], "for gaps between candles; no signal comes from them"),
        ("price jumps", summary["jumps"], "block their symbols; `signals doctor` lists them"),
    ]
    always = {"files read", "series", "rows read", "new"}
    columns = [Column(title="candles"), Column(title="", is_number=True), Column(title="", wraps=True)]
    rows = [(name, count, note) for name, count, note in facts if count or name in always]
    show_table(columns, rows)
    if days is not None:
        click.echo()
        for line in _next_steps(exchange, days, is_used=is_used):
            click.echo(line)


def _changed_bars(imported: _Import) -> str:
    """The first bars whose values changed, by their open."""
    shown = [f"{key.symbol} {key.timeframe} {instant(at)}" for key, at in imported.changed[:CHANGED_SHOWN]]
    others = imported.totals["changed"] - len(shown)
    return ", ".join(shown) + (f" and {others:,} more" if others else "")


def _next_steps(exchange: str, days: tuple[date, date], *, is_used: bool) -> list[str]:
    """What makes the pipeline use the candles, and the command that does."""
    lines = []
    if not is_used:
        lines = [
            "To use them, say in signals.toml",
            "  [market]",
            '  source = "files"',
            f'  exchange = "{exchange}"',
            f"or in the environment: SIGNALS_MARKET__SOURCE=files SIGNALS_MARKET__EXCHANGE={exchange}",
            "",
        ]
    return [*lines, "Then make signals of them:", f"  signals backfill --from {days[0]} --to {days[1]}"]
