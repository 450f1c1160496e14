"""How often one caller may ask: a bucket of tokens for each caller and scope, filled at an even rate.

The buckets are this process's own. Several processes would each allow what one does; then a proxy has to count.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from pipeline.domain.access import Scope
from pipeline.settings_api import ApiSettings

MAX_CALLERS = 10_000  # of each kind; of more the one that asked longest ago is forgotten, and would begin anew
SITE_BITS = 64  # of an IPv6 address: who has one has all of its network


class Caller(NamedTuple):
    """Whose requests are counted together: a key, or whoever is at an address."""

    kind: str  # key or address
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left to a caller after a request."""

    scope: Scope
    quota: int  # so many may come at once
    window_s: float  # in which an empty bucket is full again
    left: int
    full_in_s: float
    retry_after_s: float | None  # None: the request is allowed

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers has them, and Retry-After where the request is refused."""
        found = {
            "RateLimit-Policy": f'"{self.scope}";q={self.quota};w={math.ceil(self.window_s)}',
            "RateLimit": f'"{self.scope}";r={self.left};t={math.ceil(self.full_in_s)}',
        }
        if self.retry_after_s is not None:
            found["Retry-After"] = str(max(1, math.ceil(self.retry_after_s)))
        return found


class Limits:
    """The buckets of one application; to be used by one thread, that of its event loop."""

    def __init__(self, settings: ApiSettings, clock: Callable[[], float] = time.monotonic) -> None:
        per_minute = {
            Scope.READ: settings.read_per_minute,
            Scope.GENERATE: settings.generate_per_minute,
            Scope.EXECUTE: settings.execute_per_minute,
        }
        self._per_second = {scope: rate / 60.0 for scope, rate in per_minute.items() if rate}
        self._quotas = {scope: max(1, int(rate * settings.burst_seconds)) for scope, rate in self._per_second.items()}
        self._clock = clock
        # By kind, so that callers nobody knows never push out those with a key.
        self._buckets: dict[str, OrderedDict[tuple[str, Scope], tuple[float, float]]] = {}

    def take(self, caller: Caller, scope: Scope) -> Allowance | None:
        """Count a request; None where its scope has no limit."""
        if scope not in self._quotas:
            return None
        rate, quota, now = self._per_second[scope], self._quotas[scope], self._clock()
        buckets = self._buckets.setdefault(caller.kind, OrderedDict())
        tokens, since = buckets.pop((caller.name, scope), (float(quota), now))
        tokens = min(float(quota), tokens + (now - since) * rate)
        is_allowed = tokens >= 1.0
        tokens -= 1.0 if is_allowed else 0.0
        buckets[caller.name, scope] = (tokens, now)
        if len(buckets) > MAX_CALLERS * len(Scope):
            buckets.popitem(last=False)
        return Allowance(
            scope=scope,
            quota=quota,
            window_s=quota / rate,
            left=int(tokens),
            full_in_s=(quota - tokens) / rate,
            retry_after_s=None if is_allowed else (1.0 - tokens) / rate,
        )


@lru_cache(maxsize=MAX_CALLERS)
def caller_at(address: str) -> Caller:
    """Whoever is at an address; at any address of an IPv6 network, which one person has whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return Caller("address", address)
    if isinstance(parsed, IPv6Address) and not parsed.is_loopback:
        return Caller("address", str(ip_network((parsed.packed, SITE_BITS), strict=False)))
    return Caller("address", address)
