"""A local X: recent search of the API v2 over posts made for a test, with faults to order.

It keeps X's rules where a client could break them: which parameters exclude each other, how old an id may be, how
long a query, and that fields which were not asked for do not come.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr

from pipeline.settings_texts import TwitterSettings
from resources.twitter import TwitterClient
from tests.support.http_server import Answer, Ending, HttpServer, Request

NOW = datetime(2026, 5, 15, 12, tzinfo=UTC)
TOKEN = "good-token"
QUERY = "bitcoin lang:en"
SEARCH = "/2/tweets/search/recent"
FIRST_ID_MS = 1_288_834_974_657
REACH = timedelta(days=7)
ALWAYS = ("id", "text", "edit_history_tweet_ids")
Post = dict[str, Any]

NOT_JSON = Answer(b'{"data": [{"id": "1', 200)
WEB_PAGE = Answer(b"<html><body>Please wait</body></html>", 200, "text/html")
RESET = Answer(b'{"data": []}' + b" " * 4000, ending=Ending.RESET)
SILENCE = Answer(b"", ending=Ending.SILENCE)


def refusal(status: int, told: object = None, **headers: object) -> Answer:
    """An answer that is none; ``x_rate_limit_reset=5`` is the header x-rate-limit-reset."""
    body = json.dumps({"title": "Refused", "status": status} if told is None else told)
    said = tuple((name.replace("_", "-"), str(value)) for name, value in headers.items())
    return Answer(body.encode(), status, headers=said)


def id_at(instant: datetime, number: int = 0) -> str:
    """The id of a post, which holds its time."""
    return str(((round(instant.timestamp() * 1000) - FIRST_ID_MS) << 22) + number)


def a_post(published_at: datetime, text: str = "nothing happens", number: int = 0, **changes: Any) -> Post:
    """A post with every field that X can give of it; a field that is None is left out."""
    name = id_at(published_at, number)
    post = {
        "id": name,
        "text": text,
        "edit_history_tweet_ids": [name],
        "created_at": published_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "author_id": "2244994945",
        "lang": "en",
        "public_metrics": {
            "retweet_count": 1,
            "reply_count": 2,
            "like_count": 3,
            "quote_count": 4,
            "bookmark_count": 5,
            "impression_count": 600,
        },
        **changes,
    }
    return {key: value for key, value in post.items() if value is not None}


def posts_until(last: datetime, n_posts: int, apart: timedelta = timedelta(minutes=1)) -> list[Post]:
    """So many posts, the last of them at an instant, each with words of its own."""
    return [a_post(last - number * apart, f"post {number} before the last") for number in range(n_posts)]


@dataclass
class Orders:
    """Answers that are given in place of the right ones, in the order in which they were ordered."""

    _orders: list[list[Any]] = field(default_factory=list)

    def order(self, answer: Answer, *, after: int = 0, times: int = 1, path: str = "") -> None:
        """Give this answer so many times, at paths that contain ``path``, when ``after`` of those were served well."""
        self._orders.append([answer, after, times, path])

    def taken(self, path: str) -> Answer | None:
        """What was ordered for this request."""
        for order in self._orders:
            answer, after, times, wanted = order
            if wanted not in path or not times:
                continue
            if after:
                order[1] -= 1
                continue
            order[2] -= 1
            return answer
        return None


@dataclass
class LocalX:
    """The server and its controls."""

    now: datetime  # by which it judges what is recent
    posts: list[Post] = field(default_factory=list)  # that every query finds
    posts_of: dict[str, list[Post]] = field(default_factory=dict)  # that one query finds, and no other posts
    knows_cashtags: bool = True
    quota: int = 60  # requests
    orders: Orders = field(default_factory=Orders)
    searches: list[dict[str, str]] = field(default_factory=list)  # parameters of what was asked
    n_read: int = 0  # posts that were sent, as a plan counts them
    url: str = ""

    def serve(self, request: Request) -> Answer:
        """Answer one request."""
        self.searches.append(request.params)
        if (ordered := self.orders.taken(request.path)) is not None:
            return ordered
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refusal(401, {"title": "Unauthorized", "type": "about:blank", "status": 401})
        if request.path != SEARCH:
            return refusal(404)
        self.quota -= 1
        headers = {"x_rate_limit_limit": 60, "x_rate_limit_remaining": max(self.quota, 0)}
        headers["x_rate_limit_reset"] = round((self.now + timedelta(minutes=9)).timestamp())
        if self.quota < 0:
            return refusal(429, {"title": "Too Many Requests", "status": 429}, **headers)
        if (wrong := self._wrong(request.params)) is not None:
            return refusal(400, wrong, **headers)
        return refusal(200, self._page(request.params), **headers)

    def _wrong(self, asked: Mapping[str, str]) -> dict[str, Any] | None:
        """What X finds wrong with the parameters."""
        found = None
        oldest = self.now - REACH
        if "since_id" in asked and ("start_time" in asked or "end_time" in asked):
            found = "Invalid use of 'since_id' or 'until_id' in conjunction with 'start_time' or 'end_time'."
        elif "since_id" in asked and int(asked["since_id"]) < int(id_at(oldest)):
            found = f"'since_id' must be a tweet id created after {oldest:%Y-%m-%dT%H:%MZ}."
        elif "start_time" in asked and datetime.fromisoformat(asked["start_time"]) < oldest:
            found = "Invalid 'start_time'"
        elif not 10 <= int(asked.get("max_results", 10)) <= 100:
            found = "The `max_results` query parameter value is not between 10 and 100"
        elif len(asked["query"]) > 512:
            found = "Rule length exceeds the maximum of 512"
        elif "$" in asked["query"] and not self.knows_cashtags:
            found = "Reference to invalid operator 'cashtag'. Operator is not available in current product"
        if found is None:
            return None
        return {"errors": [{"parameters": dict(asked), "message": found}], "title": "Invalid Request"}

    def _page(self, asked: Mapping[str, str]) -> dict[str, Any]:
        since, start, end = asked.get("since_id"), asked.get("start_time"), asked.get("end_time")
        above = int(since) if since else int(id_at(datetime.fromisoformat(start))) - 1 if start else 0
        below = int(id_at(datetime.fromisoformat(end) if end else self.now))
        below = min(below, int(asked["next_token"].removeprefix("b26v89c"))) if "next_token" in asked else below
        posts = self.posts_of.get(asked["query"], [] if self.posts_of else self.posts)
        found = sorted((p for p in posts if above < int(p["id"]) < below), key=lambda p: -int(p["id"]))
        page = found[: int(asked.get("max_results", 10))]
        self.n_read += len(page)
        meta: dict[str, Any] = {"result_count": len(page)}
        if not page:
            return {"meta": meta}
        meta |= {"newest_id": page[0]["id"], "oldest_id": page[-1]["id"]}
        if len(found) > len(page):
            meta["next_token"] = f"b26v89c{page[-1]['id']}"
        fields = {*ALWAYS, *asked.get("tweet.fields", "").split(",")}
        return {"data": [{key: p[key] for key in p if key in fields} for p in page], "meta": meta}


def x_client(
    local: LocalX,
    *,
    names: Mapping[str, tuple[str, ...]] | None = None,
    posts_left: int = 15_000,
    requests_left: int = 60,
    deadline: timedelta = timedelta(minutes=1),
    **settings: Any,
) -> TwitterClient:
    """A client of it that asks one query and loses no time."""
    chosen = {"bearer_token": SecretStr(TOKEN), "queries": (QUERY,), "timeout_seconds": 5.0, "url": local.url}
    return TwitterClient(
        TwitterSettings(**{**chosen, **settings}),
        names=names or {},
        posts_left=posts_left,
        requests_left=requests_left,
        deadline=deadline,
        first_pause=timedelta(milliseconds=1),
        now=lambda: local.now,
    )


@contextmanager
def x_server(now: datetime = NOW) -> Iterator[LocalX]:
    """A running X, in a thread of this process."""
    local = LocalX(now)
    server = HttpServer(local.serve)
    server.start()
    local.url = server.url
    try:
        yield local
    finally:
        server.stop()
