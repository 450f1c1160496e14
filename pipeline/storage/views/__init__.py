"""Views: the names that people query. Big tables are keyed by series_id; views say exchange, symbol, timeframe.

Add a view to the module of its subject, with its comment and a comment for every column; columns may be added at the
end of a view, never renamed or removed, because other people's queries stand on them. Whatever is changed needs a
version with a note in `views.contract`.
"""

from pipeline.storage.views import market, models, performance, signals, texts
from pipeline.storage.views.definition import View

__all__ = ["VIEWS", "View", "statements"]

VIEWS: tuple[View, ...] = (*market.VIEWS, *texts.VIEWS, *models.VIEWS, *signals.VIEWS, *performance.VIEWS)


def statements() -> list[str]:
    """SQL that makes every view; running it twice changes nothing."""
    return [statement for view in VIEWS for statement in view.statements()]
