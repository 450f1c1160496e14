"""Pictures that are kept: those of the strongest active signals, for the UI, the API and bots."""

import sqlalchemy as sa

from pipeline.storage.tables.base import instant, metadata, text

signal_charts = sa.Table(
    "signal_charts",
    metadata,
    sa.Column(
        "signal_id",
        sa.Uuid,
        sa.ForeignKey("trading_signals.id", ondelete="CASCADE"),
        primary_key=True,
        comment="the signal, see trading_signals",
    ),
    sa.Column("place", sa.SmallInteger, nullable=False, comment="1 for the strongest signal, 2 for the next"),
    text("caption", "the signal in one line", nullable=False),
    instant("until", "newest close in the picture", nullable=False),
    instant("drawn_at", "wall clock when the picture was drawn", nullable=False),
    sa.Column("png", sa.LargeBinary, nullable=False, comment="the picture, 900 by 520 pixels"),
    sa.UniqueConstraint("place", name="uq_signal_charts_place"),
    sa.CheckConstraint("place >= 1", name="place_counts_from_1"),
    comment="Pictures of the strongest active signals, all replaced every hour; `signals chart` draws others",
)
