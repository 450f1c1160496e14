"""Signals on their way: candidates, risk decisions, the stored signals, and every change of status."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSONB

from pipeline.domain.signal import Origin, SignalType
from pipeline.domain.status import NEVER_EXECUTED, SignalStatus
from pipeline.storage.tables.base import INFINITY, instant, metadata, number, recorded_at, text

NOT_CALIBRATED_YET = "not_calibrated_yet"  # a signal of a replay before its outcomes are told
# A strategy preference scales the rank; it scales this one alike.
CALIBRATED_RANK = """rank_score * (0.7 * calibrated_confidence + 0.3 * strength)
  / nullif(0.7 * confidence + 0.3 * strength, 0)"""

signal_type_enum = ENUM(*(t.value for t in SignalType), name="signal_type_enum", metadata=metadata)
signal_status_enum = ENUM(*(s.value for s in SignalStatus), name="signal_status_enum", metadata=metadata)


def _origin_check() -> sa.CheckConstraint:
    values = ", ".join(f"'{origin}'" for origin in Origin)
    return sa.CheckConstraint(f"origin IN ({values})", name="origin_is_known")


def _fraction_checks() -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(f"{name} >= 0 AND {name} <= 1", name=f"{name}_is_a_fraction")
        for name in ("strength", "confidence")
    ]


def _made_columns() -> list[sa.Column[object]]:
    return [
        text("configuration_hash", "settings that made the row; see configurations", nullable=False),
        instant("created_at", "close of the bar that the row was computed from", nullable=False),
        recorded_at(),
    ]


configurations = sa.Table(
    "configurations",
    metadata,
    text("configuration_hash", "hash of settings and profiles", primary_key=True),
    sa.Column("settings", JSONB, nullable=False, comment="every setting that can change a signal"),
    text("code_version", "version of this software that first used them", nullable=False),
    recorded_at(),
    comment="The settings of the time, written once per change",
)

candidate_signals = sa.Table(
    "candidate_signals",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("candle_close_at", "close of the bar", primary_key=True),
    text("strategy", "which strategy advises it, e.g. SMA_CROSSOVER", primary_key=True),
    sa.Column("signal_type", signal_type_enum, primary_key=True, comment="BUY, SELL or ALERT"),
    text("origin", "live or replay", primary_key=True),
    text("scope", "default, or the name of a replay", primary_key=True),
    text("exchange", "exchange of the series", nullable=False),
    text("symbol", "pair as ccxt writes it", nullable=False),
    text("timeframe", "duration of the bar", nullable=False),
    text("source", "technical, ml_model or sentiment", nullable=False),
    number("strength", "0 to 1", nullable=False),
    number("confidence", "0 to 1", nullable=False),
    text("description", "the advice in words", nullable=False),
    sa.Column("inputs", JSONB, nullable=False, comment="what the strategy looked at on that bar"),
    instant("superseded_at", "wall clock when a data revision made this advice void; NULL while it stands"),
    *_made_columns(),
    _origin_check(),
    *_fraction_checks(),
    sa.CheckConstraint("source IN ('technical', 'ml_model', 'sentiment')", name="source_is_known"),
    sa.Index("ix_candidate_signals_close", "origin", "scope", "candle_close_at"),
    sa.Index("ix_candidate_signals_symbol", "symbol", "candle_close_at"),
    comment="Every advice of every strategy, before risk and aggregation",
)

risk_decisions = sa.Table(
    "risk_decisions",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("candle_close_at", "close of the bar", primary_key=True),
    text("strategy", "strategy of the candidate", primary_key=True),
    sa.Column("signal_type", signal_type_enum, primary_key=True, comment="BUY, SELL or ALERT"),
    text("origin", "live or replay", primary_key=True),
    text("scope", "default, or the name of a replay", primary_key=True),
    text("profile", "risk profile that judged it", primary_key=True),
    text("exchange", "exchange of the series", nullable=False),
    text("symbol", "pair as ccxt writes it", nullable=False),
    text("timeframe", "duration of the bar", nullable=False),
    sa.Column("is_kept", sa.Boolean, nullable=False, comment="whether the candidate passed every filter"),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False, comment="why it was dropped; empty if it was kept"),
    number("exposure_weight", "share of the portfolio that its BUY group would take; NULL for SELL and ALERT"),
    instant("expires_at", "until when its group counts towards exposure", nullable=False),
    *_made_columns(),
    _origin_check(),
    sa.CheckConstraint("is_kept = (cardinality(reasons) = 0)", name="drop_has_a_reason"),
    sa.Index("ix_risk_decisions_close", "origin", "scope", "profile", "candle_close_at"),
    comment="What the risk filters decided about every candidate, and why",
)

trading_signals = sa.Table(
    "trading_signals",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True, comment="UUIDv5 of signal_key, origin and scope"),
    text("symbol", "pair as ccxt writes it", nullable=False),
    sa.Column("signal_type", signal_type_enum, nullable=False, comment="BUY, SELL or ALERT"),
    text("strategy", "the strategy, or MULTI_STRATEGY for an aggregate of several", nullable=False),
    number("strength", "0 to 1; mean of the components", nullable=False),
    number("confidence", "0 to 1; base_confidence plus agreement_boost", nullable=False),
    text(
        "source",
        "sources of the components: of technical, ml_model, sentiment in this order, with a comma between",
        nullable=False,
    ),
    text("description", "the advice in words", nullable=False),
    number("entry_price", "close of the bar, quote currency"),
    sa.Column("target_prices", JSONB, comment="tp1, tp2, tp3 in quote currency; NULL for an ALERT"),
    number("stop_loss_price", "quote currency; NULL for an ALERT"),
    text("timeframe", "duration of the bar", nullable=False),
    instant("created_at", "close of the bar that the signal was computed from", nullable=False),
    instant("expires_at", "the signal is void from this instant on", nullable=False),
    sa.Column(
        "status",
        signal_status_enum,
        nullable=False,
        server_default=SignalStatus.ACTIVE.value,
        comment="ACTIVE, EXECUTED, EXPIRED or INVALIDATED; all but ACTIVE are final",
    ),
    instant("executed_at", "when it was executed"),
    number("execution_price", "price of the execution, quote currency"),
    number("profit_loss", "return of the execution against the entry, a fraction"),
    sa.Column(
        "metadata",
        JSONB,
        nullable=False,
        comment="component_signals (how many), sources, components (strategy, source, strength and confidence of "
        "each), raw_data (values of the bar that they saw)",
    ),
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.user_id"), comment="owner of the profile; NULL for the house"),
    sa.Column("signal_key", sa.Uuid, nullable=False, comment="equal for a live signal and its replay"),
    sa.Column("series_id", sa.Integer, sa.ForeignKey("series.series_id"), nullable=False, comment="see series"),
    text("exchange", "exchange of the series", nullable=False),
    instant("candle_close_at", "close of the bar; the same as created_at", nullable=False),
    recorded_at(),
    text("origin", "live or replay", nullable=False),
    text("scope", "default, or the name of a replay", nullable=False),
    text("profile", "risk profile that let it pass", nullable=False),
    sa.Column(
        "revision",
        sa.SmallInteger,
        nullable=False,
        comment="1, and one more for each data revision of the bar",
    ),
    text("configuration_hash", "settings that made it; see configurations", nullable=False),
    number("rank_score", "0.7 confidence + 0.3 strength, weighted by the strategy preference", nullable=False),
    number("base_confidence", "mean confidence of the components", nullable=False),
    number("agreement_boost", "added because several sources agree", nullable=False),
    sa.Column(
        "is_conflicting",
        sa.Boolean,
        nullable=False,
        comment="whether the same bar made an opposite signal for the same profile, whatever became of it",
    ),
    sa.Column(
        "source_group",
        sa.Text,
        sa.Computed("CASE WHEN source LIKE '%,%' THEN 'multi' ELSE source END", persisted=True),
        comment="technical, ml_model, sentiment, or multi for several sources",
    ),
    number("calibrated_confidence", "share of signals like it that had won before, 0 to 1; NULL if few were known"),
    text(
        "uncalibrated_because",
        "why calibrated_confidence is NULL: insufficient_outcomes(known<needed), alert, or not_calibrated_yet for a "
        "replay; NULL where it is not",
        server_default=NOT_CALIBRATED_YET,
    ),
    sa.Column(
        "calibrated_rank",
        sa.Double,
        sa.Computed(CALIBRATED_RANK, persisted=True),
        comment="rank_score with calibrated_confidence for confidence; NULL where that is",
    ),
    _origin_check(),
    *_fraction_checks(),
    sa.CheckConstraint("calibrated_confidence BETWEEN 0 AND 1", name="calibrated_confidence_is_a_fraction"),
    sa.CheckConstraint(
        "(calibrated_confidence IS NULL) = (uncalibrated_because IS NOT NULL)", name="calibrated_or_a_reason"
    ),
    *(
        sa.CheckConstraint(f"{name} > 0 AND {name} < {INFINITY}", name=f"{name}_is_a_price")
        for name in ("entry_price", "stop_loss_price", "execution_price")
    ),
    sa.CheckConstraint("expires_at > created_at", name="expires_after_creation"),
    sa.CheckConstraint("created_at = candle_close_at", name="created_at_the_close"),
    sa.CheckConstraint(
        " AND ".join(f"NOT (signal_type = '{kind}' AND status = 'EXECUTED')" for kind in NEVER_EXECUTED),
        name="alert_is_never_executed",
    ),
    sa.CheckConstraint(
        "(status = 'EXECUTED') = (executed_at IS NOT NULL AND execution_price IS NOT NULL)",
        name="execution_is_complete",
    ),
    sa.Index(
        "ix_trading_signals_close",
        "origin",
        "scope",
        "candle_close_at",
        # What reports count, and whose: they read nothing else.
        postgresql_include=["status", "signal_type", "source_group", "profit_loss", "exchange", "profile", "user_id"],
    ),
    sa.Index(
        "ix_trading_signals_active",
        "origin",
        "scope",
        "expires_at",
        postgresql_where=sa.text("status = 'ACTIVE'"),
    ),
    # The two are equal, and analysts ask by either.
    sa.Index("ix_trading_signals_symbol", "symbol", "created_at", "candle_close_at"),
    comment="The signals: filtered by risk, aggregated, priced and ranked",
)

signal_events = sa.Table(
    "signal_events",
    metadata,
    sa.Column("event_id", sa.BigInteger, sa.Identity(), primary_key=True, comment="order of the events"),
    # No foreign key: `storage.triggers` deletes what belongs to a deleted signal.
    sa.Column("signal_id", sa.Uuid, nullable=False, index=True, comment="the signal"),
    sa.Column("from_status", signal_status_enum, comment="status before; NULL where the signal was stored so"),
    sa.Column("to_status", signal_status_enum, nullable=False, comment="status after"),
    instant("effective_at", "the instant that the change is about", nullable=False),
    text("actor", "who changed it: pipeline, api, sql, cli", nullable=False),
    text("reason", "why"),
    recorded_at(),
    sa.CheckConstraint("to_status <> 'INVALIDATED' OR reason IS NOT NULL", name="invalidation_has_a_reason"),
    comment="Every change of a signal's status",
)

signal_changes = sa.Table(
    "signal_changes",
    metadata,
    sa.Column("change_id", sa.BigInteger, sa.Identity(), primary_key=True, comment="order of the changes"),
    # No foreign key and no index: `storage.triggers` deletes what belongs to a deleted signal, which is rare.
    sa.Column("signal_id", sa.Uuid, nullable=False, comment="the signal"),
    sa.Column(
        "status", signal_status_enum, nullable=False, comment="ACTIVE where the signal is new, else what it became"
    ),
    recorded_at(),
    comment="Live signals of the default scope as they came and went; what the API streams",
)

trimmed_changes = sa.Table(
    "trimmed_changes",
    metadata,
    sa.Column(
        "is_newest", sa.Boolean, primary_key=True, server_default=sa.text("true"), comment="true: there is one row"
    ),
    sa.Column("change_id", sa.BigInteger, nullable=False, comment="its number; no lower one is kept"),
    sa.Column("signal_id", sa.Uuid, nullable=False, comment="the signal"),
    sa.Column("status", signal_status_enum, nullable=False, comment="as it was in signal_changes"),
    instant("recorded_at", "as it was in signal_changes", nullable=False),
    sa.CheckConstraint("is_newest", name="row_is_the_only_one"),
    comment="The newest change that retention has deleted from signal_changes; cursors before it have missed some",
)

replay_drift = sa.Table(
    "replay_drift",
    metadata,
    sa.Column("signal_key", sa.Uuid, primary_key=True, comment="the signal, live and replayed"),
    text("scope", "scope of the replay", primary_key=True),
    text("kind", "only_live, only_replay or different", nullable=False),
    sa.Column("series_id", sa.Integer, nullable=False, comment="see series"),
    instant("candle_close_at", "close of the bar", nullable=False),
    sa.Column("live", JSONB, comment="the values that differ, as they stand live"),
    sa.Column("replay", JSONB, comment="the same values, as the replay has them"),
    recorded_at(),
    sa.CheckConstraint("kind IN ('only_live', 'only_replay', 'different')", name="kind_is_known"),
    sa.Index("ix_replay_drift_close", "scope", "candle_close_at"),
    comment="Where a replay and the live signals disagree",
)
