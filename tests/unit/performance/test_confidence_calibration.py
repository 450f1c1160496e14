"""Calibrated confidence: as a slow, obvious walk has it, rising, and blind for what was not known yet."""

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.performance.calibration import (
    KIND,
    NOTHING_TO_WIN,
    CalibrationRules,
    Resolved,
    calibrate,
    fit,
    fitted_at,
    midnights,
)

DAY = timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
RULES = CalibrationRules(min_outcomes=10, prior_outcomes=4.0, window=5 * DAY)
STATED = (0.6, 0.65, 0.7, 0.8)  # each in a class of its own

outcomes = st.lists(
    st.tuples(
        st.integers(0, 10 * 24),  # hours after START at which it was resolved
        st.sampled_from(STATED),
        st.booleans(),
        st.integers(0, 1),  # its kind
    ),
    max_size=120,
)


def resolved(found) -> Resolved:
    return Resolved(
        resolved_at=np.array([np.datetime64(START.replace(tzinfo=None) + h * DAY / 24, "us") for h, _, _, _ in found]),
        confidence=np.array([stated for _, stated, _, _ in found]),
        is_win=np.array([float(won) for _, _, won, _ in found]),
        kinds=np.array([kind for _, _, _, kind in found], dtype=np.int32),
        n_kinds=2,
    )


def slowly(found, at: datetime, rules: CalibrationRules) -> dict[tuple[int, float], tuple[int, float | None]]:
    """How often each kind stated each confidence, and what that is worth; neighbours that fall are pooled."""
    known = [(s, won, kind) for h, s, won, kind in found if at - rules.window < START + h * DAY / 24 <= at]
    worth: dict[tuple[int, float], tuple[int, float | None]] = {}
    for kind in {k for _, _, k in known}:
        of_kind = [(s, won) for s, won, k in known if k == kind]
        overall = sum(won for _, won in of_kind) / len(of_kind)
        pools = []
        for stated in sorted({s for s, _ in of_kind}):
            wins = [won for s, won in of_kind if s == stated]
            weight = len(wins) + rules.prior_outcomes
            pools.append([[stated], weight, (sum(wins) + rules.prior_outcomes * overall) / weight])
        while any(a[2] > b[2] for a, b in itertools.pairwise(pools)):
            i = next(i for i in range(len(pools) - 1) if pools[i][2] > pools[i + 1][2])
            (names, w, p), (more, v, q) = pools[i], pools[i + 1]
            pools[i : i + 2] = [[names + more, w + v, (w * p + v * q) / (w + v)]]
        for names, _, share in pools:
            for stated in names:
                n = sum(s == stated for s, _ in of_kind)
                worth[kind, stated] = n, share if len(of_kind) >= rules.min_outcomes else None
    return worth


@given(outcomes)
def test_every_fit_is_that_of_a_slow_walk(found):
    instants = [START + n * DAY for n in range(12)]

    table = fit(resolved(found), instants, RULES)

    for at in instants:
        rows = table[table["fitted_as_of"] == at]
        classes = {round(20 * stated): stated for stated in STATED}
        ours = {
            (row.kind, classes[row.confidence_class]): (
                row.outcomes,
                None if np.isnan(row.calibrated) else row.calibrated,
            )
            for row in rows.itertuples()
        }
        assert rows["stated"].tolist() == pytest.approx([stated for _, stated in ours])
        slow = slowly(found, at, RULES)
        assert ours.keys() == slow.keys()
        for key, (n, share) in slow.items():
            assert ours[key] == (n, share if share is None else pytest.approx(share, abs=1e-12))


@given(outcomes)
def test_more_stated_confidence_is_never_worth_less(found):
    table = fit(resolved(found), [START + 4 * DAY, START + 9 * DAY], RULES).dropna()

    for _, rows in table.groupby(["fitted_as_of", "kind"]):
        assert rows["stated"].is_monotonic_increasing
        assert rows["calibrated"].is_monotonic_increasing
        assert rows["calibrated"].between(0, 1).all()


@given(outcomes, st.integers(0, 10))
def test_outcomes_that_come_later_change_no_fit(found, day):
    at = START + day * DAY
    before = [each for each in found if START + each[0] * DAY / 24 <= at]

    pd.testing.assert_frame_equal(fit(resolved(found), [at], RULES), fit(resolved(before), [at], RULES))


@given(st.lists(st.sampled_from([0.65, 0.66, 0.68]), min_size=1, max_size=200), st.randoms())
def test_the_mean_that_was_stated_is_the_same_to_the_bit_in_any_order(stated, chance):
    found = [(hour % 24, each, False, 0) for hour, each in enumerate(stated)]
    shuffled = sorted(found, key=lambda _: chance.random())

    tables = [fit(resolved(each), [START + DAY], RULES) for each in (found, shuffled)]

    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert tables[0]["stated"].tolist() == pytest.approx([sum(stated) / len(stated)])
    assert tables[0]["outcomes"].tolist() == [len(stated)]


@given(outcomes)
def test_a_day_alone_is_fitted_as_among_others(found):
    instants = [START + n * DAY for n in range(11)]
    together = fit(resolved(found), instants, RULES)

    for at in instants:
        alone = fit(resolved(found), [at], RULES)
        pd.testing.assert_frame_equal(together[together["fitted_as_of"] == at].reset_index(drop=True), alone)


def asked(confidence, **changes) -> pd.DataFrame:
    row = dict(zip(KIND, WHICH, strict=True)) | {"signal_type": "BUY", "fitted_as_of": START}
    return pd.DataFrame([row | {"confidence": each} | changes for each in confidence])


WHICH = ("binance", "1h", "default", "technical", "SMA_CROSSOVER")


def known(calibrated, stated=(0.6, 0.7), n=200) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **dict(zip(KIND, WHICH, strict=True)),
            "fitted_as_of": START,
            "confidence_class": [12, 14],
            "kind_outcomes": n,
            "stated": stated,
            "calibrated": calibrated,
        }
    )


def test_between_classes_the_line_holds_and_beyond_them_their_ends():
    found = calibrate(asked([0.5, 0.6, 0.65, 0.7, 0.9]), known([0.3, 0.4]), RULES)

    assert found["calibrated_confidence"].tolist() == pytest.approx([0.3, 0.3, 0.35, 0.4, 0.4])
    assert found["uncalibrated_because"].isna().all()


@pytest.mark.parametrize(
    ("changes", "fits", "reason"),
    [
        ({}, known([np.nan, np.nan], n=7), "insufficient_outcomes(7<10)"),
        ({"strategy": "RSI_OVERSOLD"}, known([0.3, 0.4]), "insufficient_outcomes(0<10)"),
        ({"exchange": "kraken"}, known([0.3, 0.4]), "insufficient_outcomes(0<10)"),
        ({"timeframe": "4h"}, known([0.3, 0.4]), "insufficient_outcomes(0<10)"),
        ({"profile": "low"}, known([0.3, 0.4]), "insufficient_outcomes(0<10)"),
        ({"fitted_as_of": START - DAY}, known([0.3, 0.4]), "insufficient_outcomes(0<10)"),
        ({"signal_type": "ALERT"}, known([0.3, 0.4]), NOTHING_TO_WIN),
        ({}, known([0.3, 0.4]).iloc[:0], "insufficient_outcomes(0<10)"),
    ],
)
def test_what_has_no_calibrated_confidence_says_why(changes, fits, reason):
    found = calibrate(asked([0.65], **changes), fits, RULES)

    assert found["calibrated_confidence"].isna().all()
    assert found["uncalibrated_because"].tolist() == [reason]


@pytest.mark.parametrize(
    ("close_at", "expected"),
    [
        (START, START - DAY),
        (START + timedelta(hours=1, minutes=59), START - DAY),
        (START + timedelta(hours=2), START),
        (START + timedelta(hours=23), START),
    ],
)
def test_a_close_is_given_a_fit_that_was_made_by_then(close_at, expected):
    assert fitted_at(close_at) == expected
    assert expected in midnights(close_at, close_at + DAY)
