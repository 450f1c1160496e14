"""First answers to requests that carry an `Idempotency-Key`, so that a repeated one does nothing twice."""

import sqlalchemy as sa

from pipeline.storage.tables.base import metadata, recorded_at, text

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    text("requester", "who asked; keys of one are none of another's", primary_key=True),
    text("idempotency_key", "the header's value, without the quotes around it", primary_key=True),
    text("request_digest", "SHA-256 of the request, hexadecimal", nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False, comment="body of the first answer, byte for byte"),
    recorded_at(),
    sa.Index("ix_idempotency_keys_recorded_at", "recorded_at"),
    comment="First answers to requests with an Idempotency-Key; kept for a day",
)
