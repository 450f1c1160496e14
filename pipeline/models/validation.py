"""Judgement: models and baselines walked forward over the same folds, and the guards that say what not to believe.

Add here which measures a kind of model is judged by, and guards that find knowledge of the future. Nothing here knows
how a model learns: a fit is any function of a panel and a fold (`out_of_sample.Fit`).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from pipeline.domain.errors import DataContractError
from pipeline.models.baselines import fit_atr_band, fit_base_rate
from pipeline.models.bootstrap import N_RESAMPLES, Resamples, quotient, reliability
from pipeline.models.evaluation import ALL_FOLDS, Evaluation, Measure, Stretch, stretches, tabulate, told
from pipeline.models.metrics import extreme_moves, is_inside, log_losses, pinball_losses, squared_errors
from pipeline.models.out_of_sample import Fit, predict_out_of_sample
from pipeline.models.panel import HORIZON_BARS, Flags, Numbers, Panel, Rows
from pipeline.models.price_range import LEVELS, RANGES
from pipeline.models.scaling import Scaler
from pipeline.models.splits import Fold

ALARMING_AUC = 0.60  # of the next bar's direction nobody honest knows more
BUY_ABOVE, SELL_BELOW = 0.6, 0.4  # probabilities that become signals
BASE, BAND = "base_rate", "atr_band"


def evaluate_direction(
    panel: Panel,
    folds: Sequence[Fold],
    fits: Mapping[str, Fit],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    against: str = BASE,
    buy_above: float = BUY_ABOVE,
    sell_below: float = SELL_BELOW,
) -> Evaluation:
    """Walk forward predictors of the probability that the next close is higher, and the base rate beside them.

    Metrics: ``auc brier brier_skill log_loss ece hit_rate_above hit_rate_below answered``; the skill is against the
    base rate of each fold's training rows, which is judged as ``base_rate``. The loss of every other predictor less
    that of ``against``, and its AUC less that one's, have metrics of their own (``auc_less_base_rate``,
    ``brier_less_...``, ``log_loss_less_...``): two intervals that overlap say little of a difference on equal rows.

    Raises
    ------
    DataContractError
        If a probability is outside [0, 1], or as `predict_out_of_sample` says.
    """
    judged = predict_out_of_sample(panel, folds, {BASE: fit_base_rate, **fits})
    measured = stretches(panel, judged, seed=seed, n_resamples=n_resamples)
    everything = measured[0]
    for name, p in everything.said.items():
        if not ((p >= 0.0) & (p <= 1.0)).all():
            raise DataContractError(f"a probability must be in [0, 1], was {p.min()} to {p.max()} ({name})")

    def measures(stretch: Stretch) -> list[Measure]:
        y, n_rows, drawn = panel.went_up(stretch.rows), len(stretch.rows), stretch.resamples
        saved = squared_errors(y, stretch.said[BASE])
        found = []
        losses = {}
        for name, p in stretch.said.items():
            errors, bought, sold = squared_errors(y, p), p > buy_above, p < sell_below
            losses[name] = {
                "auc": drawn.auc(y, p),
                "brier": drawn.mean(errors),
                "log_loss": drawn.mean(log_losses(y, p)),
            }
            found += [Measure(name, metric, statistic, n_rows) for metric, statistic in losses[name].items()]
            found += [
                Measure(name, "brier_skill", drawn.ratio(saved - errors, saved), n_rows),
                Measure(name, "ece", drawn.ece(y, p), n_rows),
                Measure(name, "hit_rate_above", drawn.ratio(bought * y, bought), int(bought.sum())),
                Measure(name, "hit_rate_below", drawn.ratio(sold * (1.0 - y), sold), int(sold.sum())),
            ]
        found += [
            Measure(name, f"{metric}_less_{against}", statistic - losses[against][metric], n_rows)
            for name in stretch.said
            if name != against
            for metric, statistic in losses[name].items()
        ]
        return found

    y = panel.went_up(everything.rows)
    curves = [reliability(y, p, everything.resamples).assign(predictor=name) for name, p in everything.said.items()]
    return Evaluation(
        table=tabulate(judged, measured, measures),
        predictions=told(panel, judged).assign(went_up=y),
        reliability=pd.concat(curves, ignore_index=True),
    )


def evaluate_range(
    panel: Panel,
    folds: Sequence[Fold],
    fits: Mapping[str, Fit],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
) -> Evaluation:
    """Walk forward predictors of quantiles of the next bar's high and low, and the ATR band beside them.

    Predictors say ``high_q10 high_q50 high_q90 low_q10 low_q50 low_q90`` in this order, fractions of the close.
    Metrics: ``pinball_high_q10`` and so on for each, their mean ``pinball``, ``pinball_skill`` (1 less the ratio to
    that of ``atr_band``), ``coverage_high`` and ``coverage_low`` of the 10-90 bands, ``answered``.
    """
    judged = predict_out_of_sample(panel, folds, {BAND: fit_atr_band, **fits})
    measured = stretches(panel, judged, seed=seed, n_resamples=n_resamples)

    def measures(stretch: Stretch) -> list[Measure]:
        rows, n_rows, drawn = stretch.rows, len(stretch.rows), stretch.resamples
        usual = range_losses(panel, rows, stretch.said[BAND]).mean(axis=1)
        found = []
        for name, said in stretch.said.items():
            each = range_losses(panel, rows, said)
            total = each.mean(axis=1)
            high = is_inside(panel.next_high(rows), said[:, 0], said[:, 2])
            low = is_inside(panel.next_low(rows), said[:, 3], said[:, 5])
            found += [
                Measure(name, f"pinball_{quantile}", drawn.mean(each[:, c]), n_rows)
                for c, quantile in enumerate(RANGES)
            ]
            found += [
                Measure(name, "pinball", drawn.mean(total), n_rows),
                Measure(name, "pinball_skill", drawn.ratio(usual - total, usual), n_rows),
                Measure(name, "coverage_high", drawn.mean(high), n_rows),
                Measure(name, "coverage_low", drawn.mean(low), n_rows),
            ]
        return found

    return Evaluation(
        table=tabulate(judged, measured, measures),
        predictions=told(panel, judged, RANGES),
        reliability=pd.DataFrame(),
    )


def range_losses(panel: Panel, rows: Rows, said: Numbers) -> Numbers:
    """Pinball losses of each of `RANGES`, shape (n_rows, 6)."""
    pairs = [(reach, level) for reach in (panel.next_high(rows), panel.next_low(rows)) for level in LEVELS]
    return np.column_stack([pinball_losses(y, said[:, column], level) for column, (y, level) in enumerate(pairs)])


def evaluate_anomalies(
    panel: Panel,
    folds: Sequence[Fold],
    fits: Mapping[str, Fit],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
) -> Evaluation:
    """Walk forward detectors that say 1.0 of an unusual bar and 0.0 of any other.

    Metrics: ``flagged_share``; ``extreme_share``, how often the move after a flag is beyond the 95th percentile of the
    symbol's moves among these rows; ``lift``, how many times as often as after any bar; ``answered``. An anomaly need
    not foretell anything: a lift of 1 says that flags describe and do not warn.
    """
    judged = predict_out_of_sample(panel, folds, fits)
    measured = stretches(panel, judged, seed=seed, n_resamples=n_resamples)

    def measures(stretch: Stretch) -> list[Measure]:
        return [
            measure
            for name, said in stretch.said.items()
            for measure in _flag_measures(name, said > 0.5, _extremes(panel, stretch.rows), stretch.resamples)
        ]

    return Evaluation(
        table=tabulate(judged, measured, measures),
        predictions=told(panel, judged),
        reliability=pd.DataFrame(),
    )


def leakage_alarm(evaluation: Evaluation) -> str | None:
    """Why an evaluation of directions looks as if the future was known, or None: an AUC above .60 of all or one fold.

    Honest models of the next bar reach .55 to .57. A feature that peeks is seldom subtle, and what is too good is
    likelier a fault than a discovery; whoever believes in the discovery has to find out why before it is served.
    """
    table = evaluation.table
    ranks = table[(table["metric"] == "auc") & (table["value"] > ALARMING_AUC)].sort_values("value", ascending=False)
    if ranks.empty:
        return None
    fold, name, value = ranks[["fold", "predictor", "value"]].iloc[0]
    where = "all folds" if fold == ALL_FOLDS else f"fold {fold}"
    return f"leakage_suspected({name}, {where}: AUC {value:.3f} > {ALARMING_AUC:.2f})"


def check_scaler(panel: Panel, rows: Rows, scaler: Scaler) -> None:
    """Refuse a scaler that is not the one of exactly these training rows: others told it of their mean and spread.

    Compared by what both make of the rows, so that nothing of a scaler's inside is known here.
    """
    place, bar = rows.T
    values = panel.features[place, bar]
    mine, theirs = Scaler.fit(values)(values), scaler(values)
    if not np.array_equal(mine, theirs, equal_nan=True):
        raise DataContractError(
            f"a scaler must be fitted on the training rows and no others, was off by {np.abs(mine - theirs).max()}"
        )


def _flag_measures(name: str, flags: Flags, is_extreme: Flags, drawn: Resamples) -> list[Measure]:
    n_rows, n_flags = len(flags), int(flags.sum())
    after_flag = drawn.ratio(flags & is_extreme, flags)
    return [
        Measure(name, "flagged_share", drawn.mean(flags), n_rows),
        Measure(name, "extreme_share", after_flag, n_flags),
        Measure(name, "lift", quotient(after_flag, drawn.mean(is_extreme)), n_flags),
    ]


def _extremes(panel: Panel, rows: Rows) -> Flags:
    """Which rows are followed by an extreme move of their symbol."""
    place, bar = rows.T
    return extreme_moves(panel.close[place, bar + HORIZON_BARS] / panel.close[place, bar] - 1.0, place)
