"""What texts say of symbols: what blending reads, and the scores that it stores.

A text counts once it is scored, and its score carries from when on. So that no close is judged without a text that it
could have known, whoever lets texts count holds a lock (`hold_texts`) from before that instant until its commit, and
who judges closes waits for it (`await_texts`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.contracts.sentiment import SymbolSentiment
from pipeline.contracts.validation import hold_to
from pipeline.domain.document import Provenance
from pipeline.domain.universe import base_of
from pipeline.sentiment.activity import BASELINE_DAYS, WEIGHTS, Coverage, Events
from pipeline.sentiment.blending import NEVER, TEXTS, Texts
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage import tables
from pipeline.storage.bulk import Changes, affected, bulk_upsert, copy_to_staging, typed
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup, bar_index

TEXTS_LOCK = 0x7E475  # ours among the advisory locks
# `strategies.columns.SENTIMENTS` and the columns of the table behind them.
COLUMNS = {"overall": "overall_score", "news": "news_score", "social": "social_score"}


def hold_texts(conn: sa.Connection) -> datetime:
    """Let no close be judged until this transaction ends; the instant from which on its texts may count.

    By the later of our clock and the server's: ticks follow ours, and a server that is behind would let a text count
    at a close that was judged without it.
    """
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(TEXTS_LOCK)))
    told: datetime = conn.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    return max(told, datetime.now(UTC))


def await_texts(conn: sa.Connection) -> None:
    """Wait for texts that are being stored; those that follow will count at later closes."""
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(TEXTS_LOCK)))


def read_texts(
    database: Database,
    assets: Sequence[str],
    after: datetime,
    until: datetime,
    window: timedelta,
    scorer: str,
    *,
    is_simulated: bool,
) -> Texts:
    """The texts about the assets that may count at a close from ``after`` to ``until``; repeated ones left out.

    Those of the simulated market, or all others: never both.
    """
    d, a, s = tables.documents.c, tables.document_assets.c, tables.document_sentiment.c
    query = (
        sa.select(
            *(d.document_id, a.asset, d.source, d.author_hash, d.content_hash, d.published_at, s.known_at, d.gone_at),
            (s.positive - s.negative).label("compound"),
        )
        .join_from(tables.documents, tables.document_assets, a.document_id == d.document_id)
        .join(tables.document_sentiment, (s.document_id == d.document_id) & (s.scorer == scorer))
        .where(d.published_at > after - window, d.published_at <= until, s.known_at <= until)
        .where(a.asset.in_(list(assets)), d.duplicate_of.is_(None), is_of(d.provenance, is_simulated))
        .order_by(d.published_at, d.document_id)
    )
    rows = database.frame(query)
    return Texts(
        document_id=rows["document_id"].astype(str).to_numpy(dtype=object),
        asset=_places(rows["asset"], assets),
        source=_places(rows["source"], TEXTS),
        author=pd.factorize(rows["author_hash"])[0].astype(np.int64),
        words=pd.factorize(rows["content_hash"])[0].astype(np.int64),
        published_at=_microseconds(rows["published_at"]),
        known_at=_microseconds(rows["known_at"]),
        gone_at=_microseconds(rows["gone_at"], NEVER),
        compound=rows["compound"].to_numpy(dtype=np.float64),
    )


def read_activity(
    database: Database, assets: Sequence[str], after: datetime, until: datetime, *, is_simulated: bool
) -> tuple[Events, Coverage, npt.NDArray[np.int64]]:
    """What happened in the assets' repositories that counts at a close from ``after`` to ``until``.

    Returns
    -------
    Events, Coverage, array
        The array holds the place of each repository's asset among ``assets``.
    """
    e, c = tables.repository_activity.c, tables.repository_coverage.c
    since = after - timedelta(days=BASELINE_DAYS + 1)
    events, stretches = database.frames(
        [
            sa.select(e.repository, e.kind, e.happened_at, e.known_at).where(
                *(e.asset.in_(list(assets)), e.happened_at > since, e.happened_at <= until),
                is_of(e.provenance, is_simulated),
            ),
            sa.select(c.repository, c.asset, c.history_from, c.known_from, c.known_until)
            .where(c.asset.in_(list(assets)), c.known_until > after - timedelta(days=2), c.known_from <= until)
            .order_by(c.repository, c.known_from),
        ]
    )
    repositories = list(dict.fromkeys(stretches["repository"]))
    asset_of = dict(zip(stretches["repository"], stretches["asset"], strict=True))
    events = events[events["repository"].isin(repositories)]
    weights = {kind.value: weight for kind, weight in WEIGHTS.items()}
    return (
        Events(
            repository=_places(events["repository"], repositories),
            weight=np.array([weights[kind] for kind in events["kind"]], dtype=np.float64),
            happened_at=_microseconds(events["happened_at"]),
            known_at=_microseconds(events["known_at"]),
        ),
        Coverage(
            repository=_places(stretches["repository"], repositories),
            history_from=_microseconds(stretches["history_from"]),
            known_from=_microseconds(stretches["known_from"]),
            known_until=_microseconds(stretches["known_until"]),
        ),
        _places(pd.Series([asset_of[each] for each in repositories], dtype=object), assets),
    )


def is_of(provenance: sa.ColumnElement[str], is_simulated: bool) -> sa.ColumnElement[bool]:
    """Rows of the simulated market, or all others; a text of the one never speaks of the other."""
    made_up = Provenance.SIMULATED.value
    return provenance == made_up if is_simulated else provenance != made_up


def store_symbol_sentiment(conn: sa.Connection, asked: pd.DataFrame, rows: pd.DataFrame) -> Changes:
    """Make what is stored of the closes in ``asked`` equal to ``rows``, which keep the contract.

    Parameters
    ----------
    asked
        symbol, close_at, is_simulated.

    Raises
    ------
    DataContractError
        ``rows`` break their contract `SymbolSentiment`.
    """
    t, key = tables.symbol_sentiment, ["symbol", "close_at", "is_simulated"]
    is_said = pd.MultiIndex.from_frame(asked[key]).isin(pd.MultiIndex.from_frame(rows[key]))
    removed = 0
    if not is_said.all():
        unsaid = copy_to_staging(conn, t, typed(t, asked.loc[~is_said, key])).c
        removed = affected(conn, sa.delete(t).where(*(t.c[name] == unsaid[name] for name in key)))
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
        t.is_simulated == (group.exchange == SIMULATED_EXCHANGE),
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
