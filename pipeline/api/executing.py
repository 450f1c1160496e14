"""The instant of an execution, held against its signal: what is wrong with it is told by its field."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import RowMapping

from pipeline.api.errors import WrongFieldsError
from pipeline.api.parameters import Execution
from pipeline.domain.errors import DataContractError, IllegalTransitionError
from pipeline.domain.status import SignalStatus
from pipeline.json_values import iso

AT = "body.at"


@contextmanager
def judged_by_field(change: Execution, signal: RowMapping, now: datetime) -> Iterator[None]:
    """Let the block execute a signal as it was read; `WrongFieldsError` where it cannot have been executed then.

    An instant after the expiry of a signal that still lives is the caller's mistake. The database would take it for an
    execution of a signal that has expired, whose caller may forget it.
    """
    expiry: datetime = signal["expires_at"]
    if change.at is not None and change.at >= expiry > now and signal["status"] == SignalStatus.ACTIVE:
        raise WrongFieldsError(f"must be before the signal's expiry at {iso(expiry)}, was {iso(change.at)}", AT)
    try:
        yield
    except IllegalTransitionError:
        raise
    except DataContractError as error:  # before the signal's close, or in the future
        raise WrongFieldsError(str(error), AT) from error
