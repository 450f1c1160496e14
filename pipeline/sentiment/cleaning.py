"""Cleaning: what a source hands over becomes plain, bounded text that can be stored, shown and read.

Add a rule here when it needs only the characters of one text. Nothing is judged: text that reads like SQL or like an
order to a machine is text. Broken encodings stay as they are, since mending by guess would break what is right.
"""

import html
import re
import sys
import unicodedata
from functools import cache

from pipeline.domain.document import DocumentKind

TITLE_CHARACTERS = 300
BODY_CHARACTERS = 8_000
MARKUP_TIMES = 4  # raw text is cut at so many times its bound before anything looks at it: markup needs room
MANY_TAGS = 1_000  # a text with more of them is no text that was written by hand, and is stripped without parsing
GONE = frozenset({"[removed]", "[deleted]", "[removed by reddit]", "[deleted by user]"})  # in place of a body
MARKDOWN_KINDS = frozenset({DocumentKind.POST, DocumentKind.COMMENT})

# Tags that separate words. They become line ends before parsing, which is quadratic in how deep they are nested.
_BLOCK = re.compile(
    r"<(?=[/a-z])/?(?:address|article|aside|blockquote|br|button|center|dd|details|dialog|dir|div|dl|dt|fieldset|figcaption"
    r"|figure|footer|form|h[1-6]|header|hgroup|hr|li|main|menu|nav|ol|option|p|pre|section|select|summary|table|tbody"
    r"|td|tfoot|th|thead|tr|ul)\b[^<>]*>",
    re.IGNORECASE,
)
_TAG = re.compile(
    r"<(?=[!/a-z])(?:!--|(?:!doctype|/?(?:a|abbr|audio|b|big|body|button|canvas|cite|code|del|em|embed|font|head|html"
    r"|i|iframe|img|input|ins|label|link|mark|math|meta|noscript|object|picture|q|s|script|small|source|span|strike"
    r"|strong|style|sub|sup|svg|template|textarea|time|title|tt|u|video|xml))\b[^<>]*>)",
    re.IGNORECASE,
)
_ANY_TAG = re.compile(r"<[^<>]*>")

# Characters that nobody sees: controls, surrogates, soft hyphens, zero widths, directions, fillers, tags, private use.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\uf8ff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U000e0000-\U0010ffff]"
)
# A joiner is part of an emoji that is put together from others, and of nothing else that is kept.
_JOINER = re.compile(
    "(?<![\ufe0f\u2190-\u2bff\U0001f000-\U0001faff])\u200d|\u200d(?![\u2190-\u2bff\U0001f000-\U0001faff])"
)
_SPACES = re.compile(r"[^\S\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]+")
_LINE_ENDS = re.compile(r" ?[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]\s*")  # between single spaces

_IMAGE = re.compile(r"!\[([^\[\]\n]*)\]\([^()\s]*\)")
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+\"[^\"\n]*\")?\)")
_QUOTE = re.compile(r"^[ \t]*>(?!!).*$", re.MULTILINE)
_LINE_MARKS = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>!?[ \t]?|[*+-][ \t]+|(?:[*_-][ \t]*){3,}$)", re.MULTILINE)
_STRESS = re.compile(r"\*{1,3}|~~|\b__|__\b|>!|!<|`+")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!>~|^])")


def clean_title(raw: str) -> str:
    """One line of at most `TITLE_CHARACTERS`; empty where nothing can be read."""
    text = _plain(raw, TITLE_CHARACTERS, is_markdown=False)
    return _bounded(text.replace("\n", " "), TITLE_CHARACTERS)


def clean_body(raw: str, kind: DocumentKind) -> str:
    """Lines of text, at most `BODY_CHARACTERS` together, without empty lines between them.

    Tags, entities, Reddit's markdown, characters that nobody sees and needless white space are gone. Letters that are
    dressed up (bold or full-width signs of Unicode) are plain ones (NFKC), so that a word is a word. What a post or
    comment quotes is left out, since it is somebody else's opinion, unless it has nothing else. Emoji and every script
    stay.
    """
    return _bounded(_plain(raw, BODY_CHARACTERS, kind in MARKDOWN_KINDS), BODY_CHARACTERS)


def clean_parts(title: str, body: str, kind: DocumentKind) -> tuple[str, str]:
    """Title and body, cleaned. A title that is too long is no title, but the beginning of the body."""
    if len(title) > TITLE_CHARACTERS and len(_plain(title, BODY_CHARACTERS, is_markdown=False)) > TITLE_CHARACTERS:
        return "", clean_body(f"{title}\n\n{body}", kind)
    return clean_title(title), clean_body(body, kind)


def without_unseen(text: str) -> str:
    """The text without controls, lone surrogates and other characters that nobody sees; PostgreSQL takes what stays."""
    return _JOINER.sub("", _UNSEEN.sub("", text))


def is_gone(raw: str) -> bool:
    """Whether a source has put ``[removed]`` or the like in place of a text."""
    return len(raw) < 50 and raw.strip().casefold() in GONE


def _plain(raw: str, limit: int, is_markdown: bool) -> str:
    """The text of which no more than a limit will be kept."""
    text = raw[: limit * MARKUP_TIMES]
    if "<" in text or "&" in text:
        text = _without_tags(text)
    if is_markdown:
        text = _without_markdown(text)
    if not text.isascii():
        text = without_unseen(text)[: limit * 5 // 4]  # normalising makes some characters into eighteen
        text = unicodedata.normalize("NFKC", _mark_heaps().sub(r"\1", text))
    elif not text.isprintable():
        text = _UNSEEN.sub("", text)
    text = _SPACES.sub(" ", text)
    return (text if text.isprintable() else _LINE_ENDS.sub("\n", text)).strip()


def _without_tags(text: str) -> str:
    """The words between the tags; a ``<`` that opens none stays."""
    if "<" in text:
        text = _BLOCK.sub("\n", text)
    if _TAG.search(text):
        import nh3

        if text.count("<") > MANY_TAGS:
            text = _ANY_TAG.sub(" ", text)
        text = nh3.clean(_UNSEEN.sub("", text), tags=set())
    return html.unescape(text)


def _without_markdown(text: str) -> str:
    """Reddit's markdown as one would read it aloud."""
    if ">" in text:
        own = _QUOTE.sub("", text)
        text = own if own.strip() else text
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(" ", text))
    text = _STRESS.sub("", _LINE_MARKS.sub("", text))
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text


def _bounded(text: str, limit: int) -> str:
    """Cut behind a word where one ends near the limit."""
    if len(text) <= limit:
        return text
    cut = text[:limit]
    end = max(cut.rfind(" "), cut.rfind("\n"))
    return (cut[:end] if end > limit - 50 else cut).rstrip()


@cache
def _mark_heaps() -> re.Pattern[str]:
    """More than four marks upon one letter: nobody writes so, and sorting them takes quadratic time."""
    marks = "".join(
        chr(code) for code in range(0x300, min(sys.maxunicode, 0x1F000)) if unicodedata.combining(chr(code))
    )
    return re.compile(f"([{marks}]{{4}})[{marks}]+")
