"""Signs: what is read off a text besides its terms, a few numbers of about 0 to 1 each."""

import math
import re
from collections.abc import Sequence

from pipeline.sentiment.lexicon import Lexicon, sums
from pipeline.sentiment.wording import CASHTAG, LINK, READ_CHARACTERS, word_set

SPREAD = 15.0  # of a sum that makes it count half; VADER's own
PERSONS = word_set("i im ive me my mine we us our you your he she they")

NAMES = (
    *(
        f"{lexicon}_{sign}"
        for lexicon in ("market", "social")
        for sign in ("good", "bad", "balance", "up", "down", "nil")
    ),
    "market_density",
    "social_density",
    "market_mixed",
    "exclaims",
    "asks",
    "length",
    "has_link",
    "has_cashtag",
    "is_personal",
    "talk",
)
CAPITALISED = re.compile(r"\b[^\W\d_]{4,}")
NUMBERS = frozenset(("0", "0%", "$0"))


def signs(found: Sequence[str], market: Lexicon, social: Lexicon, talk: float) -> list[float]:
    """The values of `NAMES` for the words of a text, as `wording.words` gives them.

    Sums grow with a text and say less and less as they do, so they are bent: x / sqrt(x^2 + 15), as VADER does.

    Parameters
    ----------
    talk
        Whether people talk: 1 on Reddit, 0 in news and on X, `talk_share` where nobody says.
    """
    length = max(len(found), 1)
    market_sums, social_sums = sums(found, market), sums(found, social)
    distinct = set(found)
    return [
        *_of_lexicon(*market_sums),
        *_of_lexicon(*social_sums),
        sum(market_sums) / length / 2.0,
        sum(social_sums) / length / 2.0,
        min(market_sums) / 4.0,
        min(found.count("!"), 3) / 3.0,
        float("?" in distinct),
        math.log(length) / 4.0,
        float(LINK in distinct),
        float(CASHTAG in distinct),
        float(not PERSONS.isdisjoint(distinct)),
        talk,
    ]


def talk_share(text: str, found: Sequence[str]) -> float:
    """How much a text of unknown origin reads like people talking rather than like a headline, 0 to 1.

    Talk has persons and lines, headlines have capitals, links, cashtags and numbers. What each weighs is rounded from
    a logistic model that told Reddit posts from financial headlines; no label of sentiment was used.
    """
    long_words = CAPITALISED.findall(text[:READ_CHARACTERS])
    capitalised = sum(word[0].isupper() for word in long_words) / len(long_words) if long_words else 0.5
    distinct = set(found)
    talk = 5.0 * ("\n" in text) + 2.5 * (not PERSONS.isdisjoint(distinct))
    headline = 7.0 * (LINK in distinct) + 3.0 * (CASHTAG in distinct) + 1.5 * (not NUMBERS.isdisjoint(distinct))
    return 1.0 / (1.0 + math.exp(1.0 + headline + 4.5 * capitalised - talk))


def _of_lexicon(good: float, bad: float) -> tuple[float, ...]:
    return (
        _bent(good),
        _bent(bad),
        _bent(good - bad),
        float(good > bad),
        float(bad > good),
        float(good == bad == 0.0),
    )


def _bent(total: float) -> float:
    return total / math.sqrt(total * total + SPREAD)
