"""Levels, chart patterns, candle patterns, the side table of extra indicators, and pictures of signals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables and columns; the newest rows of each series are computed anew by its next run."""
    op.create_table(
        "chart_patterns",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column(
            "completed_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close that completed the pattern"
        ),
        sa.Column(
            "pattern",
            sa.Text(),
            nullable=False,
            comment="what it is called, e.g. double_top; docs/patterns.md draws each",
        ),
        sa.Column("direction", sa.SmallInteger(), nullable=False, comment="1 says up, -1 says down"),
        sa.Column("first_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of its first anchor's bar"),
        sa.Column("last_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of its last anchor's bar"),
        sa.Column(
            "anchors",
            postgresql.JSONB(),
            nullable=False,
            comment="the swings it is made of, oldest first: at (open), price, role",
        ),
        sa.Column(
            "boundaries",
            postgresql.JSONB(),
            nullable=False,
            comment="lines to draw, each from and to (at, price); the first one is the boundary that was broken",
        ),
        sa.Column(
            "break_price", sa.Double(), nullable=False, comment="that boundary at the completing bar, quote currency"
        ),
        sa.Column("close", sa.Double(), nullable=False, comment="close that completed it, quote currency"),
        sa.Column("height", sa.Double(), nullable=False, comment="size that its target is measured by, quote currency"),
        sa.Column(
            "target",
            sa.Double(),
            nullable=True,
            comment="break_price moved by the height; NULL where it would not be positive",
        ),
        sa.Column(
            "atr",
            sa.Double(),
            nullable=False,
            comment="average true range by which its geometry was judged, quote currency",
        ),
        sa.CheckConstraint(
            "break_price > 0 AND close > 0 AND height > 0", name=op.f("ck_chart_patterns_prices_are_positive")
        ),
        sa.CheckConstraint("direction IN (1, -1)", name=op.f("ck_chart_patterns_direction_is_a_side")),
        sa.CheckConstraint(
            "first_at < last_at AND last_at < completed_at", name=op.f("ck_chart_patterns_instants_are_in_order")
        ),
        sa.CheckConstraint("target IS NULL OR target > 0", name=op.f("ck_chart_patterns_target_is_positive")),
        sa.PrimaryKeyConstraint("series_id", "completed_at", "pattern", "direction", name=op.f("pk_chart_patterns")),
        comment="Chart patterns, one row for each that completed, with all that it takes to draw it",
    )
    op.create_table(
        "extra_indicators",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column("close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="close of the bar"),
        sa.Column(
            "values",
            postgresql.JSONB(),
            nullable=False,
            comment="column -> value, null during its warm-up; "
            "the columns are those of [indicators.*] when it was computed",
        ),
        sa.CheckConstraint(
            "jsonb_typeof(\"values\") = 'object'", name=op.f("ck_extra_indicators_values_are_an_object")
        ),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_extra_indicators")),
        comment="Indicators that the settings add: one JSON object per series and bar; see docs/indicators.md",
    )
    op.create_index(
        "ix_extra_indicators_close_at", "extra_indicators", ["close_at"], unique=False, postgresql_using="brin"
    )
    op.create_table(
        "price_levels",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column(
            "pivot_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="open of the newest swing that belongs to the level, which names it",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="whether that swing is a high or a low"),
        sa.Column(
            "known_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close from which on the row holds, until the level's next row",
        ),
        sa.Column(
            "event",
            sa.Text(),
            nullable=False,
            comment="formed, broken (it changed its role), or merged (a newer swing continues it)",
        ),
        sa.Column(
            "role", sa.Text(), nullable=False, comment="support below the price, resistance above it, from known_at on"
        ),
        sa.Column(
            "price", sa.Double(), nullable=False, comment="mean price of the swings that belong to it, quote currency"
        ),
        sa.Column("touches", sa.Integer(), nullable=False, comment="swings that belong to it"),
        sa.Column("strength", sa.Double(), nullable=False, comment="0 to 1: 1 - 0.5 ^ touches"),
        sa.Column(
            "first_touch_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the oldest of those swings"
        ),
        sa.Column(
            "last_touch_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the newest of those swings"
        ),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close from which on it is no level any more, merged or not",
        ),
        sa.CheckConstraint("event IN ('formed', 'broken', 'merged')", name=op.f("ck_price_levels_event_is_known")),
        sa.CheckConstraint("kind IN ('high', 'low')", name=op.f("ck_price_levels_kind_is_known")),
        sa.CheckConstraint("price > 0 AND price < 'Infinity'::float8", name=op.f("ck_price_levels_price_is_positive")),
        sa.CheckConstraint("role IN ('support', 'resistance')", name=op.f("ck_price_levels_role_is_known")),
        sa.CheckConstraint(
            "pivot_at < known_at AND known_at < expires_at", name=op.f("ck_price_levels_instants_are_in_order")
        ),
        sa.CheckConstraint("strength >= 0 AND strength <= 1", name=op.f("ck_price_levels_strength_is_a_fraction")),
        sa.CheckConstraint("touches >= 1", name=op.f("ck_price_levels_is_touched")),
        sa.PrimaryKeyConstraint("series_id", "pivot_at", "kind", "known_at", name=op.f("pk_price_levels")),
        comment="Support and resistance: a row for each change of a level",
    )
    op.create_index("ix_price_levels_known_at", "price_levels", ["series_id", "known_at"], unique=False)
    op.create_table(
        "signal_charts",
        sa.Column("signal_id", sa.Uuid(), nullable=False, comment="the signal, see trading_signals"),
        sa.Column("place", sa.SmallInteger(), nullable=False, comment="1 for the strongest signal, 2 for the next"),
        sa.Column("caption", sa.Text(), nullable=False, comment="the signal in one line"),
        sa.Column("until", sa.TIMESTAMP(timezone=True), nullable=False, comment="newest close in the picture"),
        sa.Column(
            "drawn_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="wall clock when the picture was drawn"
        ),
        sa.Column("png", sa.LargeBinary(), nullable=False, comment="the picture, 900 by 520 pixels"),
        sa.CheckConstraint("place >= 1", name=op.f("ck_signal_charts_place_counts_from_1")),
        sa.ForeignKeyConstraint(
            ["signal_id"], ["trading_signals.id"], name=op.f("fk_signal_charts_signal_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_signal_charts")),
        sa.UniqueConstraint("place", name="uq_signal_charts_place"),
        comment="Pictures of the strongest active signals, all replaced every hour; `signals chart` draws others",
    )
    op.add_column(
        "indicators",
        sa.Column(
            "bullish_candles",
            sa.Double(),
            nullable=True,
            comment="candle patterns of this bar that point up, as bits; docs/patterns.md says which",
        ),
    )
    op.add_column(
        "indicators",
        sa.Column(
            "bearish_candles",
            sa.Double(),
            nullable=True,
            comment="candle patterns of this bar that point down, as bits",
        ),
    )
    op.add_column(
        "indicators",
        sa.Column(
            "doji_candles", sa.Double(), nullable=True, comment="doji shapes of this bar, as bits; they point nowhere"
        ),
    )
    op.add_column(
        "indicators",
        sa.Column(
            "support",
            sa.Double(),
            nullable=True,
            comment="nearest level that holds as support, quote currency; until broken up to 0.25 ATR above the close",
        ),
    )
    op.add_column(
        "indicators", sa.Column("support_touches", sa.Double(), nullable=True, comment="swings that belong to it")
    )
    op.add_column(
        "indicators",
        sa.Column(
            "resistance",
            sa.Double(),
            nullable=True,
            comment="nearest level that holds as resistance, quote currency; "
            "until broken up to 0.25 ATR below the close",
        ),
    )
    op.add_column(
        "indicators", sa.Column("resistance_touches", sa.Double(), nullable=True, comment="swings that belong to it")
    )
    op.add_column(
        "indicators",
        sa.Column(
            "bullish_patterns",
            sa.Double(),
            nullable=True,
            comment="chart patterns that this close completed upwards, as bits; chart_patterns has their anchors",
        ),
    )
    op.add_column(
        "indicators",
        sa.Column(
            "bearish_patterns",
            sa.Double(),
            nullable=True,
            comment="chart patterns that this close completed downwards, as bits",
        ),
    )
    op.execute(
        """UPDATE series s SET dirty_from = greatest(s.listed_at, n.newest - make_interval(secs => s.bar_seconds) * 600)
FROM (SELECT series_id, max(open_at) AS newest FROM indicators GROUP BY series_id) n
WHERE n.series_id = s.series_id AND s.dirty_from IS NULL"""
    )
