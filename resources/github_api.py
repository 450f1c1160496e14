"""GitHub's API through PyGithub: one answer at a time, counted, within its limits, its errors in our words.

The only module that knows PyGithub's names. Lists are asked for page by page through its requester: PyGithub's own
list objects fetch a field that is missing with a request of their own, follow no budget, and cannot be asked
conditionally.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from math import ceil
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.settings_texts import GithubSettings
from resources.http_fetching import LONGEST_REST, USER_AGENT, FetchError, failure_of

ATTEMPTS, LONGEST_PAUSE_S = 3, 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What GitHub says: decoded JSON, or None where it says that nothing has changed."""

    data: Any
    headers: Mapping[str, str]  # by lower-case name


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of a list."""

    items: Sequence[Any]
    has_more: bool  # whether another follows


class GithubApi:
    """One session with GitHub, to be closed after use. What GitHub refuses to all is not asked a second time."""

    def __init__(self, settings: GithubSettings, *, first_pause: timedelta, now: Callable[[], datetime]) -> None:
        import github
        from github.Consts import DEFAULT_BASE_URL

        token = settings.token.get_secret_value() if settings.token else ""
        self._client = github.Github(
            auth=github.Auth.Token(token) if token else None,
            base_url=(settings.url or DEFAULT_BASE_URL).rstrip("/"),
            timeout=ceil(settings.timeout_seconds),  # PyGithub knows whole seconds only
            user_agent=USER_AGENT,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
        )
        self._first_pause, self._now = first_pause, now
        self._refusal: FetchError | None = None
        self.requests = 0

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, parameters: Mapping[str, str] | None = None, etag: str | None = None) -> Answer:
        """The answer at ``path``, asked again with growing pauses while there is hope.

        Raises
        ------
        FetchError
            ``key_refused(401)``, ``rate_limited``, ``not_found(404)``, ``unavailable(503)``, ``timeout``,
            ``unreachable``, ``unreadable(...)``.
        """
        for attempt in Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, FetchError) and error.may_pass),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=self._first_pause.total_seconds(), max=LONGEST_PAUSE_S),
            reraise=True,
        ):
            with attempt:
                return self._ask(path, parameters or {}, etag)
        raise AssertionError("tenacity returns or raises")

    def pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[ListPage]:
        """The pages of a list, as far as they are taken; whatever host a next page is said to have, ours is asked."""
        from requests.utils import parse_header_links

        url: str | None = path
        while url is not None:
            answer = self.get(url, parameters)
            if not isinstance(answer.data, list):
                raise FetchError("unreadable(no list)")
            links = parse_header_links(answer.headers.get("link", ""))
            url = next((link["url"] for link in links if link.get("rel") == "next" and link.get("url")), None)
            parameters = {}  # the link has them
            yield ListPage(answer.data, url is not None)

    def _ask(self, path: str, parameters: Mapping[str, str], etag: str | None) -> Answer:
        self._check_welcome()
        status, headers, text = self._send(path, parameters, {"If-None-Match": etag} if etag else {})
        if status == HTTPStatus.NOT_MODIFIED:
            return Answer(None, headers)
        if (failure := self._failure(status, headers, text)) is not None:
            if failure.reason in ("rate_limited", "key_refused(401)"):
                self._refusal = failure
            raise failure
        if status != HTTPStatus.OK:
            raise FetchError(f"unreadable(status {status})")
        try:
            return Answer(json.loads(text), headers)
        except (ValueError, RecursionError) as error:
            raise FetchError("unreadable(no JSON)") from error

    def _send(
        self, path: str, parameters: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], str]:
        import requests

        self.requests += 1
        try:
            return self._client.requester.requestJson("GET", path, dict(parameters), dict(headers))
        except requests.exceptions.Timeout as error:
            raise FetchError("timeout", may_pass=True) from error
        except requests.exceptions.RequestException as error:
            raise FetchError("unreachable", may_pass=True) from error
        except RuntimeError as error:  # PyGithub follows a redirection on the same host, to the end of the stack
            raise FetchError("unreadable(redirection)") from error
        except ValueError as error:  # PyGithub reads the limits itself
            raise FetchError("unreadable(limits)") from error

    def _check_welcome(self) -> None:
        """Do not ask where GitHub has told us to stop, or has told us that this would be one too many."""
        if self._refusal is not None:
            raise self._refusal
        remaining, _ = self._client.requester.rate_limiting
        resets_at = _instant(self._client.requester.rate_limiting_resettime)
        if remaining == 0 and resets_at is not None and resets_at > self._now():
            self._refusal = FetchError("rate_limited", retry_at=self._bounded(resets_at))
            raise self._refusal

    def _failure(self, status: int, headers: Mapping[str, str], text: str) -> FetchError | None:
        """GitHub says "too many" with 403 as well as with 429, and when to come back in either of two headers."""
        if status not in (HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS):
            return failure_of(status, headers, self._now())
        is_spent = headers.get("x-ratelimit-remaining") == "0"
        if (
            status == HTTPStatus.FORBIDDEN
            and not is_spent
            and not self._client.requester.isRateLimitError(_message(text))
        ):
            return failure_of(status, headers, self._now())
        found = failure_of(HTTPStatus.TOO_MANY_REQUESTS, headers, self._now())
        assert found is not None
        resets_at = _instant(headers.get("x-ratelimit-reset"))
        if is_spent and resets_at is not None and "retry-after" not in headers:
            return FetchError("rate_limited", retry_at=self._bounded(resets_at))
        return found

    def _bounded(self, instant: datetime) -> datetime:
        return min(max(instant, self._now()), self._now() + LONGEST_REST)


def _instant(seconds: object) -> datetime | None:
    """An instant that a header gives in seconds since 1970."""
    try:
        return datetime.fromtimestamp(int(str(seconds)), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _message(text: str) -> str:
    """What an error says, where it is GitHub's own."""
    try:
        data = json.loads(text)
    except ValueError:
        return ""
    message = data.get("message") if isinstance(data, dict) else None
    return message if isinstance(message, str) else ""
