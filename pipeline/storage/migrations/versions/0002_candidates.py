"""Accounts, settings of the time, candidates and what risk decided."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

signal_type = postgresql.ENUM("BUY", "SELL", "ALERT", name="signal_type_enum", create_type=False)


def upgrade() -> None:
    """Make the tables."""
    signal_type.create(op.get_bind())
    op.create_table(
        "candidate_signals",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("candle_close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column("strategy", sa.Text(), nullable=False, comment="which strategy advises it, e.g. SMA_CROSSOVER"),
        sa.Column("signal_type", signal_type, nullable=False, comment="BUY, SELL or ALERT"),
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange of the series"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="pair as ccxt writes it"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="duration of the bar"),
        sa.Column("source", sa.Text(), nullable=False, comment="technical, ml_model or sentiment"),
        sa.Column("strength", sa.Double(), nullable=False, comment="0 to 1"),
        sa.Column("confidence", sa.Double(), nullable=False, comment="0 to 1"),
        sa.Column("description", sa.Text(), nullable=False, comment="the advice in words"),
        sa.Column("inputs", postgresql.JSONB(), nullable=False, comment="what the strategy looked at on that bar"),
        sa.Column(
            "superseded_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="wall clock when a data revision made this advice void; NULL while it stands",
        ),
        sa.Column(
            "configuration_hash", sa.Text(), nullable=False, comment="settings that made the row; see configurations"
        ),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar that the row was computed from",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("origin IN ('live', 'replay')", name=op.f("ck_candidate_signals_origin_is_known")),
        sa.CheckConstraint(
            "source IN ('technical', 'ml_model', 'sentiment')", name=op.f("ck_candidate_signals_source_is_known")
        ),
        sa.CheckConstraint(
            "confidence >= 0 AND confidence <= 1", name=op.f("ck_candidate_signals_confidence_is_a_fraction")
        ),
        sa.CheckConstraint("strength >= 0 AND strength <= 1", name=op.f("ck_candidate_signals_strength_is_a_fraction")),
        sa.PrimaryKeyConstraint(
            "series_id",
            "candle_close_at",
            "strategy",
            "signal_type",
            "origin",
            "scope",
            name=op.f("pk_candidate_signals"),
        ),
        comment="Every advice of every strategy, before risk and aggregation",
    )
    op.create_index(
        "ix_candidate_signals_close", "candidate_signals", ["origin", "scope", "candle_close_at"], unique=False
    )
    op.create_table(
        "configurations",
        sa.Column("configuration_hash", sa.Text(), nullable=False, comment="hash of settings and profiles"),
        sa.Column("settings", postgresql.JSONB(), nullable=False, comment="every setting that can change a signal"),
        sa.Column("code_version", sa.Text(), nullable=False, comment="version of this software that first used them"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("configuration_hash", name=op.f("pk_configurations")),
        comment="The settings of the time, written once per change",
    )
    op.create_table(
        "portfolio_positions",
        sa.Column(
            "position_id", sa.Integer(), sa.Identity(always=False), nullable=False, comment="identity of the position"
        ),
        sa.Column("profile", sa.Text(), server_default="house", nullable=False, comment="whose portfolio it is in"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="pair as ccxt writes it"),
        sa.Column("weight", sa.Double(), nullable=False, comment="share of the portfolio, 0 to 1"),
        sa.Column("valid_from", sa.TIMESTAMP(timezone=True), nullable=False, comment="held from this instant on"),
        sa.Column(
            "valid_to",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="held until before this instant; NULL = still held",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("valid_to > valid_from", name=op.f("ck_portfolio_positions_ends_after_it_began")),
        sa.CheckConstraint("weight > 0 AND weight <= 1", name=op.f("ck_portfolio_positions_weight_is_a_fraction")),
        sa.PrimaryKeyConstraint("position_id", name=op.f("pk_portfolio_positions")),
        sa.UniqueConstraint("profile", "symbol", "valid_from", name="uq_portfolio_positions_profile_symbol_valid_from"),
        comment="What is held, so that exposure limits have something to count; replays assume nothing is",
    )
    op.create_table(
        "risk_decisions",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("candle_close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column("strategy", sa.Text(), nullable=False, comment="strategy of the candidate"),
        sa.Column("signal_type", signal_type, nullable=False, comment="BUY, SELL or ALERT"),
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column("profile", sa.Text(), nullable=False, comment="risk profile that judged it"),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange of the series"),
        sa.Column("symbol", sa.Text(), nullable=False, comment="pair as ccxt writes it"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="duration of the bar"),
        sa.Column("is_kept", sa.Boolean(), nullable=False, comment="whether the candidate passed every filter"),
        sa.Column(
            "reasons", postgresql.ARRAY(sa.Text()), nullable=False, comment="why it was dropped; empty if it was kept"
        ),
        sa.Column(
            "exposure_weight",
            sa.Double(),
            nullable=True,
            comment="share of the portfolio that its BUY group would take; NULL for SELL and ALERT",
        ),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="until when its group counts towards exposure",
        ),
        sa.Column(
            "configuration_hash", sa.Text(), nullable=False, comment="settings that made the row; see configurations"
        ),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar that the row was computed from",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("origin IN ('live', 'replay')", name=op.f("ck_risk_decisions_origin_is_known")),
        sa.CheckConstraint("is_kept = (cardinality(reasons) = 0)", name=op.f("ck_risk_decisions_drop_has_a_reason")),
        sa.PrimaryKeyConstraint(
            "series_id",
            "candle_close_at",
            "strategy",
            "signal_type",
            "origin",
            "scope",
            "profile",
            name=op.f("pk_risk_decisions"),
        ),
        comment="What the risk filters decided about every candidate, and why",
    )
    op.create_index(
        "ix_risk_decisions_close", "risk_decisions", ["origin", "scope", "profile", "candle_close_at"], unique=False
    )
    op.create_table(
        "users",
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="identity of a person or bot"),
        sa.Column("name", sa.Text(), nullable=False, comment="how they are called; unique"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        comment="People and bots that signals may be made for",
    )
    op.create_table(
        "risk_profiles",
        sa.Column(
            "profile",
            sa.Text(),
            nullable=False,
            comment="name of the profile; 'house' is the one that schedules judge by",
        ),
        sa.Column("user_id", sa.Uuid(), nullable=True, comment="owner; NULL for the house"),
        sa.Column(
            "is_scheduled",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="whether scheduled runs make signals for this profile",
        ),
        sa.Column(
            "min_signal_confidence",
            sa.Double(),
            nullable=True,
            comment="signals below are dropped; NULL = the settings' value",
        ),
        sa.Column(
            "avoid_high_volatility",
            sa.Boolean(),
            nullable=True,
            comment="drop BUY and SELL in a volatile market; NULL = settings",
        ),
        sa.Column(
            "trading_hours_start",
            sa.SmallInteger(),
            nullable=True,
            comment="first hour (UTC) in which signals pass; NULL = settings",
        ),
        sa.Column(
            "trading_hours_end",
            sa.SmallInteger(),
            nullable=True,
            comment="hour (UTC) from which signals do not pass; NULL = settings",
        ),
        sa.Column(
            "max_asset_exposure",
            sa.Double(),
            nullable=True,
            comment="largest share of the portfolio in one asset; NULL = settings",
        ),
        sa.Column(
            "max_total_exposure",
            sa.Double(),
            nullable=True,
            comment="largest share of the portfolio in all assets; NULL = settings",
        ),
        sa.Column(
            "stop_atr_multiple", sa.Double(), nullable=True, comment="distance of the stop in ATR 14; NULL = settings"
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "max_asset_exposure BETWEEN 0 AND 1", name=op.f("ck_risk_profiles_asset_exposure_is_a_fraction")
        ),
        sa.CheckConstraint(
            "max_total_exposure BETWEEN 0 AND 1", name=op.f("ck_risk_profiles_total_exposure_is_a_fraction")
        ),
        sa.CheckConstraint(
            "min_signal_confidence BETWEEN 0 AND 1", name=op.f("ck_risk_profiles_confidence_is_a_fraction")
        ),
        sa.CheckConstraint("trading_hours_end BETWEEN 0 AND 24", name=op.f("ck_risk_profiles_end_is_an_hour")),
        sa.CheckConstraint("trading_hours_start BETWEEN 0 AND 23", name=op.f("ck_risk_profiles_start_is_an_hour")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_risk_profiles_user_id")),
        sa.PrimaryKeyConstraint("profile", name=op.f("pk_risk_profiles")),
        comment="Changes to the risk profile of the settings, per profile",
    )
