"""Connections that wait for their server only so long.

A server that hangs, and a network that swallows what is sent, end nothing: the kernel still acknowledges, so that no
timeout of a socket helps, and a `statement_timeout` is the server's own to notice. So the waiting itself has an end
here, after which the connection is closed and whoever waited has an error that may pass.
"""

import time
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen

T = TypeVar("T")
CONNECT_S = 3
STATEMENT_S = 10.5  # a server that works ends a statement itself; longer than any lock is waited for
WAIT_S = 11.0
INTERVAL_S = 0.1  # as psycopg has it: how soon Ctrl-C is noticed


class ImpatientConnection(psycopg.Connection[Any]):
    """A connection that is closed where an answer takes longer than `WAIT_S`."""

    def wait(self, gen: PQGen[T], interval: float = INTERVAL_S, timeout: float | None = None) -> T:
        """Wait for the server; `psycopg.errors.ConnectionTimeout` after the time."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        until = time.monotonic() + WAIT_S
        try:
            return super().wait(gen, interval, WAIT_S)
        except psycopg.OperationalError as error:
            if time.monotonic() < until:
                raise
            self.pgconn.finish()  # what the server says later would be taken for another answer
            raise psycopg.errors.ConnectionTimeout(f"no answer came in {WAIT_S:g} s") from error


def wait_only_so_long(engine: sa.Engine) -> None:
    """Give an engine connections of this kind from now on; those that it has are closed as they are given back."""

    @sa.event.listens_for(engine, "do_connect")
    def connect(
        dialect: sa.engine.Dialect, record: Any, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> ImpatientConnection:
        limit = f"{options.get('options', '')} -c statement_timeout={STATEMENT_S * 1000:.0f}"
        return ImpatientConnection.connect(*arguments, **{**options, "connect_timeout": CONNECT_S, "options": limit})

    engine.dispose()
