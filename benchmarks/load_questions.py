"""What `benchmarks.load` asks: each route that reads, POST where there is one, and each view in two ways."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from benchmarks.stored_market import symbols_of

SIGNALS = "/api/v1/ai/trading-signals"
READ_MS, POST_MS = 50.0, 300.0
ASKED_SYMBOLS = 50
MOST = 500  # signals whose ids are asked for in turn


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of request or query, in variants that take turns, and its budget."""

    name: str
    asked: dict[str, Any]  # as `benchmarks.load_client` reads it
    budget_ms: float = READ_MS
    clients: tuple[int, ...] | None = None  # how many ask at once; as the command line has it, if None


def routes(port: int) -> list[Question]:
    """Requests of the API that answers on a port."""
    import httpx

    base = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=base, timeout=30) as client:
        page = client.get(f"{SIGNALS}/active").raise_for_status().json()
        every = client.get(f"{SIGNALS}/active?limit={MOST}").json()["signals"]
        document = client.get("/openapi.json").json()
    symbols = sorted({each["symbol"] for each in every})[:ASKED_SYMBOLS]
    found = [
        _reading("/active", [f"{SIGNALS}/active"]),
        _reading("/active?symbol=", [f"{SIGNALS}/active?symbol={symbol}" for symbol in symbols]),
        _reading("/active?min_confidence=0.8", [f"{SIGNALS}/active?min_confidence=0.8"]),
        _reading("/active?cursor= (page 2)", [f"{SIGNALS}/active?cursor={page['next_cursor']}"]),
        _reading("/{id}", [f"{SIGNALS}/{each['signal_id']}" for each in every]),
        *(
            _reading(f"/performance?timeframe={window}", [f"{SIGNALS}/performance?timeframe={window}"])
            for window in ("24h", "7d", "30d")
        ),
        _reading("/health", ["/health"]),
    ]
    if "post" in document["paths"].get(SIGNALS, {}):
        bodies = [{"symbols": pair, "timeframe": "1h"} for pair in zip(symbols[::2], symbols[1::2], strict=False)]
        requests = [{"method": "POST", "path": SIGNALS, "body": body} for body in bodies]
        # One client: of many, all but one wait for their turn.
        found.append(Question("POST, 2 symbols", {"requests": requests}, POST_MS, clients=(1,)))
    return found


def _reading(name: str, paths: list[str]) -> Question:
    return Question(f"GET {name}", {"requests": [{"path": path} for path in paths]})


# What an analyst knows of a view: when its rows are of, the first of these that it has.
INSTANTS = ("candle_close_at", "close_at", "completed_at", "created_at", "day", "as_of", "published_at", "until")


def views(conn: sa.Connection) -> list[Question]:
    """Queries of every view of ours: its first hundred rows, and the last week of one symbol where it has symbols."""
    columns: dict[str, list[str]] = {}
    for view, column in conn.execute(_COLUMNS):
        columns.setdefault(view, []).append(column)
    found = []
    for view, names in columns.items():
        select = f'SELECT * FROM "{view}"'  # noqa: S608 - our own names
        found.append(Question(f"{view}, 100 rows", {"queries": [f"{select} LIMIT 100"]}))
        at = next((name for name in INSTANTS if name in names), None)
        asked = [f"\"{at}\" > now() - interval '7 days'"] if at else []
        if "symbol" in names:
            series = [f"symbol = '{symbol}'" for symbol in symbols_of(ASKED_SYMBOLS)]
            chosen = [" AND ".join([each, *asked]) for each in series]
        elif asked:
            chosen = asked
        else:
            continue
        order = f' ORDER BY "{at}" DESC' if at else ""
        queries = [f"{select} WHERE {each}{order} LIMIT 100" for each in chosen]
        found.append(Question(f"{view}, {'a symbol' if 'symbol' in names else 'all'} of a week", {"queries": queries}))
    return found


_COLUMNS = sa.text("""
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind IN ('v', 'm') AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum""")
