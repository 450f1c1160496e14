"""Texts and development activity, how they are read, what each says, and what they say of a symbol together.

A text is never changed once it is stored: an edited one is a new row that ends the old one's time, so that what was
known at a close stays what it was. Its counters alone (likes, comments) follow the source; nothing is computed from
them.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from pipeline.domain.document import ActivityKind, DocumentKind, Provenance, TextSource
from pipeline.sentiment.blending import TEXTS
from pipeline.storage.tables.base import instant, metadata, number, recorded_at, text

STANDS = sa.text("gone_at IS NULL")


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    choices = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({choices})", name=f"{column}_is_known")


def _document_id() -> sa.Column[object]:
    reference = sa.ForeignKey("documents.document_id", ondelete="CASCADE")
    return sa.Column("document_id", sa.Uuid, reference, primary_key=True, comment="the text, see documents")


documents = sa.Table(
    "documents",
    metadata,
    sa.Column("document_id", sa.Uuid, primary_key=True, comment="follows from source, external_id and content"),
    text("source", "where it was published: news, twitter or reddit", nullable=False),
    text("kind", "article, tweet, post or comment", nullable=False),
    text("external_id", "what the source calls it", nullable=False),
    text("feed", "feed, query, account, subreddit or file through which it came first", nullable=False),
    text("url", "address without what only tracks; NULL where it has none"),
    text("title", "headline, cleaned; empty where the kind has none", nullable=False),
    text("body", "text, cleaned and bounded; empty where there is none", nullable=False),
    text("author_hash", "stands for the author's name, or the publisher's; NULL where nobody is named"),
    text("language", "what it is written in, e.g. en; NULL where too short to tell"),
    instant("published_at", "when the source says that it was published", nullable=False),
    instant("fetched_at", "when we had it; of imported and simulated ones published_at", nullable=False),
    instant("gone_at", "from when on it counts no more; NULL while it stands"),
    text("gone_reason", "why: edited (a newer row has its text) or removed (by its author or a moderator)"),
    sa.Column("engagement", JSONB, nullable=False, comment="counters of the source when it was last seen, e.g. likes"),
    text("content_hash", "hash of the words: equal for the same text elsewhere", nullable=False),
    sa.Column("sketch", sa.LargeBinary, nullable=False, comment="its word groups in short, to find retold stories"),
    sa.Column("duplicate_of", sa.Uuid, comment="the text that it repeats, which counts instead; NULL if it is new"),
    text("duplicate_rule", "by which rule it repeats that; NULL if it is new"),
    text("provenance", "fetched, imported or simulated", nullable=False),
    recorded_at(),
    _one_of("source", tuple(source.value for source in TEXTS)),
    _one_of("kind", tuple(DocumentKind)),
    _one_of("provenance", tuple(Provenance)),
    _one_of("gone_reason", ("edited", "removed")),
    sa.CheckConstraint("(gone_at IS NULL) = (gone_reason IS NULL)", name="end_has_a_reason"),
    sa.CheckConstraint("(duplicate_of IS NULL) = (duplicate_rule IS NULL)", name="duplicate_has_a_rule"),
    sa.CheckConstraint("duplicate_of <> document_id", name="repeats_another"),
    sa.CheckConstraint("fetched_at >= published_at", name="known_after_it_was_published"),
    sa.CheckConstraint("title <> '' OR body <> ''", name="says_something"),
    sa.Index("uq_documents_external_id", "source", "external_id", unique=True, postgresql_where=STANDS),
    sa.Index("ix_documents_published_at", "published_at"),
    sa.Index("ix_documents_source", "source", "published_at"),
    comment="Texts about the market as they were first seen, one row per text and edit",
)

document_assets = sa.Table(
    "document_assets",
    metadata,
    _document_id(),
    text("asset", "base currency that the text is about, e.g. BTC", primary_key=True),
    text("rule", "how that was found: given, cashtag, ticker, name or feed", nullable=False),
    text("mention", "the words that say so; empty where none do", nullable=False),
    sa.Index("ix_document_assets_asset", "asset", "document_id"),
    comment="Which assets each text is about; a text about none has no row",
)

document_sentiment = sa.Table(
    "document_sentiment",
    metadata,
    _document_id(),
    text("scorer", "who scored it: a name and the hash of its weights", primary_key=True),
    number("positive", "probability that it is positive", nullable=False),
    number("neutral", "probability that it is neither", nullable=False),
    number("negative", "probability that it is negative", nullable=False),
    instant("known_at", "closes from here on may count it: when it was first scored, not before", nullable=False),
    recorded_at(),
    sa.CheckConstraint(
        "positive >= 0 AND neutral >= 0 AND negative >= 0 AND abs(positive + neutral + negative - 1) < 1e-6",
        name="is_a_distribution",
    ),
    comment="How positive each text is, per scorer",
)

document_quarantine = sa.Table(
    "document_quarantine",
    metadata,
    text("fingerprint", "hash of the text and its reason: the same bad text is kept once", primary_key=True),
    text("source", "where it came from", nullable=False),
    text("feed", "through which feed", nullable=False),
    text("external_id", "what the source calls it", nullable=False),
    instant("published_at", "when it says that it was published, where that can be read"),
    text("reason", "why it is not used; docs/sentiment-texts.md lists the words", nullable=False),
    text("beginning", "the first words as they came, cleaned", nullable=False),
    recorded_at(),
    sa.Index("ix_document_quarantine_source", "source", "recorded_at"),
    comment="Texts that were refused, and why",
)

repository_activity = sa.Table(
    "repository_activity",
    metadata,
    text("repository", "owner/name", primary_key=True),
    text("kind", "release, merged (pull request), opened (pull request), commit or issue", primary_key=True),
    text("external_id", "what GitHub calls it", primary_key=True),
    text("asset", "base currency that the repository belongs to, e.g. ETH", nullable=False),
    instant("happened_at", "when it happened", nullable=False),
    instant("known_at", "when we knew; of imported and simulated ones happened_at", nullable=False),
    text("title", "its title, cleaned", nullable=False),
    text("url", "where it can be read; NULL where unknown"),
    text("author_hash", "stands for the author's name; NULL where nobody is named"),
    text("provenance", "fetched, imported or simulated", nullable=False),
    recorded_at(),
    _one_of("kind", tuple(ActivityKind)),
    _one_of("provenance", tuple(Provenance)),
    sa.CheckConstraint("known_at >= happened_at", name="known_after_it_happened"),
    sa.Index("ix_repository_activity_happened_at", "happened_at"),
    comment="What happened in the repositories behind the assets",
)

text_feeds = sa.Table(
    "text_feeds",
    metadata,
    text("source", "news, twitter, reddit or github", primary_key=True),
    text("feed", "address, query, subreddit or repository", primary_key=True),
    text("etag", "of the newest answer, for the next request"),
    text("last_modified", "likewise"),
    text("newest_id", "the newest item that has been read"),
    instant("newest_at", "when that was published; of a repository until when it was read"),
    instant("history_from", "from here on nothing of the feed is missing; NULL where that is not known"),
    instant("answered_at", "when the source last answered as it should"),
    instant("retry_at", "the source asked not to be asked before; NULL if it did not"),
    recorded_at(),
    _one_of("source", tuple(TextSource)),
    comment="How far each feed has been read",
)

repository_coverage = sa.Table(
    "repository_coverage",
    metadata,
    text("repository", "owner/name", primary_key=True),
    instant("known_from", "when this stretch of knowing began: all that had happened was known", primary_key=True),
    instant("known_until", "until when all that happened was known within a day", nullable=False),
    instant("history_from", "from here on nothing is missing", nullable=False),
    text("asset", "base currency that the repository belongs to, e.g. ETH", nullable=False),
    recorded_at(),
    sa.CheckConstraint("known_until >= known_from", name="ends_after_it_began"),
    sa.Index("ix_repository_coverage_asset", "asset", "known_until"),
    comment="When repositories were read so often that silence means that nothing happened",
)

installation = sa.Table(
    "installation",
    metadata,
    text("name", "author_key: what authors' names are hashed with", primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False, comment="a secret of this installation, made at random"),
    recorded_at(),
    comment="What belongs to this database alone",
)

text_budgets = sa.Table(
    "text_budgets",
    metadata,
    text("source", "whose plan allows only so much", primary_key=True),
    text("unit", "what is counted: posts or requests", primary_key=True),
    instant("since", "begin of the month, or quarter of an hour, in which they were used", primary_key=True),
    sa.Column("used", sa.Integer, nullable=False, comment="how many were used"),
    recorded_at(),
    sa.CheckConstraint("used >= 0", name="is_counted"),
    comment="What of each plan's allowance has been used",
)

symbol_sentiment = sa.Table(
    "symbol_sentiment",
    metadata,
    text("symbol", "pair as ccxt writes it, e.g. BTC/USDT; what is said is said of its base", primary_key=True),
    instant("close_at", "as of this close, whatever bars end then", primary_key=True),
    sa.Column(
        "is_simulated",
        sa.Boolean,
        primary_key=True,
        comment="whether it is of the simulated market, and so of simulated texts alone",
    ),
    number("overall_score", "weighted mean of the sources that have something to say, -1 to 1"),
    number("news_score", "of the news, -1 to 1; NULL where they say nothing"),
    number("social_score", "of X and Reddit together, -1 to 1; NULL where neither says anything"),
    number("twitter_score", "of X, -1 to 1; NULL where it says nothing"),
    number("reddit_score", "of Reddit, -1 to 1; NULL where it says nothing"),
    number("github_score", "development activity against its last 90 days, -1 to 1; NULL where unknown"),
    *(
        sa.Column(f"{source}_documents", sa.Integer, nullable=False, comment=f"texts behind the score of {source}")
        for source in TEXTS
    ),
    *(
        sa.Column(
            f"{source}_capped",
            sa.Integer,
            nullable=False,
            comment=f"texts of {source} left out: their author, or others in their words, had said enough",
        )
        for source in TEXTS
    ),
    number("coverage", "weight of the sources that have something to say, 0 to 1", nullable=False),
    sa.Column("weights", JSONB, nullable=False, comment="source -> weight in the overall score, 1 together"),
    number("z_score", "overall against the same hour of 30 days, in standard deviations; NULL before 10 are known"),
    sa.Column("flooded", ARRAY(sa.Text), nullable=False, comment="sources with 5 times as many texts as usual"),
    sa.Column(
        "top_documents",
        JSONB,
        nullable=False,
        comment="the five texts that moved it most: document_id and part of the overall score, strongest first",
    ),
    text("scorer", "whose scores of the texts these are of, see document_sentiment", nullable=False),
    text("silence", "why there is no advice, e.g. insufficient_coverage(4<10 documents); NULL where there may be"),
    recorded_at(),
    *(
        sa.CheckConstraint(f"{name} BETWEEN -1 AND 1", name=f"{name}_is_in_range")
        for name in ("overall_score", "news_score", "social_score", "twitter_score", "reddit_score", "github_score")
    ),
    sa.CheckConstraint("coverage BETWEEN 0 AND 1 + 1e-9", name="coverage_is_a_fraction"),
    sa.Index("ix_symbol_sentiment_close_at", "close_at", postgresql_using="brin"),
    comment="What the sources say of each symbol at each close; no row where none says anything",
)
