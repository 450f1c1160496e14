"""Language: whether a text is English, which is what the scorers read.

A text is refused only on strong evidence. A wrong refusal loses what somebody said; a foreign text that stays is
scored as neutral, since the scorers know no word of it.
"""

import re
from collections.abc import Callable
from functools import cache

ENGLISH = "en"
LEAST_LETTERS = 25  # with fewer nobody can tell, but for scripts in which a letter is a word
LEAST_SURE = 0.9  # probability from which the classifier is believed where the source states nothing
SURE_AGAINST_SOURCE = 0.99  # and where it contradicts what the source states
LONG_ENOUGH_TO_CONTRADICT = 60  # letters
SHARE_OF_COMMON_WORDS = 0.15  # of a text's words; from there on it is English without asking anybody
READ_CHARACTERS = 500  # what follows is written in the same language

# Frequent in English, and in no other language that uses its letters.
_COMMON_WORDS = """
the and this that with you your they their there have are from what when which would should could because
been about just than then our out only how why who where these those were has does don't it's it i'm can't
being through while into over after before more most some any other its his her we my not if
"""
_COMMON = frozenset(_COMMON_WORDS.split())
_NOISE = re.compile(r"https?://\S+|www\.\S+|[@#$]\w+|\b[A-Z0-9]{2,}\b|\d+")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)?")
_DENSE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTERS_PER_DENSE = 4  # a Chinese sign or a Korean syllable says about as much as so many letters
_STATED = re.compile(r"[a-z]{2}")
_SAME = {"in": "id", "iw": "he", "ji": "yi", "nb": "no", "nn": "no"}
# Where texts about markets are written. Over all of its languages the classifier would be torn between neighbours.
_CODES = """
ar bg bn ca cs da de el en es et fa fi fr he hi hr hu id it ja ka kk ko lt lv mk ml mr ms nl no pa pl pt ro
ru sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh
"""
_LANGUAGES = _CODES.split()


def language_of(text: str, stated: str | None = None) -> str | None:
    """What a cleaned text is written in, e.g. ``en`` or ``de``; None where too little is there to tell.

    What the source states counts unless the text strongly says otherwise: sources guess too, and worse at slang.

    Parameters
    ----------
    stated
        As the source writes it, e.g. ``en-US``; None or a word that names no language (``und``, ``qme``) counts as
        nothing stated.
    """
    claimed = _claimed(stated)
    read = _NOISE.sub(" ", text[:READ_CHARACTERS])
    words = _WORD.findall(read)
    n_common = sum(word.lower() in _COMMON for word in words)
    if n_common >= 2 and n_common >= SHARE_OF_COMMON_WORDS * len(words):
        return ENGLISH
    letters = sum(map(len, words))
    if not read.isascii():
        letters += (_LETTERS_PER_DENSE - 1) * len(_DENSE.findall(read))
    if claimed == ENGLISH and letters < LONG_ENOUGH_TO_CONTRADICT:
        return ENGLISH
    if letters < LEAST_LETTERS:
        return claimed
    found, probability = _classifier()(" ".join(words))
    if claimed is None:
        return found if probability >= LEAST_SURE else None
    is_contradicted = probability >= SURE_AGAINST_SOURCE and letters >= LONG_ENOUGH_TO_CONTRADICT
    return found if is_contradicted else claimed


def is_foreign(language: str | None) -> bool:
    """Whether a text is known to be in a language that the scorers do not read."""
    return language is not None and language != ENGLISH


def _claimed(stated: str | None) -> str | None:
    first = re.split(r"[-_]", stated.strip().lower(), maxsplit=1)[0] if stated else ""
    return _SAME.get(first, first) if _STATED.fullmatch(first) else None


@cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    """Language and its probability; loading takes half a second, so it is done once and only where it is needed."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES)

    classify: Callable[[str], tuple[str, float]] = identifier.classify
    return classify
