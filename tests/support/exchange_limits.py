"""How much may be asked of an exchange in a minute, and what happens to those who ask for more."""

from enum import Enum

MINUTE_MS = 60_000


class Refusal(Enum):
    """Why an exchange does not answer what it was asked."""

    RATE_LIMITED = "too much was asked"
    BANNED = "too much was asked again and again"
    UNAVAILABLE = "the exchange cannot answer now"
    UNKNOWN_SYMBOL = "the symbol is not listed"


class WeightWindow:
    """Weights of the requests in the running minute of the exchange's clock; refused ones count as well.

    After ``ban_after`` refusals within a minute (never, if None) everything is refused for ``ban_ms``.
    """

    def __init__(self, limit: int, *, ban_after: int | None = None, ban_ms: int = 2 * MINUTE_MS) -> None:
        self.limit = limit
        self.used = 0
        self.peak = 0  # the most that was used in any minute
        self._ban_after, self._ban_ms = ban_after, ban_ms
        self._minute = 0
        self._refusals = 0
        self._banned_until_ms = 0

    def spend(self, weight: int, now_ms: int) -> tuple[Refusal, int] | None:
        """Count a request; if it is refused, why and for how many whole seconds."""
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self.used, self._refusals = now_ms // MINUTE_MS, 0, 0
        self.used += weight
        self.peak = max(self.peak, self.used)
        if now_ms < self._banned_until_ms:
            return Refusal.BANNED, -(-(self._banned_until_ms - now_ms) // 1000)
        if self.used <= self.limit:
            return None
        self._refusals += 1
        if self._ban_after is not None and self._refusals > self._ban_after:
            self._banned_until_ms = now_ms + self._ban_ms
            return Refusal.BANNED, self._ban_ms // 1000
        return Refusal.RATE_LIMITED, -(-((self._minute + 1) * MINUTE_MS - now_ms) // 1000)
