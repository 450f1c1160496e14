"""Coin words: which words of a text name a coin, so that all of them can be read as one and the same.

What is sure to be a coin is in `asset_names`, for links; here a word may be wrong now and then, since it costs a score
next to nothing, while a name that stays brings its past along: a coin that was mourned once would be bad news for ever.
"""

import re
from collections.abc import Iterator, Sequence

from pipeline.domain.universe import QUOTES
from pipeline.sentiment.asset_names import coins

COIN = "<coin>"
# Coins that are gone, that are money for others, or that `asset_names` links by their cashtag only.
_FURTHER = """
ust ustc terra ftt cel celsius safemoon bitconnect onecoin vgx eos matic rndr mkr xno btg
usdt usdc busd tusd fdusd usdd pyusd dai tether steth cbbtc
"""
FURTHER = frozenset(_FURTHER.split())
# Words by themselves too: a coin where they are written like its ticker, `DOT` and not `dot`.
_ALSO_WORDS = "algo apt aster atom dot iota manta rune tao theta tia"
ALSO_WORDS = frozenset(_ALSO_WORDS.split())
FORKS = ("cash", "classic", "sv", "inu")  # behind the name of a coin they make that of another
# Grades of `asset_names`: tickers that are read as coins in any case, and in upper case. Those of the grade "tag", such
# as ONE and NOT, stay the words that they are.
ANY_CASE, UPPER_CASE = ("any", "word", "talk"), ("noun",)
LONGEST_JOINED = 20  # characters of #shibainu
PLAIN = re.compile(r"[a-z][a-z\d]*")


def _words() -> Iterator[str]:
    """Lower-case words that name a coin in any case."""
    yield from FURTHER
    for coin in coins():
        tickers = [ticker.lower() for ticker in (*coin.codes, *coin.aliases)]
        yield from (f"{ticker}{quote}".lower() for ticker in tickers for quote in (*QUOTES, "PERP"))
        if coin.grade in ANY_CASE:
            yield from tickers
        for name in (*coin.sure, *coin.proper):
            joined = name.replace(" ", "")
            if " " not in name:
                yield from (name, f"{name}s")
            elif len(joined) <= LONGEST_JOINED:
                yield joined


def _spellings() -> Iterator[str]:
    """Words as they are written that name a coin so and not in lower case."""
    for coin in coins():
        if coin.grade in UPPER_CASE:
            yield from (*coin.codes, *coin.aliases)
    yield from map(str.upper, ALSO_WORDS)


def _phrases() -> Iterator[tuple[str, ...]]:
    """Names of several words none of which names a coin by itself, and coins that are named after another."""
    yield from ((COIN, fork) for fork in FORKS)
    for coin in coins():
        for name in coin.sure:
            parts = tuple(name.removeprefix("the ").split(" "))
            if len(parts) > 1 and all(map(PLAIN.fullmatch, parts)) and COIN_WORDS.isdisjoint(parts):
                yield parts


COIN_WORDS = frozenset(filter(PLAIN.fullmatch, _words())) - ALSO_WORDS
COIN_SPELLINGS = frozenset(_spellings())
COIN_PHRASES = frozenset(_phrases())
BEGINS = frozenset(phrase[0] for phrase in COIN_PHRASES)
LONGEST = max(map(len, COIN_PHRASES))


def with_phrases_joined(found: Sequence[str]) -> list[str]:
    """Words with `COIN` in place of names of several words, the longest first."""
    joined: list[str] = []
    place = 0
    while place < len(found):
        word, length = found[place], 1
        if word in BEGINS:
            for tried in range(LONGEST, 1, -1):
                if tuple(found[place : place + tried]) in COIN_PHRASES:
                    word, length = COIN, tried
                    break
        joined.append(word)
        place += length
    return joined
