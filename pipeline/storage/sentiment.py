"""What texts say of symbols: what blending reads, and the scores that it stores.

A text counts once it is scored, and its score carries from when on. So that no close is judged without a text that it
could have known, whoever lets texts count holds a lock (`hold_texts`) from before that instant until its commit, and
who judges closes waits for it (`await_texts`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.contracts.sentiment import SymbolSentiment
from pipeline.contracts.validation import hold_to
from pipeline.domain.universe import base_of
from pipeline.sentiment.activity import BASELINE_DAYS, WEIGHTS, Events, Repositories
from pipeline.sentiment.blending import NEVER, TEXTS, Texts
from pipeline.storage import tables
from pipeline.storage.bulk import Changes, affected, bulk_upsert, copy_to_staging, typed
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup, bar_index

TEXTS_LOCK = 0x7E475  # ours among the advisory locks
# `strategies.columns.SENTIMENTS` and the columns of the table behind them.
COLUMNS = {"overall": "overall_score", "news": "news_score", "social": "social_score"}


def hold_texts(conn: sa.Connection) -> datetime:
    """Let no close be judged until this transaction ends; the instant from which on its texts may count."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(TEXTS_LOCK)))
    now: datetime = conn.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return now


def await_texts(conn: sa.Connection) -> None:
    """Wait for texts that are being stored; those that follow will count at later closes."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(TEXTS_LOCK)))


def read_texts(
    database: Database, assets: Sequence[str], after: datetime, until: datetime, window: timedelta, scorer: str
) -> Texts:
    """The texts about the assets that may count at a close from ``after`` to ``until``; repeated ones left out."""
    d, a, s = tables.documents.c, tables.document_assets.c, tables.document_sentiment.c
    query = (
        sa.select(
            *(d.document_id, a.asset, d.source, d.author_hash, d.published_at, s.known_at, d.gone_at),
            (s.positive - s.negative).label("compound"),
        )
        .join_from(tables.documents, tables.document_assets, a.document_id == d.document_id)
        .join(tables.document_sentiment, (s.document_id == d.document_id) & (s.scorer == scorer))
        .where(d.published_at > after - window, d.published_at <= until, s.known_at <= until)
        .where(a.asset.in_(list(assets)), d.duplicate_of.is_(None))
        .order_by(d.published_at, d.document_id)
    )
    rows = database.frame(query)
    return Texts(
        document_id=rows["document_id"].astype(str).to_numpy(dtype=object),
        asset=_places(rows["asset"], assets),
        source=_places(rows["source"], TEXTS),
        author=pd.factorize(rows["author_hash"])[0].astype(np.int64),
        published_at=_microseconds(rows["published_at"]),
        known_at=_microseconds(rows["known_at"]),
        gone_at=_microseconds(rows["gone_at"], NEVER),
        compound=rows["compound"].to_numpy(dtype=np.float64),
    )


def read_activity(
    database: Database, assets: Sequence[str], after: datetime, until: datetime
) -> tuple[Events, Repositories]:
    """What happened in the assets' repositories that counts at a close from ``after`` to ``until``."""
    e, f = tables.repository_activity.c, tables.text_feeds.c
    since = after - timedelta(days=BASELINE_DAYS + 1)
    events, feeds = database.frames(
        [
            sa.select(e.repository, e.kind, e.happened_at, e.known_at).where(
                e.asset.in_(list(assets)), e.happened_at > since, e.happened_at <= until
            ),
            sa.select(f.feed, f.asset, f.history_from, f.history_known_at)
            .where(f.asset.in_(list(assets)), f.history_from.is_not(None))
            .order_by(f.feed),
        ]
    )
    events = events[events["repository"].isin(feeds["feed"])]
    weights = {kind.value: weight for kind, weight in WEIGHTS.items()}
    return (
        Events(
            repository=_places(events["repository"], feeds["feed"].tolist()),
            weight=np.array([weights[kind] for kind in events["kind"]], dtype=np.float64),
            happened_at=_microseconds(events["happened_at"]),
            known_at=_microseconds(events["known_at"]),
        ),
        Repositories(
            asset=_places(feeds["asset"], assets),
            whole_from=_microseconds(feeds["history_from"]),
            known_at=_microseconds(feeds["history_known_at"]),
        ),
    )


def store_symbol_sentiment(conn: sa.Connection, asked: pd.DataFrame, rows: pd.DataFrame) -> Changes:
    """Make what is stored of the closes in ``asked`` (symbol, close_at) equal to ``rows``, which keep the contract.

    Raises
    ------
    DataContractError
        ``rows`` break their contract `SymbolSentiment`.
    """
    t, key = tables.symbol_sentiment, ["symbol", "close_at"]
    is_said = pd.MultiIndex.from_frame(asked[key]).isin(pd.MultiIndex.from_frame(rows[key]))
    removed = 0
    if not is_said.all():
        unsaid = copy_to_staging(conn, t, typed(t, asked.loc[~is_said, key])).c
        removed = affected(conn, sa.delete(t).where(t.c.symbol == unsaid.symbol, t.c.close_at == unsaid.close_at))
    return Changes(bulk_upsert(conn, t, typed(t, hold_to(SymbolSentiment, rows))), removed)


def read_sentiment_columns(
    database: Database, names: Sequence[str], group: SeriesGroup, first_open: datetime, last_open: datetime
) -> Block:
    """Stored scores by their names without ``sentiment.``, on the bars of a group; NaN where there is no advice."""
    t, duration = tables.symbol_sentiment.c, group.timeframe.duration
    index = bar_index(group.timeframe, first_open, last_open)
    query = sa.select(t.symbol, t.close_at, *(t[COLUMNS[name]].label(name) for name in names)).where(
        t.symbol.in_(group.symbols),
        t.close_at.between(first_open + duration, last_open + duration),
        t.silence.is_(None),
    )
    rows = database.frame(query)
    bars = (index + duration).get_indexer(pd.DatetimeIndex(rows["close_at"]))
    is_bar, places = bars >= 0, _places(rows["symbol"], group.symbols)
    found: Block = {}
    for name in names:
        values = np.full((len(index), len(group.symbols)), np.nan)
        values[bars[is_bar], places[is_bar]] = rows[name].to_numpy(dtype=np.float64)[is_bar]
        found[name] = pd.DataFrame(values, index=index, columns=group.symbols)
    return found


def assets_of(symbols: Sequence[str]) -> tuple[str, ...]:
    """The bases of some symbols, each once, in order."""
    return tuple(sorted({base_of(symbol) for symbol in symbols}))


def _places(values: "pd.Series[str]", among: Sequence[object]) -> npt.NDArray[np.int64]:
    places: npt.NDArray[np.int64] = (
        pd.Index([str(each) for each in among]).get_indexer(pd.Index(values)).astype(np.int64)
    )
    return places


def _microseconds(instants: "pd.Series[pd.Timestamp]", missing: int = 0) -> npt.NDArray[np.int64]:
    found = pd.DatetimeIndex(instants).as_unit(TIME_UNIT)
    values: npt.NDArray[np.int64] = np.where(found.isna(), missing, found.asi8)
    return values
