"""How much is stored, measured once a day."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "storage_sizes",
        sa.Column(
            "what",
            sa.Text(),
            nullable=False,
            comment="signals_database, dagster_database, logs (what processes and runs wrote) or home",
        ),
        sa.Column("measured_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="as of when it was measured"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="how much it occupies"),
        sa.CheckConstraint("bytes >= 0", name=op.f("ck_storage_sizes_bytes_are_counted")),
        sa.PrimaryKeyConstraint("what", "measured_at", name=op.f("pk_storage_sizes")),
        comment="What this installation occupies on disk, once a day; `signals status` foretells its growth",
    )
