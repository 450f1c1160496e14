"""What the views promise is what docs/sql.md says, and a change of it needs a version with a note."""

from dataclasses import replace

import pytest

from pipeline.storage.views.contract import VERSIONS, Version, broken, describe, digest, needed, read
from tests.support.sql_page import written_part


@pytest.fixture
def promises(database):
    with database.begin() as conn:
        return read(conn)


def test_the_views_are_what_the_newest_version_promises(promises):
    assert broken(promises) is None


def test_the_page_has_what_the_database_says(promises):
    assert written_part() == describe(promises), "`make sql-page` writes it anew"


def test_versions_count_from_one_and_each_says_what_changed():
    assert [version.number for version in VERSIONS] == list(range(1, len(VERSIONS) + 1))
    assert all(len(version.note.split()) > 3 for version in VERSIONS)
    assert len({version.note for version in VERSIONS}) == len(VERSIONS)


def first_view_changed(promises, **changes):
    view, *others = promises
    return [replace(view, **changes), *others]


def changed_column(promises, place, value):
    view = promises[0]
    column = list(view.columns[-1])
    column[place] = value
    return first_view_changed(promises, columns=(*view.columns[:-1], tuple(column)))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: changed_column(p, 0, "other_name"),
        lambda p: changed_column(p, 1, "text"),
        lambda p: changed_column(p, 2, "something else"),
        lambda p: first_view_changed(p, meaning="something else"),
        lambda p: first_view_changed(p, columns=p[0].columns[:-1]),
        lambda p: first_view_changed(p, columns=(*p[0].columns, ("more", "text", "an added one"))),
        lambda p: first_view_changed(p, columns=p[0].columns[::-1]),
        lambda p: p[1:],
        lambda p: [*p[:-1], replace(p[-1], name="invalidate_signal(id uuid) -> trading_signals")],
    ],
    ids=["name", "type", "meaning", "view", "less", "more", "order", "gone", "function"],
)
def test_any_change_breaks_the_contract_until_a_version_notes_it(promises, change):
    changed = change(promises)
    told = broken(changed)
    assert told is not None
    assert f"Version({VERSIONS[-1].number + 1}, " in told

    draft = (*VERSIONS, Version(VERSIONS[-1].number + 1, "What changed, in some words.", ""))
    assert needed(changed, draft) in str(broken(changed, draft))
    noted = (*draft[:-1], replace(draft[-1], digest=needed(changed, draft)))
    assert broken(changed, noted) is None
    assert broken(promises, noted) is not None


def test_a_note_of_the_past_cannot_be_changed(promises):
    second = Version(2, "A second one, for this test.", digest(promises, 2, "A second one, for this test.", "0" * 16))
    first = replace(VERSIONS[0], digest="0" * 16)
    assert broken(promises, (first, second)) is None
    assert broken(promises, (replace(first, digest="1" * 16), second)) is not None
    assert broken(promises, (first, replace(second, note="Another note, for this test."))) is not None


def test_the_command_prints_the_same(signals, promises):
    assert signals("sql", "--describe").out == describe(promises)
