"""Views of the market: candles, indicators, levels, patterns, and the state of what they are made from."""

from pipeline.indicators.levels import LIFE_BARS
from pipeline.storage.views.definition import SERIES, View, comments, listed, newest_per_series, per_bar


def _levels() -> View:
    columns = comments("price_levels", leave_out=("series_id",))
    selected = listed("l", columns)
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


def _source_health() -> View:
    names = {name: f"{meaning}; NULL where the subject is a feed" for name, meaning in SERIES.items()}
    columns = comments("source_health", leave_out=("series_id",))
    return View(
        "v_source_health",
        "The newest known state of every series and feed, with the series' names: what is left out downstream, and why",
        columns | names,
        f"""SELECT {listed("h", columns)}, s.exchange, s.symbol, s.timeframe
FROM source_health h LEFT JOIN series s USING (series_id)""",
    )


VIEWS = (
    per_bar("v_candles", "candles", "Closed candles with the names of their series"),
    newest_per_series("v_latest_candles", "candles", "The newest closed candle of each series"),
    per_bar("v_indicators", "indicators", "Indicators with the names of their series"),
    newest_per_series("v_latest_indicators", "indicators", "Indicators at the newest bar of each series that has them"),
    per_bar("v_market_conditions", "market_conditions", "Market conditions with the names of their series"),
    _levels(),
    per_bar("v_chart_patterns", "chart_patterns", "Completed chart patterns with the names of their series"),
    _source_health(),
)
