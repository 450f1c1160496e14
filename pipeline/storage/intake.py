"""Candles from a source to their tables: cleaned, then stored and quarantined in one transaction.

Which rows are candles is decided in `pipeline.market.cleaning`; what storing them entails is done in
`pipeline.storage.candles`. Here both meet, for every source alike.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from pipeline.domain.context import MarketContext
from pipeline.market.cleaning import Cleaned, clean
from pipeline.storage.candles import StoredCandles, quarantine, store_candles
from pipeline.storage.database import Database

USUAL = MarketContext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What became of the raw rows that a source handed over."""

    stored: StoredCandles
    refused: Counter[str] = field(default_factory=Counter)  # rows by reason; those not closed yet are no fault
    quarantined: int = 0  # of the refused rows, those that were not known before
    not_closed: int = 0  # rows of bars that are not closed yet: a later run takes them
    merged: int = 0  # bars of which copies with different values came
    out_of_order: int = 0  # rows that came after a later bar of their series

    def __add__(self, other: "Intake") -> "Intake":
        """What became of two batches that were kept one after the other."""
        return Intake(
            stored=self.stored + other.stored,
            refused=self.refused + other.refused,
            quarantined=self.quarantined + other.quarantined,
            not_closed=self.not_closed + other.not_closed,
            merged=self.merged + other.merged,
            out_of_order=self.out_of_order + other.out_of_order,
        )


def import_candles(database: Database, raw: pd.DataFrame, now: datetime, context: MarketContext = USUAL) -> Intake:
    """Clean what a source handed over, then keep it: the candles, and the refused rows with their reasons.

    ``raw`` and ``now`` are as in `pipeline.market.cleaning.clean`, ``context`` as in `storage.revisions`. A bar that
    is not closed yet is left alone instead of quarantined: nothing is wrong with it.
    """
    return keep_cleaned(database, [clean(raw, now)], context)


def keep_cleaned(database: Database, parts: Iterable[Cleaned], context: MarketContext) -> Intake:
    """Keep several cleaned batches in one transaction; no two of them may hold the same bar."""
    parts = list(parts)
    if not parts:
        return Intake(stored=StoredCandles(0, 0, 0, 0))
    refused = pd.concat([part.refused for part in parts], ignore_index=True)
    is_open = refused["reason"] == "not_closed"
    faulty = refused[~is_open]
    candles = pd.concat([part.candles for part in parts], ignore_index=True)
    with database.begin() as conn:
        stored = store_candles(conn, candles, context)
        quarantined = quarantine(conn, faulty)
    return Intake(
        stored=stored,
        refused=Counter(faulty["reason"].tolist()),
        quarantined=quarantined,
        not_closed=int(is_open.sum()),
        merged=sum(part.merged for part in parts),
        out_of_order=sum(part.out_of_order for part in parts),
    )
