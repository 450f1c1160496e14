"""Market structure: the levels and the chart patterns that are read off a series' swings.

Rows are facts of a close: what a level was from then on, which pattern completed. They are keyed by the series and by
instants of the market, so that a repeated run writes the same rows.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.storage.tables.base import INFINITY, instant, metadata, number, text

price_levels = sa.Table(
    "price_levels",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("pivot_at", "open of the newest swing that belongs to the level, which names it", primary_key=True),
    text("kind", "whether that swing is a high or a low", primary_key=True),
    instant("known_at", "close from which on the row holds, until the level's next row", primary_key=True),
    text("event", "formed, broken (it changed its role), or merged (a newer swing continues it)", nullable=False),
    text("role", "support below the price, resistance above it, from known_at on", nullable=False),
    number("price", "mean price of the swings that belong to it, quote currency", nullable=False),
    sa.Column("touches", sa.Integer, nullable=False, comment="swings that belong to it"),
    number("strength", "0 to 1: 1 - 0.5 ^ touches", nullable=False),
    instant("first_touch_at", "open of the oldest of those swings", nullable=False),
    instant("last_touch_at", "open of the newest of those swings", nullable=False),
    instant("expires_at", "close from which on it is no level any more, merged or not", nullable=False),
    sa.CheckConstraint("kind IN ('high', 'low')", name="kind_is_known"),
    sa.CheckConstraint("event IN ('formed', 'broken', 'merged')", name="event_is_known"),
    sa.CheckConstraint("role IN ('support', 'resistance')", name="role_is_known"),
    sa.CheckConstraint(f"price > 0 AND price < {INFINITY}", name="price_is_positive"),
    sa.CheckConstraint("touches >= 1", name="is_touched"),
    sa.CheckConstraint("strength >= 0 AND strength <= 1", name="strength_is_a_fraction"),
    sa.CheckConstraint("pivot_at < known_at AND known_at < expires_at", name="instants_are_in_order"),
    sa.Index("ix_price_levels_known_at", "series_id", "known_at"),
    comment="Support and resistance: a row for each change of a level",
)

chart_patterns = sa.Table(
    "chart_patterns",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("completed_at", "close that completed the pattern", primary_key=True),
    text("pattern", "what it is called, e.g. double_top; docs/patterns.md draws each", primary_key=True),
    sa.Column("direction", sa.SmallInteger, primary_key=True, comment="1 says up, -1 says down"),
    instant("first_at", "open of its first anchor's bar", nullable=False),
    instant("last_at", "open of its last anchor's bar", nullable=False),
    sa.Column(
        "anchors", JSONB, nullable=False, comment="the swings it is made of, oldest first: at (open), price, role"
    ),
    sa.Column(
        "boundaries",
        JSONB,
        nullable=False,
        comment="lines to draw, each from and to (at, price); the first one is the boundary that was broken",
    ),
    number("break_price", "that boundary at the completing bar, quote currency", nullable=False),
    number("close", "close that completed it, quote currency", nullable=False),
    number("height", "size that its target is measured by, quote currency", nullable=False),
    number("target", "break_price moved by the height; NULL where it would not be positive"),
    number("atr", "average true range by which its geometry was judged, quote currency", nullable=False),
    sa.CheckConstraint("direction IN (1, -1)", name="direction_is_a_side"),
    sa.CheckConstraint("first_at < last_at AND last_at < completed_at", name="instants_are_in_order"),
    sa.CheckConstraint("break_price > 0 AND close > 0 AND height > 0", name="prices_are_positive"),
    sa.CheckConstraint("target IS NULL OR target > 0", name="target_is_positive"),
    comment="Chart patterns, one row for each that completed, with all that it takes to draw it",
)
