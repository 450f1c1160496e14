"""Extra indicators for tests: each of `ta` with its defaults, those of one's own, and some that are wrong."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.indicators.extra import ta_catalogue
from pipeline.indicators.extra.choice import chosen, extras_of
from pipeline.indicators.extra.definition import ExtraIndicator, OwnIndicator, OwnParameters, indicator
from pipeline.indicators.extra.registry import own_indicators
from pipeline.indicators.extra.ta_rules import TA

# Where the defaults leave something out, or leave a branch untried.
VARIANTS: Mapping[str, tuple[dict[str, Any], ...]] = {
    "DonchianChannel": ({}, {"offset": 3}),
    "IchimokuIndicator": ({}, {"window1": 60}),
    "KeltnerChannel": ({}, {"original_version": False, "window_atr": 25}),
    "SMAIndicator": ({"window": 30},),
    "VolumePriceTrendIndicator": ({}, {"smoothing_factor": 5}),
}


def an_extra(**section: Any) -> ExtraIndicator:
    """The indicator of a section called x."""
    typed, mistakes = chosen({"x": section})
    assert not mistakes
    return extras_of(typed)[0]


def _known() -> dict[str, ExtraIndicator]:
    found = {}
    for name in ta_catalogue.classes():
        for parameters in VARIANTS.get(name, ({},)) if name in TA else ():
            said = ",".join(f"{key}={value}" for key, value in parameters.items())
            found[f"{name}({said})" if said else name] = an_extra(ta=name, **parameters)
    return found | {key: an_extra(own=key) for key in own_indicators()}


EXTRAS: Mapping[str, ExtraIndicator] = MappingProxyType(_known())


@indicator(key="next_close", inputs=("close",), warm_up=0)
def _next_close(candles: Block, parameters: OwnParameters) -> pd.DataFrame:
    """The close of the bar after."""
    return candles["close"].shift(-1)


@indicator(key="share_of_maximum", inputs=("high",), warm_up=5)
def _share_of_maximum(candles: Block, parameters: OwnParameters) -> pd.DataFrame:
    """The high as a share of the highest of all."""
    return candles["high"] / candles["high"].max()


@indicator(key="forgetful", inputs=("close",), warm_up=10)
def _forgetful(candles: Block, parameters: OwnParameters) -> pd.DataFrame:
    """A mean of 20 closes that declares 10."""
    return candles["close"].rolling(20, min_periods=1).mean()


@indicator(key="rank_of_market", inputs=("close",), warm_up=0)
def _rank_of_market(candles: Block, parameters: OwnParameters) -> pd.DataFrame:
    """The place of a symbol among all."""
    return candles["close"].rank(axis=1)


PEEKING: Mapping[str, OwnIndicator] = {each.key: each for each in (_next_close, _share_of_maximum)}
FORGETFUL: OwnIndicator = _forgetful
RELATIVE: OwnIndicator = _rank_of_market
