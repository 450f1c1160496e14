"""GitHub refusing, failing, stalling, or sending what is no answer: each is a stable reason, and others are read."""

import json
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from pipeline.domain.document import Cursor
from pipeline.settings_texts import GithubSettings
from resources.github import GithubClient
from resources.github_reading import HISTORY
from tests.support.github_server import (
    DAY,
    HOUR,
    NOON,
    RESETS_AT,
    TOKEN,
    LocalGithub,
    github_client,
    github_server,
    read,
)
from tests.support.http_server import Answer, Ending
from tests.support.real_data import real_data

BAD, GOOD = "example/bad", "example/good"
KNOWN = Cursor(etag='W/"old"', newest_at=NOON - DAY, history_from=NOON - 95 * DAY)


@pytest.fixture(scope="module")
def running() -> Iterator[LocalGithub]:
    with github_server(TOKEN) as local:
        for name in (BAD, GOOD):
            local.repository(name).commit(NOON - DAY)
        yield local


@pytest.fixture
def github(running: LocalGithub) -> LocalGithub:
    running.behave()
    running.limit = 5000
    return running


def reason(github: LocalGithub, **changes) -> str | None:
    """Why one repository cannot be read; shows that the one after it can."""
    found = read(github_client(github, BAD, GOOD, **changes))
    assert (found[GOOD].failure, len(found[GOOD].events)) == (None, 1)
    return found[BAD].failure


def test_f21_an_expired_token_is_told_once_and_for_all(github: LocalGithub):
    found = read(github_client(github, BAD, GOOD, token="ghp_expired"))

    assert {each.failure for each in found.values()} == {"key_refused(401)"}
    assert len(github.requests) == 1
    assert "ghp_expired" not in repr(found)


def test_f21_a_forbidden_repository_is_its_own_trouble(github: LocalGithub):
    blocked = {"message": "Resource protected by organization SAML enforcement"}
    github.misbehave(Answer(json.dumps(blocked).encode(), 403), at=BAD)

    assert reason(github) == "forbidden(403)"


@pytest.mark.parametrize(("status", "word"), [(404, "not_found(404)"), (451, "refused(451)"), (410, "not_found(410)")])
def test_f21_a_repository_that_is_not_there_is_its_own_trouble(github: LocalGithub, status: int, word: str):
    github.misbehave(Answer(b'{"message": "Not Found"}', status), at=BAD)

    assert reason(github) == word


def test_f21_a_spent_limit_says_when_it_is_renewed(github: LocalGithub):
    github.limit = 0

    found = read(github_client(github, BAD, GOOD))

    assert {(each.failure, each.retry_at) for each in found.values()} == {("rate_limited", RESETS_AT)}
    assert (len(github.requests), github.statuses) == (1, [403])


@pytest.mark.parametrize(
    ("status", "body", "headers", "rest"),
    [
        (429, b"{}", {"Retry-After": "90"}, timedelta(seconds=90)),
        (429, b"", {}, timedelta(minutes=15)),
        (
            403,
            b'{"message": "You have exceeded a secondary rate limit. Wait."}',
            {"Retry-After": "60"},
            timedelta(minutes=1),
        ),
        (403, b'{"message": "You have exceeded a secondary rate limit. Wait."}', {}, timedelta(minutes=15)),
        (403, b"<html>no JSON</html>", {"X-RateLimit-Remaining": "0"}, timedelta(minutes=15)),
        (429, b"{}", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 30}, timedelta(minutes=15)),
        (429, b"{}", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, timedelta(days=1)),
    ],
)
def test_f21_a_limit_is_told_in_many_ways(
    github: LocalGithub, status: int, body: bytes, headers: dict[str, str], rest: timedelta
):
    github.misbehave(Answer(body, status, headers=tuple(headers.items())))

    found = read(github_client(github, BAD, GOOD))

    assert {(each.failure, each.retry_at) for each in found.values()} == {("rate_limited", NOON + rest)}
    assert len(github.requests) == 1


def test_f27_a_limit_that_is_no_number_is_not_taken_for_one(github: LocalGithub):
    odd = (("X-RateLimit-Limit", "many"), ("X-RateLimit-Remaining", "some"), ("X-RateLimit-Reset", "soon"))
    github.misbehave(Answer(b"[]", headers=odd), at=f"{BAD}/events")

    assert reason(github) == "unreadable(limits)"


def test_f21_a_limit_that_is_spent_midway_keeps_what_came_and_claims_nothing(github: LocalGithub):
    github.limit = 4  # events, repository, releases, issues; the commits are one too many

    found = read(github_client(github, BAD), {BAD: KNOWN})[BAD]

    assert (found.failure, found.retry_at, found.requests) == ("rate_limited", RESETS_AT, 4)
    assert found.cursor == KNOWN


def test_f21_a_first_history_that_is_broken_off_is_claimed_as_far_as_every_list_was_read():
    with github_server(limit=6) as github:
        chain = github.repository(BAD)
        for n in range(400):
            chain.commit(NOON - n * HOUR)

        found = read(github_client(github, BAD))[BAD]

    assert (found.failure, len(found.events)) == ("rate_limited", 200)
    assert found.cursor.history_from == NOON - 100 * HOUR
    assert found.cursor.etag is None


def test_f21_a_later_reading_that_is_broken_off_loses_nothing_that_was_known():
    with github_server(limit=6) as github:
        chain = github.repository(BAD)
        for n in range(600):
            chain.commit(NOON - n * timedelta(minutes=2))

        found = read(github_client(github, BAD), {BAD: KNOWN})[BAD]

    assert (found.failure, len(found.events)) == ("rate_limited", 200)
    assert found.cursor == KNOWN


def test_f22_a_passing_trouble_is_survived(github: LocalGithub):
    github.misbehave(Answer(b"<html>unicorn</html>", 502, "text/html"), at="commits", times=2)
    github.misbehave(Answer(b"", 500), at="events", times=1)

    assert reason(github) is None


def test_f22_an_answer_that_breaks_off_is_asked_for_again(github: LocalGithub):
    github.misbehave(Answer(b"[" + b" " * 5000 + b"]", ending=Ending.RESET), at=f"{BAD}/commits", times=2)

    assert reason(github) is None


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (Answer(b"<html>503</html>", 503, "text/html"), "unavailable(503)"),
        (Answer(b"[]" * 500, ending=Ending.RESET), "unreachable"),
        (Answer(b"not HTTP at all", ending=Ending.NOISE), "unreachable"),
    ],
)
def test_f22_a_trouble_that_stays_is_given_up_after_three_tries(github: LocalGithub, answer: Answer, word: str):
    github.misbehave(answer, at=BAD)

    assert reason(github) == word
    assert sum(BAD in path for path in github.paths()) == 3


def test_f22_a_server_that_is_silent_times_out(github: LocalGithub):
    github.misbehave(Answer(b"", ending=Ending.SILENCE), at=BAD, times=1)
    github.misbehave(Answer(b"", 404), at=BAD, after=1)

    assert reason(github, timeout_seconds=0.2) == "not_found(404)"


def test_f22_when_nothing_answers_the_rest_is_not_asked(github: LocalGithub):
    names = [f"example/n{n}" for n in range(20)]
    github.misbehave(Answer(b"", 503))

    found = read(github_client(github, *names))

    assert {each.failure for each in found.values()} == {"unavailable(503)"}
    assert len(found) == 20
    assert len(github.requests) == 9


def test_f22_a_server_that_is_gone_is_unreachable():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = GithubSettings(url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        client = GithubClient(settings, {BAD: "BTC"}, first_pause=timedelta(milliseconds=1))

        found = read(client, {BAD: KNOWN})[BAD]

    assert (found.failure, found.cursor, found.requests) == ("unreachable", KNOWN, 3)


@pytest.mark.parametrize(
    ("at", "body", "word"),
    [
        ("events", b"<html>sign in</html>", "unreadable(no JSON)"),
        ("events", b"[{", "unreadable(no JSON)"),
        ("commits", b'{"message": "odd"}', "unreadable(no list)"),
        ("commits", b"[" * 200_000, "unreadable(no JSON)"),
        ("issues", b"", "unreadable(no JSON)"),
        (f"repos/{BAD}", b"[]", "unreadable(no repository)"),
    ],
)
def test_f27_what_is_no_answer_is_not_taken_for_one(github: LocalGithub, at: str, body: bytes, word: str):
    github.misbehave(Answer(body), at=at if BAD in at else f"{BAD}/{at}")

    assert reason(github) == word


def test_f27_a_redirection_without_end_is_given_up(github: LocalGithub):
    there, back = f"/repos/{BAD}/there", f"/repos/{BAD}/events"
    github.misbehave(Answer(b"", 301, headers=(("Location", github.url + back),)), at=there)
    github.misbehave(Answer(b"", 301, headers=(("Location", github.url + there),)), at=back)

    assert reason(github) == "unreadable(redirection)"


@pytest.mark.parametrize(("status", "word"), [(301, "unreadable(redirection)"), (302, "unreadable(status 302)")])
def test_f27_the_token_is_not_carried_elsewhere(github: LocalGithub, status: int, word: str):
    github.misbehave(Answer(b"", status, headers=(("Location", "http://localhost:9/x"),)), at=f"{BAD}/events")

    assert reason(github) == word


def test_f27_the_next_page_is_asked_of_the_same_host(github: LocalGithub):
    link = '<http://localhost:9/repositories/1000/commits?page=2>; rel="next"'
    github.misbehave(Answer(b"[]", headers=(("Link", link),)), at=f"/repos/{BAD}/commits")

    assert reason(github) is None
    assert "/repositories/1000/commits" in github.paths()


def test_f27_a_list_that_never_ends_is_left(github: LocalGithub):
    onward = f'<{github.url}/repos/{BAD}/commits?page=2>; rel="next"'
    github.misbehave(Answer(b"[]", headers=(("Link", onward),)), at=f"{BAD}/commits")

    found = read(github_client(github, BAD, most_pages=5))[BAD]

    assert found.failure == "incomplete(5 pages of commits)"
    assert sum("commits" in path for path in github.paths()) == 5


def test_f25_what_is_said_to_happen_in_the_future_is_counted_and_left(github: LocalGithub):
    with github_server(TOKEN) as other:
        chain = other.repository(GOOD)
        chain.commit(NOON + 300 * DAY)
        chain.commit(NOON + timedelta(minutes=20))
        chain.issue(NOON - DAY)
        chain.issues[0]["created_at"] = "1970-01-01T00:00:00Z"

        found = read(github_client(other, GOOD))[GOOD]

    assert found.skipped == {"in_the_future": 1}
    assert [event.happened_at for event in found.events] == [NOON + timedelta(minutes=20)]
    assert found.cursor.history_from == NOON - HISTORY


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Exceptions.testBadAuthentication", "key_refused(401)"),
        ("Exceptions.testNonJsonDataReturnedByGithub", "unavailable(503)"),
    ],
)
def test_f21_the_recorded_refusals_of_the_vendor_are_understood(github: LocalGithub, name: str, word: str):
    lines = real_data("wire", "github_pygithub", f"{name}.txt").read_text().split("\n")
    github.misbehave(Answer(lines[9].encode() if len(lines) > 9 else lines[8].encode(), int(lines[7])))

    assert read(github_client(github, BAD))[BAD].failure == word
