"""Rate limits: what comes at once, what comes later, whose requests count together, and what is forgotten."""

import pytest

from pipeline.api import limits
from pipeline.api.limits import Caller, Limits, caller_at
from pipeline.domain.access import Scope
from pipeline.settings_api import ApiSettings

ALICE, BOB = Caller("key", "1"), Caller("key", "2")
TEN_AT_ONCE = ApiSettings(read_per_minute=60, burst_seconds=10, execute_per_minute=6, generate_per_minute=0)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_the_next_request_is_told_when_to_come():
    bucket = Limits(TEN_AT_ONCE, Clock())
    taken = [bucket.take(ALICE, Scope.READ) for _ in range(11)]
    assert [each.left for each in taken] == [*range(9, -1, -1), 0]
    assert [each.retry_after_s for each in taken] == [None] * 10 + [1.0]
    assert taken[0].headers == {"RateLimit-Policy": '"read";q=10;w=10', "RateLimit": '"read";r=9;t=1'}
    assert taken[10].headers["Retry-After"] == "1"


def test_a_bucket_fills_at_an_even_rate_and_never_over():
    clock = Clock()
    bucket = Limits(TEN_AT_ONCE, clock)
    for _ in range(10):
        bucket.take(ALICE, Scope.READ)
    clock.now += 2.5
    assert [bucket.take(ALICE, Scope.READ).retry_after_s for _ in range(3)] == [None, None, 0.5]
    clock.now += 1e6
    assert bucket.take(ALICE, Scope.READ).left == 9


def test_a_request_that_is_refused_costs_nothing():
    clock = Clock()
    bucket = Limits(TEN_AT_ONCE, clock)
    for _ in range(500):
        bucket.take(ALICE, Scope.READ)
    clock.now += 1.0
    assert bucket.take(ALICE, Scope.READ).retry_after_s is None


def test_callers_and_scopes_have_buckets_of_their_own_and_a_rate_of_0_is_no_limit():
    bucket = Limits(TEN_AT_ONCE, Clock())
    for _ in range(11):
        bucket.take(ALICE, Scope.READ)
    assert bucket.take(BOB, Scope.READ).left == 9
    assert [bucket.take(ALICE, Scope.EXECUTE).retry_after_s for _ in range(2)] == [None, 10.0]
    assert bucket.take(ALICE, Scope.GENERATE) is None


def test_callers_nobody_knows_never_push_out_a_key_nor_fill_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "MAX_CALLERS", 50)
    bucket = Limits(TEN_AT_ONCE, Clock())
    for _ in range(10):
        bucket.take(ALICE, Scope.READ)
    for number in range(1000):
        bucket.take(caller_at(f"10.0.{number // 250}.{number % 250}"), Scope.READ)
    assert {kind: len(known) for kind, known in bucket._buckets.items()} == {"key": 1, "address": 150}
    assert bucket.take(ALICE, Scope.READ).retry_after_s == 1.0


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::1", "::1", True),
    ],
)
def test_who_has_one_address_of_a_network_of_ipv6_has_them_all(one, other, is_same):
    assert (caller_at(one) == caller_at(other)) is is_same
