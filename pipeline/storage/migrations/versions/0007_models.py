"""Models: their registry, how they were judged, what they are told of a bar, and their predictions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

FEATURES = {
    "return_1": "log return over 1 bars, in usual moves of so many",
    "return_2": "log return over 2 bars, in usual moves of so many",
    "return_3": "log return over 3 bars, in usual moves of so many",
    "return_6": "log return over 6 bars, in usual moves of so many",
    "return_12": "log return over 12 bars, in usual moves of so many",
    "return_24": "log return over 24 bars, in usual moves of so many",
    "return_72": "log return over 72 bars, in usual moves of so many",
    "return_168": "log return over 168 bars, in usual moves of so many",
    "body": "close minus open, in average true ranges",
    "upper_wick": "high minus the upper end of the body, in average true ranges",
    "lower_wick": "lower end of the body minus low, in average true ranges",
    "range": "high minus low, in average true ranges",
    "place_in_bar": "where the close lies in its bar: -1 the low, 1 the high",
    "rsi": "relative strength index over 14 bars, -1 to 1",
    "adx": "average directional index over 14 bars, -0.5 to 1.5",
    "macd_histogram": "histogram of the MACD, in average true ranges",
    "bb_percent": "where the close lies between the Bollinger bands: -0.5 to 0.5",
    "bb_width": "distance of the Bollinger bands, in average true ranges",
    "distance_sma_20": "close minus its mean over 20 bars, in average true ranges",
    "distance_sma_50": "close minus its mean over 50 bars, in average true ranges",
    "distance_sma_200": "close minus its mean over 200 bars, in average true ranges",
    "place_24": "where the close lies in the range of 24 bars: -1 lowest, 1 highest",
    "place_168": "where the close lies in the range of 168 bars: -1 lowest, 1 highest",
    "support": "nearness of the support: 1 at it, towards 0 far away, 0 where there is none",
    "resistance": "nearness of the resistance: 1 at it, towards 0 far away, 0 where there is none",
    "candle_patterns": "1 where the bar's candle patterns point up, -1 down, 0 both ways or no way",
    "chart_patterns": "1 where the chart patterns that it completes point up, -1 down, 0 both ways or no way",
    "volume_share": "volume against its mean over 168 bars, -1 to 1; 0 where equal",
    "volume_trend": "mean volume of 20 bars against that of 168, -1 to 1; 0 where equal",
    "signed_volume": "volume_share plus 1, negative on a falling bar",
    "signed_volume_12": "volume of rising minus that of falling bars among the last 12, as a share of all of it",
    "volatility_12": "volatility of 12 bars against 48, -1 to 1; 0 where equal",
    "volatility_rank": "volatility of 48 bars against 168, -1 to 1; 0 where equal",
    "unchanged": "square root of the share of the last 168 closes that equal the one before",
    "tick": "square root of the smallest price step, as a share of it and the average true range",
    "hour_sin": "hour of the close on a circle, sine",
    "hour_cos": "hour of the close on a circle, cosine",
    "weekday_sin": "weekday of the close on a circle, sine",
    "weekday_cos": "weekday of the close on a circle, cosine",
    "higher_trend": "last close of the higher timeframe minus the mean of its last 20, in usual moves of it",
    "reference_return_1": "log return over 1 bars, in usual moves of so many; of the reference symbol",
    "reference_return_2": "log return over 2 bars, in usual moves of so many; of the reference symbol",
    "reference_return_3": "log return over 3 bars, in usual moves of so many; of the reference symbol",
    "reference_return_6": "log return over 6 bars, in usual moves of so many; of the reference symbol",
    "reference_return_12": "log return over 12 bars, in usual moves of so many; of the reference symbol",
    "reference_return_24": "log return over 24 bars, in usual moves of so many; of the reference symbol",
    "reference_place_in_bar": "where the close lies in its bar: -1 the low, 1 the high; of the reference symbol",
    "reference_place_24": "where the close lies in the range of 24 bars: -1 lowest, 1 highest; of the reference symbol",
    "reference_bb_percent": "where the close lies between the Bollinger bands: -0.5 to 0.5; of the reference symbol",
    "reference_rsi": "relative strength index over 14 bars, -1 to 1; of the reference symbol",
    "reference_distance_sma_50": "close minus its mean over 50 bars, in average true ranges; of the reference symbol",
    "reference_volume_share": "volume against its mean over 168 bars, -1 to 1; 0 where equal; of the reference symbol",
    "reference_volatility_12": "volatility of 12 bars against 48, -1 to 1; 0 where equal; of the reference symbol",
}


def upgrade() -> None:
    """Make the tables; features and predictions begin with the next bars, a backfill makes those of older ones."""
    op.create_table(
        "anomaly_scores",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column(
            "close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar, when this could be known",
        ),
        sa.Column("model_id", sa.Uuid(), nullable=False, comment="the model that says so, see models"),
        sa.Column("score", sa.Double(), nullable=False, comment="how unlike other bars this one is, 0 to 1"),
        sa.Column(
            "is_anomaly", sa.Boolean(), nullable=False, comment="whether the score is beyond the model's threshold"
        ),
        sa.Column(
            "is_ignored",
            sa.Boolean(),
            nullable=False,
            comment="whether the flag counts for nothing, because too many of the series' last bars have one",
        ),
        sa.Column(
            "drivers",
            postgresql.JSONB(),
            nullable=True,
            comment="what made it so: feature and drop of the score without it, strongest first; NULL if no anomaly",
        ),
        sa.CheckConstraint(
            "drivers IS NULL OR jsonb_typeof(drivers) = 'array'", name=op.f("ck_anomaly_scores_drivers_are_a_list")
        ),
        sa.CheckConstraint("is_anomaly OR NOT is_ignored", name=op.f("ck_anomaly_scores_only_flags_are_ignored")),
        sa.CheckConstraint("is_anomaly OR drivers IS NULL", name=op.f("ck_anomaly_scores_only_flags_have_drivers")),
        sa.CheckConstraint("score >= 0 AND score <= 1", name=op.f("ck_anomaly_scores_score_is_a_fraction")),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_anomaly_scores")),
        comment="How unlike those before each bar is",
    )
    op.create_index("ix_anomaly_scores_close_at", "anomaly_scores", ["close_at"], unique=False, postgresql_using="brin")
    op.create_index(
        "ix_anomaly_scores_flagged",
        "anomaly_scores",
        ["series_id", "open_at"],
        unique=False,
        postgresql_where=sa.text("is_anomaly"),
    )
    op.create_table(
        "direction_predictions",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column(
            "close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar, when this could be known",
        ),
        sa.Column("model_id", sa.Uuid(), nullable=False, comment="the model that says so, see models"),
        sa.Column(
            "raw_probability",
            sa.Double(),
            nullable=False,
            comment="that the next bar closes higher, as the network says it",
        ),
        sa.Column(
            "probability",
            sa.Double(),
            nullable=False,
            comment="the same, calibrated: of ten bars with .6 six should close higher",
        ),
        sa.CheckConstraint(
            "probability >= 0 AND probability <= 1", name=op.f("ck_direction_predictions_probability_is_a_fraction")
        ),
        sa.CheckConstraint(
            "raw_probability >= 0 AND raw_probability <= 1",
            name=op.f("ck_direction_predictions_raw_probability_is_a_fraction"),
        ),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_direction_predictions")),
        comment="Whether the next bar closes higher",
    )
    op.create_index(
        "ix_direction_predictions_close_at",
        "direction_predictions",
        ["close_at"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "model_features",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column(
            "close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar, when this could be known",
        ),
        *(sa.Column(name, sa.REAL(), nullable=True, comment=comment) for name, comment in FEATURES.items()),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_model_features")),
        comment="What models are told of each bar, without units; NULL where unknown",
    )
    op.create_index("ix_model_features_close_at", "model_features", ["close_at"], unique=False, postgresql_using="brin")
    op.create_table(
        "models",
        sa.Column(
            "model_id",
            sa.Uuid(),
            nullable=False,
            comment="follows from what was trained on what: the same model, one row",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="what it says: direction, price_range or anomaly"),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange of the candles that it learned from"),
        sa.Column(
            "timeframe", sa.Text(), nullable=False, comment="duration of the bars that it learned from and speaks about"
        ),
        sa.Column(
            "trained_from", sa.TIMESTAMP(timezone=True), nullable=False, comment="it saw closes after this instant"
        ),
        sa.Column(
            "trained_through",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="and none later than this one, what it was to predict included",
        ),
        sa.Column(
            "effective_from",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="first close about which it may be asked",
        ),
        sa.Column("n_rows", sa.Integer(), nullable=False, comment="bars that it learned from"),
        sa.Column(
            "feature_schema",
            sa.Text(),
            nullable=False,
            comment="hash of the names, order and meaning of the features that it is told",
        ),
        sa.Column(
            "library_versions", postgresql.JSONB(), nullable=False, comment="library -> version by which it was trained"
        ),
        sa.Column(
            "parameters", postgresql.JSONB(), nullable=False, comment="how it was trained: every setting, and the seed"
        ),
        sa.Column(
            "metrics",
            postgresql.JSONB(),
            nullable=False,
            comment="metric -> value over all folds; model_evaluations has each of them",
        ),
        sa.Column(
            "decision",
            postgresql.JSONB(),
            nullable=False,
            comment="the rule of promotion and the numbers that it looked at",
        ),
        sa.Column("artefact", sa.LargeBinary(), nullable=False, comment="the model: arrays and a header, zipped"),
        sa.Column("artefact_sha256", sa.Text(), nullable=False, comment="hash of the artefact, in hexadecimal"),
        sa.Column(
            "status",
            sa.Text(),
            nullable=False,
            comment="candidate (not better than the one before), champion (speaks), retired (replaced or withdrawn)",
        ),
        sa.Column(
            "status_reason", sa.Text(), nullable=True, comment="why it has this status; a champion may have none"
        ),
        sa.Column(
            "training_seconds", sa.Double(), nullable=False, comment="wall clock that the training took, in seconds"
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "artefact_sha256 = encode(sha256(artefact), 'hex')", name=op.f("ck_models_hash_is_the_artefacts")
        ),
        sa.CheckConstraint("kind IN ('direction', 'price_range', 'anomaly')", name=op.f("ck_models_kind_is_known")),
        sa.CheckConstraint("status = 'champion' OR status_reason IS NOT NULL", name=op.f("ck_models_reason_is_said")),
        sa.CheckConstraint("status IN ('candidate', 'champion', 'retired')", name=op.f("ck_models_status_is_known")),
        sa.CheckConstraint("n_rows > 0", name=op.f("ck_models_has_learned")),
        sa.CheckConstraint(
            "trained_from < trained_through AND trained_through < effective_from",
            name=op.f("ck_models_instants_are_in_order"),
        ),
        sa.CheckConstraint("training_seconds >= 0", name=op.f("ck_models_training_took_time")),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_models")),
        comment="Every trained model with its artefact: who speaks when, and why; see docs/models.md",
    )
    op.create_index(
        "ix_models_effective_from",
        "models",
        ["kind", "exchange", "timeframe", "effective_from"],
        unique=False,
        postgresql_where=sa.text("status = 'champion'"),
    )
    op.create_index(
        "uq_models_champion",
        "models",
        ["kind", "exchange", "timeframe", "trained_through"],
        unique=True,
        postgresql_where=sa.text("status = 'champion'"),
    )
    op.create_table(
        "price_range_predictions",
        sa.Column("series_id", sa.Integer(), autoincrement=False, nullable=False, comment="see series"),
        sa.Column("open_at", sa.TIMESTAMP(timezone=True), nullable=False, comment="open of the bar, UTC"),
        sa.Column(
            "close_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="close of the bar, when this could be known",
        ),
        sa.Column("model_id", sa.Uuid(), nullable=False, comment="the model that says so, see models"),
        sa.Column(
            "high_q10",
            sa.Double(),
            nullable=False,
            comment="next bar's high, 10 % quantile, as a fraction of this close above it",
        ),
        sa.Column("high_q50", sa.Double(), nullable=False, comment="its median"),
        sa.Column("high_q90", sa.Double(), nullable=False, comment="its 90 % quantile"),
        sa.Column(
            "low_q10",
            sa.Double(),
            nullable=False,
            comment="next bar's low, 10 % quantile, as a fraction of this close, negative below it",
        ),
        sa.Column("low_q50", sa.Double(), nullable=False, comment="its median"),
        sa.Column("low_q90", sa.Double(), nullable=False, comment="its 90 % quantile"),
        sa.CheckConstraint(
            "low_q10 > -1 AND high_q90 < 'Infinity'::float8",
            name=op.f("ck_price_range_predictions_prices_are_positive_and_finite"),
        ),
        sa.CheckConstraint(
            "high_q10 <= high_q50 AND high_q50 <= high_q90",
            name=op.f("ck_price_range_predictions_high_quantiles_are_in_order"),
        ),
        sa.CheckConstraint(
            "low_q10 <= high_q10 AND low_q50 <= high_q50 AND low_q90 <= high_q90",
            name=op.f("ck_price_range_predictions_lows_are_below_highs"),
        ),
        sa.CheckConstraint(
            "low_q10 <= low_q50 AND low_q50 <= low_q90",
            name=op.f("ck_price_range_predictions_low_quantiles_are_in_order"),
        ),
        sa.PrimaryKeyConstraint("series_id", "open_at", name=op.f("pk_price_range_predictions")),
        comment="How far the next bar will reach; price = close * (1 + fraction)",
    )
    op.create_index(
        "ix_price_range_predictions_close_at",
        "price_range_predictions",
        ["close_at"],
        unique=False,
        postgresql_using="brin",
    )
    op.create_table(
        "model_evaluations",
        sa.Column("model_id", sa.Uuid(), nullable=False, comment="the model, see models"),
        sa.Column(
            "fold",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="counted from 1, oldest first; 0 is all of them together",
        ),
        sa.Column(
            "predictor",
            sa.Text(),
            nullable=False,
            comment="who predicted: the model, or a simple rule on the same bars",
        ),
        sa.Column("metric", sa.Text(), nullable=False, comment="what was measured, e.g. auc"),
        sa.Column("value", sa.Double(), nullable=True, comment="the measurement; NULL where no bar allowed one"),
        sa.Column(
            "lower",
            sa.Double(),
            nullable=True,
            comment="lower end of its 95 % interval, by a bootstrap of blocks of time",
        ),
        sa.Column("upper", sa.Double(), nullable=True, comment="upper end of that interval"),
        sa.Column("n_rows", sa.Integer(), nullable=False, comment="bars that the value is measured on"),
        sa.Column("test_from", sa.TIMESTAMP(timezone=True), nullable=False, comment="they close after this instant"),
        sa.Column(
            "test_to", sa.TIMESTAMP(timezone=True), nullable=False, comment="the last of them closes here, or before"
        ),
        sa.CheckConstraint("fold >= 0", name=op.f("ck_model_evaluations_fold_counts_from_0")),
        sa.CheckConstraint("lower <= upper", name=op.f("ck_model_evaluations_interval_is_in_order")),
        sa.CheckConstraint("n_rows >= 0", name=op.f("ck_model_evaluations_rows_are_counted")),
        sa.CheckConstraint("test_from < test_to", name=op.f("ck_model_evaluations_instants_are_in_order")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.model_id"], name=op.f("fk_model_evaluations_model_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", "fold", "predictor", "metric", name=op.f("pk_model_evaluations")),
        comment="How each model's like was judged on bars later than those it had learned from, beside simple rules",
    )
    # Models are told of a bar by as many bars before it; the next run adds the features where indicators stand without.
    op.execute(
        """UPDATE series s SET dirty_from = greatest(s.listed_at, n.newest - make_interval(secs => s.bar_seconds) * 24)
FROM (SELECT series_id, max(open_at) AS newest FROM indicators GROUP BY series_id) n
WHERE n.series_id = s.series_id AND s.dirty_from IS NULL"""
    )
