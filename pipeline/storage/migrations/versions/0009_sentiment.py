"""How positive texts are, and what they say of symbols."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the tables of scores."""
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
            "is_simulated",
            sa.Boolean(),
            nullable=False,
            comment="whether it is of the simulated market, and so of simulated texts alone",
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
            comment="texts of news left out: their author, or others in their words, had said enough",
        ),
        sa.Column(
            "twitter_capped",
            sa.Integer(),
            nullable=False,
            comment="texts of twitter left out: their author, or others in their words, had said enough",
        ),
        sa.Column(
            "reddit_capped",
            sa.Integer(),
            nullable=False,
            comment="texts of reddit left out: their author, or others in their words, had said enough",
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
            "flooded", sa.ARRAY(sa.Text()), nullable=False, comment="sources with 5 times as many texts as usual"
        ),
        sa.Column(
            "top_documents",
            postgresql.JSONB(),
            nullable=False,
            comment="the five texts that moved it most: document_id and part of the overall score, strongest first",
        ),
        sa.Column(
            "scorer",
            sa.Text(),
            nullable=False,
            comment="whose scores of the texts these are of, see document_sentiment",
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
        sa.PrimaryKeyConstraint("symbol", "close_at", "is_simulated", name=op.f("pk_symbol_sentiment")),
        comment="What the sources say of each symbol at each close; no row where none says anything",
    )
    op.create_index(
        "ix_symbol_sentiment_close_at", "symbol_sentiment", ["close_at"], unique=False, postgresql_using="brin"
    )
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
