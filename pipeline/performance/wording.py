"""How figures are written, the same in a terminal, on the page and in the pictures: a rate, a return, a p value.

What has no value is written `NOTHING`. Add a way to write a figure here when a second place shows it.
"""

from datetime import datetime
from math import isfinite

from pipeline.outcomes.rules import EXPIRY, Entry, OutcomeRules
from pipeline.performance.report import Window

NOTHING = "-"
PERCENT = 100.0
ROUNDED = 0.0005  # of a share, with one decimal of a per cent
LEAST_RATIO = 0.005  # below it a ratio is written 0.00, without a sign
LEAST_P = 0.001  # below it a p value is only said to be lower


def rate(value: float) -> str:
    """A share of signals: ``34.4 %``; what is nearly none or nearly all is not rounded to it."""
    if not isfinite(value):
        return NOTHING
    if 0.0 < value < ROUNDED or 1.0 - ROUNDED < value < 1.0:
        return "<0.1 %" if value < ROUNDED else ">99.9 %"
    return f"{PERCENT * value:.1f} %"


def signed(value: float) -> str:
    """A return: ``+0.12 %``, ``-0.27 %``."""
    return f"{_signed(PERCENT * value)} %" if isfinite(value) else NOTHING


def rates_between(low: float, high: float) -> str:
    """The interval of a rate: ``33.9 to 34.9 %``."""
    return f"{PERCENT * low:.1f} to {PERCENT * high:.1f} %" if isfinite(low) and isfinite(high) else NOTHING


def returns_between(low: float, high: float) -> str:
    """The interval of a return: ``-0.05 to +0.01 %``."""
    if not (isfinite(low) and isfinite(high)):
        return NOTHING
    return f"{_signed(PERCENT * low)} to {_signed(PERCENT * high)} %"


def probability(value: float) -> str:
    """A p value: ``0.987``, ``<0.001``."""
    if not isfinite(value):
        return NOTHING
    return f"<{LEAST_P:g}" if value < LEAST_P else f"{value:.3f}"


def number(value: float, unit: str = "") -> str:
    """A ratio: ``0.51``, ``-0.03``."""
    if not isfinite(value):
        return NOTHING
    return f"{0.0 if abs(value) < LEAST_RATIO else value:.2f}{unit}"


def horizon_words(horizon: str) -> str:
    """To where signals were followed: ``their expiry``, ``24 bars``."""
    return "their expiry" if horizon == EXPIRY else horizon.replace("_", " ")


def window_words(window: Window) -> str:
    """Which signals a report is about."""
    whose = (
        f"{window.origin} signals" if window.scope == "default" else f"signals of the {window.origin} {window.scope}"
    )
    if window.profile is not None:
        whose += f" of the profile {window.profile}"
    return f"{whose}, closes from {_instant(window.start)} to {_instant(window.end)} UTC"


def rules_words(rules: OutcomeRules) -> str:
    """What an outcome is counted by, in a sentence."""
    entry = "the next bar's open" if rules.entry is Entry.NEXT_OPEN else "the signal's close"
    return (
        f"Entered at {entry}, left at the first of stop, first target and horizon; a fee of "
        f"{PERCENT * rules.fee:g} % at each end, and {PERCENT * rules.slippage:g} % slippage wherever the market's "
        "price is taken."
    )


def _signed(value: float) -> str:
    written = f"{value:+.2f}"
    return "0.00" if float(written) == 0.0 else written


def _instant(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M}"
