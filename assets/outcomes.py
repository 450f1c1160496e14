"""What became of signals: the outcome of each, and of entries at random, from the candles that have come since."""

import dagster as dg

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, small_table, stored_as, warned
from assets.retries import retried
from pipeline.domain.signal import Origin
from pipeline.judging import judge_live, judge_replayed
from pipeline.random_entries import refresh_random_entries
from pipeline.reporting import WINDOWS
from pipeline.settings import Settings
from pipeline.storage.accounts import read_profile
from pipeline.storage.database import Database
from pipeline.storage.universe import exchange_of, universe
from resources.clock import ClockResource

MOST_NO_TRADE = 0.05  # of the outcomes; above it the exits say more about the candles than about the signals


@dg.asset(
    deps=["trading_signals", "risk_filtered_signals", "candles"],
    group_name="lifecycle",
    kinds={"postgres"},
    partitions_def=daily,
    backfill_policy=single_run,
    freshness_policy=FRESHNESS,
    metadata=stored_as("signal_outcomes"),
    check_specs=[
        contract_check("signal_outcomes"),
        dg.AssetCheckSpec(
            "traded", asset="signal_outcomes", description="Nearly all positions could be entered and left"
        ),
    ],
)
@retried
def signal_outcomes(
    context: dg.AssetExecutionContext,
    unlocked_database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """What following each BUY and SELL would have brought, executed or not; `v_signal_outcomes` has them with names.

    A live run resolves what candles have told since the last one, of whatever day; what it stores is final. A run over
    past days computes the outcomes of their replayed signals anew. The chain reads nothing of it and is not held up.
    """
    as_of, rules = clock.as_of(context), settings.outcomes.rules
    after, until = clock.window(context)
    with unlocked_database.begin() as conn:
        market = settings.market
        series = universe(conn, exchange_of(conn, market), market.symbols, market.timeframes)
        multiple = read_profile(conn, settings.risk).stop_atr_multiple
    if clock.origin(context) is Origin.LIVE:
        judged = judge_live(unlocked_database, rules, clock.scope(), as_of)
        after = as_of - max(WINDOWS.values())
    else:
        judged = judge_replayed(unlocked_database, rules, clock.scope(), after, until, as_of, is_all=True)
    random = refresh_random_entries(unlocked_database, settings, multiple, series, after, until, as_of)
    context.log.info(
        "signal_outcomes signals=%d dropped=%d written=%d waiting=%d exits=%s random_rows=%d",
        *(judged.signals, judged.dropped, judged.written, judged.waiting, dict(judged.exits), random),
    )
    n_ended = judged.exits.total()
    untraded = judged.exits["no_trade"] + judged.exits["no_entry"]
    return dg.MaterializeResult(
        metadata={
            "rows_written": judged.written,
            "signals": judged.signals,
            "dropped": judged.dropped,
            "waiting": judged.waiting,
            "random_rows": random,
            "exits": small_table(
                ("reason", "signals"), ({"reason": reason, "signals": n} for reason, n in judged.exits.most_common())
            ),
        },
        check_results=[
            contract_kept("signal_outcomes", judged.written),
            warned(
                "signal_outcomes",
                "traded",
                is_passed=untraded <= MOST_NO_TRADE * n_ended,
                facts={"ended": n_ended, "untraded": untraded},
            ),
        ],
    )
