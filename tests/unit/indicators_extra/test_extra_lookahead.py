"""No extra indicator sees the future: every class of `ta` is tried as it is, then as we read it, then one's own."""

import inspect

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.extra import ta_catalogue
from pipeline.indicators.extra.definition import ExtraIndicator
from pipeline.indicators.extra.ta_rules import REFUSED_CLASSES, TA
from tests.support.extra_indicators import EXTRAS, PEEKING
from tests.support.market import random_walk, with_delisting, with_listing

# What `ta` itself does when later candles are added. CLEAN: no past value changes, to the bit. FIRST_ROWS: only values
# change that stand before its first right one. LOOKS_AHEAD: later ones too.
CLEAN, FIRST_ROWS, LOOKS_AHEAD = "clean", "first rows", "looks ahead"
VERDICTS = {
    "ADXIndicator": CLEAN,
    "AccDistIndexIndicator": CLEAN,
    "AroonIndicator": CLEAN,
    "AverageTrueRange": CLEAN,
    "AwesomeOscillatorIndicator": CLEAN,
    "BollingerBands": CLEAN,
    "CCIIndicator": CLEAN,
    "ChaikinMoneyFlowIndicator": CLEAN,
    "CumulativeReturnIndicator": CLEAN,
    "DPOIndicator": CLEAN,
    "DailyLogReturnIndicator": CLEAN,
    "DailyReturnIndicator": CLEAN,
    "DonchianChannel": CLEAN,
    "EMAIndicator": CLEAN,
    "EaseOfMovementIndicator": CLEAN,
    "ForceIndexIndicator": CLEAN,
    "IchimokuIndicator": CLEAN,
    "KAMAIndicator": LOOKS_AHEAD,
    "KSTIndicator": LOOKS_AHEAD,
    "KeltnerChannel": CLEAN,
    "MACD": CLEAN,
    "MFIIndicator": CLEAN,
    "MassIndex": CLEAN,
    "NegativeVolumeIndexIndicator": CLEAN,
    "OnBalanceVolumeIndicator": CLEAN,
    "PSARIndicator": CLEAN,
    "PercentagePriceOscillator": CLEAN,
    "PercentageVolumeOscillator": CLEAN,
    "ROCIndicator": CLEAN,
    "RSIIndicator": CLEAN,
    "SMAIndicator": CLEAN,
    "STCIndicator": CLEAN,
    "StochRSIIndicator": CLEAN,
    "StochasticOscillator": CLEAN,
    "TRIXIndicator": CLEAN,
    "TSIIndicator": CLEAN,
    "UlcerIndex": CLEAN,
    "UltimateOscillator": CLEAN,
    "VolumePriceTrendIndicator": CLEAN,
    "VolumeWeightedAveragePrice": CLEAN,
    "VortexIndicator": LOOKS_AHEAD,
    "WMAIndicator": CLEAN,
    "WilliamsRIndicator": CLEAN,
}
# Of these a guard bar takes the future away; a test below holds them to that.
GUARDED = {"KAMAIndicator", "VortexIndicator"}
N_BARS = 160
CUTS = (*range(90, N_BARS, 9), N_BARS - 1)


def raw(name: str, candles: pd.DataFrame, **parameters: object) -> dict[str, np.ndarray]:
    """All that a class of `ta` answers, by method, without any reading of ours."""
    cls = ta_catalogue.classes()[name]
    needed = {"window": 14} if name == "SMAIndicator" else {}
    with np.errstate(all="ignore"):
        found = cls(**{field: candles[field] for field in ta_catalogue.inputs_of(name)}, **needed, **parameters)
        methods = [key for key, _ in inspect.getmembers(found, inspect.ismethod) if not key.startswith("_")]
        return {key: getattr(found, key)().to_numpy(dtype=float) for key in methods}


def one_market(seed: int, volatility: float) -> pd.DataFrame:
    block = random_walk(seed, n_candles=N_BARS, symbols=["A/USDT"], volatility=volatility)
    return pd.DataFrame({field: frame.iloc[:, 0].to_numpy() for field, frame in block.items()})


# The wild one is for running sums: a trace of what was summed and taken away again shows where prices change a lot.
MARKETS = (one_market(11, 0.01), one_market(19, 0.3))


def verdict(name: str, **parameters: object) -> str:
    changed = set()
    for candles in MARKETS:
        full = raw(name, candles, **parameters)
        for cut in CUTS:
            for method, values in raw(name, candles.iloc[:cut], **parameters).items():
                same = (values == full[method][:cut]) | (np.isnan(values) & np.isnan(full[method][:cut]))
                changed |= {(method, row) for row in np.flatnonzero(~same)}
    if not changed:
        return CLEAN
    rule = TA.get(name)
    defaults = ta_catalogue.parameters_of(name).model_validate({"window": 14} if name == "SMAIndicator" else {})
    given = defaults.model_dump() | parameters
    before = rule is not None and all(row < rule.first[method](given) for method, row in changed)
    return FIRST_ROWS if before else LOOKS_AHEAD


def first_change(extra: ExtraIndicator, n_bars: int = N_BARS) -> int | None:
    """The first cut at which a value differs from the one with all bars; symbols begin and end at their own times."""
    block = random_walk(seed=3, n_candles=n_bars)
    block = with_delisting(with_listing(block, "BTC/USDT", 20), "ETH/USDT", n_bars - 30)
    full = extra.compute(block)
    for cut in (1, 2, 3, *range(5, n_bars, 7)):
        past = extra.compute({field: frame.iloc[:cut] for field, frame in block.items()})
        if not all(past[column].equals(full[column].iloc[:cut]) for column in full):
            return cut
    return None


def test_every_class_of_ta_has_a_verdict_and_is_either_read_or_refused():
    names = set(ta_catalogue.classes())
    assert names == set(VERDICTS)
    assert names == set(TA) | set(REFUSED_CLASSES)
    assert not set(TA) & set(REFUSED_CLASSES)


@pytest.mark.parametrize("name", VERDICTS)
def test_ta_itself_treats_the_future_as_the_verdict_says(name):
    assert verdict(name) == VERDICTS[name]


def test_those_that_look_ahead_are_guarded_or_refused():
    looking = {name for name, said in VERDICTS.items() if said == LOOKS_AHEAD}
    assert looking == GUARDED | set(REFUSED_CLASSES)
    assert {name for name, rule in TA.items() if rule.guard} == GUARDED


def test_the_visual_cloud_looks_ahead_and_the_other_does_not():
    assert verdict("IchimokuIndicator", visual=True) == LOOKS_AHEAD
    assert verdict("IchimokuIndicator", visual=False) == CLEAN


@pytest.mark.parametrize("name", EXTRAS)
def test_no_extra_indicator_changes_a_past_value(name):
    assert first_change(EXTRAS[name]) is None


@pytest.mark.parametrize("key", PEEKING)
def test_an_own_indicator_that_peeks_is_caught(key):
    own = PEEKING[key]
    assert first_change(own.in_section("x", own.parameters())) is not None


@pytest.mark.parametrize("name", sorted(GUARDED))
def test_a_guarded_indicator_without_its_guard_is_caught(name):
    cls = ta_catalogue.classes()[name]
    parameters = ta_catalogue.parameters_of(name)().model_dump(exclude={"ta"})
    inputs = MARKETS[1][list(ta_catalogue.inputs_of(name))]
    for guard, is_same in ((TA[name].guard, True), (0, False)):
        rule = type(TA[name])(first=TA[name].first, guard=guard)
        full = ta_catalogue.one_series(rule, cls, parameters, inputs)
        pairs = [
            (values, past)
            for cut in CUTS
            for values, past in zip(
                full, ta_catalogue.one_series(rule, cls, parameters, inputs.iloc[:cut]), strict=True
            )
        ]
        assert all(np.array_equal(values[: len(past)], past, equal_nan=True) for values, past in pairs) == is_same
