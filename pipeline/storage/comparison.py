"""Two sets of signals side by side: which of them only one has, and why the other has not.

A set is what a replay stored under its name, or the house's own: live, or backfilled, and of its profile alone. The
signals of a bar and type are the same one, whichever strategies advise it.
"""

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.storage.accounts import HOUSE

LIVE, BACKFILLED = "live", "backfilled"  # the house's own sets; every other name is that of a replay
_KEY = "series_id, candle_close_at, signal_type, profile"
# What makes two signals alike: all that a reader acts on.
_ALIKE = "strategy, confidence, strength, entry_price, stop_loss_price, target_prices, expires_at"


class SignalSet(NamedTuple):
    """Stored signals of one origin and scope."""

    name: str
    origin: Origin
    scope: str
    profile: str | None  # whose of scope default; None: whichever one the replay has
    signals: int
    first_close_at: datetime
    last_close_at: datetime


class StrategyDifference(NamedTuple):
    """How many signals of a strategy and type two sets share, and how many only one of them has."""

    strategy: str
    signal_type: str
    both: int  # alike in every value
    changed: int  # in both, with other values
    only_first: int
    only_second: int


def signal_set(conn: sa.Connection, name: str) -> SignalSet:
    """The set of that name.

    Raises
    ------
    DataContractError
        Nothing is stored under the name; the message lists the names that are.
    """
    found = {each.name: each for each in signal_sets(conn)}
    if name not in found:
        known = ", ".join(found) or "none"
        raise DataContractError(f"signals to compare must be of a name that has some ({known}), was {name}")
    return found[name]


def stage_sets(conn: sa.Connection, first: SignalSet, second: SignalSet, begin: datetime, end: datetime) -> None:
    """Make the temporary tables of this transaction that `differences` and `examples` ask.

    Signals with a close from ``begin`` to ``end``, inclusive; those that were invalidated are no advice any more. With
    statistics of their own, without which the server would compare each signal with each other.
    """
    for table, chosen in (("first_set", first), ("second_set", second)):
        conn.execute(sa.text(f"DROP TABLE IF EXISTS pg_temp.{table}"))
        conn.execute(
            sa.text(
                f"""CREATE TEMPORARY TABLE {table} ON COMMIT DROP AS
SELECT {_KEY}, strategy, exchange, symbol, timeframe, confidence, rank_score, ROW({_ALIKE})::text AS content
FROM trading_signals WHERE origin = :origin AND scope = :scope AND status <> 'INVALIDATED'
  AND candle_close_at BETWEEN :begin AND :end AND (CAST(:profile AS text) IS NULL OR profile = :profile)"""
            ),
            {
                "origin": chosen.origin.value,
                "scope": chosen.scope,
                "profile": chosen.profile,
                "begin": begin,
                "end": end,
            },
        )
        conn.execute(sa.text(f"ANALYZE {table}"))


def differences(conn: sa.Connection) -> list[StrategyDifference]:
    """The staged sets by strategy and type; a signal that changed its strategy counts for the first set's."""
    rows = conn.execute(
        sa.text(
            f"""SELECT coalesce(a.strategy, b.strategy), signal_type::text,
  count(*) FILTER (WHERE a.content = b.content), count(*) FILTER (WHERE a.content <> b.content),
  count(*) FILTER (WHERE b.content IS NULL), count(*) FILTER (WHERE a.content IS NULL)
FROM first_set a FULL JOIN second_set b USING ({_KEY}) GROUP BY 1, 2 ORDER BY 1, 2"""
        )
    )
    return [StrategyDifference(*row) for row in rows]


def examples(conn: sa.Connection, lacking: SignalSet, limit: int, *, of_first: bool) -> list[RowMapping]:
    """The best signals that only one staged set has, ``limit`` of each strategy and type.

    ``why`` is ``not advised`` where no strategy of ``lacking`` advised the signal's type at that close, else the
    reasons for which risk dropped what was advised.
    """
    mine, theirs = ("first_set", "second_set") if of_first else ("second_set", "first_set")
    rows = conn.execute(
        sa.text(
            f"""SELECT d.candle_close_at, d.exchange, d.symbol, d.timeframe, d.signal_type::text AS signal_type,
  d.strategy, d.confidence, coalesce((
    SELECT string_agg(DISTINCT r.reason, ', ' ORDER BY r.reason) FROM risk_decisions x, unnest(x.reasons) AS r(reason)
    WHERE x.series_id = d.series_id AND x.candle_close_at = d.candle_close_at AND x.signal_type = d.signal_type
      AND x.profile = d.profile AND x.origin = :origin AND x.scope = :scope
  ), 'not advised') AS why
FROM (
  SELECT m.*, row_number() OVER (
    PARTITION BY m.strategy, m.signal_type ORDER BY m.rank_score DESC, m.candle_close_at, m.symbol) AS place
  FROM {mine} m LEFT JOIN {theirs} t USING ({_KEY}) WHERE t.content IS NULL
) d WHERE d.place <= :limit ORDER BY d.strategy, d.signal_type, d.place"""
        ),
        {"origin": lacking.origin.value, "scope": lacking.scope, "limit": limit},
    )
    return list(rows.mappings())


def signal_sets(conn: sa.Connection, profile: str = HOUSE) -> list[SignalSet]:
    """Every origin and scope with signals; of scope default, where each scheduled profile has some, the profile's."""
    rows = conn.execute(
        sa.text(
            """SELECT origin, scope, count(*), min(candle_close_at), max(candle_close_at)
FROM trading_signals WHERE scope <> :default OR profile = :profile GROUP BY 1, 2 ORDER BY 2, 1"""
        ),
        {"default": DEFAULT_SCOPE, "profile": profile},
    )
    return [
        SignalSet(
            _name(Origin(origin), scope), Origin(origin), scope, profile if scope == DEFAULT_SCOPE else None, *numbers
        )
        for origin, scope, *numbers in rows
    ]


def _name(origin: Origin, scope: str) -> str:
    if scope != DEFAULT_SCOPE:
        return scope
    return LIVE if origin is Origin.LIVE else BACKFILLED
