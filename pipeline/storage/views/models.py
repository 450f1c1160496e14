"""Views of models: what was trained, how it was judged, and what models say of bars."""

from pipeline.domain.model import ModelKind
from pipeline.storage.views.definition import SERIES, View, comments, listed, per_bar

PER_BAR = ("series_id", "open_at", "close_at")


def _models(name: str, kind: ModelKind | None) -> View:
    columns = comments("models", leave_out=("artefact",))
    selected = listed("m", columns)
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
    of_model = {n: c for n, c in comments("models").items() if n in ("kind", "exchange", "timeframe")}
    of_model |= {n: c for n, c in comments("models").items() if n in ("trained_through", "status")}
    columns = comments("model_evaluations", leave_out=("model_id",))
    selected = ", ".join([f"m.{c}" for c in of_model] + [f'e."{c}"' for c in columns])
    return View(
        "v_model_evaluations",
        "How each model's like was judged, with the model's names",
        of_model | columns | {"model_id": "the model, see v_models"},
        f"SELECT {selected}, e.model_id FROM model_evaluations e JOIN models m USING (model_id)",
    )


def _latest_predictions() -> View:
    said = {
        "d": comments("direction_predictions", leave_out=(*PER_BAR, "model_id")),
        "r": comments("price_range_predictions", leave_out=(*PER_BAR, "model_id")),
        "a": comments("anomaly_scores", leave_out=(*PER_BAR, "model_id")),
    }
    each = ", ".join(listed(table, columns) for table, columns in said.items())
    return View(
        "v_latest_predictions",
        "What the models say of each series' newest bar that one of them has judged; NULL where one is silent",
        SERIES
        | {n: c for n, c in comments("direction_predictions").items() if n in ("open_at", "close_at")}
        | {name: meaning for columns in said.values() for name, meaning in columns.items()},
        f"""SELECT s.exchange, s.symbol, s.timeframe, n.open_at,
  n.open_at + make_interval(secs => s.bar_seconds), {each}
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


VIEWS = (
    _models("v_models", None),
    *(_models(f"{kind}_model", kind) for kind in ModelKind),
    _model_evaluations(),
    per_bar("v_direction_predictions", "direction_predictions", "Whether the next bar closes higher, by series' names"),
    per_bar("v_price_range_predictions", "price_range_predictions", "How far the next bar reaches, by series' names"),
    per_bar("v_anomaly_scores", "anomaly_scores", "How unlike others each bar is, with the names of their series"),
    _latest_predictions(),
)
