"""Which closes a run works on: a tick those since the watermarks, everything else the run's days."""

import dagster as dg

from pipeline.domain.signal import Origin
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.spans import Span, dirty_spans, merge_spans, tick_spans, window_spans
from pipeline.storage.universe import exchange_of, universe
from resources.clock import ClockResource


def spans_of(
    context: dg.AssetExecutionContext,
    database: Database,
    settings: Settings,
    clock: ClockResource,
    asset: str,
    *,
    include_dirty: bool = False,
    revised_bars: int | None = None,
) -> tuple[list[Span], bool]:
    """The spans of closes, and whether the run is live."""
    is_live = clock.origin(context) is Origin.LIVE
    after, until = clock.window(context)
    market = settings.market
    with database.begin() as conn:
        series = universe(conn, exchange_of(conn, market), market.symbols, market.timeframes)
        if is_live:
            spans = tick_spans(conn, asset, series, until, revised_bars=revised_bars)
        else:
            spans = window_spans(conn, series, after, until)
        if include_dirty:
            spans = merge_spans(spans, dirty_spans(conn, series))
    return spans, is_live
