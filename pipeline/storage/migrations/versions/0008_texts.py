"""Texts and development activity, how they are read and scored, and what they say of symbols."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the tables of sentiment."""
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
        "symbol_sentiment",
        sa.Column(
            "symbol",
            sa.Text(),
            nullable=False,
            comment="pair as ccxt writes it, e.g. BTC/USDT; what is said is said of its base",
        ),
        sa.Column(
            "close_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="as of this close, whatever bars end then"
        ),
        sa.Column(
            "overall_score",
            sa.Double(),
            nullable=True,
            comment="weighted mean of the sources that have something to say, -1 to 1",
        ),
        sa.Column(
            "news_score", sa.Double(), nullable=True, comment="of the news, -1 to 1; NULL where they say nothing"
        ),
        sa.Column(
            "social_score",
            sa.Double(),
            nullable=True,
            comment="of X and Reddit together, -1 to 1; NULL where neither says anything",
        ),
        sa.Column("twitter_score", sa.Double(), nullable=True, comment="of X, -1 to 1; NULL where it says nothing"),
        sa.Column("reddit_score", sa.Double(), nullable=True, comment="of Reddit, -1 to 1; NULL where it says nothing"),
        sa.Column(
            "github_score",
            sa.Double(),
            nullable=True,
            comment="development activity against its last 90 days, -1 to 1; NULL where unknown",
        ),
        sa.Column("news_documents", sa.Integer(), nullable=False, comment="texts behind the score of news"),
        sa.Column("twitter_documents", sa.Integer(), nullable=False, comment="texts behind the score of twitter"),
        sa.Column("reddit_documents", sa.Integer(), nullable=False, comment="texts behind the score of reddit"),
        sa.Column(
            "news_capped",
            sa.Integer(),
            nullable=False,
            comment="texts of news left out because their author had said enough",
        ),
        sa.Column(
            "twitter_capped",
            sa.Integer(),
            nullable=False,
            comment="texts of twitter left out because their author had said enough",
        ),
        sa.Column(
            "reddit_capped",
            sa.Integer(),
            nullable=False,
            comment="texts of reddit left out because their author had said enough",
        ),
        sa.Column(
            "coverage", sa.Double(), nullable=False, comment="weight of the sources that have something to say, 0 to 1"
        ),
        sa.Column(
            "weights", postgresql.JSONB(), nullable=False, comment="source -> weight in the overall score, 1 together"
        ),
        sa.Column(
            "z_score",
            sa.Double(),
            nullable=True,
            comment="overall against the same hour of 30 days, in standard deviations; NULL before 10 are known",
        ),
        sa.Column(
            "flooded",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="sources with 5 times as many texts as usual",
        ),
        sa.Column(
            "top_documents",
            postgresql.JSONB(),
            nullable=False,
            comment="the five texts that moved it most: document_id and part of the overall score, strongest first",
        ),
        sa.Column(
            "silence",
            sa.Text(),
            nullable=True,
            comment="why there is no advice, e.g. insufficient_coverage(4<10 documents); NULL where there may be",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint("coverage BETWEEN 0 AND 1 + 1e-9", name=op.f("ck_symbol_sentiment_coverage_is_a_fraction")),
        sa.CheckConstraint("github_score BETWEEN -1 AND 1", name=op.f("ck_symbol_sentiment_github_score_is_in_range")),
        sa.CheckConstraint("news_score BETWEEN -1 AND 1", name=op.f("ck_symbol_sentiment_news_score_is_in_range")),
        sa.CheckConstraint(
            "overall_score BETWEEN -1 AND 1", name=op.f("ck_symbol_sentiment_overall_score_is_in_range")
        ),
        sa.CheckConstraint("reddit_score BETWEEN -1 AND 1", name=op.f("ck_symbol_sentiment_reddit_score_is_in_range")),
        sa.CheckConstraint("social_score BETWEEN -1 AND 1", name=op.f("ck_symbol_sentiment_social_score_is_in_range")),
        sa.CheckConstraint(
            "twitter_score BETWEEN -1 AND 1", name=op.f("ck_symbol_sentiment_twitter_score_is_in_range")
        ),
        sa.PrimaryKeyConstraint("symbol", "close_at", name=op.f("pk_symbol_sentiment")),
        comment="What the sources say of each symbol at each close; no row where none says anything",
    )
    op.create_index(
        "ix_symbol_sentiment_close_at", "symbol_sentiment", ["close_at"], unique=False, postgresql_using="brin"
    )
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
        sa.Column("asset", sa.Text(), nullable=True, comment="base currency of a repository; NULL for others"),
        sa.Column("etag", sa.Text(), nullable=True, comment="of the newest answer, for the next request"),
        sa.Column("last_modified", sa.Text(), nullable=True, comment="likewise"),
        sa.Column("newest_id", sa.Text(), nullable=True, comment="the newest item that has been read"),
        sa.Column("newest_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="when that was published"),
        sa.Column(
            "history_from",
            sa.TIMESTAMP(timezone=True),
            nullable=True,
            comment="from here on nothing of the feed is missing; NULL where that is not known",
        ),
        sa.Column("history_known_at", sa.TIMESTAMP(timezone=True), nullable=True, comment="since when that is so"),
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
    op.create_table(
        "document_sentiment",
        sa.Column("document_id", sa.Uuid(), nullable=False, comment="the text, see documents"),
        sa.Column("scorer", sa.Text(), nullable=False, comment="who scored it: a name and the hash of its weights"),
        sa.Column("positive", sa.Double(), nullable=False, comment="probability that it is positive"),
        sa.Column("neutral", sa.Double(), nullable=False, comment="probability that it is neither"),
        sa.Column("negative", sa.Double(), nullable=False, comment="probability that it is negative"),
        sa.Column(
            "known_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="closes from here on may count it: when it was first scored, not before",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "positive >= 0 AND neutral >= 0 AND negative >= 0 AND abs(positive + neutral + negative - 1) < 1e-6",
            name=op.f("ck_document_sentiment_is_a_distribution"),
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.document_id"],
            name=op.f("fk_document_sentiment_document_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("document_id", "scorer", name=op.f("pk_document_sentiment")),
        comment="How positive each text is, per scorer",
    )
