"""Repositories on GitHub: what is read first, what later, what is not asked, and what is claimed to be whole."""

import copy
import json
from ast import literal_eval
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.domain.document import ActivityKind, Cursor, TextSource
from pipeline.settings_texts import GithubSettings
from resources.github_events import commits
from resources.github_reading import BASELINE, HISTORY
from resources.github_repositories import REPOSITORIES, repositories_of
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
from tests.support.http_server import Answer
from tests.support.real_data import real_data

NAME = "example/chain"


@pytest.fixture
def github() -> Iterator[LocalGithub]:
    with github_server(TOKEN) as running:
        yield running


def test_every_kind_of_event_is_read(github: LocalGithub):
    chain = github.repository(NAME)
    sha = chain.commit(NOON - 5 * DAY, "Speed up checks\n\nA long story", written_at=NOON - 300 * DAY)
    issue = chain.issue(NOON - 4 * DAY, "It hangs")
    merged = chain.pull_request(NOON - 3 * DAY, "Mend it", merged_at=NOON - DAY)
    opened = chain.pull_request(NOON - 2 * DAY, "Paint it")
    release = chain.release(NOON - HOUR, "Version 2")

    found = read(github_client(github, NAME))[NAME]

    assert found.failure is None
    assert [
        (event.kind, event.external_id, event.happened_at, event.title, event.author) for event in found.events
    ] == [
        (ActivityKind.COMMIT, sha, NOON - 5 * DAY, "Speed up checks", "coder"),
        (ActivityKind.ISSUE, str(issue), NOON - 4 * DAY, "It hangs", "someone"),
        (ActivityKind.OPENED, str(merged), NOON - 3 * DAY, "Mend it", "someone"),
        (ActivityKind.OPENED, str(opened), NOON - 2 * DAY, "Paint it", "someone"),
        (ActivityKind.MERGED, str(merged), NOON - DAY, "Mend it", "someone"),
        (ActivityKind.RELEASE, str(release), NOON - HOUR, "Version 2", "keeper"),
    ]
    assert {event.repository for event in found.events} == {NAME}
    assert found.events[1].url == f"https://github.com/{NAME}/issues/{issue}"
    assert found.requests == len(github.requests) == 5


def test_a_first_reading_brings_a_quarter_and_a_week_and_says_so(github: LocalGithub):
    chain = github.repository(NAME)
    for days in (1, 50, 96, 98, 200):
        chain.commit(NOON - days * DAY)
        chain.issue(NOON - days * DAY, updated_at=NOON - HOUR)
        chain.release(NOON - days * DAY)

    found = read(github_client(github, NAME))[NAME]

    assert Counter(event.kind for event in found.events) == dict.fromkeys(
        [ActivityKind.COMMIT, ActivityKind.ISSUE, ActivityKind.RELEASE], 3
    )
    assert found.cursor.history_from == NOON - HISTORY == NOON - 97 * DAY
    assert found.cursor.newest_at == NOON


def test_an_old_pull_request_that_is_merged_now_counts_as_merged_now(github: LocalGithub):
    github.repository(NAME).pull_request(NOON - 400 * DAY, merged_at=NOON - DAY)

    found = read(github_client(github, NAME))[NAME]

    assert [(event.kind, event.happened_at) for event in found.events] == [(ActivityKind.MERGED, NOON - DAY)]


def test_a_release_counts_when_it_is_published_and_a_draft_not_at_all(github: LocalGithub):
    chain = github.repository(NAME)
    chain.release(None)
    chain.release(NOON - DAY, "old commit, new release", created_at=NOON - 300 * DAY)

    found = read(github_client(github, NAME))[NAME]

    assert [(event.title, event.happened_at) for event in found.events] == [("old commit, new release", NOON - DAY)]
    assert found.skipped == {}


def test_all_pages_of_a_list_are_read(github: LocalGithub):
    chain = github.repository(NAME)
    for n in range(250):
        chain.commit(NOON - n * HOUR)
        chain.issue(NOON - n * HOUR)
    for n in range(70):
        chain.release(NOON - n * DAY)

    found = read(github_client(github, NAME))[NAME]

    kinds = Counter(event.kind for event in found.events)
    assert kinds == {ActivityKind.COMMIT: 250, ActivityKind.ISSUE: 250, ActivityKind.RELEASE: 70}
    assert found.requests == 1 + 1 + 3 + 3 + 3
    assert found.cursor.history_from == NOON - HISTORY


def test_releases_are_read_no_further_than_needed(github: LocalGithub):
    chain = github.repository(NAME)
    for n in range(300):
        chain.release(NOON - n * 10 * DAY)

    found = read(github_client(github, NAME))[NAME]

    assert len(found.events) == 10
    assert sum("releases" in path for path in github.paths()) == 2


def test_what_has_not_changed_is_asked_once_and_costs_nothing(github: LocalGithub):
    github.repository(NAME).commit(NOON - DAY)
    client = github_client(github, NAME)
    first = read(client)[NAME]
    github.behave()

    second = read(client, {NAME: first.cursor}, NOON + 2 * HOUR)[NAME]

    assert (second.is_unchanged, second.events, second.failure, second.requests) == (True, [], None, 1)
    assert second.cursor.newest_at == NOON + 2 * HOUR
    assert second.cursor.history_from == first.cursor.history_from
    assert (github.statuses, github.used) == ([304], 0)


def test_a_later_reading_asks_only_for_what_is_new(github: LocalGithub):
    chain = github.repository(NAME)
    for days in range(1, 90):
        chain.commit(NOON - days * DAY)
    client = github_client(github, NAME)
    first = read(client)[NAME]
    sha = chain.commit(NOON + HOUR)
    github.behave()

    second = read(client, {NAME: first.cursor}, NOON + 2 * HOUR)[NAME]

    assert second.events[-1].external_id == sha
    assert len(second.events) == 8  # the new one, and a week again: identities make them no more
    assert {event.external_id for event in second.events[:-1]} <= {event.external_id for event in first.events}
    assert {r.params["since"] for r in github.requests if "since" in r.params} == {"2026-02-23T12:00:00Z"}
    assert second.cursor.history_from == first.cursor.history_from


def test_commits_of_a_branch_that_is_merged_late_are_found(github: LocalGithub):
    chain = github.repository(NAME)
    client = github_client(github, NAME)
    first = read(client)[NAME]
    sha = chain.commit(NOON - 5 * DAY)

    second = read(client, {NAME: first.cursor}, NOON + DAY)[NAME]

    assert [event.external_id for event in second.events] == [sha]


def test_a_repository_is_asked_again_after_an_hour(github: LocalGithub):
    github.repository(NAME)
    client = github_client(github, NAME)
    cursors = {NAME: read(client)[NAME].cursor}

    assert read(client, cursors, NOON + timedelta(minutes=59)) == {}
    assert NAME in read(client, cursors, NOON + HOUR)


def test_without_a_token_a_repository_is_asked_again_after_six():
    with github_server() as github:
        github.repository(NAME)
        client = github_client(github, NAME)
        cursors = {NAME: read(client)[NAME].cursor}

        assert read(client, cursors, NOON + 5 * HOUR) == {}
        assert read(client, cursors, NOON + 6 * HOUR)[NAME].is_unchanged
        assert not any("authorization" in request.headers for request in github.requests)


def test_a_repository_that_was_left_for_months_is_not_claimed_to_be_whole_over_them(github: LocalGithub):
    github.repository(NAME)
    client = github_client(github, NAME)
    cursor = read(client)[NAME].cursor
    later = NOON + 200 * DAY
    github.repository(NAME).commit(later - DAY)

    found = read(client, {NAME: cursor}, later)[NAME]

    assert found.cursor.history_from == later - HISTORY


def test_a_history_that_is_longer_than_allowed_is_claimed_as_far_as_it_was_read(github: LocalGithub):
    chain = github.repository(NAME)
    for n in range(500):
        chain.commit(NOON - n * 4 * HOUR)
    client = github_client(github, NAME, most_pages=2)

    found = read(client)[NAME]

    assert found.failure == "incomplete(2 pages of commits)"
    assert len(found.events) == 200
    oldest_page_begins = NOON - 100 * 4 * HOUR
    assert found.cursor.history_from == oldest_page_begins
    assert found.cursor.etag is None


def test_a_history_that_was_too_long_becomes_whole_with_time(github: LocalGithub):
    chain = github.repository(NAME)
    for n in range(500):
        chain.commit(NOON - n * 4 * HOUR)
    client = github_client(github, NAME, most_pages=2)
    cursor = read(client)[NAME].cursor
    begins = cursor.history_from
    for days in range(10, 91, 10):
        chain.commit(NOON + days * DAY)
        cursor = read(client, {NAME: cursor}, NOON + days * DAY)[NAME].cursor

    assert cursor.history_from is not None
    assert begins is not None
    assert cursor.history_from <= begins <= NOON + 90 * DAY - BASELINE
    assert cursor.etag is not None


def test_what_is_read_before_the_deadline_is_kept_and_the_rest_has_its_turn_later(github: LocalGithub):
    for n in range(3):
        github.repository(f"example/r{n}").commit(NOON - DAY)
    github.misbehave(Answer(b"[]", delay_s=0.06), at="releases")
    names = [f"example/r{n}" for n in range(3)]

    found = read(github_client(github, *names, deadline=timedelta(seconds=0.05)))

    assert sorted(each.failure or "" for each in found.values()) == ["", "deadline(0 s)", "deadline(0 s)"]
    assert [len(each.events) for each in found.values()].count(1) == 1
    assert all(each.cursor == Cursor() for each in found.values() if each.failure)


def test_an_hour_s_requests_are_spread_over_the_repositories():
    names = [f"example/r{n}" for n in range(6)]
    with github_server(limit=12) as github:
        for name in names:
            github.repository(name).commit(NOON - DAY)
        client = github_client(github, *names)
        cursors: dict[str, Cursor] = {}

        for hours in range(4):
            github.used = 0
            found = read(client, cursors, NOON + hours * HOUR)
            read_now = [name for name, each in found.items() if each.failure is None]
            cursors |= {name: found[name].cursor for name in read_now}
            waiting = [each for each in found.values() if each.failure is not None]
            assert {each.failure for each in waiting} <= {"rate_limited"}
            assert {each.retry_at for each in waiting} <= {RESETS_AT}
            assert 403 not in github.statuses  # it stops before it is told to

        assert sorted(cursors) == names


def test_a_large_repository_holds_up_the_others_for_an_hour_at_most():
    with github_server(limit=10) as github:
        large = github.repository("example/large")
        for n in range(1500):
            large.commit(NOON - n * HOUR)
        github.repository("example/small").commit(NOON - DAY)
        client = github_client(github, "example/large", "example/small")
        done: set[str] = set()

        for hours in range(2):
            github.used = 0
            found = read(client, {}, NOON + hours * HOUR)
            done |= {name for name, each in found.items() if each.failure is None}

    assert done == {"example/small"}


def test_known_repositories_come_before_new_ones_and_the_longest_unread_first(github: LocalGithub):
    for n in range(4):
        github.repository(f"example/r{n}")
    cursors = {f"example/r{n}": Cursor(newest_at=NOON - n * DAY, history_from=NOON - 200 * DAY) for n in (1, 2)}
    told: list[tuple[int, int]] = []

    client = github_client(github, *(f"example/r{n}" for n in range(4)))
    order = [each.feed for each in client.fetch(cursors, NOON, lambda done, total: told.append((done, total)))]

    assert order[:2] == ["example/r2", "example/r1"]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_renamed_repository_is_read_and_says_where_it_went(github: LocalGithub):
    chain = github.repository(NAME)
    for n in range(150):
        chain.commit(NOON - n * HOUR)
    github.rename(NAME, "other/name")
    client = github_client(github, NAME)

    found = read(client)[NAME]

    assert (found.failure, len(found.events)) == (None, 150)
    assert found.skipped == {"moved_to(other/name)": 1}
    assert {event.repository for event in found.events} == {NAME}
    assert all("per_page" in r.params for r in github.requests if "commits" in r.path)
    assert read(client, {NAME: found.cursor}, NOON + HOUR)[NAME].is_unchanged


def test_items_that_lack_what_an_event_needs_are_counted(github: LocalGithub):
    chain = github.repository(NAME)
    for n in range(4):
        chain.commit(NOON - n * HOUR)
        chain.issue(NOON - n * HOUR)
    shown = copy.deepcopy(chain.issues)
    del shown[0]["number"]
    shown[1]["pull_request"] = {"merged_at": "soon"}
    github.misbehave(Answer(json.dumps(shown).encode()), at="/issues")
    shown = copy.deepcopy(chain.commits)
    del shown[0]["commit"]["committer"]["date"]
    shown[1]["sha"] = None
    github.misbehave(Answer(json.dumps([*shown, "x", None]).encode()), at="/commits")

    found = read(github_client(github, NAME))[NAME]

    assert found.failure is None
    assert found.skipped == {"unreadable": 6}
    assert len(found.events) == 4


def test_an_account_that_is_gone_leaves_events_without_an_author(github: LocalGithub):
    chain = github.repository(NAME)
    chain.issue(NOON - DAY)
    chain.issues[0]["user"] = None
    chain.commit(NOON - HOUR)
    chain.commits[0]["author"] = None

    found = read(github_client(github, NAME))[NAME]

    assert [event.author for event in found.events] == [None, "A. Coder"]


def test_the_recorded_answers_of_the_vendor_are_read():
    lines = real_data("wire", "github_pygithub", "Repository.testGetCommitsWithSinceUntil.txt").read_text().split("\n")
    bodies = [json.loads(line) for line in lines if line.startswith("[{")]
    links = [dict(literal_eval(line)).get("link", "") for line in lines if line.startswith("[(")]

    found = [event for body in bodies for item in body for event in commits("PyGithub/PyGithub", item)]

    assert len(found) == sum(map(len, bodies)) == len({event.external_id for event in found})
    assert 'rel="next"' in links[0]
    assert {event.kind for event in found} == {ActivityKind.COMMIT}
    assert all(
        datetime(2013, 3, 1, tzinfo=UTC) <= event.happened_at < datetime(2013, 3, 31, tzinfo=UTC) for event in found
    )
    assert all(event.title and event.author and event.url for event in found)


def test_the_recorded_pages_of_the_vendor_are_followed(github: LocalGithub):
    lines = real_data("wire", "github_pygithub", "Repository.testGetCommitsWithSinceUntil.txt").read_text().split("\n")
    first, second = (line.encode() for line in lines if line.startswith("[{"))
    github.repository(NAME)
    link = '<https://api.github.com/repositories/1000/commits?last_sha=ee29&top=master>; rel="next"'
    github.misbehave(Answer(first, headers=(("Link", link),)), at="/repos/example/chain/commits")
    github.misbehave(Answer(second), at="/repositories/1000/commits")
    then = datetime(2013, 4, 1, tzinfo=UTC)

    found = read(github_client(github, NAME), at=then)[NAME]

    assert len(found.events) == len(json.loads(first)) + len(json.loads(second))
    assert github.requests[-1].params == {"last_sha": "ee29", "top": "master"}


def test_the_settings_name_the_repositories_or_the_assets_do():
    named = GithubSettings(repositories={"my/coin": "MINE"})

    assert repositories_of(named, ["BTC"]) == {"my/coin": "MINE"}
    assert repositories_of(GithubSettings(), ["BTC", "NONE"]) == {"bitcoin/bitcoin": "BTC"}


def test_the_default_repositories_are_such_as_settings_may_name():
    GithubSettings(repositories=dict(REPOSITORIES))

    assert len({name.lower() for name in REPOSITORIES}) == len(REPOSITORIES)
    assert {"BTC", "ETH", "SOL", "BNB", "XRP", "ADA", "DOGE", "AVAX", "LINK", "DOT", "LTC", "UNI"} <= set(
        REPOSITORIES.values()
    )


def test_the_source_and_its_feeds_are_the_repositories(github: LocalGithub):
    client = github_client(github, "a/b", "c/d")

    assert client.source is TextSource.GITHUB
    assert client.feeds == ("a/b", "c/d")
