"""Texts and development activity, and how their feeds are read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the tables of texts and events."""
    op.create_table(
        "document_quarantine",
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="hash of the text and its reason: the same bad text is kept once",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="where it came from"),
        sa.Column("feed", sa.Text(), nullable=False, comment="through which feed"),
        sa.Column("external_id", sa.Text(), nullable=False, comment="what the source calls it"),
        sa.Column(
            "published_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when it says that it was published, where that can be read",
        ),
        sa.Column(
            "reason", sa.Text(), nullable=False, comment="why it is not used; docs/sentiment-texts.md lists the words"
        ),
        sa.Column("beginning", sa.Text(), nullable=False, comment="the first words as they came, cleaned"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_document_quarantine")),
        comment="Texts that were refused, and why",
    )
    op.create_index("ix_document_quarantine_source", "document_quarantine", ["source", "recorded_at"], unique=False)
    op.create_table(
        "documents",
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="follows from source, external_id and content"),
        sa.Column("source", sa.Text(), nullable=False, comment="where it was published: news, twitter or reddit"),
        sa.Column("kind", sa.Text(), nullable=False, comment="article, tweet, post or comment"),
        sa.Column("external_id", sa.Text(), nullable=False, comment="what the source calls it"),
        sa.Column(
            "feed",
            sa.Text(),
            nullable=False,
            comment="feed, query, account, subreddit or file through which it came first",
        ),
        sa.Column("url", sa.Text(), nullable=True, comment="address without what only tracks; NULL where it has none"),
        sa.Column("title", sa.Text(), nullable=False, comment="headline, cleaned; empty where the kind has none"),
        sa.Column("body", sa.Text(), nullable=False, comment="text, cleaned and bounded; empty where there is none"),
        sa.Column(
            "author_hash",
            sa.Text(),
            nullable=True,
            comment="stands for the author's name, or the publisher's; NULL where nobody is named",
        ),
        sa.Column(
            "language", sa.Text(), nullable=True, comment="what it is written in, e.g. en; NULL where too short to tell"
        ),
        sa.Column(
            "published_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when the source says that it was published",
        ),
        sa.Column(
            "fetched_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when we had it; of imported and simulated ones published_at",
        ),
        sa.Column(
            "gone_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="from when on it counts no more; NULL while it stands",
        ),
        sa.Column(
            "gone_reason",
            sa.Text(),
            nullable=True,
            comment="why: edited (a newer row has its text) or removed (by its author or a moderator)",
        ),
        sa.Column(
            "engagement",
            postgresql.JSONB(),
            nullable=False,
            comment="counters of the source when it was last seen, e.g. likes",
        ),
        sa.Column(
            "content_hash", sa.Text(), nullable=False, comment="hash of the words: equal for the same text elsewhere"
        ),
        sa.Column(
            "sketch", sa.LargeBinary(), nullable=False, comment="its word groups in short, to find retold stories"
        ),
        sa.Column(
            "duplicate_of",
            sa.Uuid(),
            nullable=True,
            comment="the text that it repeats, which counts instead; NULL if it is new",
        ),
        sa.Column(
            "duplicate_rule", sa.Text(), nullable=True, comment="by which rule it repeats that; NULL if it is new"
        ),
        sa.Column("provenance", sa.Text(), nullable=False, comment="fetched, imported or simulated"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("gone_reason IN ('edited', 'removed')", name=op.f("ck_documents_gone_reason_is_known")),
        sa.CheckConstraint("kind IN ('article', 'tweet', 'post', 'comment')", name=op.f("ck_documents_kind_is_known")),
        sa.CheckConstraint(
            "provenance IN ('fetched', 'imported', 'simulated')", name=op.f("ck_documents_provenance_is_known")
        ),
        sa.CheckConstraint("source IN ('news', 'twitter', 'reddit')", name=op.f("ck_documents_source_is_known")),
        sa.CheckConstraint("title <> '' OR body <> ''", name=op.f("ck_documents_says_something")),
        sa.CheckConstraint(
            "(duplicate_of IS NULL) = (duplicate_rule IS NULL)", name=op.f("ck_documents_duplicate_has_a_rule")
        ),
        sa.CheckConstraint("(gone_at IS NULL) = (gone_reason IS NULL)", name=op.f("ck_documents_end_has_a_reason")),
        sa.CheckConstraint("duplicate_of <> document_id", name=op.f("ck_documents_repeats_another")),
        sa.CheckConstraint("fetched_at >= published_at", name=op.f("ck_documents_known_after_it_was_published")),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_documents")),
        comment="Texts about the market as they were first seen, one row per text and edit",
    )
    op.create_index("ix_documents_published_at", "documents", ["published_at"], unique=False)
    op.create_index("ix_documents_source", "documents", ["source", "published_at"], unique=False)
    op.create_index(
        "uq_documents_external_id",
        "documents",
        ["source", "external_id"],
        unique=True,
        postgresql_where=sa.text("gone_at IS NULL"),
    )
    op.create_table(
        "installation",
        sa.Column("name", sa.Text(), nullable=False, comment="author_key: what authors' names are hashed with"),
        sa.Column("value", sa.LargeBinary(), nullable=False, comment="a secret of this installation, made at random"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_installation")),
        comment="What belongs to this database alone",
    )
    op.create_table(
        "repository_activity",
        sa.Column("repository", sa.Text(), nullable=False, comment="owner/name"),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="release, merged (pull request), opened (pull request), commit or issue",
        ),
        sa.Column("external_id", sa.Text(), nullable=False, comment="what GitHub calls it"),
        sa.Column("asset", sa.Text(), nullable=False, comment="base currency that the repository belongs to, e.g. ETH"),
        sa.Column("happened_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="when it happened"),
        sa.Column(
            "known_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when we knew; of imported and simulated ones happened_at",
        ),
        sa.Column("title", sa.Text(), nullable=False, comment="its title, cleaned"),
        sa.Column("url", sa.Text(), nullable=True, comment="where it can be read; NULL where unknown"),
        sa.Column(
            "author_hash", sa.Text(), nullable=True, comment="stands for the author's name; NULL where nobody is named"
        ),
        sa.Column("provenance", sa.Text(), nullable=False, comment="fetched, imported or simulated"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "kind IN ('release', 'merged', 'opened', 'commit', 'issue')",
            name=op.f("ck_repository_activity_kind_is_known"),
        ),
        sa.CheckConstraint(
            "provenance IN ('fetched', 'imported', 'simulated')",
            name=op.f("ck_repository_activity_provenance_is_known"),
        ),
        sa.CheckConstraint("known_at >= happened_at", name=op.f("ck_repository_activity_known_after_it_happened")),
        sa.PrimaryKeyConstraint("repository", "kind", "external_id", name=op.f("pk_repository_activity")),
        comment="What happened in the repositories behind the assets",
    )
    op.create_index("ix_repository_activity_happened_at", "repository_activity", ["happened_at"], unique=False)
    op.create_table(
        "repository_coverage",
        sa.Column("repository", sa.Text(), nullable=False, comment="owner/name"),
        sa.Column(
            "known_from",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="when this stretch of knowing began: all that had happened was known",
        ),
        sa.Column(
            "known_until",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="until when all that happened was known within a day",
        ),
        sa.Column(
            "history_from", sa.TIMESTAMP(timezone=True), nullable=False, comment="from here on nothing is missing"
        ),
        sa.Column("asset", sa.Text(), nullable=False, comment="base currency that the repository belongs to, e.g. ETH"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("known_until >= known_from", name=op.f("ck_repository_coverage_ends_after_it_began")),
        sa.PrimaryKeyConstraint("repository", "known_from", name=op.f("pk_repository_coverage")),
        comment="When repositories were read so often that silence means that nothing happened",
    )
    op.create_index("ix_repository_coverage_asset", "repository_coverage", ["asset", "known_until"], unique=False)
    op.create_table(
        "text_budgets",
        sa.Column("source", sa.Text(), nullable=False, comment="whose plan allows only so much"),
        sa.Column("unit", sa.Text(), nullable=False, comment="what is counted: posts or requests"),
        sa.Column(
            "since",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="begin of the month, or quarter of an hour, in which they were used",
        ),
        sa.Column("used", sa.Integer(), nullable=False, comment="how many were used"),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("used >= 0", name=op.f("ck_text_budgets_is_counted")),
        sa.PrimaryKeyConstraint("source", "unit", "since", name=op.f("pk_text_budgets")),
        comment="What of each plan's allowance has been used",
    )
    op.create_table(
        "text_feeds",
        sa.Column("source", sa.Text(), nullable=False, comment="news, twitter, reddit or github"),
        sa.Column("feed", sa.Text(), nullable=False, comment="address, query, subreddit or repository"),
        sa.Column("etag", sa.Text(), nullable=True, comment="of the newest answer, for the next request"),
        sa.Column("last_modified", sa.Text(), nullable=True, comment="likewise"),
        sa.Column("newest_id", sa.Text(), nullable=True, comment="the newest item that has been read"),
        sa.Column(
            "newest_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when that was published; of a repository until when it was read",
        ),
        sa.Column(
            "history_from",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="from here on nothing of the feed is missing; NULL where that is not known",
        ),
        sa.Column(
            "answered_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="when the source last answered as it should",
        ),
        sa.Column(
            "retry_at",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="the source asked not to be asked before; NULL if it did not",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "source IN ('news', 'twitter', 'reddit', 'github')", name=op.f("ck_text_feeds_source_is_known")
        ),
        sa.PrimaryKeyConstraint("source", "feed", name=op.f("pk_text_feeds")),
        comment="How far each feed has been read",
    )
    op.create_table(
        "document_assets",
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="the text, see documents"),
        sa.Column("asset", sa.Text(), nullable=False, comment="base currency that the text is about, e.g. BTC"),
        sa.Column(
            "rule", sa.Text(), nullable=False, comment="how that was found: given, cashtag, ticker, name or feed"
        ),
        sa.Column("mention", sa.Text(), nullable=False, comment="the words that say so; empty where none do"),
        sa.ForeignKeyConstraint(
            ["document_id"], ["documents.document_id"], name=op.f("fk_document_assets_document_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "asset", name=op.f("pk_document_assets")),
        comment="Which assets each text is about; a text about none has no row",
    )
    op.create_index("ix_document_assets_asset", "document_assets", ["asset", "document_id"], unique=False)
