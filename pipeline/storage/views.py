"""Views: the names that people query. Big tables are keyed by series_id; views say exchange, symbol, timeframe.

Add a view here with its comment and a comment for every column; columns may be added at the end of a view, never
renamed or removed, because other people's queries stand on them.
"""

from dataclasses import dataclass

from pipeline.domain.document import TextSource
from pipeline.domain.model import ModelKind
from pipeline.indicators.levels import LIFE_BARS
from pipeline.storage import tables

SERIES = {
    "exchange": "exchange id as ccxt writes it, or 'simulated'",
    "symbol": "pair as ccxt writes it, e.g. BTC/USDT",
    "timeframe": "duration of one bar, e.g. 1h",
}
PER_BAR = ("series_id", "open_at", "close_at")
CALIBRATED = ("calibrated_confidence", "uncalibrated_because", "calibrated_rank")


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


def _comments(table: str, *, leave_out: tuple[str, ...] = ()) -> dict[str, str]:
    columns = tables.metadata.tables[table].columns
    return {c.name: str(c.comment) for c in columns if c.name not in leave_out}


def _per_bar(name: str, table: str, comment: str) -> View:
    columns = _comments(table, leave_out=("series_id",))
    selected = ", ".join(f't."{c}"' for c in columns)
    query = f"SELECT s.exchange, s.symbol, s.timeframe, {selected} FROM {table} t JOIN series s USING (series_id)"
    return View(name, comment, SERIES | columns, query)


def _part_of_candidates(name: str, source: str) -> View:
    columns = _comments("candidate_signals")
    selected = ", ".join(f'"{c}"' for c in columns)
    return View(
        name,
        f"Candidates of the source {source}: what its strategies advise, before risk and aggregation",
        columns,
        f"SELECT {selected} FROM candidate_signals WHERE source = '{source}'",
    )


def _part_of_documents(name: str, source: TextSource, comment: str) -> View:
    columns = _comments("documents", leave_out=("source", "sketch", "content_hash", "gone_at", "gone_reason"))
    selected = ", ".join(f'"{c}"' for c in columns)
    query = f"SELECT {selected} FROM documents WHERE source = '{source}' AND gone_at IS NULL"
    return View(name, comment, columns, query)


def _risk_filtered() -> View:
    columns = _comments("candidate_signals")
    selected = ", ".join(f'c."{c}"' for c in columns)
    return View(
        "risk_filtered_signals",
        "Candidates that passed every risk filter, per profile",
        columns | {"profile": "risk profile that let it pass"},
        f"""SELECT {selected}, d.profile
FROM candidate_signals c
JOIN risk_decisions d USING (series_id, candle_close_at, strategy, signal_type, origin, scope)
WHERE d.is_kept AND c.superseded_at IS NULL""",
    )


def _active() -> View:
    columns = _comments("trading_signals")
    selected = ", ".join(f'"{c}"' for c in columns)
    return View(
        "v_active_signals",
        "Live signals that may be acted on now: status ACTIVE and created_at <= now() < expires_at",
        columns,
        f"""SELECT {selected} FROM trading_signals
WHERE status = 'ACTIVE' AND origin = 'live' AND scope = 'default' AND created_at <= now() AND now() < expires_at""",
    )


def _expired() -> View:
    columns = _comments(
        "trading_signals", leave_out=("status", "executed_at", "execution_price", "profit_loss", *CALIBRATED)
    )
    calibrated = {name: meaning for name, meaning in _comments("trading_signals").items() if name in CALIBRATED}
    selected, added = (", ".join(f't."{c}"' for c in part) for part in (columns, calibrated))
    return View(
        "expired_signals",
        "Signals that nobody acted on before their expiry: status EXPIRED, of every origin and scope",
        columns
        | {
            "expired_as": "past_at_insertion where it was stored so; NULL where it was ACTIVE before",
            "marked_at": "wall clock when it was marked; from expires_at on it was void in any case",
        }
        | calibrated,
        f"""SELECT {selected}, e.reason, e.recorded_at, {added}
FROM trading_signals t LEFT JOIN signal_events e ON e.signal_id = t.id AND e.to_status = 'EXPIRED'
WHERE t.status = 'EXPIRED'""",
    )


def _levels() -> View:
    columns = _comments("price_levels", leave_out=("series_id",))
    selected = ", ".join(f'l."{c}"' for c in columns)
    return View(
        "v_price_levels",
        "Support and resistance that stand at the newest close up to which each series' levels are computed",
        SERIES
        | columns
        | {"distance": "price minus the close at as_of, as a fraction of it", "as_of": "the close at which they stand"},
        f"""SELECT s.exchange, s.symbol, s.timeframe, {selected}, (l.price - n.close) / n.close, n.close_at
FROM series s
CROSS JOIN LATERAL (
  SELECT c.close, c.close_at FROM indicators i JOIN candles c USING (series_id, open_at)
  WHERE i.series_id = s.series_id ORDER BY i.open_at DESC LIMIT 1
) n
CROSS JOIN LATERAL (
  SELECT DISTINCT ON (p.pivot_at, p.kind) p.* FROM price_levels p
  WHERE p.series_id = s.series_id AND p.known_at <= n.close_at
    AND p.known_at > n.close_at - make_interval(secs => s.bar_seconds) * {LIFE_BARS + 1}
  ORDER BY p.pivot_at, p.kind, p.known_at DESC
) l
WHERE l.event <> 'merged' AND l.expires_at > n.close_at""",
    )


def _latency() -> View:
    return View(
        "v_signal_latency",
        "How long after its close each series was judged and stored, per live run",
        {
            "run_id": "the run of Dagster",
            **SERIES,
            "candle_close_at": "the newest close that the run processed",
            "closes": "closes that it processed, 1 unless it caught up",
            "candle_seen_at": "wall clock when the candle was stored",
            "stored_at": "wall clock when the series' signals were stored, or found to be none",
            "latency_seconds": "stored_at minus candle_close_at",
            "latency_share": "the same as a share of the timeframe",
        },
        """SELECT p.run_id, s.exchange, s.symbol, s.timeframe, p.until,
  (extract(epoch FROM p.until - p.after) / s.bar_seconds)::integer, c.first_seen_at, p.stored_at,
  round(extract(epoch FROM p.stored_at - p.until), 3)::float8,
  round(extract(epoch FROM p.stored_at - p.until) / s.bar_seconds, 4)::float8
FROM live_passes p JOIN series s USING (series_id)
LEFT JOIN candles c ON c.series_id = p.series_id AND c.open_at = p.until - make_interval(secs => s.bar_seconds)""",
    )


def _outcomes() -> View:
    columns = _comments("signal_outcomes", leave_out=("series_id",))
    selected = ", ".join(f'o."{c}"' for c in columns)
    return View(
        "v_signal_outcomes",
        "What following each BUY and SELL would have brought, with the names of its series",
        SERIES | columns,
        f"SELECT s.exchange, s.symbol, s.timeframe, {selected} FROM signal_outcomes o JOIN series s USING (series_id)",
    )


def _source_performance() -> View:
    return View(
        "v_source_performance",
        "How live signals of each source did, by UTC day of their close and horizon",
        {
            "day": "UTC day of the signals' closes",
            "source_group": "technical, ml_model, sentiment, or multi for several sources",
            "horizon": "expiry, or so many bars",
            "outcomes": "BUYs and SELLs whose outcome is known",
            "entered": "of them those that were entered",
            "wins": "of them those with a net return above 0",
            "hit_rate": "wins of the entered ones, 0 to 1",
            "mean_return": "mean return after fees and slippage, a fraction",
            "expectancy_r": "the same in units of the planned risk",
        },
        """SELECT date_trunc('day', candle_close_at, 'UTC'), source_group, horizon, count(*), count(net_return),
  count(*) FILTER (WHERE net_return > 0),
  count(*) FILTER (WHERE net_return > 0)::float8 / nullif(count(net_return), 0), avg(net_return), avg(r_multiple)
FROM signal_outcomes WHERE origin = 'live' AND scope = 'default' GROUP BY 1, 2, 3""",
    )


def _models(name: str, kind: ModelKind | None) -> View:
    columns = _comments("models", leave_out=("artefact",))
    selected = ", ".join(f'm."{c}"' for c in columns)
    what = "Every model" if kind is None else f"Models of the kind {kind}"
    return View(
        name,
        f"{what} without its artefact, and which one speaks now",
        columns
        | {
            "artefact_bytes": "size of its artefact",
            "is_speaking": "whether a bar that closes now would be asked of it, were it not too old",
            "succeeded_at": "close from which on the next champion is asked instead; NULL if there is none yet",
            "newest_close_at": "newest stored close of its exchange and timeframe",
        },
        f"""SELECT {selected}, octet_length(m.artefact),
m.status = 'champion' AND m.effective_from <= now() AND NOT EXISTS (
  SELECT FROM models n
  WHERE (n.kind, n.exchange, n.timeframe, n.status) = (m.kind, m.exchange, m.timeframe, m.status)
    AND n.effective_from <= now() AND (n.effective_from, n.trained_through) > (m.effective_from, m.trained_through)
),
(SELECT min(n.effective_from) FROM models n
  WHERE m.status = 'champion'
    AND (n.kind, n.exchange, n.timeframe, n.status) = (m.kind, m.exchange, m.timeframe, m.status)
    AND (n.effective_from, n.trained_through) > (m.effective_from, m.trained_through)),
c.newest_close_at
FROM models m
LEFT JOIN (
  SELECT s.exchange, s.timeframe, max(l.close_at) AS newest_close_at
  FROM series s
  CROSS JOIN LATERAL (SELECT close_at FROM candles x WHERE x.series_id = s.series_id ORDER BY x.open_at DESC LIMIT 1) l
  GROUP BY 1, 2
) c USING (exchange, timeframe){"" if kind is None else f" WHERE m.kind = '{kind}'"}""",
    )


def _model_evaluations() -> View:
    of_model = {n: c for n, c in _comments("models").items() if n in ("kind", "exchange", "timeframe")}
    of_model |= {n: c for n, c in _comments("models").items() if n in ("trained_through", "status")}
    columns = _comments("model_evaluations", leave_out=("model_id",))
    selected = ", ".join([f"m.{c}" for c in of_model] + [f'e."{c}"' for c in columns])
    return View(
        "v_model_evaluations",
        "How each model's like was judged, with the model's names",
        of_model | columns | {"model_id": "the model, see v_models"},
        f"SELECT {selected}, e.model_id FROM model_evaluations e JOIN models m USING (model_id)",
    )


def _latest_predictions() -> View:
    said = {
        "d": _comments("direction_predictions", leave_out=(*PER_BAR, "model_id")),
        "r": _comments("price_range_predictions", leave_out=(*PER_BAR, "model_id")),
        "a": _comments("anomaly_scores", leave_out=(*PER_BAR, "model_id")),
    }
    selected = ", ".join(f'{table}."{c}"' for table, columns in said.items() for c in columns)
    return View(
        "v_latest_predictions",
        "What the models say of each series' newest bar that one of them has judged; NULL where one is silent",
        SERIES
        | {n: c for n, c in _comments("direction_predictions").items() if n in ("open_at", "close_at")}
        | {name: meaning for columns in said.values() for name, meaning in columns.items()},
        f"""SELECT s.exchange, s.symbol, s.timeframe, n.open_at,
  n.open_at + make_interval(secs => s.bar_seconds), {selected}
FROM series s
CROSS JOIN LATERAL (
  SELECT greatest(
    (SELECT max(x.open_at) FROM direction_predictions x WHERE x.series_id = s.series_id),
    (SELECT max(x.open_at) FROM price_range_predictions x WHERE x.series_id = s.series_id),
    (SELECT max(x.open_at) FROM anomaly_scores x WHERE x.series_id = s.series_id)
  ) AS open_at
  OFFSET 0 -- keeps the planner from looking each of them up once per use
) n
LEFT JOIN direction_predictions d ON d.series_id = s.series_id AND d.open_at = n.open_at
LEFT JOIN price_range_predictions r ON r.series_id = s.series_id AND r.open_at = n.open_at
LEFT JOIN anomaly_scores a ON a.series_id = s.series_id AND a.open_at = n.open_at
WHERE n.open_at IS NOT NULL""",
    )


VIEWS: tuple[View, ...] = (
    _per_bar("v_candles", "candles", "Closed candles with the names of their series"),
    _per_bar("v_indicators", "indicators", "Indicators with the names of their series"),
    _per_bar("v_market_conditions", "market_conditions", "Market conditions with the names of their series"),
    _levels(),
    _per_bar("v_chart_patterns", "chart_patterns", "Completed chart patterns with the names of their series"),
    _part_of_candidates("technical_signals", "technical"),
    _part_of_candidates("ml_signals", "ml_model"),
    _part_of_candidates("sentiment_signals", "sentiment"),
    _part_of_documents("news_articles", TextSource.NEWS, "Articles of the feeds, each as it was first seen"),
    _part_of_documents("tweets", TextSource.TWITTER, "Posts on X, each as it was first seen"),
    _part_of_documents("reddit_posts", TextSource.REDDIT, "Posts and comments on Reddit as they stand"),
    _risk_filtered(),
    _active(),
    _expired(),
    _latency(),
    _outcomes(),
    _source_performance(),
    _models("v_models", None),
    *(_models(f"{kind}_model", kind) for kind in ModelKind),
    _model_evaluations(),
    _per_bar(
        "v_direction_predictions", "direction_predictions", "Whether the next bar closes higher, by series' names"
    ),
    _per_bar("v_price_range_predictions", "price_range_predictions", "How far the next bar reaches, by series' names"),
    _per_bar("v_anomaly_scores", "anomaly_scores", "How unlike others each bar is, with the names of their series"),
    _latest_predictions(),
)


def statements() -> list[str]:
    """SQL that makes every view; running it twice changes nothing."""
    return [statement for view in VIEWS for statement in view.statements()]
