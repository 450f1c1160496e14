"""Which patterns there are, and how several of one bar are kept in one number.

A column of the bars holds the patterns of a bar as bits, the place of a name in its tuple being the bit: one float per
bar, exact, and read back as names. So names are added at the end and never moved.
"""

from collections.abc import Sequence

CHART_PATTERNS = (
    *("double_top", "double_bottom", "triple_top", "triple_bottom"),
    *("head_and_shoulders", "inverse_head_and_shoulders"),
    *("ascending_triangle", "descending_triangle", "symmetrical_triangle"),
    *("rising_wedge", "falling_wedge"),
    *("bull_flag", "bear_flag", "bull_pennant", "bear_pennant"),
    "rectangle",
)
BULLISH_CANDLES = ("bullish_engulfing", "hammer", "morning_star", "morning_doji_star")
BEARISH_CANDLES = ("bearish_engulfing", "shooting_star", "hanging_man", "evening_star", "evening_doji_star")
DOJI_CANDLES = ("doji", "long_legged_doji", "dragonfly_doji", "gravestone_doji")

# The names behind the bits of each column that holds some.
NAMES = {
    "bullish_patterns": CHART_PATTERNS,
    "bearish_patterns": CHART_PATTERNS,
    "bullish_candles": BULLISH_CANDLES,
    "bearish_candles": BEARISH_CANDLES,
    "doji_candles": DOJI_CANDLES,
}


def names_of(column: str, bits: float) -> list[str]:
    """The patterns that a value of a column stands for, in the order of their bits; none where it is unknown."""
    number = 0 if bits != bits else int(bits)
    return [name for place, name in enumerate(NAMES[column]) if number >> place & 1]


def bits_of(column: str, names: Sequence[str]) -> int:
    """The number that stands for some names of a column."""
    return sum(1 << NAMES[column].index(name) for name in names)


def in_words(names: Sequence[str]) -> str:
    """Names as people read them: ``double top, hammer``."""
    return ", ".join(name.replace("_", " ") for name in names)
