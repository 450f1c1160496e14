"""Named selections of assets: what runs together."""

import dagster as dg

from pipeline.run_tags import CHAIN_JOB

CHAIN = (
    *("candles", "indicators", "price_levels", "chart_patterns", "market_conditions"),
    *("technical_signals", "risk_filtered_signals", "trading_signals"),
)

draw_charts = dg.define_asset_job(
    "draw_charts",
    selection=dg.AssetSelection.assets("signal_charts"),
    description="Pictures of the strongest active signals, as of now.",
)

generate_signals = dg.define_asset_job(
    CHAIN_JOB,
    selection=dg.AssetSelection.assets(*CHAIN),
    description="Candles to stored, ranked signals: the chain, in one process.",
    # A crash is retried by whoever finds it; an error of ours would only repeat itself.
    tags={"dagster/max_retries": "0"},
)
