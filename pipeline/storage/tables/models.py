"""Models and what they say: the registry, how each model was judged, what it was told of a bar, and its predictions.

Predictions and features are keyed by (series_id, open_at) like the other big tables and carry no foreign key either.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.models.features import FEATURES, REFERENCE, RETURN_BARS
from pipeline.storage.tables.base import INFINITY, instant, metadata, number, recorded_at, text

_IS_CHAMPION = sa.text("status = 'champion'")


def _known(column: str, values: type[ModelKind] | type[ModelStatus]) -> sa.CheckConstraint:
    choices = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({choices})", name=f"{column}_is_known")


models = sa.Table(
    "models",
    metadata,
    sa.Column(
        "model_id", sa.Uuid, primary_key=True, comment="follows from what was trained on what: the same model, one row"
    ),
    text("kind", "what it says: direction, price_range or anomaly", nullable=False),
    text("exchange", "exchange of the candles that it learned from", nullable=False),
    text("timeframe", "duration of the bars that it learned from and speaks about", nullable=False),
    instant("trained_from", "it saw closes after this instant", nullable=False),
    instant("trained_through", "and none later than this one, what it was to predict included", nullable=False),
    instant("effective_from", "first close about which it may be asked", nullable=False),
    sa.Column("n_rows", sa.Integer, nullable=False, comment="bars that it learned from"),
    text("feature_schema", "hash of the names, order and meaning of the features that it is told", nullable=False),
    sa.Column("library_versions", JSONB, nullable=False, comment="library -> version by which it was trained"),
    sa.Column("parameters", JSONB, nullable=False, comment="how it was trained: every setting, and the seed"),
    sa.Column(
        "metrics", JSONB, nullable=False, comment="metric -> value over all folds; model_evaluations has each of them"
    ),
    sa.Column("decision", JSONB, nullable=False, comment="the rule of promotion and the numbers that it looked at"),
    sa.Column("artefact", sa.LargeBinary, nullable=False, comment="the model: arrays and a header, zipped"),
    text("artefact_sha256", "hash of the artefact, in hexadecimal", nullable=False),
    text(
        "status",
        "candidate (not better than the one before), champion (speaks), retired (replaced or withdrawn)",
        nullable=False,
    ),
    text("status_reason", "why it has this status; a champion may have none"),
    number("training_seconds", "wall clock that the training took, in seconds", nullable=False),
    recorded_at(),
    _known("kind", ModelKind),
    _known("status", ModelStatus),
    sa.CheckConstraint("status = 'champion' OR status_reason IS NOT NULL", name="reason_is_said"),
    sa.CheckConstraint(
        "trained_from < trained_through AND trained_through < effective_from", name="instants_are_in_order"
    ),
    sa.CheckConstraint("n_rows > 0", name="has_learned"),
    sa.CheckConstraint("training_seconds >= 0", name="training_took_time"),
    sa.CheckConstraint("artefact_sha256 = encode(sha256(artefact), 'hex')", name="hash_is_the_artefacts"),
    sa.Index(
        "uq_models_champion",
        *("kind", "exchange", "timeframe", "trained_through"),
        unique=True,
        postgresql_where=_IS_CHAMPION,
    ),
    sa.Index(
        "ix_models_effective_from", "kind", "exchange", "timeframe", "effective_from", postgresql_where=_IS_CHAMPION
    ),
    comment="Every trained model with its artefact: who speaks when, and why; see docs/models.md",
)

model_evaluations = sa.Table(
    "model_evaluations",
    metadata,
    sa.Column(
        "model_id",
        sa.Uuid,
        sa.ForeignKey("models.model_id", ondelete="CASCADE"),
        primary_key=True,
        comment="the model, see models",
    ),
    sa.Column(
        "fold",
        sa.SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="counted from 1, oldest first; 0 is all of them together",
    ),
    text("predictor", "who predicted: the model, or a simple rule on the same bars", primary_key=True),
    text("metric", "what was measured, e.g. auc", primary_key=True),
    number("value", "the measurement; NULL where no bar allowed one"),
    number("lower", "lower end of its 95 % interval, by a bootstrap of blocks of time"),
    number("upper", "upper end of that interval"),
    sa.Column("n_rows", sa.Integer, nullable=False, comment="bars that the value is measured on"),
    instant("test_from", "they close after this instant", nullable=False),
    instant("test_to", "the last of them closes here, or before", nullable=False),
    sa.CheckConstraint("fold >= 0", name="fold_counts_from_0"),
    sa.CheckConstraint("n_rows >= 0", name="rows_are_counted"),
    sa.CheckConstraint("lower <= upper", name="interval_is_in_order"),
    sa.CheckConstraint("test_from < test_to", name="instants_are_in_order"),
    comment="How each model's like was judged on bars later than those it had learned from, beside simple rules",
)


def _per_bar(name: str, *columns: sa.schema.SchemaItem, comment: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
        instant("open_at", "open of the bar, UTC", primary_key=True),
        instant("close_at", "close of the bar, when this could be known", nullable=False),
        *columns,
        sa.Index(f"ix_{name}_close_at", "close_at", postgresql_using="brin"),
        comment=comment,
    )


def _model_id() -> sa.Column[object]:
    return sa.Column("model_id", sa.Uuid, nullable=False, comment="the model that says so, see models")


direction_predictions = _per_bar(
    "direction_predictions",
    _model_id(),
    number("raw_probability", "that the next bar closes higher, as the network says it", nullable=False),
    number("probability", "the same, calibrated: of ten bars with .6 six should close higher", nullable=False),
    *(
        sa.CheckConstraint(f"{name} >= 0 AND {name} <= 1", name=f"{name}_is_a_fraction")
        for name in ("raw_probability", "probability")
    ),
    comment="Whether the next bar closes higher",
)

price_range_predictions = _per_bar(
    "price_range_predictions",
    _model_id(),
    number("high_q10", "next bar's high, 10 % quantile, as a fraction of this close above it", nullable=False),
    number("high_q50", "its median", nullable=False),
    number("high_q90", "its 90 % quantile", nullable=False),
    number("low_q10", "next bar's low, 10 % quantile, as a fraction of this close, negative below it", nullable=False),
    number("low_q50", "its median", nullable=False),
    number("low_q90", "its 90 % quantile", nullable=False),
    *(
        sa.CheckConstraint(
            f"{side}_q10 <= {side}_q50 AND {side}_q50 <= {side}_q90", name=f"{side}_quantiles_are_in_order"
        )
        for side in ("high", "low")
    ),
    sa.CheckConstraint(
        "low_q10 <= high_q10 AND low_q50 <= high_q50 AND low_q90 <= high_q90", name="lows_are_below_highs"
    ),
    sa.CheckConstraint(f"low_q10 > -1 AND high_q90 < {INFINITY}", name="prices_are_positive_and_finite"),
    comment="How far the next bar will reach; price = close * (1 + fraction)",
)

anomaly_scores = _per_bar(
    "anomaly_scores",
    _model_id(),
    number("score", "how unlike other bars this one is, 0 to 1", nullable=False),
    sa.Column("is_anomaly", sa.Boolean, nullable=False, comment="whether the score is beyond the model's threshold"),
    sa.Column(
        "is_ignored",
        sa.Boolean,
        nullable=False,
        comment="whether the flag counts for nothing, because too many of the series' last bars have one",
    ),
    sa.Column(
        "drivers",
        JSONB,
        comment="what made it so: feature and drop of the score without it, strongest first; NULL if no anomaly",
    ),
    sa.CheckConstraint("score >= 0 AND score <= 1", name="score_is_a_fraction"),
    sa.CheckConstraint("is_anomaly OR NOT is_ignored", name="only_flags_are_ignored"),
    sa.CheckConstraint("is_anomaly OR drivers IS NULL", name="only_flags_have_drivers"),
    sa.CheckConstraint("drivers IS NULL OR jsonb_typeof(drivers) = 'array'", name="drivers_are_a_list"),
    sa.Index("ix_anomaly_scores_flagged", "series_id", "open_at", postgresql_where=sa.text("is_anomaly")),
    comment="How unlike those before each bar is",
)

_MEANINGS = {
    **{f"return_{n}": f"log return over {n} bars, in usual moves of so many" for n in RETURN_BARS},
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
    **{f"distance_sma_{n}": f"close minus its mean over {n} bars, in average true ranges" for n in (20, 50, 200)},
    **{f"place_{n}": f"where the close lies in the range of {n} bars: -1 lowest, 1 highest" for n in (24, 168)},
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
}


def _meaning(feature: str) -> str:
    own = _MEANINGS[feature.removeprefix(REFERENCE)]
    return f"{own}; of the reference symbol" if feature.startswith(REFERENCE) else own


model_features = _per_bar(
    "model_features",
    *(sa.Column(name, sa.REAL, comment=_meaning(name)) for name in FEATURES),
    comment="What models are told of each bar, without units; NULL where unknown",
)
