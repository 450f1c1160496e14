"""A local Reddit: tokens, listings, comments and look-ups over posts made for a test, with faults to order."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pydantic import SecretStr

from pipeline.settings_texts import RedditSettings
from resources.reddit import RedditClient
from tests.support.http_server import Answer, HttpServer, Request
from tests.support.x_server import NOW, Orders, refusal

CLIENT_ID, CLIENT_SECRET, TOKEN = "an-app", "its-secret", "a-token-for-an-hour"
PAGE = 100
Thing = dict[str, Any]


def a_post(number: str, published_at: datetime, title: str = "A title", body: str = "", **changes: Any) -> Thing:
    """A text post as Reddit describes it to a client without a user."""
    post = {
        "approved_at_utc": None,
        "archived": False,
        "author": "somebody",
        "author_flair_text": None,
        "created": published_at.timestamp(),
        "created_utc": published_at.timestamp(),
        "distinguished": None,
        "domain": "self.test",
        "edited": False,
        "id": number,
        "is_self": True,
        "name": f"t3_{number}",
        "num_comments": 0,
        "over_18": False,
        "permalink": f"/r/test/comments/{number}/a_title/",
        "removed_by_category": None,
        "score": 1,
        "selftext": body,
        "selftext_html": None,
        "stickied": False,
        "subreddit": "test",
        "subreddit_id": "t5_2qh1i",
        "title": title,
        "ups": 1,
        "upvote_ratio": 1.0,
        "url": f"https://www.reddit.com/r/test/comments/{number}/a_title/",
        **changes,
    }
    return {"kind": "t3", "data": post}


def a_comment(number: str, published_at: datetime, body: str, post: str, **changes: Any) -> Thing:
    """A comment on a post, without answers."""
    comment = {
        "author": "somebody_else",
        "body": body,
        "body_html": None,
        "created_utc": published_at.timestamp(),
        "edited": False,
        "id": number,
        "link_id": f"t3_{post}",
        "name": f"t1_{number}",
        "parent_id": f"t3_{post}",
        "permalink": f"/r/test/comments/{post}/a_title/{number}/",
        "replies": "",
        "score": 1,
        "stickied": False,
        "subreddit": "test",
        "subreddit_id": "t5_2qh1i",
        **changes,
    }
    return {"kind": "t1", "data": comment}


def listing(things: Sequence[object], after: str | None = None) -> dict[str, Any]:
    """Things as Reddit sends a list of them."""
    return {"kind": "Listing", "data": {"after": after, "before": None, "children": things, "dist": len(things)}}


@dataclass
class LocalReddit:
    """The server and its controls."""

    new: dict[str, list[Thing]] = field(default_factory=dict)  # subreddit -> newest first
    hot: dict[str, list[Thing]] = field(default_factory=dict)
    comments: dict[str, list[Thing]] = field(default_factory=dict)  # id of a post -> best first
    unlisted: list[Thing] = field(default_factory=list)  # that only a look-up finds
    refused: dict[str, Answer] = field(default_factory=dict)  # subreddit -> instead of its lists
    quota: float | None = None  # requests; None: it does not say
    reset_s: int = 300
    orders: Orders = field(default_factory=Orders)
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @property
    def paths(self) -> list[str]:
        """What was asked for, without slashes at the ends."""
        return [request.path.strip("/") for request in self.requests]

    def serve(self, request: Request) -> Answer:
        """Answer one request."""
        self.requests.append(request)
        path = request.path.strip("/")
        if (ordered := self.orders.taken(path)) is not None:
            return ordered
        if path == "api/v1/access_token":
            return self._token(request)
        if request.headers.get("authorization") != f"bearer {TOKEN}":
            return refusal(401, {"message": "Unauthorized", "error": 401})
        headers: dict[str, object] = {}
        if self.quota is not None:
            self.quota -= 1
            used = {"x_ratelimit_used": 1, "x_ratelimit_remaining": max(self.quota, 0.0)}
            headers = {**used, "x_ratelimit_reset": self.reset_s}
            if self.quota < 0:
                return refusal(429, {"message": "Too Many Requests", "error": 429}, **headers)
        answer = self._listed(path.split("/"), request.params)
        return answer if isinstance(answer, Answer) else refusal(200, answer, **headers)

    def _token(self, request: Request) -> Answer:
        keys = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {keys}":
            return refusal(401, {"message": "Unauthorized", "error": 401})
        return refusal(200, {"access_token": TOKEN, "token_type": "bearer", "expires_in": 3600, "scope": "*"})

    def _listed(self, path: list[str], asked: dict[str, str]) -> Answer | object:
        match path:
            case ["r", name, _] if name in self.refused:
                return self.refused[name]
            case ["r", name, "new" | "hot" as order] if name in self.new:
                return self._page(self.new[name] if order == "new" else self.hot.get(name, []), asked)
            case ["comments", name]:
                posts = [thing for things in self.new.values() for thing in things if thing["data"]["id"] == name]
                return [listing(posts[:1]), listing(self.comments.get(name, []))]
            case ["api", "info"]:
                listed = [thing for things in self.new.values() for thing in things] + self.unlisted
                names = asked["id"].split(",")
                return listing([thing for thing in listed if thing["data"]["name"] in names])
        location = f"{self.url}/subreddits/search?q=nobody"
        return Answer(b"", 302, "text/html", headers=(("location", location),))

    def _page(self, things: list[Thing], asked: dict[str, str]) -> dict[str, Any]:
        names = [thing["data"]["name"] for thing in things]
        start = names.index(asked["after"]) + 1 if "after" in asked else 0
        page = things[start : start + min(int(asked["limit"]), PAGE)]
        is_last = start + len(page) >= len(things)
        return listing(page, None if is_last or not page else page[-1]["data"]["name"])


def private() -> Answer:
    """What a subreddit answers that only its members may read."""
    return refusal(403, {"reason": "private", "message": "Forbidden", "error": 403})


def banned() -> Answer:
    """What is answered of a subreddit that Reddit has closed."""
    return refusal(404, {"reason": "banned", "message": "Not Found", "error": 404})


def reddit_client(
    local: LocalReddit,
    *,
    known: Mapping[str, list[str]] | None = None,
    deadline: timedelta = timedelta(minutes=1),
    **settings: Any,
) -> RedditClient:
    """A client of it that reads one subreddit and loses no time."""
    keys = {"client_id": SecretStr(CLIENT_ID), "client_secret": SecretStr(CLIENT_SECRET)}
    chosen = {**keys, "subreddits": ("test",), "timeout_seconds": 5.0, "url": local.url}
    return RedditClient(
        RedditSettings(**{**chosen, **settings}),
        known=known or {},
        deadline=deadline,
        first_pause=timedelta(milliseconds=1),
        now=lambda: NOW,
    )


@contextmanager
def reddit_server() -> Iterator[LocalReddit]:
    """A running Reddit, in a thread of this process."""
    local = LocalReddit()
    server = HttpServer(local.serve)
    server.start()
    local.url = server.url
    try:
        yield local
    finally:
        server.stop()


def answers_of(recording: str) -> list[bytes]:
    """The bodies of a recorded conversation with Reddit, in order."""
    return [each["response"]["body"]["string"].encode() for each in json.loads(recording)["interactions"]]
