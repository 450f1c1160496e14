"""A session for the vendors' clients that are built on requests: within bounds, refusals in our words.

Add here what holds for X and Reddit alike; what only one of them says stands in its own module.
"""

import io
import re
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from resources.http_fetching import LONGEST_REST, FetchError, failure_of

ATTEMPTS, LONGEST_PAUSE_S = 3, 5.0
LARGEST_ANSWER, PIECE = 10_000_000, 65_536  # bytes, unpacked; Reddit sends a hundred posts at once, each text twice
# What reading an answer raises where the answer is not what a vendor's client takes it for.
UNREADABLE = (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, RecursionError)
utc_now = partial(datetime.now, UTC)


@dataclass(slots=True, kw_only=True)
class Bounds:
    """What the requests of one fetch may cost, what they have cost, and whether there is any use in another."""

    timeout_s: float  # to connect, to begin an answer, and to finish it
    closes: float  # when nothing is asked any longer, on the monotonic clock
    first_pause: timedelta
    now: Callable[[], datetime]
    url: str | None = None  # where requests go, whatever host a client has in mind; None: to that host
    requests_left: int | None = None  # None: not counted
    requests: int = 0
    over: FetchError | None = None  # why the source wants no other request
    explain: Callable[[int, bytes], str | None] = lambda status, body: None  # a source's own reasons for refusing

    def admit(self) -> None:
        """Count a request; `FetchError` where it must not be sent."""
        if self.over is not None:
            raise FetchError(self.over.reason, retry_at=self.over.retry_at)
        if time.monotonic() > self.closes:
            raise FetchError("timeout")
        if self.requests_left is not None and self.requests >= self.requests_left:
            raise FetchError("budget_used(requests)")
        self.requests += 1

    def hear(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Take note of what an answer means for the next request; `FetchError` where it is none that can be read.

        A refused key and a used quota hold for every feed of the source, so that it is not asked again.
        """
        now = self.now()
        left, renewed_at = _quota(headers, now)
        failed = failure_of(status, headers, now)
        if failed is None and status >= HTTPStatus.MULTIPLE_CHOICES:  # Reddit sends us to its search instead
            failed = FetchError(f"not_found({status})")
        if status == HTTPStatus.TOO_MANY_REQUESTS and renewed_at is not None:
            failed = FetchError("rate_limited", retry_at=renewed_at)
        if failed is not None and (reason := self.explain(status, body)) is not None:
            failed = FetchError(reason, retry_at=failed.retry_at)
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS):
            self.over = failed
        elif left is not None and left < 1:
            self.over = FetchError("rate_limited", retry_at=renewed_at)
        if failed is not None:
            raise failed
        if body.lstrip()[:1] not in (b"{", b"["):  # praw takes an empty answer for an empty list
            raise FetchError("unreadable(not JSON)")


def _quota(headers: Mapping[str, str], now: datetime) -> tuple[float | None, datetime | None]:
    """How many requests are left, and when there are more; X names an instant, Reddit a number of seconds."""
    said = {name: float(value) for name, value in headers.items() if re.fullmatch(r"\d{1,12}(\.\d*)?", value)}
    left = said.get("x-rate-limit-remaining", said.get("x-ratelimit-remaining"))
    instant = said.get("x-rate-limit-reset")
    seconds = said.get("x-ratelimit-reset") if instant is None else instant - now.timestamp()
    if seconds is None:
        return left, None
    return left, now + timedelta(seconds=min(max(seconds, 0.0), LONGEST_REST.total_seconds()))


def bounded_session(bounds: Bounds) -> Any:
    """A `requests.Session` for a vendor's client, to be closed after use; none of its requests can leave the bounds.

    Statuses are judged here and not by the vendors' clients: each waits and repeats in a way of its own, as long as it
    likes, and breaks where a refusal is not worded as it expects.
    """
    import requests
    import urllib3
    from requests.adapters import HTTPAdapter

    again = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, FetchError) and error.may_pass),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=bounds.first_pause.total_seconds(), max=LONGEST_PAUSE_S),
        reraise=True,
    )

    class Bounded(HTTPAdapter):
        def send(self, request: Any, *_: Any, **options: Any) -> Any:
            options |= {"stream": True, "timeout": bounds.timeout_s}
            if bounds.url is not None:
                options["proxies"] = None
                if not request.url.startswith(bounds.url):
                    request.url = bounds.url.rstrip("/") + request.path_url
            return again(self._once, request, options)

        def _once(self, request: Any, options: Mapping[str, Any]) -> Any:
            bounds.admit()
            try:
                with closing(super().send(request, **options)) as answer:
                    body = _body(answer.raw, time.monotonic() + bounds.timeout_s)
            except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
                raise FetchError("timeout", may_pass=True) from error
            except urllib3.exceptions.DecodeError as error:
                raise FetchError("unreadable(packed)") from error
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                raise FetchError("unreachable", may_pass=True) from error
            heard = {name.lower(): value for name, value in answer.headers.items()}
            bounds.hear(answer.status_code, heard, body)
            answer.raw = io.BytesIO(body)
            for name in [name for name in heard if name.startswith("x-ratelimit")]:
                del answer.headers[name]  # praw would sleep by them, for minutes
            return answer

    session = requests.Session()
    session.mount("https://", Bounded())
    session.mount("http://", Bounded())
    return session


def _body(raw: Any, ends: float) -> bytes:
    """What was sent, unpacked piece by piece, within size and time."""
    body = bytearray()
    while piece := raw.read1(PIECE, decode_content=True):
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise FetchError(f"too_large({LARGEST_ANSWER // 1_000_000} MB)")
        if time.monotonic() > ends:
            raise FetchError("timeout", may_pass=True)
    return bytes(body)


def unreadable(error: BaseException) -> FetchError:
    """What it means that reading an answer broke off with an error."""
    found = type(error).__name__  # requests and praw each have an error of their own for this one
    return FetchError(f"unreadable({'not JSON' if 'JSON' in found else found})")
