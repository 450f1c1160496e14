"""Document files: JSON Lines that a person has on disk, turned into raw texts and events.

A line is an object with ``source`` (news, twitter, reddit or github), ``timestamp`` and ``text``; the other names that
are read stand in docs/sentiment-texts.md. Whether a text can be used is decided in `pipeline.sentiment.preparing`; here
is only said which lines can be read at all.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pipeline.domain.document import ActivityKind, DocumentKind, RawDocument, RepositoryEvent, TextSource
from pipeline.domain.errors import UnreadableFileError
from pipeline.domain.universe import base_of
from resources.packed_files import unpacked_bytes

SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".zip")
LONGEST_LINE = 4_000_000  # characters; a text is cut at 8,000 in any case
LONGEST_SHOWN = 50  # characters of a value that a message repeats
KINDS = {
    TextSource.NEWS: DocumentKind.ARTICLE,
    TextSource.TWITTER: DocumentKind.TWEET,
    TextSource.REDDIT: DocumentKind.POST,
}
_UTF_8_MARK, _UTF_16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
COUNTERS = ("score", "num_comments", "likes", "retweets", "replies", "quotes", "views", "impressions")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_ASSET = re.compile(r"[A-Z0-9]+")
_SECONDS = re.compile(r"\d{9,13}(\.\d+)?")  # in quotes; with fewer digits a date, with more who knows what
# Seconds are below the first bound until the year 5138: a number above it counts something smaller.
_SMALLER = ((1e17, "nanoseconds"), (1e14, "microseconds"), (1e11, "milliseconds"))
_LARGEST_INSTANT = 1e20


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetEvent:
    """An event, and whose repository it happened in."""

    number: int  # of its line, from 1
    asset: str  # base currency; empty where the line does not say
    event: RepositoryEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableLine:
    """A line that says nothing that can be used."""

    number: int  # from 1
    reason: str  # stable word
    says: str  # what is wrong with it, in words
    beginning: str


Line = RawDocument | AssetEvent | UnreadableLine


class _RefusedError(Exception):
    """Why a line cannot be read: a stable word, and words."""

    def __init__(self, reason: str, says: str) -> None:
        super().__init__(says)
        self.reason = reason


def read_document_file(path: Path, source: TextSource | None = None) -> Iterator[Line]:
    """The lines of one file in order, zipped or gzipped ones too; empty lines are passed over.

    Parameters
    ----------
    source
        Of lines that do not say theirs.

    Raises
    ------
    UnreadableFileError
        The file cannot be opened or unpacked, or is in UTF-16.
    """
    content = unpacked_bytes(path)
    if content.startswith(_UTF_16_MARKS):
        raise UnreadableFileError("must be UTF-8, was UTF-16; save it as UTF-8")
    for number, line in enumerate(content.removeprefix(_UTF_8_MARK).split(b"\n"), start=1):
        try:
            if text := _decoded(line).strip():
                yield _read(text, number, path, source)
        except _RefusedError as error:
            beginning = line[:200].decode("utf-8", "replace")
            yield UnreadableLine(number=number, reason=error.reason, says=str(error), beginning=beginning)


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _RefusedError("no_utf8", f"must be UTF-8, byte {error.start + 1:,} was not") from None


def _read(line: str, number: int, path: Path, source: TextSource | None) -> Line:
    fields = _object(line)
    named = fields.get("source", source)
    try:
        source = TextSource(str(named))
    except ValueError:
        says = f"source must be one of {', '.join(TextSource)}, was {_shown(named)}"
        raise _RefusedError("no_source", says) from None
    return _event(fields, line, number) if source is TextSource.GITHUB else _document(fields, source, line, path)


def _object(line: str) -> dict[str, Any]:
    if len(line) > LONGEST_LINE:
        raise _RefusedError("too_long", f"must have at most {LONGEST_LINE:,} characters, had {len(line):,}")
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _RefusedError("no_json", f"must be a JSON object, was not: {error}") from None
    if not isinstance(fields, dict):
        raise _RefusedError("no_json", f"must be a JSON object, was {type(fields).__name__}")
    return fields


def _document(fields: Mapping[str, Any], source: TextSource, line: str, path: Path) -> RawDocument:
    kind = _one_of("kind", fields.get("kind") or KINDS[source].value, DocumentKind)
    title, body = _text(fields, "title"), _text(fields, "body")
    text = _text(fields, "text")
    if not title and kind in (DocumentKind.ARTICLE, DocumentKind.POST):
        title, text = text, ""
    if not (title or body or text):
        raise _RefusedError("no_text", "text must say something, was empty")
    return RawDocument(
        kind=kind,
        external_id=_text(fields, "id") or _fingerprint(line),
        feed=_text(fields, "subreddit") or _text(fields, "feed") or path.name.partition(".")[0],
        published_at=_instant(fields.get("timestamp")),
        title=title,
        body="\n".join(part for part in (text, body) if part),
        url=_text(fields, "url") or None,
        author=_text(fields, "author") or _text(fields, "publisher") or None,
        language=_text(fields, "language") or None,
        engagement=_counters(fields),
        assets=_assets(fields),
    )


def _event(fields: Mapping[str, Any], line: str, number: int) -> AssetEvent:
    kind = _one_of("kind", fields.get("kind") or ActivityKind.COMMIT.value, ActivityKind)
    given = _text(fields, "repository") or _text(fields, "origin")
    named = _REPOSITORY.match(given)
    if named is None:
        found = _shown(given) if given else "missing"
        raise _RefusedError("no_repository", f"repository must read like owner/name, was {found}")
    happened_at = _instant(fields.get("timestamp"))
    if happened_at is None:
        raise _RefusedError("no_date", "timestamp must be an instant with its time zone, was missing")
    return AssetEvent(
        number=number,
        asset=next(iter(_assets(fields)), ""),
        event=RepositoryEvent(
            repository=named[0],
            kind=kind,
            external_id=_text(fields, "id") or _fingerprint(line),
            happened_at=happened_at,
            title=_text(fields, "text").partition("\n")[0],
            url=_text(fields, "url") or None,
            author=_text(fields, "author") or None,
        ),
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, bool | dict | list | float):
        raise _RefusedError("wrong_type", f"{name} must be text, was {json.dumps(value)[:LONGEST_SHOWN]}")
    return str(value).strip()


def _one_of(name: str, value: Any, kinds: Any) -> Any:
    try:
        return kinds(value)
    except ValueError:
        says = f"{name} must be one of {', '.join(kinds)}, was {_shown(value)}"
        raise _RefusedError("unknown_kind", says) from None


def _instant(value: Any) -> datetime | None:
    """ISO 8601 with its zone, or seconds since 1970; None where nothing is said."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and _SECONDS.fullmatch(value.strip()):
        value = float(value)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _of_seconds(value)
        instant = datetime.fromisoformat(str(value).strip())
    except (ValueError, OverflowError, OSError):
        says = f"timestamp must be like 2024-06-30T12:00:00Z, or seconds since 1970, was {_shown(value)}"
        raise _RefusedError("unreadable_date", says) from None
    if instant.tzinfo is None:
        raise _RefusedError("unreadable_date", f"timestamp must have its time zone, as in {value}Z, was {value!r}")
    return instant


def _of_seconds(value: float) -> datetime:
    for bound, unit in _SMALLER:
        if bound <= abs(value) < _LARGEST_INSTANT:
            says = f"timestamp must be seconds since 1970, was {unit}: {value:.0f}"
            raise _RefusedError("unreadable_date", says)
    return datetime.fromtimestamp(value, UTC)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _counters(fields: Mapping[str, Any]) -> dict[str, int]:
    """What the source counts: of the line itself, and of its ``engagement`` and ``votes``."""
    found = {name: fields[name] for name in COUNTERS if name in fields}
    for name in ("votes", "engagement"):
        if isinstance(fields.get(name), dict):
            found |= fields[name]
    return {
        str(name)[:50]: int(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
    }


def _assets(fields: Mapping[str, Any]) -> tuple[str, ...]:
    named = fields.get("symbols") or fields.get("assets") or ()
    if isinstance(named, str):
        named = [named]
    if not isinstance(named, list | tuple):
        says = f'symbols must be a list like ["BTC"], was {json.dumps(named)[:LONGEST_SHOWN]}'
        raise _RefusedError("wrong_type", says)
    bases = (base_of(str(each).strip().upper().removeprefix("$")) for each in named)
    return tuple(dict.fromkeys(base for base in bases if _ASSET.fullmatch(base)))


def _fingerprint(line: str) -> str:
    return blake2b(line.strip().encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
