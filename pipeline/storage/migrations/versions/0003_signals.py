"""The signals, their events, and where replays differ."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

signal_type = postgresql.ENUM("BUY", "SELL", "ALERT", name="signal_type_enum", create_type=False)
signal_status = postgresql.ENUM(
    "ACTIVE", "EXECUTED", "EXPIRED", "INVALIDATED", name="signal_status_enum", create_type=False
)


def upgrade() -> None:
    """Make the tables."""
    signal_status.create(op.get_bind())
    op.create_table(
        "replay_drift",
        sa.Column("signal_key", sa.Uuid(), nullable=False, comment="the signal, live and replayed"),
        sa.Column("scope", sa.Text(), nullable=False, comment="scope of the replay"),
        sa.Column("kind", sa.Text(), nullable=False, comment="only_live, only_replay or different"),
        sa.Column("series_id", sa.Integer(), nullable=False, comment="see series"),
        sa.Column("candle_close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column("live", postgresql.JSONB(), nullable=True, comment="the values that differ, as they stand live"),
        sa.Column("replay", postgresql.JSONB(), nullable=True, comment="the same values, as the replay has them"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "kind IN ('only_live', 'only_replay', 'different')", name=op.f("ck_replay_drift_kind_is_known")
        ),
        sa.PrimaryKeyConstraint("signal_key", "scope", name=op.f("pk_replay_drift")),
        comment="Where a replay and the live signals disagree",
    )
    op.create_index("ix_replay_drift_close", "replay_drift", ["scope", "candle_close_at"], unique=False)
    op.create_table(
        "trading_signals",
        sa.Column("id", sa.Uuid(), nullable=False, comment="UUIDv5 of signal_key, origin and scope"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="pair as ccxt writes it"),
        sa.Column("signal_type", signal_type, nullable=False, comment="BUY, SELL or ALERT"),
        sa.Column(
            "strategy", sa.Text(), nullable=False, comment="the strategy, or MULTI_STRATEGY for an aggregate of several"
        ),
        sa.Column("strength", sa.Double(), nullable=False, comment="0 to 1; mean of the components"),
        sa.Column("confidence", sa.Double(), nullable=False, comment="0 to 1; base_confidence plus agreement_boost"),
        sa.Column("source", sa.Text(), nullable=False, comment="sources of the components, joined in fixed order"),
        sa.Column("description", sa.Text(), nullable=False, comment="the advice in words"),
        sa.Column("entry_price", sa.Double(), nullable=True, comment="close of the bar, quote currency"),
        sa.Column(
            "target_prices",
            postgresql.JSONB(),
            nullable=True,
            comment="tp1, tp2, tp3 in quote currency; NULL for an ALERT",
        ),
        sa.Column("stop_loss_price", sa.Double(), nullable=True, comment="quote currency; NULL for an ALERT"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="duration of the bar"),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar that the signal was computed from",
        ),
        sa.Column(
            "expires_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="the signal is void from this instant on"
        ),
        sa.Column(
            "status",
            signal_status,
            server_default="ACTIVE",
            nullable=False,
            comment="ACTIVE, EXECUTED, EXPIRED or INVALIDATED; all but ACTIVE are final",
        ),
        sa.Column("executed_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when it was executed"),
        sa.Column("execution_price", sa.Double(), nullable=True, comment="price of the execution, quote currency"),
        sa.Column(
            "profit_loss", sa.Double(), nullable=True, comment="return of the execution against the entry, a fraction"
        ),
        sa.Column("metadata", postgresql.JSONB(), nullable=False, comment="component_signals, sources, raw_data"),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="owner of the profile; NULL for the house"),
        sa.Column("signal_key", sa.Uuid(), nullable=False, comment="equal for a live signal and its replay"),
        sa.Column("series_id", sa.Integer(), nullable=False, comment="see series"),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange of the series"),
        sa.Column(
            "candle_close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar; the same as created_at",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column("profile", sa.Text(), nullable=False, comment="risk profile that let it pass"),
        sa.Column(
            "revision", sa.SmallInteger(), nullable=False, comment="1, and one more for each data revision of the bar"
        ),
        sa.Column("configuration_hash", sa.Text(), nullable=False, comment="settings that made it; see configurations"),
        sa.Column(
            "rank_score",
            sa.Double(),
            nullable=False,
            comment="0.7 confidence + 0.3 strength, weighted by the strategy preference",
        ),
        sa.Column("base_confidence", sa.Double(), nullable=False, comment="mean confidence of the components"),
        sa.Column("agreement_boost", sa.Double(), nullable=False, comment="added because several sources agree"),
        sa.Column("is_conflicting", sa.Boolean(), nullable=False, comment="a BUY and a SELL stand on the same bar"),
        sa.Column(
            "source_group",
            sa.Text(),
            sa.Computed("CASE WHEN source LIKE '%,%' THEN 'multi' ELSE source END", persisted=True),
            nullable=True,
            comment="technical, ml_model, sentiment, or multi for several sources",
        ),
        sa.CheckConstraint(
            "(status = 'EXECUTED') = (executed_at IS NOT NULL AND execution_price IS NOT NULL)",
            name=op.f("ck_trading_signals_execution_is_complete"),
        ),
        sa.CheckConstraint(
            "NOT (signal_type = 'ALERT' AND status = 'EXECUTED')",
            name=op.f("ck_trading_signals_alert_is_never_executed"),
        ),
        sa.CheckConstraint(
            "entry_price > 0 AND entry_price < 'Infinity'::float8",
            name=op.f("ck_trading_signals_entry_price_is_a_price"),
        ),
        sa.CheckConstraint(
            "execution_price > 0 AND execution_price < 'Infinity'::float8",
            name=op.f("ck_trading_signals_execution_price_is_a_price"),
        ),
        sa.CheckConstraint("origin IN ('live', 'replay')", name=op.f("ck_trading_signals_origin_is_known")),
        sa.CheckConstraint(
            "stop_loss_price > 0 AND stop_loss_price < 'Infinity'::float8",
            name=op.f("ck_trading_signals_stop_loss_price_is_a_price"),
        ),
        sa.CheckConstraint(
            "confidence >= 0 AND confidence <= 1", name=op.f("ck_trading_signals_confidence_is_a_fraction")
        ),
        sa.CheckConstraint("created_at = candle_close_at", name=op.f("ck_trading_signals_created_at_the_close")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_trading_signals_expires_after_creation")),
        sa.CheckConstraint("strength >= 0 AND strength <= 1", name=op.f("ck_trading_signals_strength_is_a_fraction")),
        sa.ForeignKeyConstraint(["series_id"], ["series.series_id"], name=op.f("fk_trading_signals_series_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_trading_signals_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trading_signals")),
        comment="The signals: filtered by risk, aggregated, priced and ranked",
    )
    op.create_index(
        "ix_trading_signals_active",
        "trading_signals",
        ["origin", "scope", "expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'ACTIVE'"),
    )
    op.create_index("ix_trading_signals_close", "trading_signals", ["origin", "scope", "candle_close_at"], unique=False)
    op.create_index("ix_trading_signals_signal_key", "trading_signals", ["signal_key"], unique=False)
    op.create_index("ix_trading_signals_symbol", "trading_signals", ["symbol", "created_at"], unique=False)
    op.create_table(
        "signal_events",
        sa.Column(
            "event_id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="order of the events"
        ),
        sa.Column("signal_id", sa.Uuid(), nullable=False, comment="the signal"),
        sa.Column(
            "from_status", signal_status, nullable=True, comment="status before; NULL where the signal was stored so"
        ),
        sa.Column("to_status", signal_status, nullable=False, comment="status after"),
        sa.Column(
            "effective_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="the instant that the change is about"
        ),
        sa.Column("actor", sa.Text(), nullable=False, comment="who changed it: pipeline, api, sql, cli"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "to_status <> 'INVALIDATED' OR reason IS NOT NULL", name=op.f("ck_signal_events_invalidation_has_a_reason")
        ),
        sa.ForeignKeyConstraint(
            ["signal_id"], ["trading_signals.id"], name=op.f("fk_signal_events_signal_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_signal_events")),
        comment="Every change of a signal's status",
    )
    op.create_index(op.f("ix_signal_events_signal_id"), "signal_events", ["signal_id"], unique=False)
