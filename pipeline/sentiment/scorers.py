"""Which scorer a setting means, and the name under which its scores are stored.

Names are asked for at every tick, so they are made from files alone; what computes is imported when a scorer is loaded.
"""

from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version

from pipeline.domain.errors import ConfigurationError
from pipeline.sentiment.coin_words import COIN_PHRASES, COIN_SPELLINGS, COIN_WORDS
from pipeline.sentiment.lexicon import OWN, own_lexicon, social_lexicon
from pipeline.sentiment.linear import WEIGHTS, read_weights
from pipeline.sentiment.scoring import DefaultScorer, Scorer
from pipeline.sentiment.transformer import TransformerScorer, transformer_name

DEFAULT = "default"
TRANSFORMERS = "transformers:"
READING = 3  # raise it when wording, lexicon or signs read the same text otherwise
DIGITS = 12  # of a hash


def scorer_name(chosen: str) -> str:
    """The name that stands in `document_sentiment.scorer` for what the settings choose.

    Raises
    ------
    ConfigurationError
        Nothing is known by what is chosen.
    """
    if chosen == DEFAULT:
        return _default_name()
    if chosen.startswith(TRANSFORMERS) and (model := chosen.removeprefix(TRANSFORMERS).strip()):
        return TRANSFORMERS + transformer_name(model)
    raise ConfigurationError(f"sentiment.scorer must be {DEFAULT} or {TRANSFORMERS}<model or folder>, was {chosen!r}")


def load_scorer(chosen: str) -> Scorer:
    """The scorer that the settings choose, ready to score.

    Raises
    ------
    ConfigurationError
        Nothing is known by what is chosen, or it cannot be had; the message says what to do.
    """
    name = scorer_name(chosen)
    if chosen == DEFAULT:
        return DefaultScorer(name, read_weights(), own_lexicon(), social_lexicon())
    return TransformerScorer(name, chosen.removeprefix(TRANSFORMERS).strip())


@lru_cache(maxsize=1)
def _default_name() -> str:
    """Weights, lexicons, names of coins and the way of reading make the scores, so they make the name."""
    digest = sha256(f"{READING} vader {version('vaderSentiment')}\n".encode())
    digest.update(repr((sorted(COIN_WORDS), sorted(COIN_SPELLINGS), sorted(COIN_PHRASES))).encode())
    for path in (OWN, WEIGHTS):
        digest.update(path.read_bytes())
    return f"{DEFAULT}-{digest.hexdigest()[:DIGITS]}"
