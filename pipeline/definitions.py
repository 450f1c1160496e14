"""The composition root: assets, checks, jobs, schedules and resources become one code location."""

from collections.abc import Mapping

import dagster as dg

from assets.calibrations import confidence_calibrations
from assets.charts import signal_charts
from assets.indicators import analyse_candles
from assets.lifecycle import expired_signals
from assets.market import candles
from assets.models import train_models as train_models_asset
from assets.outcomes import signal_outcomes
from assets.predictions import predict
from assets.reports import signal_performance
from assets.sentiment import symbol_sentiment
from assets.signals import advise, risk_filtered_signals, trading_signals
from assets.texts import document_sentiment, news_articles, reddit_posts, repository_activity, tweets
from pipeline.jobs import draw_charts, expire_signals, generate_signals, ingest_text, judge_signals, train_models
from pipeline.replay_job import replay_signals
from pipeline.retention_job import retention
from pipeline.schedules import (
    charts_schedule,
    expiry_schedule,
    outcomes_schedule,
    reports_schedule,
    retention_schedule,
    signals_schedule,
    texts_schedule,
    training_schedule,
)
from pipeline.settings import Settings, load_settings
from resources.clock import ClockResource
from resources.database import DatabaseResource, UnlockedDatabaseResource
from resources.settings import SettingsResource


def build_definitions(
    settings: Settings | None = None, resources: Mapping[str, object] | None = None
) -> dg.Definitions:
    """All definitions; ``resources`` replaces some of them, as tests do.

    Wrong settings are refused here, so that a code location that loads can also run.
    """
    settings = settings or load_settings()
    return dg.Definitions(
        assets=[
            candles,
            analyse_candles,
            train_models_asset,
            predict,
            news_articles,
            tweets,
            reddit_posts,
            repository_activity,
            document_sentiment,
            symbol_sentiment,
            advise,
            risk_filtered_signals,
            trading_signals,
            expired_signals,
            signal_outcomes,
            confidence_calibrations,
            signal_performance,
            signal_charts,
        ],
        jobs=[
            *(generate_signals, expire_signals, judge_signals, draw_charts),
            *(ingest_text, train_models, replay_signals, retention),
        ],
        schedules=[
            signals_schedule(settings.market.cadence, is_running=settings.schedule.is_enabled),
            expiry_schedule(is_running=settings.schedule.is_enabled),
            texts_schedule(is_running=settings.schedule.is_enabled and settings.text_source != "none"),
            outcomes_schedule(is_running=settings.schedule.is_enabled),
            reports_schedule(is_running=settings.schedule.is_enabled),
            charts_schedule(is_running=settings.schedule.is_enabled and settings.charts.signals > 0),
            training_schedule(is_running=settings.schedule.is_enabled and settings.models.is_enabled),
            retention_schedule(is_running=settings.schedule.is_enabled and settings.retention.is_enabled),
        ],
        resources={
            "database": DatabaseResource(),
            "unlocked_database": UnlockedDatabaseResource(),
            "settings": SettingsResource(),
            "clock": ClockResource(),
            **(resources or {}),
        },
        # One process for the chain: its steps take milliseconds, a process each would take seconds.
        executor=dg.in_process_executor,
    )


defs = build_definitions()
