"""Keys of the REST API; users that are removed without what they did; one risk profile for each user."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Create the table of keys, and say of users when they were removed."""
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Integer(), sa.Identity(), nullable=False, comment="identity of the key"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="whose key it is"),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="what it is called in events and lists; unique, and never given again",
        ),
        sa.Column(
            "prefix",
            sa.Text(),
            nullable=False,
            comment="the part of the key that may be shown, and by which it is found",
        ),
        sa.Column(
            "key_hash",
            sa.LargeBinary(),
            nullable=False,
            comment="SHA-256 of the whole key, which is stored nowhere",
        ),
        sa.Column(
            "scopes", postgresql.ARRAY(sa.Text()), nullable=False, comment="what it opens: read, generate, execute"
        ),
        sa.Column("created_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="when it was made"),
        sa.Column(
            "expires_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="from this instant on it opens nothing",
        ),
        sa.Column(
            "revoked_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was taken back; NULL if it was not",
        ),
        sa.Column(
            "last_used_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it was last used, to five minutes; NULL if it never was",
        ),
        sa.CheckConstraint("octet_length(key_hash) = 32", name=op.f("ck_api_keys_hash_is_sha256")),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'generate', 'execute']",
            name=op.f("ck_api_keys_scopes_are_known"),
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_api_keys_expires_after_it_was_made")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_api_keys_user_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
        comment="Keys of the REST API, as far as they may be known: no key can be made out of its row",
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])
    op.add_column(
        "users",
        sa.Column(
            "removed_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="from this instant on no key of theirs is taken; NULL while they are users",
        ),
    )
    op.alter_column(
        "users", "name", existing_type=sa.Text(), comment="how they are called, and their risk profile too; unique"
    )
    op.create_unique_constraint(op.f("uq_risk_profiles_user_id"), "risk_profiles", ["user_id"])
