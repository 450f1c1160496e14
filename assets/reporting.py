"""How assets report: tables and check results for the UI, and the freshness that schedules owe."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import isnan
from typing import Any

import dagster as dg
import pandas as pd

from pipeline.domain.universe import SeriesKey
from pipeline.market.health import CLOCK_TOLERANCE, HealthStatus, SeriesState
from pipeline.models.evaluation import ALL_FOLDS
from pipeline.storage import tables
from pipeline.storage.passes import Latency
from pipeline.storage.views import VIEWS

ROWS_SHOWN = 20
LATE_SHARE = 0.25  # of the timeframe: advice that comes later is of little use

# The chain runs at least hourly; three missed closes are worth a look.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=25), warn_window=timedelta(hours=3))


def stored_as(name: str) -> dict[str, Any]:
    """Metadata of an asset: the table or view of its name, each column with what it means."""
    if name in tables.metadata.tables:
        table = tables.metadata.tables[name]
        columns = [dg.TableColumn(c.name, str(c.type).lower(), description=c.comment) for c in table.columns]
    else:
        view = next(view for view in VIEWS if view.name == name)
        columns = [dg.TableColumn(column, description=meaning) for column, meaning in view.columns.items()]
    return {"dagster/table_name": name, "dagster/column_schema": dg.TableSchema(columns=columns)}


def small_table(
    columns: Sequence[str], rows: Iterable[Mapping[str, str | int | float | None]], *, shown: int = ROWS_SHOWN
) -> dg.TableMetadataValue:
    """The first rows as a table of the UI."""
    first = [dict(row) for _, row in zip(range(shown), rows, strict=False)]
    return dg.MetadataValue.table(
        records=[dg.TableRecord({k: "" if v is None else v for k, v in row.items()}) for row in first],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in columns]),
    )


def evaluation_table(table: pd.DataFrame) -> dg.TableMetadataValue:
    """How a model and the simple rules beside it did on all folds together, as a table of the UI."""
    together = table[table["fold"] == ALL_FOLDS].sort_values(["metric", "predictor"])
    records = together[["metric", "predictor", "value", "lower", "upper", "n_rows"]].to_dict("records")
    return small_table(
        ("metric", "predictor", "value", "lower", "upper", "rows"),
        (
            {
                "metric": str(row["metric"]),
                "predictor": str(row["predictor"]),
                **{name: rounded(float(row[name])) for name in ("value", "lower", "upper")},
                "rows": int(row["n_rows"]),
            }
            for row in records
        ),
        shown=len(together),
    )


def picture(caption: str, png: bytes) -> dg.MetadataValue:
    """A picture for the UI, with nothing to fetch."""
    return dg.MetadataValue.md(f"{caption}\n\n![{caption}](data:image/png;base64,{base64.b64encode(png).decode()})")


def rounded(value: float) -> float | None:
    """A figure as the UI shows it; None where it is unknown."""
    return None if isnan(value) else round(value, 5)


def contract_check(asset: str) -> dg.AssetCheckSpec:
    """The check that a frame kept its contract; a breach rolls back and fails the step before this could pass."""
    return dg.AssetCheckSpec("contract", asset=asset, blocking=True, description="Every row keeps the table's contract")


def contract_kept(asset: str, rows: int) -> dg.AssetCheckResult:
    """The contract was held before the commit; see `pipeline.contracts`."""
    return dg.AssetCheckResult(passed=True, check_name="contract", asset_key=asset, metadata={"rows_checked": rows})


def warned(asset: str, check: str, *, is_passed: bool, facts: Mapping[str, Any]) -> dg.AssetCheckResult:
    """The result of a check that never stops a run."""
    return dg.AssetCheckResult(
        passed=is_passed,
        check_name=check,
        asset_key=asset,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=dict(facts),
    )


def state_checks(states: Mapping[SeriesKey, SeriesState]) -> list[dg.AssetCheckResult]:
    """The checks of the candles: series that are stale, and series with gaps or jumps; both warn only."""

    def result(name: str, words: Sequence[str]) -> dg.AssetCheckResult:
        hit = {k: s for k, s in states.items() if s.reason is not None and s.reason.startswith(tuple(words))}
        return dg.AssetCheckResult(
            passed=not hit,
            check_name=name,
            asset_key="candles",
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"affected": len(hit), "table": state_table(hit)},
        )

    return [
        result("staleness", ("stale", "missing", "no_candles")),
        result("gaps", ("gapped", "filled", "price_jump")),
    ]


def copies_check(bars_merged: int) -> dg.AssetCheckResult:
    """Whether candles came in copies with different values, which were merged: somebody's data is doubtful."""
    return dg.AssetCheckResult(
        passed=not bars_merged,
        check_name="copies",
        asset_key="candles",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"bars_merged": bars_merged},
    )


def clock_check(skew: timedelta | None) -> dg.AssetCheckResult:
    """Whether our clock agrees with the source's, where it tells the time; a clock that is far off blocks series."""
    seconds = 0.0 if skew is None else skew.total_seconds()
    return dg.AssetCheckResult(
        passed=abs(skew or timedelta(0)) <= CLOCK_TOLERANCE,
        check_name="clock",
        asset_key="candles",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"ahead_s": round(seconds, 1), "is_told": skew is not None},
    )


def latency_check(latency: Latency | None) -> dg.AssetCheckResult:
    """Whether every series was stored before a quarter of its timeframe had passed; a replay is never late."""
    return dg.AssetCheckResult(
        passed=latency is None or latency.worst_share <= LATE_SHARE,
        check_name="latency",
        asset_key="trading_signals",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={}
        if latency is None
        else {
            "series": latency.series,
            "median_s": round(latency.median_s, 1),
            "p95_s": round(latency.p95_s, 1),
            "worst_s": round(latency.worst_s, 1),
            "worst_share_of_timeframe": round(latency.worst_share, 3),
        },
    )


def state_table(states: Mapping[SeriesKey, SeriesState]) -> dg.TableMetadataValue:
    """Series that are not OK, blocked ones first."""
    not_ok = [(key, state) for key, state in states.items() if state.status is not HealthStatus.OK]
    not_ok.sort(key=lambda item: (item[1].status is not HealthStatus.BLOCKED, item[0]))
    return small_table(
        ("series", "status", "reason"),
        ({"series": str(key), "status": state.status.value, "reason": state.reason} for key, state in not_ok),
    )
