"""What GitHub's lists say, as events: commits, releases, issues, and pull requests opened and merged.

GitHub lists pull requests among the issues, with the instant at which they were merged, so that one list gives three
kinds. An item that lacks what an event needs raises `KeyError`, `TypeError`, `ValueError` or `AttributeError`.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from pipeline.domain.document import ActivityKind, RepositoryEvent

UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)
LONGEST_TITLE = 200  # characters of a commit's first line

Item = Mapping[str, Any]


def commits(repository: str, item: Item) -> Iterator[RepositoryEvent]:
    """The commit, when it came to its branch: its author may have written it long before."""
    commit = item["commit"]
    yield RepositoryEvent(
        repository=repository,
        kind=ActivityKind.COMMIT,
        external_id=_word(item["sha"]),
        happened_at=instant(commit["committer"]["date"]),
        title=str(commit.get("message") or "").strip().partition("\n")[0][:LONGEST_TITLE],
        url=item.get("html_url"),
        author=_login(item.get("author")) or (commit.get("author") or {}).get("name"),
    )


def releases(repository: str, item: Item) -> Iterator[RepositoryEvent]:
    """The release, unless it is still a draft."""
    if item.get("published_at") is None:
        return
    yield RepositoryEvent(
        repository=repository,
        kind=ActivityKind.RELEASE,
        external_id=str(int(item["id"])),
        happened_at=instant(item["published_at"]),
        title=str(item.get("name") or item.get("tag_name") or ""),
        url=item.get("html_url"),
        author=_login(item.get("author")),
    )


def issues(repository: str, item: Item) -> Iterator[RepositoryEvent]:
    """The issue; or the pull request's opening, and its merging where it was merged."""
    pull_request = item.get("pull_request")
    opened = RepositoryEvent(
        repository=repository,
        kind=ActivityKind.ISSUE if pull_request is None else ActivityKind.OPENED,
        external_id=str(int(item["number"])),
        happened_at=instant(item["created_at"]),
        title=str(item.get("title") or ""),
        url=item.get("html_url"),
        author=_login(item.get("user")),
    )
    yield opened
    if pull_request is not None and pull_request.get("merged_at") is not None:
        yield RepositoryEvent(
            repository=repository,
            kind=ActivityKind.MERGED,
            external_id=opened.external_id,
            happened_at=instant(pull_request["merged_at"]),
            title=opened.title,
            url=opened.url,
            author=opened.author,
        )


def instant(text: str) -> datetime:
    """GitHub's times end in Z; `ValueError` for one without a zone."""
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(f"an instant must have a zone, was {text!r}")
    return found


def _login(user: Item | None) -> str | None:
    """Who it is; accounts that are gone have none."""
    return user.get("login") if user else None


def _word(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"an identity must be text, was {value!r}")
    return value


def committed_at(item: Item) -> datetime:
    """A commit's place in its list."""
    return instant(item["commit"]["committer"]["date"])


def released_at(item: Item) -> datetime:
    """A release's place in its list, which is sorted by creation: it may be published later than the one after it."""
    return max(instant(item[name]) for name in ("created_at", "published_at") if item.get(name) is not None)


def updated_at(item: Item) -> datetime:
    """An issue's or a pull request's place in its list."""
    return instant(item["updated_at"])
