"""First answers to requests that carry an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Create the table of first answers."""
    op.create_table(
        "idempotency_keys",
        sa.Column("requester", sa.Text(), nullable=False, comment="who asked; keys of one are none of another's"),
        sa.Column(
            "idempotency_key",
            sa.Text(),
            nullable=False,
            comment="the header's value, without the quotes around it",
        ),
        sa.Column("request_digest", sa.Text(), nullable=False, comment="SHA-256 of the request, hexadecimal"),
        sa.Column("answer", sa.LargeBinary(), nullable=False, comment="body of the first answer, byte for byte"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("requester", "idempotency_key", name=op.f("pk_idempotency_keys")),
        comment="First answers to requests with an Idempotency-Key; kept for a day",
    )
    op.create_index("ix_idempotency_keys_recorded_at", "idempotency_keys", ["recorded_at"])
