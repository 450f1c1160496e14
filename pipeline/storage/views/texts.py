"""Views of texts and of what they say of symbols."""

from pipeline.domain.document import TextSource
from pipeline.storage.views.definition import View, comments, listed


def _part_of_documents(name: str, source: TextSource, comment: str) -> View:
    columns = comments("documents", leave_out=("source", "sketch", "content_hash", "gone_at", "gone_reason"))
    selected = ", ".join(f'"{c}"' for c in columns)
    query = f"SELECT {selected} FROM documents WHERE source = '{source}' AND gone_at IS NULL"
    return View(name, comment, columns, query)


def _symbol_sentiment() -> View:
    columns = comments("symbol_sentiment")
    return View(
        "v_symbol_sentiment",
        "What the sources say of each symbol at each close; ask for is_simulated, and for a symbol or close_at",
        columns,
        f"SELECT {listed('t', columns)} FROM symbol_sentiment t",
    )


VIEWS = (
    _part_of_documents("news_articles", TextSource.NEWS, "Articles of the feeds, each as it was first seen"),
    _part_of_documents("tweets", TextSource.TWITTER, "Posts on X, each as it was first seen"),
    _part_of_documents("reddit_posts", TextSource.REDDIT, "Posts and comments on Reddit as they stand"),
    _symbol_sentiment(),
)
