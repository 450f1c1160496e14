"""`signals score`: texts in, JSON lines out, in the same order."""

import io
import json
import subprocess

import pytest
from click.testing import CliRunner

from pipeline.cli import COMMANDS
from pipeline.cli import scoring as command
from pipeline.cli.scoring import batches, said_by, score_command
from pipeline.domain.errors import ConfigurationError, UnreadableFileError
from pipeline.sentiment.scorers import scorer_name
from tests.support.commands import COMMAND, environment


def score(given, *options):
    return CliRunner().invoke(score_command, options, input=given)


def rows(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_it_is_a_command():
    assert COMMANDS["score"][0] == "scoring"


def test_a_line_each_and_json_objects_are_scored_in_their_order():
    result = score(b'shares soar after record profit\r\n{"text": "it is a rug pull", "id": 7}\n\n{not json} but text')
    assert result.exit_code == 0
    assert result.stderr == ""
    said = rows(result)
    assert [row["label"] for row in said[:3]] == ["positive", "negative", "neutral"]
    assert len(said) == 4
    assert set(said[0]) == {"label", "positive", "neutral", "negative"}
    assert all(row["positive"] + row["neutral"] + row["negative"] == pytest.approx(1.0, abs=2e-6) for row in said)


def test_bad_lines_are_named_the_others_scored_and_the_command_fails():
    result = score(b'good\n{"title": "no text"}\n\xff\xfe\n{"text": null}\nbad\n')
    assert isinstance(result.exception, UnreadableFileError)
    assert str(result.exception) == "3 of 5 lines could not be scored"
    assert len(rows(result)) == 2
    assert result.stderr.splitlines() == [
        'line 2: a JSON object must have "text", a string',
        "line 3: a line must be UTF-8, byte 1 is not",
        'line 4: a JSON object must have "text", a string',
    ]


def test_the_source_matters_and_the_scorer_is_named_where_asked_for():
    text = b"next upgrade is planned for march\n"
    (news,), (reddit,) = (rows(score(text, "--source", source, "--with-scorer")) for source in ("news", "reddit"))
    assert reddit["neutral"] < news["neutral"]
    assert news["scorer"] == scorer_name("default")


def test_a_line_says_its_source_and_the_option_is_for_lines_that_do_not():
    def line(**more):
        return json.dumps({"text": "next upgrade is planned for march", **more}).encode() + b"\n"

    def alone(*options):
        (row,) = rows(score(line(), *options))
        return row

    news, reddit, unknown = alone("--source", "news"), alone("--source", "reddit"), alone()
    assert len({row["neutral"] for row in (news, reddit, unknown)}) == 3

    lines = line(source="reddit") + line() + line(source="news") + line(source=None) + line(source="reddit")
    assert rows(score(lines)) == [reddit, unknown, news, unknown, reddit]
    assert rows(score(lines, "--source", "news")) == [reddit, news, news, news, reddit]


def test_another_source_is_refused_and_the_others_are_scored():
    result = score(
        b'{"text": "a", "source": "github"}\ngood\n{"text": "a", "source": ["news"]}\n{"text": "a", "source": ""}'
    )
    assert str(result.exception) == "3 of 4 lines could not be scored"
    assert len(rows(result)) == 1
    assert result.stderr.splitlines() == [
        'line 1: "source" must be one of news, twitter, reddit, was "github"',
        'line 3: "source" must be one of news, twitter, reddit, was ["news"]',
        'line 4: "source" must be one of news, twitter, reddit, was ""',
    ]


def test_an_id_stands_first_as_it_came_and_only_where_there_is_one():
    given = [{"text": "a", "id": each} for each in (7, "x", None, {"at": [1, "é"]})]
    result = score("\n".join([*map(json.dumps, given), '{"text": "a"}', "a"]).encode(), "--with-scorer")
    *named, unnamed, plain = rows(result)
    assert [row["id"] for row in named] == [each["id"] for each in given]
    assert all(list(row)[:2] == ["id", "label"] and list(row)[-1] == "scorer" for row in named)
    assert "id" not in {*unnamed, *plain}


def test_an_unknown_scorer_or_source_is_refused():
    assert isinstance(score(b"", "--scorer", "magic").exception, ConfigurationError)
    assert score(b"", "--source", "github").exit_code == 2


def test_nothing_gives_nothing():
    result = score(b"")
    assert (result.exit_code, result.stdout) == (0, "")


def test_lines_are_given_on_as_they_arrive():
    class Slow(io.RawIOBase):
        """Gives what a slow writer has written so far."""

        parts = iter([b"a\nb", b"b\n", b"c"])

        def read(self, size=-1):
            return next(self.parts, b"")

    assert list(batches(Slow())) == [[(1, b"a")], [(2, b"bb")], [(3, b"c")]]


def test_a_line_that_is_too_long_is_refused_and_its_memory_freed(monkeypatch):
    monkeypatch.setattr(command, "LONGEST_LINE", 3)
    monkeypatch.setattr(command, "CHUNK", 4)
    found = [line for batch in batches(io.BytesIO(b"ab\nlong long line\ncd\nlonger")) for line in batch]
    assert found == [(1, b"ab"), (2, None), (3, b"cd"), (4, None)]
    with pytest.raises(ValueError, match="MiB at most"):
        said_by(None)


def test_a_byte_order_mark_is_no_part_of_a_text():
    assert said_by(b'\xef\xbb\xbf{"text": "a"}').text == "a"


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "score"],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(b"up\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"{")  # answered while more may come
    process.stdout.close()
    _, errors = process.communicate(b"up\n" * 50_000, timeout=60)
    assert (process.returncode, errors) == (0, b"")
