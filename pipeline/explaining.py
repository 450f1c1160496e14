"""`explain_bar`: one bar read and explained; what the command and the API call.

It reads what is stored, finds the settings of the time, and hands both to `pipeline.explain`, which judges the bar anew
with the functions of the stages.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from math import isnan

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, REQUESTED, Origin, check_aware, reads_stored_rows
from pipeline.domain.universe import SeriesKey
from pipeline.explain.differences import Row, StoredRows
from pipeline.explain.explanation import (
    BarEvidence,
    Explanation,
    State,
    StoredFinding,
    advised,
    explain,
)
from pipeline.explain.judgement import Company
from pipeline.explain.rules import strategy_findings
from pipeline.explaining_models import model_findings
from pipeline.explaining_sentiment import sentiment_finding
from pipeline.explaining_settings import Judgement, judgement_of_the_time
from pipeline.generation import LOOKBACK_BARS, Rules
from pipeline.market.health import HealthStatus
from pipeline.predicting import Predictions, predictions_of
from pipeline.risk.conditions import MarketConditions
from pipeline.settings import Settings
from pipeline.side_columns import bar_side_columns, side_columns
from pipeline.stages import analyse_group
from pipeline.storage.accounts import HOUSE, read_positions
from pipeline.storage.database import Database
from pipeline.storage.explaining import (
    BarRows,
    StoredBars,
    StoredSeries,
    check_scope,
    find_series,
    live_pass_at,
    market_of,
    newest_close,
    other_sources,
    pending_at,
    read_bar_rows,
    read_bars_before,
    read_close,
    series_state_at,
    stored_timeframes,
)
from pipeline.storage.history import SeriesGroup
from pipeline.storage.past_settings import (
    configuration_in_force,
)
from pipeline.storage.universe import unknown_series
from pipeline.strategies.checks import value_at
from pipeline.strategies.columns import PREDICTION
from pipeline.strategies.registry import STRATEGIES

STORED_SIGNAL = (  # what is told of one
    *("id", "signal_type", "revision", "status", "ended_at", "ended_by", "end_reason"),
    *("calibrated_confidence", "uncalibrated_because"),
)


def explain_bar(
    database: Database,
    settings: Settings,
    key: SeriesKey,
    *,
    as_of: datetime,
    at: datetime | None = None,
    origin: Origin | None = None,
    scope: str = DEFAULT_SCOPE,
    profile: str = HOUSE,
) -> Explanation:
    """Explain the bar with the newest close at or before ``at``.

    Parameters
    ----------
    settings
        Those of today: what a bar is judged by that no stored row tells the settings of.
    as_of
        Now: the series' state is judged then, and the newest close is taken, where ``at`` is not given.
    origin, scope
        Whose rows are compared, and whose settings count. Live ones come first where no origin is named.

    Raises
    ------
    DataContractError
        The series is not stored, or has no close so early; the message says what is stored.
    """
    wanted_at = at or as_of
    check_aware("at", wanted_at)
    remarks: list[str] = []
    with database.begin() as conn:
        stored = find_series(conn, key)
        if stored is None or stored.first_open is None:
            raise unknown_series(conn, key)
        close_at = newest_close(conn, stored.series, wanted_at)
        if close_at is None:
            raise DataContractError(
                f"at must be at or after the first close of {key}, "
                f"{stored.first_open + key.timeframe.duration:%Y-%m-%d %H:%M}, was {wanted_at:%Y-%m-%d %H:%M}"
            )
        rows = read_bar_rows(conn, stored.series, close_at)
        check_scope(conn, scope)
        passed_at = live_pass_at(conn, stored.series, close_at)
        chosen = origin or _origin(conn, rows, scope, close_at, is_passed=passed_at is not None)
        mine = _rows_of(rows, chosen, scope, profile)
        judgement = judgement_of_the_time(conn, settings, mine, chosen, scope, profile, close_at, remarks)
        bars = read_bars_before(conn, stored, close_at, _depths(judgement.rules))
        state = series_state_at(conn, stored.series, wanted_at)
        bar, predictions = _evidence(database, judgement.settings, stored, close_at, bars, judgement, remarks, scope)
        told = model_findings(conn, database, judgement.settings, stored.series, close_at, bar.silenced_by, predictions)
        said = sentiment_finding(conn, database, judgement.settings.sentiment, key, close_at)
        strategies = strategy_findings(bar.columns, bar.rules, bar.absent)
        signals = [*advised(bar, strategies), *other_sources(mine.candidates, key)]
        company = Company()
        if signals:
            asked_at = _asked_at(mine, scope)
            company = _company(conn, stored, close_at, chosen, scope, judgement, remarks, asked_at)
    _say_what_else(remarks, stored, state, close_at, wanted_at)
    return Explanation(
        exchange=key.exchange,
        symbol=key.symbol,
        timeframe=key.timeframe.value,
        asked_at=at,
        settings=judgement.used,
        state=state,
        stored=StoredFinding(
            origin=chosen.value,
            scope=scope,
            profile=profile,
            candidates=len(mine.candidates),
            decisions=len(mine.decisions),
            signals=tuple({name: row[name] for name in STORED_SIGNAL} for row in mine.signals),
            others=_other_occasions(rows, chosen, scope),
            live_pass_at=passed_at,
        ),
        remarks=tuple(remarks),
        models=told,
        sentiment=said,
        findings=explain(bar, strategies, signals, company, mine if _is_processed(mine, passed_at, chosen) else None),
    )


def _is_processed(mine: StoredRows, passed_at: datetime | None, origin: Origin) -> bool:
    """Whether rows that lack are a difference: something is stored, or a live run has been here."""
    return bool(mine.candidates or mine.decisions or mine.signals) or (passed_at is not None and origin is Origin.LIVE)


def _origin(conn: sa.Connection, rows: BarRows, scope: str, close_at: datetime, *, is_passed: bool) -> Origin:
    """Whose rows are meant where nobody said: live before replayed; of a bar without rows, who judged last before."""
    found = {row["origin"] for row in (*rows.candidates, *rows.decisions, *rows.signals) if row["scope"] == scope}
    if Origin.LIVE in found or (scope == DEFAULT_SCOPE and is_passed):
        return Origin.LIVE
    if found or scope != DEFAULT_SCOPE:
        return Origin.REPLAY
    by_origin = {each: configuration_in_force(conn, each, scope, close_at) for each in Origin}
    live, replayed = by_origin[Origin.LIVE], by_origin[Origin.REPLAY]
    if live is not None and (replayed is None or live.made_at >= replayed.made_at):
        return Origin.LIVE
    return Origin.REPLAY


def _rows_of(rows: BarRows, origin: Origin, scope: str, profile: str) -> StoredRows:
    def chosen(table: Sequence[RowMapping]) -> list[Row]:
        return [dict(row) for row in table if row["origin"] == origin and row["scope"] == scope]

    signals = {row["signal_type"]: row for row in chosen(rows.signals) if row["profile"] == profile}
    return StoredRows(
        candidates=chosen(rows.candidates),
        decisions=[row for row in chosen(rows.decisions) if row["profile"] == profile],
        signals=list(signals.values()),
    )


def _other_occasions(rows: BarRows, origin: Origin, scope: str) -> tuple[str, ...]:
    found = {(row["origin"], row["scope"]) for row in (*rows.candidates, *rows.signals)}
    return tuple(sorted(" ".join(each) for each in found - {(origin.value, scope)}))


# The bar


def _depths(rules: Rules) -> dict[str, int]:
    """How far back each column is looked at by any strategy, those that are switched off included."""
    depths = {"close": LOOKBACK_BARS}
    for key, strategy in STRATEGIES.items():
        for name in strategy.columns(rules.parameters[key]):
            depths[name] = max(depths.get(name, 0), strategy.reach)
    return depths


def _evidence(
    database: Database,
    settings: Settings,
    stored: StoredSeries,
    close_at: datetime,
    bars: StoredBars,
    judgement: Judgement,
    remarks: list[str],
    scope: str,
) -> tuple[BarEvidence, Predictions | None]:
    """The bar as it is stored; what was not stored of it is computed, and then what models said is given as well."""
    assert stored.first_open is not None
    columns, market, share = bars.columns, market_of(bars.candle), bars.candle["filled_share"]
    predictions = None
    if bars.is_complete:
        group = SeriesGroup(stored.series.key.exchange, stored.series.key.timeframe, (stored.series,))
        is_default = reads_stored_rows(scope)
        beside, predictions = bar_side_columns(
            database, settings, group, columns["close"].index, judgement.rules, is_default=is_default
        )
        columns |= beside
        if is_default:
            columns |= bars.said()
        else:
            market = replace(market, is_anomalous=value_at(columns[PREDICTION + "is_anomaly"]) == 1.0)
    else:
        remarks.append("its indicators are not all stored; they are computed from the stored candles, as a replay does")
        columns, market, share, predictions = _computed(database, settings, stored, close_at, bars, judgement.rules)
    if bars.is_complete and stored.dirty_from is not None and stored.dirty_from < close_at:
        remarks.append(
            f"candles from {stored.dirty_from:%Y-%m-%d %H:%M} on have changed since the indicators were computed; "
            "the next run computes them anew"
        )
    # Strategies that are switched off are asked too, as far as anything is known to them.
    columns |= {name: columns["close"] * float("nan") for name in _depths(judgement.rules) if name not in columns}
    evidence = BarEvidence(
        series=stored.series.key,
        close_at=close_at,
        candle={name: bars.candle[name] for name in ("open", "high", "low", "close", "volume")},
        columns=columns,
        market=market,
        filled_share=share,
        first_open=stored.first_open,
        rules=judgement.rules,
        absent=judgement.absent,
        profile=judgement.profile,
    )
    return evidence, predictions


def _computed(
    database: Database,
    settings: Settings,
    stored: StoredSeries,
    close_at: datetime,
    bars: StoredBars,
    rules: Rules,
) -> tuple[Block, MarketConditions, float | None, Predictions]:
    key = stored.series.key
    last_open = close_at - key.timeframe.duration
    group = SeriesGroup(key.exchange, key.timeframe, (stored.series,))
    analysed = analyse_group(database, group, last_open - LOOKBACK_BARS * key.timeframe.duration, last_open)
    conditions = {name: value_at(frame) for name, frame in analysed.analysis.conditions.items()}
    share = conditions["filled_share"]
    predictions = predictions_of(database, settings, analysed, rules.context.reference_symbol)
    columns = analysed.columns | side_columns(database, settings, analysed, rules, predictions)
    market = MarketConditions.of_bar(
        conditions,
        is_anomalous=value_at(predictions.as_columns()["is_anomaly"]) == 1.0,
        is_filled=bars.candle["is_filled"],
        block_reason=analysed.analysis.block_reasons.to_numpy(dtype=object)[-1, 0],
    )
    return columns, market, None if isnan(share) else share, predictions


def _company(
    conn: sa.Connection,
    stored: StoredSeries,
    close_at: datetime,
    origin: Origin,
    scope: str,
    judgement: Judgement,
    remarks: list[str],
    asked_at: datetime | None,
) -> Company:
    """What the risk stage read for the close, beside this series; what ties up money as of a request, if one judged."""
    others, conditions = read_close(conn, stored.series, close_at, origin, scope)
    if any(market.atr_ratio is None for market in conditions.values()):
        remarks.append(
            "market conditions of other series with a candidate at this close are not stored and taken as calm; "
            "exposure may have seen them otherwise"
        )
    bars, profile = judgement.rules.expiry_bars, judgement.profile.name
    longest = max(bars.get(timeframe, 1) * timeframe.duration for timeframe in stored_timeframes(conn))
    if asked_at is not None:
        remarks.append(
            f"exposure counts what was held at {asked_at:%Y-%m-%d %H:%M:%S}, when the signals were asked for"
        )
    return Company(
        signals=others,
        conditions=conditions,
        pending=pending_at(conn, close_at, origin, scope, profile, longest),
        positions=read_positions(conn, profile) if origin is Origin.LIVE or scope.startswith(REQUESTED) else [],
        asked_at=asked_at,
    )


def _asked_at(mine: StoredRows, scope: str) -> datetime | None:
    """When signals that were asked for were judged last; None of all others, and where nothing was decided."""
    if not scope.startswith(REQUESTED):
        return None
    return max((row["recorded_at"] for row in mine.decisions), default=None)


def _say_what_else(
    remarks: list[str], stored: StoredSeries, state: State, close_at: datetime, wanted_at: datetime
) -> None:
    """What keeps the newest bar from being a new one."""
    timeframe = stored.series.key.timeframe
    if state.status == HealthStatus.BLOCKED:
        remarks.insert(0, f"the series is blocked as of {wanted_at:%Y-%m-%d %H:%M}: {state.reason}")
    late = timeframe.position(wanted_at) - timeframe.position(close_at)
    if stored.delisted_at is not None and stored.delisted_at <= wanted_at:
        remarks.append(f"the symbol is offered no longer; its last close was {stored.delisted_at:%Y-%m-%d %H:%M}")
    if late > 0:
        bars = "1 bar that has closed since is" if late == 1 else f"{late:,} bars that have closed since are"
        remarks.append(f"no newer close is stored at {wanted_at:%Y-%m-%d %H:%M}: {bars} missing, and without signals")
