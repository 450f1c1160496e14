"""What a view is, and the parts that several of them are made of."""

from collections.abc import Collection
from dataclasses import dataclass

from pipeline.storage import tables

SERIES = {
    "exchange": "exchange id as ccxt writes it, or 'simulated'",
    "symbol": "pair as ccxt writes it, e.g. BTC/USDT",
    "timeframe": "duration of one bar, e.g. 1h",
}


@dataclass(frozen=True)
class View:
    """A view, its meaning, and the meaning of each of its columns in order."""

    name: str
    comment: str
    columns: dict[str, str]
    query: str

    def statements(self) -> list[str]:
        """SQL that makes the view and its comments."""
        names = ", ".join(f'"{c}"' for c in self.columns)
        return [
            f"CREATE OR REPLACE VIEW {self.name} ({names}) AS {self.query}",
            f"COMMENT ON VIEW {self.name} IS {_quoted(self.comment)}",
            *(f'COMMENT ON COLUMN {self.name}."{c}" IS {_quoted(m)}' for c, m in self.columns.items()),
        ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def comments(table: str, *, leave_out: Collection[str] = ()) -> dict[str, str]:
    """What a table says of each of its columns, in their order."""
    columns = tables.metadata.tables[table].columns
    return {c.name: str(c.comment) for c in columns if c.name not in leave_out}


def listed(alias: str, columns: Collection[str]) -> str:
    """Columns of a table as a SELECT has them."""
    return ", ".join(f'{alias}."{c}"' for c in columns)


def per_bar(name: str, table: str, comment: str) -> View:
    """A table that is keyed by series_id, with the names of the series."""
    columns = comments(table, leave_out=("series_id",))
    query = (
        f"SELECT s.exchange, s.symbol, s.timeframe, {listed('t', columns)} "
        f"FROM {table} t JOIN series s USING (series_id)"
    )
    return View(name, comment, SERIES | columns, query)


def newest_per_series(name: str, table: str, comment: str) -> View:
    """The row of each series' newest bar: one look at the index per series, however many bars there are."""
    columns = comments(table, leave_out=("series_id",))
    return View(
        name,
        comment,
        SERIES | columns,
        f"""SELECT s.exchange, s.symbol, s.timeframe, {listed("n", columns)}
FROM series s
CROSS JOIN LATERAL (SELECT * FROM {table} t WHERE t.series_id = s.series_id ORDER BY t.open_at DESC LIMIT 1) n""",
    )
