"""A local GitHub: repositories with commits, issues, pull requests and releases, as its API lists them, and its limits.

In a test, ``with github_server() as github:`` gives a `LocalGithub`. Lists have the vendor's fields, order, paging by
`Link` headers that name the repository's number, ETags and rate limits; faults can be ordered.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from pipeline.domain.document import Cursor
from pipeline.settings_texts import GithubSettings
from resources.github import GithubClient
from resources.texts import FeedFetch
from tests.support.http_server import Answer, HttpServer, Request

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
RESETS_AT = NOON + timedelta(minutes=40)
TOKEN = "ghp_not-a-real-token"
MOST_EVENTS = 30


def _z(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class LocalRepository:
    """One repository; its methods make things happen in it, at instants of the test's choosing."""

    name: str  # as it is called now
    number: int
    commits: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    stars: int = 0
    _count: int = 0

    def commit(self, at: datetime, message: str = "Fix a typo", *, written_at: datetime | None = None) -> str:
        """A commit on the default branch."""
        sha = hashlib.sha1(f"{self.name} {self._next()}".encode()).hexdigest()
        who = {"name": "A. Coder", "email": "coder@example.org"}
        self.commits.append(
            {
                "sha": sha,
                "node_id": "C_x",
                "commit": {
                    "author": who | {"date": _z(written_at or at)},
                    "committer": who | {"date": _z(at)},
                    "message": message,
                    "comment_count": 0,
                },
                "html_url": f"https://github.com/{self.name}/commit/{sha}",
                "author": {"login": "coder", "id": 7},
                "committer": None,
                "parents": [],
            }
        )
        return sha

    def issue(self, at: datetime, title: str = "It hangs", *, updated_at: datetime | None = None) -> int:
        """An issue that is opened."""
        return self._opened(at, title, updated_at or at, "issues", {})

    def pull_request(
        self,
        at: datetime,
        title: str = "Mend it",
        *,
        merged_at: datetime | None = None,
        updated_at: datetime | None = None,
    ) -> int:
        """A pull request that is opened, and merged if so said."""
        merged = None if merged_at is None else _z(merged_at)
        return self._opened(at, title, updated_at or merged_at or at, "pull", {"pull_request": {"merged_at": merged}})

    def release(self, at: datetime | None, title: str = "v1", *, created_at: datetime | None = None) -> int:
        """A release; a draft if it has no instant."""
        number = self._next()
        self.releases.append(
            {
                "id": 9000 + number,
                "tag_name": f"v{number}",
                "name": title,
                "draft": at is None,
                "prerelease": False,
                "created_at": _z(created_at or at or NOON),
                "published_at": None if at is None else _z(at),
                "html_url": f"https://github.com/{self.name}/releases/tag/v{number}",
                "author": {"login": "keeper", "id": 8},
                "assets": [],
                "body": "Notes",
            }
        )
        return 9000 + number

    def _opened(self, at: datetime, title: str, updated_at: datetime, where: str, more: dict[str, Any]) -> int:
        number = self._next()
        address = f"https://github.com/{self.name}/{where}/{number}"
        opened = {"id": 5000 + number, "number": number, "title": title, "state": "open", "html_url": address}
        dates = {"created_at": _z(at), "updated_at": _z(updated_at), "closed_at": None}
        self.issues.append({**opened, **dates, "user": {"login": "someone", "id": 9}, "comments": 0, **more})
        return number

    def _next(self) -> int:
        self._count += 1
        return self._count

    def listed(self, kind: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """A whole list in GitHub's order, from ``since`` on where that is understood."""
        since = params.get("since", "")
        if kind == "commits":
            found = sorted(self.commits, key=lambda each: each["commit"]["committer"]["date"], reverse=True)
            return [each for each in found if each["commit"]["committer"]["date"] >= since]
        if kind == "issues":
            order = "updated_at" if params.get("sort") == "updated" else "created_at"
            found = sorted(self.issues, key=lambda each: each[order], reverse=params.get("direction") != "asc")
            shown = params.get("state", "open")
            return [each for each in found if each["updated_at"] >= since and shown in ("all", each["state"])]
        if kind == "releases":
            return sorted(self.releases, key=lambda each: each["created_at"], reverse=True)
        if kind == "events":
            things = [("PushEvent", each["sha"]) for each in self.commits]
            things += [("IssuesEvent", f"{each['number']} {each['updated_at']}") for each in self.issues]
            things += [("ReleaseEvent", each["id"]) for each in self.releases if not each["draft"]]
            things += [("WatchEvent", n) for n in range(self.stars)]
            named = {"repo": {"id": self.number, "name": self.name}}
            return [{"id": str(n), "type": kind, "of": of, **named} for n, (kind, of) in enumerate(things)][
                -MOST_EVENTS:
            ]
        raise KeyError(kind)


@dataclass
class Trouble:
    """An answer that was ordered in place of the right one."""

    answer: Answer
    at: str  # part of the path; empty: all
    times: int | None
    after: int = 0  # requests that are still served well

    def takes(self, request: Request) -> bool:
        """Whether a request gets it; counts."""
        if self.at not in request.path or self.times == 0:
            return False
        if self.after:
            self.after -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        return True


@dataclass
class LocalGithub:
    """The server and its controls, which may be used from any thread while it runs."""

    token: str | None = None  # that it wants; None: whoever comes without one
    limit: int = 5000
    requests: list[Request] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    used: int = 0
    _repositories: dict[str, LocalRepository] = field(default_factory=dict)
    _moved: dict[str, int] = field(default_factory=dict)
    _troubles: list[Trouble] = field(default_factory=list)
    _server: HttpServer = field(init=False)

    def __post_init__(self) -> None:
        self._server = HttpServer(self._serve)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    def repository(self, name: str) -> LocalRepository:
        """A new, empty repository."""
        made = LocalRepository(name, 1000 + len(self._repositories))
        self._repositories[name] = made
        return made

    def rename(self, old: str, new: str) -> None:
        """Call a repository otherwise; whoever asks for the old name is sent on."""
        made = self._repositories.pop(old)
        made.name, self._moved[old] = new, made.number
        self._repositories[new] = made

    def misbehave(self, answer: Answer, *, at: str = "", times: int | None = None, after: int = 0) -> None:
        """From now on answer so, where the path has ``at`` in it; so many times or for good."""
        self._troubles.append(Trouble(answer, at, times, after))

    def behave(self) -> None:
        """Forget every trouble and what has been asked so far."""
        self._troubles.clear()
        self.requests.clear()
        self.statuses.clear()
        self.used = 0

    def paths(self) -> list[str]:
        """What was asked for so far."""
        return [request.path for request in self.requests]

    def _serve(self, request: Request) -> Answer:
        self.requests.append(request)
        answer = self._answer(request)
        self.statuses.append(answer.status)
        return answer

    def _answer(self, request: Request) -> Answer:
        for trouble in self._troubles:
            if trouble.takes(request):
                return trouble.answer
        given = request.headers.get("authorization")
        if given is not None and given != f"token {self.token}":
            return _json({"message": "Bad credentials", "status": "401"}, 401)
        if self.used >= self.limit:
            return self._counted(
                _json({"message": "API rate limit exceeded for 127.0.0.1. (But here's the good news)"}, 403)
            )
        answer = self._right(request)
        if answer.status != 304 or given is None:  # hearing that nothing is new is free for those with a token
            self.used += 1
        return self._counted(answer)

    def _counted(self, answer: Answer) -> Answer:
        counts = {"Limit": self.limit, "Remaining": self.limit - self.used, "Used": self.used}
        counts |= {"Reset": int(RESETS_AT.timestamp())}
        return replace(answer, headers=(*answer.headers, *((f"X-RateLimit-{k}", str(v)) for k, v in counts.items())))

    def _right(self, request: Request) -> Answer:
        _, root, *rest = request.path.split("/")
        name, rest = ("/".join(rest[:2]), rest[2:]) if root == "repos" else (rest[0], rest[1:])
        if root == "repos" and name in self._moved:
            where = "/".join([self.url, "repositories", str(self._moved[name]), *rest])
            return replace(_json({"message": "Moved Permanently", "url": where}, 301), headers=(("Location", where),))
        known = {each.name if root == "repos" else str(each.number): each for each in self._repositories.values()}
        if name not in known:
            return _json({"message": "Not Found", "status": "404"}, 404)
        return self._of(known[name], rest[0] if rest else None, request)

    def _of(self, repository: LocalRepository, kind: str | None, request: Request) -> Answer:
        if kind is None:
            owner = {"login": repository.name.split("/")[0]}
            return _json(
                {"id": repository.number, "full_name": repository.name, "owner": owner, "default_branch": "main"}
            )
        params = request.params
        found = repository.listed(kind, params)
        size, page = int(params.get("per_page", 30)), int(params.get("page", 1))
        shown = found[(page - 1) * size : page * size]
        answer = _json(shown)
        links = []
        if page * size < len(found):
            onward = urlencode({**params, "page": page + 1})
            links = [("Link", f'<{self.url}/repositories/{repository.number}/{kind}?{onward}>; rel="next"')]
        etag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
        if request.headers.get("if-none-match") == etag:
            return Answer(b"", 304, headers=(("ETag", etag),))
        return replace(answer, headers=(("ETag", etag), *links))


def _json(data: object, status: int = 200) -> Answer:
    return Answer(json.dumps(data).encode(), status, "application/json; charset=utf-8")


@contextmanager
def github_server(token: str | None = None, limit: int = 5000) -> Iterator[LocalGithub]:
    """A running GitHub, in a thread of this process, on a free port."""
    local = LocalGithub(token, limit)
    local._server.start()
    try:
        yield local
    finally:
        local._server.stop()


def github_client(github: LocalGithub, *repositories: str, **changes: Any) -> GithubClient:
    """A client of these repositories, with the server's token, that loses no time between tries."""
    given = changes.pop("token", github.token)
    settings = GithubSettings(
        token=None if given is None else SecretStr(given),
        url=github.url,
        timeout_seconds=changes.pop("timeout_seconds", 1),
    )
    defaults: dict[str, Any] = {"first_pause": timedelta(milliseconds=2), "now": lambda: NOON}
    return GithubClient(settings, dict.fromkeys(repositories, "BTC"), **(defaults | changes))


def read(
    client: GithubClient, cursors: Mapping[str, Cursor] | None = None, at: datetime = NOON
) -> dict[str, FeedFetch]:
    """What a fetch gives, by repository."""
    return {each.feed: each for each in client.fetch(cursors or {}, at)}
