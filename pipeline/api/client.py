"""A typed client of the REST API, for bots and notebooks: the routes as methods, the answers as models.

It needs httpx and pydantic, and imports nothing else of the pipeline but the words of its answers. Add a method here
when a route is added.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline.api.client_errors import ApiError, InvalidRequestError, UnavailableError, error_of, known
from pipeline.api.client_stream import Stream
from pipeline.api.payloads import (
    ActiveAnswer,
    ActiveSignal,
    ExplanationAnswer,
    GenerationAnswer,
    HealthAnswer,
    Performance,
    PerformanceAnswer,
    PositionsAnswer,
    RiskProfileAnswer,
    SignalAnswer,
    SignalDetail,
)

Answer = TypeVar("Answer", bound=BaseModel)
URL = "http://127.0.0.1:3001"
SIGNALS = "/api/v1/ai/trading-signals"
RISK_PROFILE, POSITIONS = "/api/v1/ai/risk-profile", "/api/v1/ai/positions"
TIMEOUT_S = 30.0
ATTEMPTS = 4
LONGEST_PAUSE_S = 10.0


class SignalsClient:
    """A connection to a server of signals; a context manager that closes it.

    What is safe to repeat is repeated, up to `ATTEMPTS` times, while the server or its database is away: every reading,
    what the same again does not change (executions, a profile, positions), and a `generate` with a key. Everything else
    is asked once.

    Parameters
    ----------
    api_key
        Sent as ``Authorization: Bearer``; needed where the server is not on this machine.

    Raises
    ------
    ApiError
        Of every method: the server refuses, with its code, message, status and the fields that are wrong.
    UnavailableError
        Of every method: the server did not answer, or could not.
    InvalidRequestError
        Of every method that sends something: it is no JSON (a price that is NaN), or an instant has no time zone.
    """

    def __init__(self, url: str = URL, *, api_key: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def active(self, **filters: Any) -> Iterator[ActiveSignal]:
        """Signals that are active now, strongest first, all pages of them.

        ``filters`` are the parameters of the route: ``symbol``, ``signal_type``, ``min_confidence``, ``source``,
        ``timeframe``, ``exchange``, ``since``; and ``limit``, the signals of one page.
        """
        cursor: str | None = None
        while True:
            answer = self._get("/active", ActiveAnswer, {**filters, "cursor": cursor})
            yield from answer.signals
            cursor = answer.next_cursor
            if cursor is None:
                return

    def signal(self, signal_id: UUID | str) -> SignalDetail:
        """One signal in full."""
        return self._get(f"/{signal_id}", SignalAnswer).signal

    def explain(self, signal_id: UUID | str) -> dict[str, Any]:
        """Why there is this signal, the JSON of `signals explain --json`; no model, as it grows with what is told."""
        return self._get(f"/{signal_id}/explain", ExplanationAnswer).explanation

    def chart(self, signal_id: UUID | str) -> bytes:
        """A picture of the signal, PNG."""
        return self._asked("GET", f"{SIGNALS}/{signal_id}/chart", is_repeatable=True).content

    def performance(self, timeframe: str = "7d", *, exchange: str | None = None) -> Performance:
        """How signals of the last ``24h``, ``7d`` or ``30d`` did."""
        found = self._get("/performance", PerformanceAnswer, {"timeframe": timeframe, "exchange": exchange})
        return found.performance

    def execute(self, signal_id: UUID | str, price: float, *, at: datetime | None = None) -> SignalDetail:
        """Say that a signal was executed, now or at an aware instant; to say the same again is fine."""
        body = _set({"status": "EXECUTED", "price": price, "at": at})
        return self._changed(signal_id, body, is_repeatable=True)

    def invalidate(self, signal_id: UUID | str, reason: str) -> SignalDetail:
        """Take a signal back, for good."""
        return self._changed(signal_id, {"status": "INVALIDATED", "reason": reason}, is_repeatable=False)

    def generate(
        self,
        symbols: Sequence[str],
        *,
        signal_types: Sequence[str] | None = None,
        timeframe: str | None = None,
        risk_level: str | None = None,
        strategy_preference: str | None = None,
        exchange: str | None = None,
        idempotency_key: str | None = None,
    ) -> GenerationAnswer:
        """Make signals of some symbols now, and tell of each symbol what came of it.

        What is None is left to the server. With ``idempotency_key`` the request may be repeated, and then is where no
        answer came: the server gives its first answer again.
        """
        wanted = {
            "symbols": list(symbols),
            "signal_types": None if signal_types is None else list(signal_types),
            "timeframe": timeframe,
            "risk_level": risk_level,
            "strategy_preference": strategy_preference,
            "exchange": exchange,
        }
        answer = self._asked(
            "POST",
            SIGNALS,
            is_repeatable=idempotency_key is not None,
            json=_set(wanted),
            headers={} if idempotency_key is None else {"Idempotency-Key": idempotency_key},
        )
        return known(GenerationAnswer, answer)

    def risk_profile(self) -> RiskProfileAnswer:
        """The limits by which signals are judged for whoever asks."""
        return known(RiskProfileAnswer, self._asked("GET", RISK_PROFILE, is_repeatable=True))

    def replace_risk_profile(self, **limits: Any) -> RiskProfileAnswer:
        """Say which limits are not as in the settings, by their names in `Limits`; all that are not named are."""
        return known(RiskProfileAnswer, self._asked("PUT", RISK_PROFILE, is_repeatable=True, json=_set(limits)))

    def positions(self) -> PositionsAnswer:
        """What is held now, or will be."""
        return known(PositionsAnswer, self._asked("GET", POSITIONS, is_repeatable=True))

    def replace_positions(self, weights: Mapping[str, float]) -> PositionsAnswer:
        """Say all that is held from now on: shares of the portfolio by symbol. What is not named ends now."""
        held = [{"symbol": symbol, "weight": weight} for symbol, weight in weights.items()]
        return known(PositionsAnswer, self._asked("PUT", POSITIONS, is_repeatable=True, json={"positions": held}))

    def health(self) -> HealthAnswer:
        """Whether the service works, and how new its candles are."""
        return known(HealthAnswer, self._asked("GET", "/health", is_repeatable=True))

    def stream(self, *, after: str | None = None, until_caught_up: bool = False, **filters: Any) -> Stream:
        """Changes of live signals as they come, each once and in order; see `Stream`.

        ``after`` is the cursor of the last change that is known, by default now, ``"0"`` for all there are. ``filters``
        are those of `active`, without ``since`` and ``limit``.
        """
        wanted = {**filters, "until_caught_up": "true" if until_caught_up else None}
        return Stream(self._http, f"{SIGNALS}/stream", _set(wanted), after=after)

    def _get(self, path: str, kind: type[Answer], parameters: Mapping[str, Any] | None = None) -> Answer:
        answer = self._asked("GET", SIGNALS + path, is_repeatable=True, params=_set(parameters or {}))
        return known(kind, answer)

    def _changed(self, signal_id: UUID | str, body: dict[str, Any], *, is_repeatable: bool) -> SignalDetail:
        path = f"{SIGNALS}/{signal_id}/status"
        answer = self._asked("PATCH", path, is_repeatable=is_repeatable, json=body)
        return known(SignalAnswer, answer).signal

    def _asked(self, method: str, path: str, *, is_repeatable: bool, **request: Any) -> httpx.Response:
        attempts = Retrying(
            retry=retry_if_exception_type(UnavailableError),
            stop=stop_after_attempt(ATTEMPTS if is_repeatable else 1),
            wait=_pause,
            reraise=True,
        )
        return attempts(self._once, method, path, request)

    def _once(self, method: str, path: str, request: Mapping[str, Any]) -> httpx.Response:
        try:
            sent = self._http.build_request(method, path, **request)
        except (ValueError, TypeError, httpx.InvalidURL) as error:
            raise InvalidRequestError(f"{method} {path} must be sent as JSON: {error}") from error
        try:
            answer = self._http.send(sent)
        except httpx.TransportError as error:
            raise UnavailableError(f"{self._http.base_url} did not answer: {error or type(error).__name__}") from error
        if answer.is_error:
            raise error_of(answer)
        return answer


def _set(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that say something, instants as the server reads them.

    Raises
    ------
    InvalidRequestError
        An instant has no time zone: the server would take it to be UTC, whatever the caller's clock shows.
    """
    said = {name: value for name, value in parameters.items() if value is not None}
    for name, value in said.items():
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise InvalidRequestError(f"{name} must have a time zone, was {value.isoformat()}")
            said[name] = value.isoformat()
    return said


_growing = wait_random_exponential(multiplier=0.2, max=LONGEST_PAUSE_S)


def _pause(state: RetryCallState) -> float:
    """What the server says, or a growing time."""
    error = None if state.outcome is None else state.outcome.exception()
    told = error.retry_after_s if isinstance(error, UnavailableError) else None
    return _growing(state) if told is None else min(told, LONGEST_PAUSE_S)


__all__ = ["ApiError", "InvalidRequestError", "SignalsClient", "Stream", "UnavailableError"]
