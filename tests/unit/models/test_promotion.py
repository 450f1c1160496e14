"""Promotion: a newer model replaces the champion unless it is worse, and the numbers of the decision are kept."""

import json

import pytest

from pipeline.models.promotion import compare, refuse, unopposed


def decided(challenger: float, champion: float = 0.5, tolerance: float = 0.01):
    return compare("log_loss", challenger, champion, 1_000, tolerance)


@pytest.mark.parametrize(
    ("challenger", "is_promoted"),
    [
        (0.4, True),  # better
        (0.5, True),  # equal: the newer one knows the newer market
        (0.504, True),  # worse by less than a hundredth
        (0.505, True),  # by exactly so much
        (0.50501, False),
        (0.6, False),
    ],
)
def test_a_challenger_may_be_worse_by_the_tolerance_and_no_more(challenger, is_promoted):
    assert decided(challenger).is_promoted is is_promoted


def test_without_tolerance_an_equal_loss_is_enough_and_a_higher_one_is_not():
    assert decided(0.5, tolerance=0.0).is_promoted
    assert not decided(0.5000001, tolerance=0.0).is_promoted


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), float("-inf")])
def test_a_challenger_whose_loss_is_no_number_is_refused(loss):
    decision = decided(loss)

    assert not decision.is_promoted
    assert decision.rule == "its loss is not a number"


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_champion_whose_loss_is_no_number_is_replaced(loss):
    assert decided(0.5, champion=loss).is_promoted


def test_the_decision_keeps_its_rule_and_its_numbers():
    worse, better = decided(0.6), decided(0.5)

    assert worse.as_dict() == {
        "is_promoted": False,
        "rule": "worse than the champion by more than 1.00%",
        "metric": "log_loss",
        "challenger": 0.6,
        "champion": 0.5,
        "tolerance": 0.01,
        "n_rows": 1_000,
    }
    assert better.rule == "not worse"
    assert (better.challenger, better.champion, better.n_rows) == (0.5, 0.5, 1_000)


def test_a_refused_model_says_why_and_does_not_speak():
    decision = refuse("leakage_suspected(model, all folds: AUC 0.700 > 0.60)")

    assert not decision.is_promoted
    assert decision.rule.startswith("leakage_suspected")
    assert decision.champion is None


def test_a_model_that_nobody_stands_against_speaks_and_its_decision_says_that_nothing_was_compared():
    decision = unopposed("the first of its kind")

    assert decision.is_promoted
    assert (decision.rule, decision.challenger, decision.n_rows) == ("the first of its kind", None, 0)


@pytest.mark.parametrize("decision", [refuse("no"), unopposed("yes"), decided(0.6)])
def test_a_decision_can_be_stored_as_json(decision):
    assert json.loads(json.dumps(decision.as_dict(), allow_nan=False)) == decision.as_dict()
