"""The description's report, from counts."""

import pytest

from pipeline.performance.executed import SOURCES, Count, spec_performance

PART = {"total": 0, "executed": 0, "expired": 0, "avg_profit_loss": 0.0, "win_rate": 0.0}
EMPTY = {
    "timeframe": "7d",
    "total_signals": 0,
    "executed_signals": 0,
    "expired_signals": 0,
    "execution_rate": 0.0,
    "profitable_signals": 0,
    "losing_signals": 0,
    "breakeven_signals": 0,
    "win_rate": 0.0,
    "avg_profit_loss": 0.0,
    "by_source": dict.fromkeys(SOURCES, PART),
}


def a_count(**changes):
    """No signal at all of `technical`."""
    nothing = dict.fromkeys(("stored", "executed", "expired", "known", "profitable", "losing", "breakeven"), 0)
    return Count(**{"source_group": "technical", "is_alert": False, **nothing, "profit_loss": 0.0, **changes})


@pytest.mark.parametrize("counts", [[], [a_count()], [a_count(is_alert=True)]])
def test_f63_nothing_has_the_full_shape(counts):
    assert spec_performance(counts, "7d") == EMPTY


def test_the_example_of_the_description():
    counts = [
        a_count(executed=48, expired=17, known=48, profitable=28, losing=20, profit_loss=48 * 0.018),
        a_count(source_group="multi", executed=6, expired=4, known=6, profitable=5, losing=1, profit_loss=6 * 0.042),
    ]

    told = spec_performance(counts, "24h")

    assert told["timeframe"] == "24h"
    assert (told["total_signals"], told["executed_signals"], told["expired_signals"]) == (75, 54, 21)
    assert told["execution_rate"] == 54 / 75
    assert (told["profitable_signals"], told["losing_signals"]) == (33, 21)
    assert told["win_rate"] == 33 / 54
    assert told["avg_profit_loss"] == pytest.approx((48 * 0.018 + 6 * 0.042) / 54)
    technical = told["by_source"]["technical"]
    assert (technical["total"], technical["executed"], technical["expired"]) == (65, 48, 17)
    assert [technical["avg_profit_loss"], technical["win_rate"]] == pytest.approx([0.018, 28 / 48])
    assert told["by_source"]["ml_model"] == PART


def test_executed_ones_without_a_known_profit_are_outside_the_win_rate_alone():
    told = spec_performance([a_count(executed=4, known=1, profitable=1, profit_loss=0.02)], "7d")
    assert (told["execution_rate"], told["win_rate"], told["avg_profit_loss"]) == (1.0, 1.0, 0.02)


def test_alerts_count_and_are_in_no_rate():
    told = spec_performance([a_count(executed=1, expired=1), a_count(is_alert=True, expired=8)], "7d")
    assert (told["total_signals"], told["expired_signals"], told["execution_rate"]) == (10, 9, 0.5)


def test_a_profit_of_nothing_is_a_loss_and_breakeven():
    told = spec_performance([a_count(executed=2, known=2, losing=2, breakeven=1, profit_loss=-0.01)], "7d")
    assert (told["losing_signals"], told["breakeven_signals"], told["win_rate"]) == (2, 1, 0.0)
    assert told["avg_profit_loss"] == -0.005
