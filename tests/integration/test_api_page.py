"""What docs/api.md asks by curl is pasted into a shell as it stands, and answered as the page shows."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from uuid import UUID

import pytest

from pipeline.storage.keys import revoke_key
from tests.support.api import a_key, an_api
from tests.support.database import a_copy_of, a_series_of
from tests.support.lifecycle import a_life, around_now, store
from tests.support.pages import blocks
from tests.support.requests import CLOSE, SOON, judged_market

__all__ = ["judged_market"]

PAGE = "docs/api.md"
SERVER = "http://127.0.0.1:3001"  # as the page has it
# What an answer must have of what the page shows: whether it went well, the error, the status, names of numbers.
MARK = re.compile(r'"success":\w+|"(?:code|outcome)":"\w+"|^HTTP/1\.1 \d+|^signals_\w+|^: live signals', re.MULTILINE)
# What depends on the market, and how a stream ends, which the shell here leaves before.
ELSEWHERE = {'"outcome":"signal"', '"outcome":"dropped"', '"outcome":"no_advice"', '"code":"shutting_down"'}


class Shown(NamedTuple):
    """A command of the page, the variables that are set before it, and what it is said to print."""

    before: str
    command: str
    output: str


def shown() -> Iterator[Shown]:
    """Every curl line of the page, in order."""
    before = ""
    for block in blocks(PAGE, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command = re.match(r"(?:.*\\\n)*.*\n?", part)
            assert command is not None
            if re.match(r"\w+=", part):
                before += command[0]
            elif part.startswith("curl "):
                yield Shown(before, command[0].strip(), part[command.end() :])


SHOWN = list(shown())


@pytest.fixture(scope="module")
def printed(judged_market, tmp_path_factory) -> Mapping[Shown, str]:
    """What every command prints, one after the other as somebody who reads the page pastes them."""
    folder = tmp_path_factory.mktemp("pasted")
    (number,) = {UUID(found) for each in SHOWN for found in re.findall(r"^id=(\S+)", each.before, re.MULTILINE)}
    found = {}
    with a_copy_of(judged_market) as database, an_api(database, at=SOON) as client:
        store(database, [a_life(a_series_of(database), **around_now()) | {"id": number}])
        key, ended = (a_key(database, at=CLOSE, name=name) for name in ("alice-bot", "ended"))
        with database.begin() as conn:
            revoke_key(conn, "ended", SOON)
        for each in SHOWN:
            (folder / "key").write_text(ended if "key_revoked" in each.output else key, encoding="utf-8")
            pasted = (each.before + each.command).replace(SERVER, str(client.base_url).rstrip("/"))
            pasted = re.sub(r"\bcurl -N ", "curl -N --max-time 2 ", pasted)
            ran = subprocess.run(["bash", "-c", pasted], cwd=folder, capture_output=True, text=True, timeout=60)
            found[each] = ran.stdout
    return found


@pytest.mark.parametrize("each", SHOWN, ids=lambda each: each.command[:60])
def test_a_request_of_the_page_can_be_pasted_and_is_answered_as_shown(printed, each):
    expected = set(MARK.findall(each.output)) - ELSEWHERE
    assert expected
    assert expected <= set(MARK.findall(printed[each])), printed[each]


def test_no_request_of_the_page_is_overlooked():
    assert len(SHOWN) == len(re.findall(r"\bcurl ", "".join(blocks(PAGE, "console")))) >= 15
