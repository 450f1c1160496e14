"""Judgement: that it measures what it says, on equal rows, and that knowledge of the future does not pass."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.models.baselines import DIRECTION_BASELINES, fit_logistic_regression, fit_persistence
from pipeline.models.metrics import auc, brier_skill, coverage, hit_rate_above, pinball
from pipeline.models.scaling import Scaler
from pipeline.models.splits import walk_forward
from pipeline.models.validation import (
    check_scaler,
    evaluate_anomalies,
    evaluate_direction,
    evaluate_range,
    leakage_alarm,
)
from tests.support.model_panels import START, a_panel

WEEK = timedelta(weeks=1)
HOUR = timedelta(hours=1)
PLAN = {"n_folds": 2, "fold_weeks": 1, "training_weeks": 4, "embargo": 26 * HOUR}
REGRESSION = {"regression": fit_logistic_regression}


def folds_of(panel, **changes):
    return walk_forward(Timeframe.H1, START + 6 * WEEK, **PLAN | changes)


def direction(panel, fits=REGRESSION, **changes):
    return evaluate_direction(panel, folds_of(panel), fits, **{"seed": 1, "n_resamples": 100} | changes)


class Said:
    """A predictor that says what a function of panel and rows does."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, panel, rows):
        return self.answer(panel, rows)


def always(answer):
    return lambda panel, fold: Said(answer)


def with_features(panel, *columns):
    return replace(panel, features=np.stack(columns, axis=-1).astype(np.float32), names=tuple("ab")[: len(columns)])


# --- what must not pass ---------------------------------------------------------------------------------------------


def test_f35_a_feature_that_knows_the_next_close_raises_the_alarm():
    panel = a_panel()
    honest = panel.features[..., 1]
    risen = np.zeros_like(panel.close)
    risen[:, :-1] = np.sign(np.diff(panel.close, axis=1))
    noise = np.random.default_rng(7).standard_normal(risen.shape)
    peeking = direction(with_features(panel, honest, risen + 2.0 * noise))  # not even a clear view of it
    assert peeking.value("regression", "auc").lower > 0.6
    assert leakage_alarm(peeking).startswith("leakage_suspected(regression, ")
    assert leakage_alarm(direction(with_features(panel, honest, noise))) is None


def test_f35_a_feature_shifted_by_one_bar_too_many_raises_the_alarm():
    panel = a_panel()
    returns = np.diff(np.log(panel.close), axis=1, prepend=np.log(panel.close[:, :1]))
    assert leakage_alarm(direction(with_features(panel, returns))) is None
    assert "fold" in leakage_alarm(direction(with_features(panel, np.roll(returns, -1, axis=1))))


def of_other_bars(panel, seed):
    """The panel with the features of each bar exchanged for those of another, so that its label has nothing to do."""
    order = np.random.default_rng(seed).permutation(panel.close.shape[1])
    return replace(panel, features=panel.features[:, order])


def test_f35_shuffled_labels_leave_nothing_to_find():
    panels = [a_panel(signal=0.5, seed=seed) for seed in range(20)]
    assert direction(panels[0]).value("regression", "auc").lower > 0.55
    found = [direction(of_other_bars(panel, 99)).value("regression", "auc") for panel in panels]
    held = sum(one.lower <= 0.5 <= one.upper for one in found)
    assert 17 <= held <= 20  # of 20 intervals of 95 %
    assert np.mean([one.value for one in found]) == pytest.approx(0.5, abs=0.01)


def test_f35_a_scaler_of_all_rows_is_refused_and_that_of_the_training_rows_is_not():
    panel = a_panel()
    fold = folds_of(panel)[0]
    rows, everything = panel.rows(*fold.train), panel.rows(START, START + 6 * WEEK)
    check_scaler(panel, rows, Scaler.fit(panel.features[tuple(rows.T)]))
    check_scaler(panel, rows, fit_logistic_regression(panel, fold).scaler)
    with pytest.raises(DataContractError, match="a scaler must be fitted on the training rows and no others"):
        check_scaler(panel, rows, Scaler.fit(panel.features[tuple(everything.T)]))


def test_f35_a_fit_cannot_see_a_bar_after_its_training():
    panel, seen = a_panel(), []

    def fit(past, fold):
        seen.append((past.close_at[-1], fold.train_until))
        return Said(lambda panel, rows: np.full(len(rows), 0.5))

    direction(panel, {"spy": fit})
    assert [newest for newest, _ in seen] == [np.datetime64(until.replace(tzinfo=None)) for _, until in seen]
    assert len(seen) == 2


def test_f35_a_scaler_that_reaches_for_everything_gets_the_past_alone():
    panel = a_panel()
    changed = panel.features.copy()
    fold = folds_of(panel)[-1]
    changed[:, panel.close_at > np.datetime64(fold.train_until.replace(tzinfo=None))] += 50.0

    def greedy(past, fold):
        fitted = fit_logistic_regression(past, fold)
        whole = Scaler.fit(past.features.reshape(-1, past.features.shape[-1]))
        return Said(lambda panel, rows: np.full(len(rows), 1 / (1 + np.exp(-float(whole.mean[0]) - fitted.intercept))))

    before, after = (
        evaluate_direction(p, [fold], {"greedy": greedy}, seed=1, n_resamples=5).predictions["greedy"]
        for p in (panel, replace(panel, features=changed))
    )
    np.testing.assert_array_equal(before, after)


def test_f35_an_embargo_of_zero_is_refused_wherever_a_fold_comes_from():
    panel = a_panel()
    with pytest.raises(DataContractError, match=r"embargo must be at least 1:00:00 .* was 0:00:00"):
        folds_of(panel, embargo=timedelta(0))
    touching = [replace(fold, train_until=fold.test_after) for fold in folds_of(panel)]
    with pytest.raises(DataContractError, match=r"embargo must be at least 1:00:00 .* was 0:00:00"):
        evaluate_direction(panel, touching, REGRESSION, seed=1)


def test_the_alarm_hears_one_fold_even_where_all_together_are_silent():
    panel = a_panel()
    second = folds_of(panel)[1]

    def sometimes(past, fold):
        knows = fold == second
        return Said(lambda p, rows: 0.4 + 0.2 * p.went_up(rows) if knows else np.full(len(rows), 0.5))

    evaluation = direction(panel, {"sometimes": sometimes})
    assert leakage_alarm(evaluation) == "leakage_suspected(sometimes, fold 2: AUC 1.000 > 0.60)"


# --- what is measured -----------------------------------------------------------------------------------------------


def test_every_measure_is_that_of_the_predictions_kept():
    panel = a_panel(signal=0.6)
    evaluation = direction(panel, {"regression": fit_logistic_regression})
    for fold in (0, 1, 2):
        kept = evaluation.predictions
        kept = kept if fold == 0 else kept[kept["fold"] == fold]
        y, p, base = (kept[name].to_numpy() for name in ("went_up", "regression", "base_rate"))
        hits = hit_rate_above(y, p, 0.6)
        assert evaluation.value("regression", "auc", fold).value == pytest.approx(auc(y, p), abs=1e-12)
        assert evaluation.value("regression", "brier_skill", fold).value == pytest.approx(brier_skill(y, p, base))
        assert evaluation.value("regression", "hit_rate_above", fold).value == pytest.approx(hits.share)
        line = evaluation.table.query("predictor == 'regression' and metric == 'hit_rate_above' and fold == @fold")
        assert line["n_rows"].tolist() == [hits.n_calls]
        assert hits.n_calls > 50


def test_the_table_has_one_line_for_each_fold_predictor_and_metric_and_says_when():
    panel = a_panel()
    folds, table = folds_of(panel), direction(panel, DIRECTION_BASELINES).table
    assert not table.duplicated(["fold", "predictor", "metric"]).any()
    assert sorted(table["fold"].unique()) == [0, 1, 2]
    assert set(table["predictor"]) == {"base_rate", "persistence", "logistic_regression"}
    spans = table.drop_duplicates("fold").set_index("fold")[["test_from", "test_to"]]
    for number, fold in enumerate(folds, start=1):
        assert spans.loc[number].tolist() == [fold.test_after, fold.test_until]
    assert spans.loc[0].tolist() == [folds[0].test_after, folds[-1].test_until]
    bounded = table[table["lower"].notna()]
    assert (bounded["lower"] <= bounded["upper"]).all()


def test_predictions_stand_by_their_rows():
    panel = a_panel()
    kept = direction(panel).predictions
    rows = kept[["place", "bar"]].to_numpy()
    np.testing.assert_array_equal(kept["went_up"], panel.went_up(rows))
    np.testing.assert_array_equal(kept["symbol"], np.array(panel.symbols)[rows[:, 0]])
    np.testing.assert_array_equal(kept["close_at"].dt.tz_localize(None).to_numpy(), panel.close_at[rows[:, 1]])
    assert kept["close_at"].is_monotonic_increasing


def test_a_row_that_one_leaves_unanswered_is_judged_for_none_and_counted():
    panel = a_panel()

    def half(p, rows):
        return np.where(rows[:, 0] < 2, 0.5, np.nan)

    evaluation = direction(panel, {"half": always(half), **REGRESSION})
    assert set(evaluation.predictions["place"]) == {0, 1}
    assert evaluation.value("half", "answered").value == 0.5
    assert evaluation.value("regression", "answered").value == 1.0
    counts = evaluation.table.query("metric == 'auc'").groupby("fold")["n_rows"].nunique()
    assert (counts == 1).all()


def test_a_predictor_that_answers_nothing_is_named():
    with pytest.raises(DataContractError, match=r"every predictor answers must be 1 or more .* 'mute': 0"):
        direction(a_panel(), {"mute": always(lambda p, rows: np.full(len(rows), np.nan))})


@pytest.mark.parametrize("wrong", [1.2, -0.1])
def test_f33_a_probability_outside_0_and_1_is_refused(wrong):
    with pytest.raises(DataContractError, match=r"a probability must be in \[0, 1\], was .* \(wrong\)"):
        direction(a_panel(), {"wrong": always(lambda p, rows: np.full(len(rows), wrong))})


def test_f33_an_infinite_or_missing_answer_is_refused():
    for answer in (lambda p, rows: np.full(len(rows), np.inf), lambda p, rows: np.full(3, 0.5)):
        with pytest.raises(DataContractError, match=r"answers must be one per row, finite or NaN, was .* \(wrong\)"):
            direction(a_panel(), {"wrong": always(answer)})


def test_the_better_of_two_is_known_from_their_difference():
    panel = a_panel(signal=0.3)
    evaluation = direction(panel, {**REGRESSION, "persistence": fit_persistence}, against="persistence")
    gain, loss = (evaluation.value("regression", f"{metric}_less_persistence") for metric in ("auc", "brier"))
    assert gain.lower > 0.0 > loss.upper
    each = [evaluation.value(name, "brier").value for name in ("regression", "persistence")]
    assert loss.value == pytest.approx(each[0] - each[1])
    with pytest.raises(KeyError):
        evaluation.value("persistence", "auc_less_persistence")


def test_the_same_seed_gives_the_same_table():
    panel = a_panel()
    assert direction(panel).table.equals(direction(panel).table)


def test_reliability_tells_of_every_predictor_over_all_rows():
    evaluation = direction(a_panel())
    counts = evaluation.reliability.groupby("predictor")["n_rows"].sum()
    assert counts.to_dict() == {name: len(evaluation.predictions) for name in ("base_rate", "regression")}


def test_a_range_is_judged_by_pinball_loss_and_by_how_often_it_held():
    panel = a_panel(signal=0.0)

    def narrow(p, rows):
        return np.tile([0.0, 0.001, 0.002, -0.002, -0.001, 0.0], (len(rows), 1))

    evaluation = evaluate_range(panel, folds_of(panel), {"narrow": always(narrow)}, seed=1, n_resamples=50)
    kept = evaluation.predictions
    rows = kept[["place", "bar"]].to_numpy()
    high, low = panel.next_high(rows), panel.next_low(rows)
    for name in ("narrow", "atr_band"):
        said = kept.filter(like=f"{name} ").to_numpy()
        held = coverage(low, said[:, 3], said[:, 5])
        assert evaluation.value(name, "coverage_low").value == pytest.approx(held)
        each = [
            pinball(y, said[:, c], level)
            for c, (y, level) in enumerate((y, level) for y in (high, low) for level in (0.1, 0.5, 0.9))
        ]
        assert evaluation.value(name, "pinball_low_q90").value == pytest.approx(each[5])
        assert evaluation.value(name, "pinball").value == pytest.approx(np.mean(each))
    assert evaluation.value("atr_band", "coverage_high").value == pytest.approx(0.8, abs=0.05)
    assert (
        evaluation.value("narrow", "pinball_skill").upper < 0.0 == evaluation.value("atr_band", "pinball_skill").value
    )


def test_anomalies_are_judged_by_what_follows_them():
    panel = a_panel(n_symbols=8)
    for bar in range(20, panel.close.shape[1] - 1, 50):  # a jump at every fiftieth bar
        panel.close[:, bar + 1 :] *= 1.2

    def before_jumps(p, rows):
        return (rows[:, 1] % 50 == 20).astype(float)

    def by_chance(p, rows):
        return (rows[:, 1] % 50 == 3).astype(float)

    fits = {"warns": always(before_jumps), "chance": always(by_chance)}
    evaluation = evaluate_anomalies(panel, folds_of(panel), fits, seed=1, n_resamples=200)
    assert evaluation.value("warns", "flagged_share").value == pytest.approx(0.02, abs=0.003)
    assert evaluation.value("warns", "extreme_share").value == 1.0
    assert evaluation.value("warns", "lift").value == pytest.approx(20.0, rel=0.05)
    assert evaluation.value("chance", "lift").lower < 1.0


def test_a_detector_that_flags_nothing_has_no_lift():
    panel = a_panel()
    never = {"never": always(lambda p, rows: np.zeros(len(rows)))}
    evaluation = evaluate_anomalies(panel, folds_of(panel), never, seed=1, n_resamples=20)
    assert evaluation.value("never", "flagged_share").value == 0.0
    assert np.isnan(evaluation.value("never", "lift").value)
