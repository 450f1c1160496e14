"""Comments that say which words a column may have, and what they mean."""

from alembic import op

revision = "0019"
down_revision = "0018"

EXIT_REASON = (
    "horizon: at the last bar's close; stop: at the stop; target: at the first target; stop_gap: at an open beyond the "
    "stop; target_gap: at an open beyond the target; entry_gap: at the open of the entry, which was beyond one of "
    "them; no_trade: at the last traded close, as nobody traded in the last bar; delisted: the same, as the series "
    "ended; no_entry: never entered"
)
COMMENTS = {
    ("trading_signals", "source"): "sources of the components: of technical, ml_model, sentiment in this order, with a "
    "comma between",
    (
        "trading_signals",
        "metadata",
    ): "component_signals (how many), sources, components (strategy, source, strength and "
    "confidence of each), raw_data (values of the bar that they saw)",
    (
        "trading_signals",
        "is_conflicting",
    ): "whether the same bar made an opposite signal for the same profile, whatever became of it",
    ("trading_signals", "uncalibrated_because"): "why calibrated_confidence is NULL: "
    "insufficient_outcomes(known<needed), alert, or not_calibrated_yet for a replay; NULL where it is not",
    ("source_health", "source"): "what was read: candles, ml_model, or a source of texts such as news",
    (
        "source_health",
        "subject",
    ): "which part of it: a series as 'exchange symbol timeframe', a model as 'task exchange timeframe', or a feed",
    ("indicators", "bullish_candles"): "candle patterns of this bar that point up, as bits of a whole number; "
    "docs/patterns.md says which, and how to ask for one",
    ("signal_outcomes", "exit_reason"): EXIT_REASON,
    ("dropped_outcomes", "exit_reason"): EXIT_REASON,
}


def upgrade() -> None:
    """Write them."""
    for (table, column), comment in COMMENTS.items():
        quoted = comment.replace("'", "''")
        op.execute(f"COMMENT ON COLUMN {table}.{column} IS '{quoted}'")
