"""What can go wrong, one branch per reaction: retry later, stop this asset, stop and call a human.

Add an error here when a caller must react differently to it; otherwise raise the nearest one with
a message that reads "*what* must be *rule*, was *value*".

    SignalsError
      TemporaryError            retry later
        SourceUnavailableError
        RateLimitedError
        DatabaseUnavailableError
      DataContractError         stop this asset, look at the data
        UnreadableFileError
        SeriesEndedError
        IllegalTransitionError
        ChangesDeletedError
        ModelUnavailableError
      OperatorError             stop and call a human
        ConfigurationError
        SourceRefusedError
        SchemaVersionError
        ServerError
"""

from datetime import timedelta


class SignalsError(Exception):
    """Every error of ours; the command line prints its message without a traceback."""


class TemporaryError(SignalsError):
    """The same call may succeed later."""


class SourceUnavailableError(TemporaryError):
    """A market or text source did not answer."""


class DatabaseUnavailableError(TemporaryError):
    """The database did not answer, or dropped the connection."""


class RateLimitedError(TemporaryError):
    """A source asked us to slow down."""

    def __init__(self, source: str, retry_after: timedelta) -> None:
        super().__init__(f"{source} rate limit reached; retry after {retry_after.total_seconds():.0f} s")
        self.source, self.retry_after = source, retry_after


class DataContractError(SignalsError):
    """A value breaks a promise that other code relies on."""


class UnreadableFileError(DataContractError):
    """A file is not in a format that we read, or nothing in it can be used."""


class SeriesEndedError(DataContractError):
    """A source does not offer a series, or no longer: delisted, renamed, halted, misspelt."""


class IllegalTransitionError(DataContractError):
    """A signal's status may not change that way; ``status`` is the one that stands, where it is known."""

    def __init__(self, message: str, status: str | None = None) -> None:
        super().__init__(message)
        self.status = status


class ChangesDeletedError(DataContractError):
    """Changes that follow a cursor were deleted for their age, so that whoever has it has missed them."""

    def __init__(self) -> None:
        super().__init__(
            "changes that follow the cursor were deleted, which are kept for retention.signal_changes_days, "
            "or it is of another database; begin without a cursor, then ask for the active signals"
        )


class ModelUnavailableError(DataContractError):
    """A model cannot be asked, for a ``reason`` that is stored; the other sources go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the model cannot be used: {reason}; `signals models` lists them, `signals train` makes one")
        self.reason = reason


class OperatorError(SignalsError):
    """Only a person can mend this; repeating the call will not."""


class ConfigurationError(OperatorError):
    """A setting is wrong or missing."""


class SourceRefusedError(OperatorError):
    """A source refuses us: the place, a key, a missing right."""


class SchemaVersionError(OperatorError):
    """The database was written by a newer version of this software."""


class ServerError(OperatorError):
    """The embedded database server could not be started or stopped."""
