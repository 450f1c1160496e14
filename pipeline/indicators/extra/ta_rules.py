"""What is known about each indicator of `ta`: its first value, its memory, its faults, and which are refused.

`ta` says nothing of this, and its answers before the first value are zeros, or means of the whole series, as often as
NaN. Add an entry where a new version of `ta` brings a class; a test fails until there is one, tries every class for
look-ahead, and holds every entry to its first rows and its warm-up.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.indicators.catalogue import Memory

Parameters = Mapping[str, Any]
Bars = Callable[[Parameters], int]

NEGLIGIBLE = 1e-16  # weight that the start of an average has left: small, for differences of averages are taken
SMALL_ENOUGH = 1e-10  # of an average as such, whose start is off by a part of it
EACH_FURTHER = 0.15  # an average of an average remembers so much longer: n * (1 - a)^n falls later than (1 - a)^n
REVERSALS = 20.0  # bars times step after which the parabolic stop has forgotten its start; see docs/indicators.md


@dataclass(frozen=True, slots=True, kw_only=True)
class TaRule:
    """How one class of `ta` is to be read.

    ``first`` names its methods, each with the rows that stand before its first value: what `ta` gives on them is not
    one. ``fading`` is how many bars more it remembers. ``guard`` is how many bars without values are put before a
    series' first one, where `ta` would take the last bars, or the mean of all, for those before the first.
    """

    first: Mapping[str, Bars]
    memory: Memory = Memory.WINDOW
    fading: Bars = lambda _: 0
    guard: int = 0
    mend: Callable[[pd.DataFrame, pd.Series], pd.Series] | None = None

    def warm_up(self, parameters: Parameters) -> int:
        """Bars before the first one whose value is to be trusted; 0 where no number would do."""
        if self.memory is Memory.CUMULATIVE:
            return 0
        return max(rows(parameters) for rows in self.first.values()) + self.fading(parameters)


def _faded(*weights: float, left: float = NEGLIGIBLE) -> int:
    """Bars after which a chain of averages, each with the weight of its newest value, has forgotten its start."""
    smallest = min(weights)
    bars = 0.0 if smallest >= 1.0 else math.log(left) / math.log1p(-smallest)
    return math.ceil(bars * (1.0 + EACH_FURTHER * (len(weights) - 1)))


def _spans(*names: str) -> Bars:
    """Of a chain of exponential averages whose spans are these parameters."""
    return lambda p: _faded(*(2.0 / (p[name] + 1.0) for name in names))


def _wilder(p: Parameters) -> int:
    return _faded(1.0 / p["window"])


def _rows(*names: str, plus: int = 0) -> Bars:
    """Rows before the first value of windows, one over the other, whose lengths are these parameters."""
    return lambda p: sum(p[name] - 1 for name in names) + plus


def _slower(p: Parameters) -> int:
    return int(max(p["window_slow"], p["window_fast"])) - 1


def _after_slower(*names: str) -> Bars:
    return lambda p: _slower(p) + sum(p[name] - 1 for name in names)


def _none(_: Parameters) -> int:
    return 0


def _one(_: Parameters) -> int:
    return 1


def _oscillator(stem: str, difference: str, *, chain: tuple[str, ...]) -> TaRule:
    """A difference of two averages, the average of it, and what it is above that."""
    signal = _after_slower("window_sign")
    return TaRule(
        first={stem: _slower, f"{stem}_signal": signal, f"{stem}_{difference}": signal},
        memory=Memory.FADING,
        fading=_spans(*chain),
    )


def _flat_is_50(inputs: pd.DataFrame, values: pd.Series) -> pd.Series:
    """RSI is 50 while nothing has moved yet, as in `rsi_14`; `ta` says 100, which a strategy would sell on."""
    close = inputs["close"]
    return values.mask((close.cummax() == close.cummin()) & values.notna(), 50.0)


def _kama_memory(p: Parameters) -> int:
    """In a market that goes nowhere its weight is the square of the slower one's, all the time."""
    return _faded((2.0 / (max(p["pow1"], p["pow2"]) + 1.0)) ** 2, left=SMALL_ENOUGH)


def _keltner_memory(p: Parameters) -> int:
    return 0 if p["original_version"] else max(_faded(2.0 / (p["window"] + 1.0)), _faded(1.0 / p["window_atr"]))


def _keltner_rows(p: Parameters) -> int:
    return int(p["window"] if p["original_version"] else max(p["window"], p["window_atr"])) - 1


def _offset_rows(p: Parameters) -> int:
    return int(p["window"] - 1 + p["offset"])


def _smoothed_rows(p: Parameters) -> int:
    return p["smoothing_factor"] or 1


_BANDS = ("mavg", "hband", "lband", "wband", "pband", "hband_indicator", "lband_indicator")
_KELTNER = ("mband", "hband", "lband", "wband", "pband", "hband_indicator", "lband_indicator")
_DONCHIAN = ("hband", "lband", "mband", "wband", "pband")
_OVER_WINDOW = _rows("window")
_AFTER_WINDOW = _rows("window", plus=1)
_PERIODS = ("window1", "window2", "window3")

TA: Mapping[str, TaRule] = {
    # momentum
    "AwesomeOscillatorIndicator": TaRule(first={"awesome_oscillator": lambda p: max(p["window1"], p["window2"]) - 1}),
    "KAMAIndicator": TaRule(
        first={"kama": _rows("window", plus=2)}, memory=Memory.FADING, fading=_kama_memory, guard=1
    ),
    "PercentagePriceOscillator": _oscillator("ppo", "hist", chain=("window_slow", "window_fast", "window_sign")),
    "PercentageVolumeOscillator": _oscillator("pvo", "hist", chain=("window_slow", "window_fast", "window_sign")),
    "ROCIndicator": TaRule(first={"roc": _AFTER_WINDOW}),
    "RSIIndicator": TaRule(first={"rsi": _OVER_WINDOW}, memory=Memory.FADING, fading=_wilder, mend=_flat_is_50),
    "StochRSIIndicator": TaRule(
        first={
            "stochrsi": _rows("window", "window"),
            "stochrsi_k": _rows("window", "window", "smooth1"),
            "stochrsi_d": _rows("window", "window", "smooth1", "smooth2"),
        },
        memory=Memory.FADING,
        fading=_wilder,
    ),
    "StochasticOscillator": TaRule(first={"stoch": _OVER_WINDOW, "stoch_signal": _rows("window", "smooth_window")}),
    "TSIIndicator": TaRule(
        first={"tsi": _rows("window_slow", "window_fast", plus=1)},
        memory=Memory.FADING,
        fading=_spans("window_slow", "window_fast"),
    ),
    "UltimateOscillator": TaRule(first={"ultimate_oscillator": lambda p: max(p[name] for name in _PERIODS)}),
    "WilliamsRIndicator": TaRule(first={"williams_r": _rows("lbp")}),
    # trend
    "ADXIndicator": TaRule(
        first={
            "adx": _rows("window", "window", plus=1),
            "adx_pos": _rows("window", plus=2),
            "adx_neg": _rows("window", plus=2),
        },
        memory=Memory.FADING,
        fading=lambda p: _faded(1.0 / p["window"], 1.0 / p["window"]),
    ),
    "AroonIndicator": TaRule(first=dict.fromkeys(("aroon_up", "aroon_down", "aroon_indicator"), _AFTER_WINDOW)),
    "CCIIndicator": TaRule(first={"cci": _OVER_WINDOW}),
    "DPOIndicator": TaRule(first={"dpo": lambda p: max(p["window"] - 1, int(0.5 * p["window"] + 1))}),
    "EMAIndicator": TaRule(first={"ema_indicator": _OVER_WINDOW}, memory=Memory.FADING, fading=_spans("window")),
    "IchimokuIndicator": TaRule(
        first={
            "ichimoku_conversion_line": _rows("window1"),
            "ichimoku_base_line": _rows("window2"),
            "ichimoku_a": lambda p: max(p["window1"], p["window2"]) - 1,
            "ichimoku_b": _rows("window3"),
        }
    ),
    "MACD": _oscillator("macd", "diff", chain=("window_slow", "window_fast", "window_sign")),
    "MassIndex": TaRule(
        first={"mass_index": _rows("window_fast", "window_fast", "window_slow")},
        memory=Memory.FADING,
        fading=_spans("window_fast", "window_fast"),
    ),
    "PSARIndicator": TaRule(
        first={
            "psar": lambda _: 2,
            "psar_up": lambda _: 2,
            "psar_down": lambda _: 2,
            "psar_up_indicator": lambda _: 3,
            "psar_down_indicator": lambda _: 3,
        },
        memory=Memory.FADING,
        fading=lambda p: math.ceil(REVERSALS / p["step"]),
    ),
    "SMAIndicator": TaRule(first={"sma_indicator": _OVER_WINDOW}),
    "STCIndicator": TaRule(
        first={"stc": _after_slower("cycle", "smooth1", "cycle", "smooth2")},
        memory=Memory.FADING,
        fading=lambda p: (
            _faded(*(2.0 / (p[n] + 1.0) for n in ("window_slow", "window_fast")))
            + _faded(2.0 / (p["smooth1"] + 1.0))
            + _faded(2.0 / (p["smooth2"] + 1.0))
        ),
    ),
    "TRIXIndicator": TaRule(
        first={"trix": _rows("window", "window", "window", plus=1)},
        memory=Memory.FADING,
        fading=_spans("window", "window", "window"),
    ),
    "VortexIndicator": TaRule(
        first=dict.fromkeys(("vortex_indicator_pos", "vortex_indicator_neg", "vortex_indicator_diff"), _AFTER_WINDOW),
        guard=1,
    ),
    "WMAIndicator": TaRule(first={"wma": _OVER_WINDOW}),
    # volatility
    "AverageTrueRange": TaRule(first={"average_true_range": _OVER_WINDOW}, memory=Memory.FADING, fading=_wilder),
    "BollingerBands": TaRule(first={f"bollinger_{name}": _OVER_WINDOW for name in _BANDS}),
    "DonchianChannel": TaRule(first={f"donchian_channel_{name}": _offset_rows for name in _DONCHIAN}),
    "KeltnerChannel": TaRule(
        first={f"keltner_channel_{name}": _keltner_rows for name in _KELTNER},
        memory=Memory.FADING,
        fading=_keltner_memory,
    ),
    "UlcerIndex": TaRule(first={"ulcer_index": _rows("window", "window")}),
    # volume
    "AccDistIndexIndicator": TaRule(first={"acc_dist_index": _none}, memory=Memory.CUMULATIVE),
    "ChaikinMoneyFlowIndicator": TaRule(first={"chaikin_money_flow": _OVER_WINDOW}),
    "EaseOfMovementIndicator": TaRule(first={"ease_of_movement": _one, "sma_ease_of_movement": _AFTER_WINDOW}),
    "ForceIndexIndicator": TaRule(first={"force_index": _AFTER_WINDOW}, memory=Memory.FADING, fading=_spans("window")),
    "MFIIndicator": TaRule(first={"money_flow_index": _AFTER_WINDOW}),
    "NegativeVolumeIndexIndicator": TaRule(first={"negative_volume_index": _none}, memory=Memory.CUMULATIVE),
    "OnBalanceVolumeIndicator": TaRule(first={"on_balance_volume": _none}, memory=Memory.CUMULATIVE),
    "VolumePriceTrendIndicator": TaRule(first={"volume_price_trend": _smoothed_rows}, memory=Memory.CUMULATIVE),
    "VolumeWeightedAveragePrice": TaRule(first={"volume_weighted_average_price": _OVER_WINDOW}),
    # others
    "CumulativeReturnIndicator": TaRule(first={"cumulative_return": _none}, memory=Memory.CUMULATIVE),
    "DailyLogReturnIndicator": TaRule(first={"daily_log_return": _one}),
    "DailyReturnIndicator": TaRule(first={"daily_return": _one}),
}

REFUSED_CLASSES: Mapping[str, str] = {
    "KSTIndicator": "it takes the mean of all closes, later ones included, for those before the first, and its running "
    'sums keep a trace of it; own = "know_sure_thing" computes it without',
}
# What would be wrong about `true`; `false` says nothing and may stand there.
REFUSED_PARAMETERS: Mapping[str, str] = {
    "fillna": "it invents values where there are none",
    "visual": "it fills the first bars with the mean of all, later ones included",
    "dropnans": "a bar without a value must stay a bar",
}
