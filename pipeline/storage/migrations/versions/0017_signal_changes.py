"""Live signals as they came and went, for streams."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"

signal_status = postgresql.ENUM(
    "ACTIVE", "EXECUTED", "EXPIRED", "INVALIDATED", name="signal_status_enum", create_type=False
)


def upgrade() -> None:
    """Make the table, empty: what happened before it was there is in `signal_events`, and in no stream."""
    op.create_table(
        "signal_changes",
        sa.Column(
            "change_id", sa.BigInteger(), sa.Identity(always=False), nullable=False, comment="order of the changes"
        ),
        sa.Column("signal_id", sa.Uuid(), nullable=False, comment="the signal"),
        sa.Column(
            "status", signal_status, nullable=False, comment="ACTIVE where the signal is new, else what it became"
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_signal_changes")),
        comment="Live signals of the default scope as they came and went; what the API streams",
    )
