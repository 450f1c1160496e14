"""Stored outcomes beside what the slow reference says of the stored candles."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.outcomes.rules import OutcomeRules
from pipeline.storage.database import Database
from tests.support.slow_outcomes import BUY, SELL, Advice, Bar, Costs, Lower, Outcome, outcome

COLUMNS = tuple(field.name for field in fields(Outcome))
INSTANTS = ("entry_at", "exit_at", "resolved_at")
TEXTS = ("exit_reason",)
NUMBERS = tuple(name for name in COLUMNS if name not in (*INSTANTS, *TEXTS))
Bars = Mapping[datetime, Bar]


def stored_bars(database: Database) -> dict[tuple[str, str], dict[datetime, Bar]]:
    """All candles by symbol and timeframe, each by its open."""
    query = sa.text(
        """SELECT symbol, timeframe, open_at, close_at, open, high, low, close, is_filled
FROM candles JOIN series USING (series_id) ORDER BY series_id, open_at"""
    )
    found: dict[tuple[str, str], dict[datetime, Bar]] = {}
    for row in database.frame(query).itertuples(index=False):
        open_at, close_at = row.open_at.to_pydatetime(), row.close_at.to_pydatetime()
        bar = Bar(open_at, close_at, row.open, row.high, row.low, row.close, row.is_filled)
        found.setdefault((row.symbol, row.timeframe), {})[open_at] = bar
    return found


def lower_of(bars: Mapping[tuple[str, str], Bars], symbol: str, timeframe: Timeframe) -> Lower:
    """The candles of a symbol in shorter timeframes."""
    others = ((Timeframe(name), held) for (of, name), held in bars.items() if of == symbol)
    return [(other.duration, held) for other, held in others if other.seconds < timeframe.seconds]


def near(bars: Bars, close_at: datetime, n_bars: int, duration: timedelta) -> dict[datetime, Bar]:
    """The bars of a horizon and three more: all that an outcome may depend on where no gap is longer."""
    opens = (close_at + number * duration for number in range(n_bars + 3))
    return {at: bars[at] for at in opens if at in bars}


def advice_of(row: Any) -> Advice:
    """What a row of `trading_signals` said."""
    side = BUY if row.signal_type == "BUY" else SELL
    targets = (row.target_prices["tp1"], row.target_prices["tp2"], row.target_prices["tp3"])
    return Advice(side, row.created_at, row.entry_price, row.stop_loss_price, targets)


def expected_of_signals(
    database: Database, rules: OutcomeRules, as_of: datetime, where: str, delisted: Mapping[str, datetime] | None = None
) -> pd.DataFrame:
    """What the slow reference says of every BUY and SELL, by signal_id and horizon; nothing of those that wait."""
    bars = stored_bars(database)
    query = sa.text(f"SELECT * FROM trading_signals WHERE signal_type <> 'ALERT' AND {where}")
    with database.begin() as conn:
        signals = conn.execute(query).all()
    told = []
    for row in signals:
        timeframe = Timeframe(row.timeframe)
        life = (row.expires_at - row.created_at) // timeframe.duration
        for horizon, n_bars in horizons(rules, life).items():
            found = slow(
                bars, row.symbol, timeframe, advice_of(row), n_bars, rules, as_of, (delisted or {}).get(row.symbol)
            )
            if found is not None:
                told.append({"signal_id": str(row.id), "horizon": horizon} | values(found))
    return as_table(told, ["signal_id", "horizon"])


def horizons(rules: OutcomeRules, life: int) -> dict[str, int]:
    """The horizons of one advice in bars."""
    return {"expiry": life} | {f"{bars}_bars": bars for bars in rules.study_bars}


def slow(
    bars: Mapping[tuple[str, str], Bars],
    symbol: str,
    timeframe: Timeframe,
    advice: Advice,
    n_bars: int,
    rules: OutcomeRules,
    as_of: datetime,
    delisted_at: datetime | None = None,
    *,
    is_shorter_asked: bool = True,
) -> Outcome | None:
    """The slow reference, fed with stored candles."""
    own = bars[symbol, str(timeframe)]
    return outcome(
        advice,
        n_bars,
        near(own, advice.close_at, n_bars, timeframe.duration) if delisted_at is None else own,
        timeframe.duration,
        Costs(rules.fee, rules.slippage),
        entry=rules.entry.value,
        as_of=as_of,
        delisted_at=delisted_at,
        lower=lower_of(bars, symbol, timeframe) if is_shorter_asked else (),
    )


def values(told: Outcome) -> dict[str, object]:
    """An outcome as a row."""
    return {name: getattr(told, name) for name in COLUMNS}


def stored_outcomes(database: Database, where: str) -> pd.DataFrame:
    """Rows of `signal_outcomes` by signal_id and horizon."""
    query = sa.text(
        f"SELECT signal_id::text AS signal_id, horizon, {', '.join(COLUMNS)} FROM signal_outcomes WHERE {where}"
    )
    return as_table(database.frame(query).to_dict("records"), ["signal_id", "horizon"])


def as_table(told: Sequence[Mapping[str, object]], key: Sequence[str]) -> pd.DataFrame:
    """Outcomes as a table with every column, sorted by what names them."""
    table = pd.DataFrame(told, columns=[*key, *COLUMNS])
    for name in INSTANTS:
        table[name] = pd.to_datetime(table[name], utc=True).dt.as_unit("us")
    return table.set_index(list(key)).astype(dict.fromkeys(NUMBERS, np.float64)).sort_index()


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Every row and column is equal, numbers but for what floats cannot say."""
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-12, check_dtype=False)
