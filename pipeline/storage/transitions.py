"""The one way to change a signal's status: a conditional UPDATE and its event, in the caller's transaction."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from pipeline.domain.errors import DataContractError, IllegalTransitionError
from pipeline.domain.signal import SignalType
from pipeline.domain.status import SignalStatus, check_transition
from pipeline.storage import tables


def transition(
    conn: sa.Connection,
    number: UUID,
    after: SignalStatus,
    *,
    at: datetime,
    actor: str,
    reason: str | None = None,
    price: float | None = None,
) -> SignalStatus | None:
    """Move an ACTIVE signal to ``after`` as of ``at``; the status before, or None if there is no such signal.

    Of two callers who want the same signal, the database lets one win; the other gets `IllegalTransitionError` with
    the status that it lost to. The same change twice is a conflict here; callers that repeat ask first.

    Raises
    ------
    IllegalTransitionError
        The signal is not ACTIVE, or an ALERT would be EXECUTED.
    DataContractError
        INVALIDATED without a reason, or EXECUTED without a price above 0.
    """
    if after is SignalStatus.INVALIDATED and not reason:
        raise DataContractError("an invalidation must have a reason, had none")
    if after is SignalStatus.EXECUTED and not (price is not None and 0.0 < price < float("inf")):
        raise DataContractError(f"an execution must have a finite price above 0, was {price}")
    t = tables.trading_signals
    found = conn.execute(sa.select(t.c.signal_type, t.c.status).where(t.c.id == number)).one_or_none()
    if found is None:
        return None
    before = SignalStatus(found.status)
    check_transition(before, after, SignalType(found.signal_type))
    changes: dict[str, object] = {"status": after.value}
    if after is SignalStatus.EXECUTED:
        changes |= {"executed_at": at, "execution_price": price}
    won = conn.execute(
        sa.update(t).where(t.c.id == number, t.c.status == before.value).values(**changes).returning(t.c.id)
    ).one_or_none()
    if won is None:
        raise IllegalTransitionError(f"signal {number} was changed by somebody else meanwhile")
    conn.execute(
        sa.insert(tables.signal_events).values(
            signal_id=number,
            from_status=before.value,
            to_status=after.value,
            effective_at=at,
            actor=actor,
            reason=reason,
        )
    )
    return before
