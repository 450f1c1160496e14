"""One page over HTTP within bounds of size and redirections, and why a page could not be had, in stable words.

What a source sends is hostile until shown otherwise: a body may be endless, or small and unpack to gigabytes; it may
send us elsewhere for ever. Add here what holds for every page, whatever it contains; how long one waits is the
caller's to say.
"""

import email.utils
import math
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from pipeline.domain.errors import SignalsError

if TYPE_CHECKING:
    import httpx

LARGEST_BODY = 5_000_000  # bytes, unpacked
MOST_REDIRECTIONS = 5
LONGEST_REST = timedelta(days=1)  # that a source can impose on us
USUAL_REST = timedelta(minutes=15)  # where a source asks for one and does not say how long
USER_AGENT = "trading-signals (reads feeds; asks again only for what is new)"
GZIP = 31  # zlib's window bits for gzip's format


class FetchError(SignalsError):
    """A page cannot be had, for a ``reason`` in stable words that is stored."""

    def __init__(self, reason: str, *, retry_at: datetime | None = None, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_at = retry_at  # the source asks not to be asked before
        self.may_pass = may_pass  # the same request may succeed in a moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer that came whole."""

    status: int
    headers: Mapping[str, str]  # by lower-case name
    body: bytes  # unpacked
    url: str  # where it came from in the end


def failure_of(status: int, headers: Mapping[str, str], now: datetime) -> FetchError | None:
    """Why an answer is none; None where it is one. ``headers`` by lower-case name."""
    asked_to_rest = rest_until(headers, now)
    match status:
        case HTTPStatus.TOO_MANY_REQUESTS:
            return FetchError("rate_limited", retry_at=asked_to_rest or now + USUAL_REST)
        case HTTPStatus.UNAUTHORIZED:
            return FetchError("key_refused(401)")
        case HTTPStatus.FORBIDDEN:
            return FetchError("forbidden(403)", retry_at=asked_to_rest)
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return FetchError(f"not_found({status})")
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return FetchError(f"unavailable({status})", retry_at=asked_to_rest, may_pass=asked_to_rest is None)
        case _ if status >= HTTPStatus.BAD_REQUEST:
            return FetchError(f"refused({status})")
    return None


def rest_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """What a Retry-After header asks for, in seconds or as a date, a day at most; None where it says nothing."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = min(float(value), LONGEST_REST.total_seconds())
        return now + timedelta(seconds=seconds)
    try:
        instant = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return min(max(aware, now), now + LONGEST_REST)


async def get(client: "httpx.AsyncClient", url: str, headers: Mapping[str, str]) -> Page:
    """The page at ``url``, whatever its status.

    Raises
    ------
    FetchError
        ``timeout``, ``unreachable``, ``too_many_redirections``, ``too_large(5 MB)``, ``unreadable(...)``.
    """
    import httpx

    try:
        async with client.stream("GET", url, headers=headers) as answer:
            body = await _bounded(answer)
            heard = {name.lower(): value for name, value in answer.headers.items()}
            return Page(status=answer.status_code, headers=heard, body=body, url=str(answer.url))
    except httpx.TimeoutException as error:
        raise FetchError("timeout", may_pass=True) from error
    except httpx.TooManyRedirects as error:
        raise FetchError("too_many_redirections") from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise FetchError("unreadable(address)") from error
    except httpx.HTTPError as error:
        raise FetchError("unreachable", may_pass=True) from error


async def _bounded(answer: "httpx.Response") -> bytes:
    """The body, unpacked piece by piece so that none of it is unpacked beyond the limit."""
    packing = answer.headers.get("content-encoding", "").strip().lower()
    if packing in ("", "identity"):
        pieces = answer.aiter_raw()
    elif packing in ("gzip", "x-gzip"):
        pieces = _unpacked(answer.aiter_raw())
    else:
        raise FetchError(f"unreadable(packed as {packing[:20]})")
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > LARGEST_BODY:
            raise _too_large()
    return bytes(body)


async def _unpacked(packed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of gzip members, one after the other, none longer than just over the limit."""
    unpacking, received = zlib.decompressobj(GZIP), 0
    async for piece in packed:
        received += len(piece)
        if received > LARGEST_BODY:
            raise _too_large()
        rest = piece
        while rest:
            try:
                yield unpacking.decompress(rest, LARGEST_BODY + 1)
            except zlib.error as error:
                raise FetchError("unreadable(gzip)") from error
            rest = unpacking.unconsumed_tail
            if unpacking.eof:
                rest, unpacking = unpacking.unused_data, zlib.decompressobj(GZIP)


def _too_large() -> FetchError:
    return FetchError(f"too_large({math.floor(LARGEST_BODY / 1e6)} MB)")
