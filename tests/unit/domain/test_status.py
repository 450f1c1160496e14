"""The table of transitions: ACTIVE may end in three ways, and what has ended stays so."""

from itertools import product

import pytest

from pipeline.domain.errors import IllegalTransitionError
from pipeline.domain.signal import SignalType
from pipeline.domain.status import TRANSITIONS, SignalStatus, check_transition

ALLOWED = {
    (SignalStatus.ACTIVE, SignalStatus.EXECUTED),
    (SignalStatus.ACTIVE, SignalStatus.EXPIRED),
    (SignalStatus.ACTIVE, SignalStatus.INVALIDATED),
}


def test_the_table_covers_every_status() -> None:
    assert set(TRANSITIONS) == set(SignalStatus)
    assert {(before, after) for before, ends in TRANSITIONS.items() for after in ends} == ALLOWED


@pytest.mark.parametrize(("before", "after"), sorted(ALLOWED))
def test_an_active_signal_may_end(before: SignalStatus, after: SignalStatus) -> None:
    check_transition(before, after, SignalType.BUY)


@pytest.mark.parametrize(("before", "after"), sorted(set(product(SignalStatus, repeat=2)) - ALLOWED))
@pytest.mark.parametrize("kind", SignalType)
def test_f61_every_other_change_is_refused(before: SignalStatus, after: SignalStatus, kind: SignalType) -> None:
    with pytest.raises(IllegalTransitionError) as refused:
        check_transition(before, after, kind)
    assert str(refused.value) == f"a signal that is {before} cannot become {after}"


def test_an_alert_is_never_executed_but_may_expire() -> None:
    check_transition(SignalStatus.ACTIVE, SignalStatus.EXPIRED, SignalType.ALERT)
    with pytest.raises(IllegalTransitionError, match=r"^a signal of type ALERT cannot become EXECUTED$"):
        check_transition(SignalStatus.ACTIVE, SignalStatus.EXECUTED, SignalType.ALERT)
