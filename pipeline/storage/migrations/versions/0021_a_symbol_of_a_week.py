"""What was advised for one symbol in a week, and what it brought, is found by index and not among all of that week."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Make the indexes; candidates, signals and outcomes cannot be stored meanwhile."""
    op.create_index("ix_candidate_signals_symbol", "candidate_signals", ["symbol", "candle_close_at"])
    op.drop_index("ix_trading_signals_symbol", "trading_signals")
    op.create_index("ix_trading_signals_symbol", "trading_signals", ["symbol", "created_at", "candle_close_at"])
    op.create_index("ix_signal_outcomes_series", "signal_outcomes", ["series_id", "candle_close_at"])
