"""Wording: a text as words and terms, the units that lexicons and weights know.

Links, names of accounts, cashtags, names of coins and numbers become one word each, so that no weight learns that a
certain coin, ticker, account or price is good news.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from pipeline.sentiment.coin_words import BEGINS, COIN, COIN_SPELLINGS, COIN_WORDS, with_phrases_joined

READ_CHARACTERS = 10_000  # of a text; what stands behind them is not read

LINK, CASHTAG, ACCOUNT = "<link>", "<cashtag>", "<account>"
UNITS = "percent|pct|bps|x|k|m|mm|mn|b|bn|t|million|billion|trillion|cents"
PERCENT = ("%", "percent", "pct", "bps")
CURRENCIES = ("$", "€", "£")
CONTRACTED = "n't"
CURLED = "\u2019"  # the apostrophe of word processors

WORD = re.compile(
    rf"""
      (?P<link>(?i:https?://|www\.)\S+)
    | (?P<cashtag>\$[a-zA-Z][a-zA-Z.]{{0,9}}\b)
    | (?P<account>@\w+)
    | (?P<number>(?:(?<![\w)])[+-])?[$€£]?\d[\d,]*(?:\.\d+)?(?:\s?(?:%|(?i:{UNITS})\b))?)
    | (?P<word>[^\W\d_](?:[^\W_]|'(?=[^\W_]))*)
    | (?P<mark>[!?]|\.\.\.+|…|[:;=8][-oO]?[)\](\[dDpP/\\|]|[\U0001F300-\U0001FAFF\u2600-\u27BF])
    """,
    re.VERBOSE,
)


def word_set(listed: str) -> frozenset[str]:
    """The words of a list with spaces between them."""
    return frozenset(listed.split())


NEGATIONS = word_set(
    "not no never none nor neither cannot without hardly barely cant dont doesnt didnt isnt wasnt arent werent wont "
    "wouldnt couldnt shouldnt aint havent hasnt hadnt lack lacks lacking fails failed fail"
)
SCOPE_ENDS = word_set("but however although though yet ! ? ... …")
SCOPE_WORDS = 4  # how far a negation reaches
NEGATED = "not_"  # before a word that a negation reaches
BEGIN, END = "<begin>", "<end>"
GOOD, BAD = "<good>", "<bad>"  # in place of words that have a tone by themselves
TONES, FIRST_TONES, LAST_TONES = "<tones>", 4, 3
# Words that say nothing by themselves, however many of them stand together.
FILLERS = word_set(f"{LINK} {CASHTAG} {ACCOUNT} {COIN} 0 $0 0% a an and at by for from in of on or the to vs with")


def words(text: str) -> list[str]:
    """The words of a text in its order, lower case; links, accounts, cashtags, coins and numbers as one word each.

    A number keeps its sign and whether it is money or a share of something: ``+0%`` ``$0`` ``0``. Which words name a
    coin, and where that depends on how they are written, is `coin_words`' business.
    """
    found = []
    for match in WORD.finditer(text[:READ_CHARACTERS].replace(CURLED, "'")):
        kind, said = match.lastgroup, match.group()
        word = said.lower()
        if kind == "word":
            if "'" in word:
                word = word.replace("'", "") if word.endswith(CONTRACTED) else word.partition("'")[0]
                said = said.partition("'")[0]
            if word in COIN_WORDS or said in COIN_SPELLINGS:
                word = COIN
        elif kind == "number":
            word = _number(word)
        elif kind != "mark":
            word = f"<{kind}>"
        found.append(word)
    return found if BEGINS.isdisjoint(found) else with_phrases_joined(found)


def terms(found: Sequence[str], toned: Sequence[str]) -> list[str]:
    """What weights are kept for, distinct, in order.

    They are the words, neighbours, negated words, the first and the last one; then, of the words with their tones,
    two and three neighbours of which one has a tone, and the first tones of the text in a row: what was learned of a
    word with a tone holds for others that have the same.

    Parameters
    ----------
    found
        As `words` gives them.
    toned
        The same with `GOOD` and `BAD` in place of some, see `lexicon.toned`.
    """
    if not found:
        return []
    every = [*found, *map(" ".join, pairwise(found)), f"{BEGIN} {found[0]}", f"{found[-1]} {END}"]
    reach = 0
    for word in found:
        if word in NEGATIONS:
            reach = SCOPE_WORDS
        elif word in SCOPE_ENDS:
            reach = 0
        elif reach:
            every.append(NEGATED + word)
            reach -= 1
    for width in (2, 3):
        for place in range(len(toned) - width + 1):
            some = toned[place : place + width]
            if GOOD in some or BAD in some:
                every.append(" ".join(some))
    tones = [word for word in toned if word in (GOOD, BAD)]
    every.append(" ".join([TONES, *tones[:FIRST_TONES]]))
    if len(tones) > FIRST_TONES:
        every.append(" ".join([*tones[-LAST_TONES:], END]))
    return list(dict.fromkeys(every))


def _number(word: str) -> str:
    sign = word[0] if word[0] in "+-" else ""
    if word.endswith(PERCENT):
        return sign + "0%"
    return sign + ("$0" if word.lstrip("+-").startswith(CURRENCIES) else "0")
