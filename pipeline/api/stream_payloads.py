"""What a stream tells, field by field: each of its events is one of these."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from pipeline.api.payloads import ActiveSignal
from pipeline.domain.status import SignalStatus

New = Literal["new"]
NEW: New = "new"


class ChangedSignal(ActiveSignal):
    """A signal as a list has it, and its status after the change."""

    status: SignalStatus


class SignalChange(BaseModel):
    """A live signal is new, or has ended."""

    cursor: str = Field(description="asks for what follows this change")
    change: New | SignalStatus = Field(description="new, or what the signal became: EXECUTED, EXPIRED, INVALIDATED")
    at: datetime = Field(description="when it was stored, executed or taken back; its expiry where it expired")
    reason: str | None = Field(description="why it was taken back; null of other changes")
    signal: ChangedSignal


class StreamEnd(BaseModel):
    """Why the server ends a stream; the cursor of the last event asks for what follows."""

    code: Literal[
        "caught_up",
        "shutting_down",
        "database_restored",
        "database_unavailable",
        "changes_deleted",
        "key_expired",
        "key_revoked",
    ]
    message: str
