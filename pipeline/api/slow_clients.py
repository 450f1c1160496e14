"""Clients that keep a connection without using it: requests that never end, answers that are never read.

uvicorn waits for the first byte of a request, and for each next one, as long as a client likes; it closes only
connections that are idle between requests. Here a request has to have come, whole, a time after it began, and somebody
who takes nothing of an answer for that long is not waited for either. Streams are not meant: they are being answered.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from pipeline.api.errors import refusal

LOG = logging.getLogger("pipeline.api")
MAX_HEAD_BYTES = 64 * 1024  # of a request without its body; one of the two parsers has no limit of its own
HEAD_TOO_LARGE = f"a request must have at most {MAX_HEAD_BYTES:,} bytes before its body"
ANSWERED = "signals.answered"  # in a request's scope: the status that it was answered past the application


def guarded(patience_s: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol, whichever it takes, with a limit to its patience."""
    return type("GuardedProtocol", (_Guard, AutoHTTPProtocol), {"patience_s": patience_s})


class _Guard(asyncio.Protocol):
    patience_s: ClassVar[float]
    loop: asyncio.AbstractEventLoop  # these three are uvicorn's
    transport: asyncio.Transport
    cycle: Any = None  # the newest request; None before the first one's head is whole
    _request: asyncio.TimerHandle | None = None  # runs while a request is waited for
    _answer: asyncio.TimerHandle | None = None  # runs while nobody takes the answer
    _head_bytes = 0  # of a request whose head is not whole

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._wait()
        before = self.cycle
        is_in_body = before is not None and before.more_body and not before.response_complete
        super().data_received(data)
        is_in_body = is_in_body or self.cycle is not before
        self._head_bytes = 0 if is_in_body else self._head_bytes + len(data)
        if self._head_bytes > MAX_HEAD_BYTES:  # one that came at a stroke, and so is whole, the application refuses
            self._refuse(431, "head_too_large", HEAD_TOO_LARGE)
        elif self._is_whole():
            self._stop_waiting()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn says to those who do not speak HTTP, in the shape of every error."""
        self._answer_past_the_application(400, "invalid_http", "a request must be HTTP/1.1, was none")

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_offering()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._answer = self.loop.call_later(self.patience_s, self._not_taken)

    def resume_writing(self) -> None:
        self._stop_offering()
        super().resume_writing()

    def _wait(self) -> None:
        if self._request is None:
            self._request = self.loop.call_later(self.patience_s, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._request is not None:
            self._request.cancel()
            self._request = None

    def _stop_offering(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None

    def _is_whole(self) -> bool:
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def _too_slow(self) -> None:
        self._request = None
        LOG.info("slow_client waited_s=%g for=request", self.patience_s)
        self._refuse(408, "request_too_slow", f"a request must have come, whole, in {self.patience_s:g} s")

    def _not_taken(self) -> None:
        LOG.info("slow_client waited_s=%g for=answer", self.patience_s)
        self.transport.abort()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer, where an answer is still to come, past an application that may never have seen the request."""
        is_being_answered = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if not (is_being_answered or self._was_answered_early()) and self._has_begun():
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.scope[ANSWERED] = status
            self._answer_past_the_application(status, code, message)
        self.transport.close()

    def _answer_past_the_application(self, status: int, code: str, message: str) -> None:
        if not self.transport.is_closing():
            body = bytes(refusal(status, code, message).body)
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
                "content-type: application/json",
                f"content-length: {len(body)}",
                "connection: close",
            )
            self.transport.write("\r\n".join((*head, "", "")).encode() + body)
        self.transport.close()

    def _was_answered_early(self) -> bool:
        """Whether the newest request was answered before its body had come, so that what comes may be its rest."""
        return self.cycle is not None and self.cycle.response_complete and self.cycle.more_body

    def _has_begun(self) -> bool:
        """Whether anything of a request has come: to one who only connects nothing is to be said."""
        return self._head_bytes > 0 or (self.cycle is not None and not self.cycle.response_complete)
