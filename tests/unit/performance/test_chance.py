"""Against chance: probabilities of noise are even, of an edge small, and a lucky day is no discovery."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.performance.chance import FEWEST_BLOCKS, block_length, p_values

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def of_groups(excess):
    """Probabilities and intervals of an array of shape (n_groups, n_blocks, n_signals)."""
    n_groups, n_blocks, n_each = excess.shape
    codes = np.repeat(np.arange(n_groups, dtype=np.int32), n_blocks * n_each)
    blocks = np.tile(np.repeat(np.arange(n_blocks), n_each), n_groups)
    return p_values(excess.ravel(), codes, n_groups, blocks)


def clustered(seed, n_groups, n_blocks, n_each):
    """Noise of which the signals of a block share two thirds."""
    chance = np.random.default_rng(seed)
    return chance.normal(size=(n_groups, n_blocks, 1)) + 0.7 * chance.normal(size=(n_groups, n_blocks, n_each))


@pytest.mark.parametrize("n_blocks", [2, 3, 5, 8, 12, 30, 60])
def test_noise_is_called_a_discovery_no_more_often_than_is_said(n_blocks):
    p_value, _, _ = of_groups(clustered(n_blocks, 1_000, n_blocks, 5))
    assert (p_value < 0.05).mean() < 0.07  # three standard errors above
    assert (p_value < 0.01).mean() < 0.02


def test_probabilities_of_noise_are_even():
    p_value, _, _ = of_groups(clustered(1, 2_000, 30, 4))
    share, _ = np.histogram(p_value, np.linspace(0.0, 1.0, 11))
    assert share / 2_000 == pytest.approx(np.full(10, 0.1), abs=0.025)


@pytest.mark.parametrize("n_blocks", [FEWEST_BLOCKS, 30, 60])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(n_blocks):
    _, low, high = of_groups(0.3 + clustered(5, 1_000, n_blocks, 3))
    assert 0.88 < ((low < 0.3) & (high > 0.3)).mean() < 0.975


def test_a_planted_edge_is_found():
    excess = 0.001 + np.random.default_rng(3).normal(0.0, 0.002, size=(1, 60, 10))
    p_value, low, high = of_groups(excess)
    assert p_value[0] < 0.001
    assert 0.0 < low[0] < excess.mean() < high[0]


def test_a_planted_loss_is_no_edge():
    p_value, _, high = of_groups(-0.001 + np.random.default_rng(3).normal(0.0, 0.002, size=(1, 60, 10)))
    assert p_value[0] > 0.99
    assert high[0] < 0.0


def test_a_hundred_winners_of_one_lucky_hour_are_one_winner():
    excess = np.concatenate([np.full(100, 0.02), np.tile([0.001, -0.001], 20)])
    blocks = np.concatenate([np.zeros(100, np.int64), np.arange(1, 41)])
    codes = np.zeros(140, np.int32)

    one_by_one, _, _ = p_values(excess, codes, 1, np.arange(140))
    in_blocks, low, _ = p_values(excess, codes, 1, blocks)

    assert one_by_one[0] < 0.001
    assert in_blocks[0] > 0.2
    assert low[0] < 0.001


def test_signals_within_a_block_may_be_split_into_more_without_a_change():
    values = clustered(9, 1, 20, 1)[0, :, 0]
    once, _, _ = p_values(values, np.zeros(20, np.int32), 1, np.arange(20))
    tenfold, _, _ = p_values(np.repeat(values, 10), np.zeros(200, np.int32), 1, np.repeat(np.arange(20), 10))
    assert tenfold == pytest.approx(once)


def test_the_same_is_said_again():
    excess = clustered(4, 3, 20, 4)
    for first, second in zip(of_groups(excess), of_groups(excess), strict=True):
        assert first.tolist() == second.tolist()


def test_a_group_is_told_the_same_beside_others():
    codes = np.repeat(np.arange(2, dtype=np.int32), 40)
    blocks = np.tile(np.arange(40), 2)
    values = np.random.default_rng(5).normal(size=80)
    both = p_values(values, codes, 2, blocks)
    alone = p_values(values[:40], codes[:40], 1, blocks[:40])
    assert [column[0] for column in both] == pytest.approx([column[0] for column in alone])


@pytest.mark.parametrize("n_blocks", [0, 1])
def test_fewer_than_two_blocks_tell_nothing(n_blocks):
    none = np.zeros(3 * n_blocks)
    found = p_values(none, none.astype(np.int32), 1, none.astype(np.int64))
    assert np.isnan(found).all()


def test_two_lucky_blocks_are_one_in_four():
    p_value, low, high = of_groups(np.full((1, 2, 50), 0.01))
    assert p_value[0] == pytest.approx(0.25, abs=0.03)
    assert np.isnan([low[0], high[0]]).all()


def test_what_is_never_better_than_chance_is_no_discovery():
    p_value, low, high = of_groups(np.zeros((1, 20, 2)))
    assert (p_value[0], low[0], high[0]) == (1.0, 0.0, 0.0)


def test_a_group_without_a_signal_has_no_probability():
    p_value, _, _ = p_values(np.arange(30.0), np.ones(30, np.int32), 3, np.arange(30))
    assert np.isnan(p_value).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("days", "horizon", "expected"),
    [
        (1, HOUR, HOUR),
        (7, HOUR, 7 * DAY / 60),
        (30, HOUR, 12 * HOUR),
        (365, HOUR, DAY),
        (30, 4 * DAY, 4 * DAY),
        (1, DAY, DAY),
    ],
)
def test_a_block_is_a_day_or_shorter_in_short_windows_and_never_shorter_than_the_horizon(days, horizon, expected):
    assert block_length(START, START + days * DAY, horizon) == expected
