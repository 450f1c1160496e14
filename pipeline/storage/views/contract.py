"""What others may build on: every view's columns, types and meanings, and the functions of bots, by version.

`read` tells them from a database as they stand there, `describe` makes the reference of docs/sql.md of them. Each
change needs a version of its own at the end of `VERSIONS`, with a note that says what somebody who uses the views must
know. Its digest is made of what it promises, its note, and the digest of the version before: it cannot be had by making
the page anew, and no earlier note can be changed without changing every later digest.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.storage.roles import BOT_FUNCTIONS
from pipeline.storage.views import VIEWS


@dataclass(frozen=True, slots=True)
class Version:
    """A contract that was published."""

    number: int
    note: str
    digest: str


VERSIONS: tuple[Version, ...] = (
    Version(1, "The first contract: the views below, `execute_signal` and `invalidate_signal`.", "ebe9cbb22fd5102d"),
    Version(
        2,
        "New: `v_signal_events`, and `series_id` at the end of `v_signals`. `v_source_performance` and "
        "`v_strategy_performance` are of the house's signals alone: with other profiles scheduled they counted the "
        "same advice once for each. Comments say which words columns may have and that a profile is to be asked for; "
        "nothing else means something else.",
        "42e720efb261a369",
    ),
)


@dataclass(frozen=True, slots=True)
class Promise:
    """A view, or a function, as a database has it."""

    name: str
    meaning: str
    columns: tuple[tuple[str, str, str], ...]  # name, type, meaning; a function has none


def read(conn: sa.Connection) -> list[Promise]:
    """Every view in the order of `VIEWS`, then the functions of bots, as ``conn``'s database says itself."""
    found: dict[str, Promise] = {}
    columns: dict[str, list[tuple[str, str, str]]] = {}
    for row in conn.execute(_COLUMNS, {"names": [view.name for view in VIEWS]}):
        columns.setdefault(row.name, []).append((row.column, row.type, row.meaning))
        found[row.name] = Promise(row.name, row.comment, tuple(columns[row.name]))
    functions = [
        Promise(row.signature, row.comment, ())
        for row in conn.execute(_FUNCTIONS, {"names": [f"public.{name}" for name in BOT_FUNCTIONS]})
    ]
    return [*(found[view.name] for view in VIEWS), *functions]


_COLUMNS = sa.text(
    """SELECT c.relname AS name, obj_description(c.oid, 'pg_class') AS comment, a.attname AS column,
  format_type(a.atttypid, a.atttypmod) AS type, col_description(c.oid, a.attnum) AS meaning
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v' AND c.relname = ANY(:names)
ORDER BY c.relname, a.attnum"""
)
_FUNCTIONS = sa.text(
    """SELECT format('%s(%s) -> %s', p.proname, pg_get_function_arguments(p.oid), p.prorettype::regtype) AS signature,
  obj_description(p.oid, 'pg_proc') AS comment
FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS f (name, place) JOIN pg_proc p ON p.oid = f.name::regprocedure
ORDER BY f.place"""
)


def digest(promises: Sequence[Promise], number: int, note: str, before: str) -> str:
    """What a version's digest must be, after a version whose digest was ``before``; sixteen hexadecimal digits."""
    lines = [before, f"{number} {note}"]
    for promise in promises:
        lines += [f"{promise.name}: {promise.meaning}", *("\t".join(column) for column in promise.columns)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def needed(promises: Sequence[Promise], versions: Sequence[Version] = VERSIONS) -> str:
    """The digest that the newest version must have."""
    *earlier, newest = versions
    return digest(promises, newest.number, newest.note, earlier[-1].digest if earlier else "")


def broken(promises: Sequence[Promise], versions: Sequence[Version] = VERSIONS) -> str | None:
    """What is wrong with the newest version for these promises, and what to do; None if it holds."""
    newest, wanted = versions[-1], needed(promises, versions)
    if newest.digest == wanted:
        return None
    if not newest.digest:
        return f"version {newest.number} of the views' contract must have the digest {wanted}, had none"
    return (
        f"the views are not what version {newest.number} of their contract promises, or a note was changed: add "
        f'Version({newest.number + 1}, "what changed for those who use them", "") to the versions in '
        "pipeline/storage/views/contract.py; `make sql-page` tells its digest then"
    )


def describe(promises: Sequence[Promise], versions: Sequence[Version] = VERSIONS) -> str:
    """The versions, the functions and every view's columns as Markdown, headings of the third level."""
    views = [promise for promise in promises if promise.columns]
    lines = ["### Versions", "", "| version | what changed | digest |", "|---|---|---|"]
    lines += [f"| {v.number} | {_cell(v.note)} | `{v.digest}` |" for v in reversed(versions)]
    lines += ["", "### Functions of bots", "", "| function | meaning |", "|---|---|"]
    lines += [f"| `{p.name}` | {_cell(p.meaning)} |" for p in promises if not p.columns]
    for view in views:
        lines += ["", f"### {view.name}", "", f"{view.meaning}.", "", "| column | type | meaning |", "|---|---|---|"]
        lines += [f"| `{name}` | {kind} | {_cell(meaning)} |" for name, kind, meaning in view.columns]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
