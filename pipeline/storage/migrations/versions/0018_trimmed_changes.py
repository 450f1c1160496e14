"""How far retention has deleted changes, so that who has missed some is told apart from who has not."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

signal_status = postgresql.ENUM(
    "ACTIVE", "EXECUTED", "EXPIRED", "INVALIDATED", name="signal_status_enum", create_type=False
)


def upgrade() -> None:
    """Make the table, empty: no change has been deleted for its age before it was there."""
    op.create_table(
        "trimmed_changes",
        sa.Column(
            "is_newest", sa.Boolean(), server_default=sa.text("true"), nullable=False, comment="true: there is one row"
        ),
        sa.Column("change_id", sa.BigInteger(), nullable=False, comment="its number; no lower one is kept"),
        sa.Column("signal_id", sa.Uuid(), nullable=False, comment="the signal"),
        sa.Column("status", signal_status, nullable=False, comment="as it was in signal_changes"),
        sa.Column("recorded_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="as it was in signal_changes"),
        sa.CheckConstraint("is_newest", name=op.f("ck_trimmed_changes_row_is_the_only_one")),
        sa.PrimaryKeyConstraint("is_newest", name=op.f("pk_trimmed_changes")),
        comment="The newest change that retention has deleted from signal_changes; cursors before it have missed some",
    )
