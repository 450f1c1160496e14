"""What may be asked of us: the scopes of a key, in the words that people, rows and requests use for them."""

from enum import StrEnum


class Scope(StrEnum):
    """One kind of request. No scope contains another, so that a key opens exactly what it names."""

    READ = "read"  # signals, reports, profiles, positions
    GENERATE = "generate"  # have signals made now
    EXECUTE = "execute"  # say what became of signals, what is held, and what may be risked
