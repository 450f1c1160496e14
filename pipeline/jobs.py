"""Named selections of assets: what runs together."""

import dagster as dg

from pipeline.run_tags import CHAIN_JOB, TEXT_JOB, TRAINING_JOB

CHAIN = (
    *("candles", "indicators", "price_levels", "chart_patterns", "market_conditions", "model_features"),
    *("direction_predictions", "price_range_predictions", "anomaly_scores"),
    "symbol_sentiment",
    *("technical_signals", "ml_signals", "sentiment_signals", "risk_filtered_signals", "trading_signals"),
)

JUDGED = ("signal_outcomes", "confidence_calibrations", "signal_performance")
# What becomes of signals, in order; a pass after days off brings it up to date as well.
AFTERWARDS = ("expired_signals", *JUDGED)

draw_charts = dg.define_asset_job(
    "draw_charts",
    selection=dg.AssetSelection.assets("signal_charts"),
    description="Pictures of the strongest active signals, as of now.",
)

expire_signals = dg.define_asset_job(
    "expire_signals",
    selection=dg.AssetSelection.assets("expired_signals"),
    description="Marks the signals whose expiry has come; beside the chain, which it never waits for.",
    tags={"dagster/max_retries": "0"},
)

judge_signals = dg.define_asset_job(
    "judge_signals",
    selection=dg.AssetSelection.assets(*JUDGED),
    description="Outcomes of signals, what their confidence came true as, and reports; the chain never waits for it.",
    tags={"dagster/max_retries": "0"},
)

train_models = dg.define_asset_job(
    TRAINING_JOB,
    selection=dg.AssetSelection.assets("direction_model", "price_range_model", "anomaly_model"),
    description="The week's models, each judged against the one before it.",
)

ingest_text = dg.define_asset_job(
    TEXT_JOB,
    selection=dg.AssetSelection.assets(
        "news_articles", "tweets", "reddit_posts", "repository_activity", "document_sentiment"
    ),
    description="What is new in feeds, on X, Reddit and GitHub, stored and scored; the chain does not wait for it.",
    tags={"dagster/max_retries": "0"},
)

generate_signals = dg.define_asset_job(
    CHAIN_JOB,
    selection=dg.AssetSelection.assets(*CHAIN, *AFTERWARDS),
    description="Candles to stored, ranked signals in one process; after days off with outcomes and reports.",
    # A crash is retried by whoever finds it; an error of ours would only repeat itself.
    tags={"dagster/max_retries": "0"},
)
