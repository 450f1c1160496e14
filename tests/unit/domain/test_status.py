"""The table of transitions: ACTIVE may end in three ways, and what has ended stays so."""

from pipeline.domain.signal import SignalType
from pipeline.domain.status import NEVER_EXECUTED, TRANSITIONS, SignalStatus
from pipeline.storage import triggers

ALLOWED = {
    (SignalStatus.ACTIVE, SignalStatus.EXECUTED),
    (SignalStatus.ACTIVE, SignalStatus.EXPIRED),
    (SignalStatus.ACTIVE, SignalStatus.INVALIDATED),
}


def test_the_table_covers_every_status() -> None:
    assert set(TRANSITIONS) == set(SignalStatus)
    assert {(before, after) for before, ends in TRANSITIONS.items() for after in ends} == ALLOWED


def test_only_an_alert_is_never_executed() -> None:
    assert {SignalType.ALERT} == NEVER_EXECUTED


def test_the_trigger_is_generated_from_the_table(monkeypatch) -> None:
    before = triggers.statements()
    monkeypatch.setitem(TRANSITIONS, SignalStatus.EXPIRED, frozenset({SignalStatus.EXECUTED}))

    changed = [new for new, old in zip(triggers.statements(), before, strict=True) if new != old]

    assert len(changed) == 2  # the row trigger's function, and the one that ends a signal
    assert all("('EXPIRED', 'EXECUTED')" in statement for statement in changed)
