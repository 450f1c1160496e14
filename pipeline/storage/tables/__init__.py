"""Every table of ours, described once: migrations, bulk writes, comments and documentation follow it."""

from pipeline.storage.tables.accounts import api_keys, portfolio_positions, risk_profiles, users
from pipeline.storage.tables.base import metadata
from pipeline.storage.tables.charts import signal_charts
from pipeline.storage.tables.extra import extra_indicators
from pipeline.storage.tables.idempotency import idempotency_keys
from pipeline.storage.tables.market import (
    candle_quarantine,
    candle_revisions,
    candles,
    indicators,
    live_passes,
    market_conditions,
    price_jumps,
    series,
    source_health,
    watermarks,
)
from pipeline.storage.tables.models import (
    anomaly_scores,
    direction_predictions,
    model_evaluations,
    model_features,
    models,
    price_range_predictions,
)
from pipeline.storage.tables.outcomes import (
    confidence_calibrations,
    dropped_outcomes,
    random_entries,
    signal_outcomes,
    source_days,
)
from pipeline.storage.tables.performance import signal_performance
from pipeline.storage.tables.signals import (
    candidate_signals,
    configurations,
    replay_drift,
    risk_decisions,
    signal_changes,
    signal_events,
    trading_signals,
    trimmed_changes,
)
from pipeline.storage.tables.sizes import storage_sizes
from pipeline.storage.tables.structure import chart_patterns, price_levels
from pipeline.storage.tables.texts import (
    document_assets,
    document_quarantine,
    document_sentiment,
    documents,
    installation,
    repository_activity,
    repository_coverage,
    symbol_sentiment,
    text_budgets,
    text_feeds,
)

__all__ = [
    "anomaly_scores",
    "api_keys",
    "candidate_signals",
    "candle_quarantine",
    "candle_revisions",
    "candles",
    "chart_patterns",
    "confidence_calibrations",
    "configurations",
    "direction_predictions",
    "document_assets",
    "document_quarantine",
    "document_sentiment",
    "documents",
    "dropped_outcomes",
    "extra_indicators",
    "idempotency_keys",
    "indicators",
    "installation",
    "live_passes",
    "market_conditions",
    "metadata",
    "model_evaluations",
    "model_features",
    "models",
    "portfolio_positions",
    "price_jumps",
    "price_levels",
    "price_range_predictions",
    "random_entries",
    "replay_drift",
    "repository_activity",
    "repository_coverage",
    "risk_decisions",
    "risk_profiles",
    "series",
    "signal_changes",
    "signal_charts",
    "signal_events",
    "signal_outcomes",
    "signal_performance",
    "source_days",
    "source_health",
    "storage_sizes",
    "symbol_sentiment",
    "text_budgets",
    "text_feeds",
    "trading_signals",
    "trimmed_changes",
    "users",
    "watermarks",
]
