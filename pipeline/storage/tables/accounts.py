"""Whose risk is judged: users, the keys they ask with, their risk profiles, and what they hold."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from pipeline.storage.tables.base import instant, metadata, number, recorded_at, text

users = sa.Table(
    "users",
    metadata,
    sa.Column("user_id", sa.Uuid, primary_key=True, comment="identity of a person or bot"),
    text("name", "how they are called, and their risk profile too; unique", nullable=False, unique=True),
    recorded_at(),
    instant("removed_at", "from this instant on no key of theirs is taken; NULL while they are users"),
    comment="People and bots that signals may be made for",
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("key_id", sa.Integer, sa.Identity(), primary_key=True, comment="identity of the key"),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.user_id"), nullable=False, comment="whose key it is"),
    text("name", "what it is called in events and lists; unique, and never given again", nullable=False, unique=True),
    text("prefix", "the part of the key that may be shown, and by which it is found", nullable=False, unique=True),
    sa.Column("key_hash", sa.LargeBinary, nullable=False, comment="SHA-256 of the whole key, which is stored nowhere"),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False, comment="what it opens: read, generate, execute"),
    instant("created_at", "when it was made", nullable=False),
    instant("expires_at", "from this instant on it opens nothing", nullable=False),
    instant("revoked_at", "when it was taken back; NULL if it was not"),
    instant("last_used_at", "when it was last used, to five minutes; NULL if it never was"),
    sa.Index("ix_api_keys_user_id", "user_id"),
    sa.CheckConstraint("octet_length(key_hash) = 32", name="hash_is_sha256"),
    sa.CheckConstraint(
        "cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'generate', 'execute']", name="scopes_are_known"
    ),
    sa.CheckConstraint("expires_at > created_at", name="expires_after_it_was_made"),
    comment="Keys of the REST API, as far as they may be known: no key can be made out of its row",
)

risk_profiles = sa.Table(
    "risk_profiles",
    metadata,
    text("profile", "name of the profile; 'house' is the one that schedules judge by", primary_key=True),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.user_id"), unique=True, comment="owner; NULL for the house"),
    sa.Column(
        "is_scheduled",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="whether scheduled runs make signals for this profile",
    ),
    number("min_signal_confidence", "signals below are dropped; NULL = the settings' value"),
    sa.Column("avoid_high_volatility", sa.Boolean, comment="drop BUY and SELL in a volatile market; NULL = settings"),
    sa.Column(
        "trading_hours_start",
        sa.SmallInteger,
        comment="first hour (UTC) in which signals pass; NULL = settings",
    ),
    sa.Column(
        "trading_hours_end",
        sa.SmallInteger,
        comment="hour (UTC) from which signals do not pass; NULL = settings",
    ),
    number("max_asset_exposure", "largest share of the portfolio in one asset; NULL = settings"),
    number("max_total_exposure", "largest share of the portfolio in all assets; NULL = settings"),
    number("stop_atr_multiple", "distance of the stop in ATR 14; NULL = settings"),
    recorded_at(),
    sa.CheckConstraint("min_signal_confidence BETWEEN 0 AND 1", name="confidence_is_a_fraction"),
    sa.CheckConstraint("max_asset_exposure BETWEEN 0 AND 1", name="asset_exposure_is_a_fraction"),
    sa.CheckConstraint("max_total_exposure BETWEEN 0 AND 1", name="total_exposure_is_a_fraction"),
    sa.CheckConstraint("trading_hours_start BETWEEN 0 AND 23", name="start_is_an_hour"),
    sa.CheckConstraint("trading_hours_end BETWEEN 0 AND 24", name="end_is_an_hour"),
    comment="Changes to the risk profile of the settings, per profile",
)

portfolio_positions = sa.Table(
    "portfolio_positions",
    metadata,
    sa.Column("position_id", sa.Integer, sa.Identity(), primary_key=True, comment="identity of the position"),
    text("profile", "whose portfolio it is in", nullable=False, server_default="house"),
    text("symbol", "pair as ccxt writes it", nullable=False),
    number("weight", "share of the portfolio, 0 to 1", nullable=False),
    instant("valid_from", "held from this instant on", nullable=False),
    instant("valid_to", "held until before this instant; NULL = still held"),
    recorded_at(),
    sa.UniqueConstraint("profile", "symbol", "valid_from", name="uq_portfolio_positions_profile_symbol_valid_from"),
    sa.CheckConstraint("weight > 0 AND weight <= 1", name="weight_is_a_fraction"),
    sa.CheckConstraint("valid_to > valid_from", name="ends_after_it_began"),
    comment="What is held, so that exposure limits have something to count; replays assume nothing is",
)
