"""The application as a server of this process: a port of an address, until INT or TERM."""

import gc
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from fastapi import FastAPI

from pipeline.api.dependencies import Service
from pipeline.api.slow_clients import guarded
from pipeline.domain.errors import ConfigurationError, OperatorError

GRACE_S = 5  # for requests that are being answered when it ends
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; 0 is any free port. Who may call it is decided by `pipeline.api.access`.

    Raises
    ------
    ConfigurationError
        The host is empty, which would be every address of this machine without saying so.
    OperatorError
        The address is not this machine's, or the port is taken, or not for this user.
    """
    if not host:
        raise ConfigurationError("host must be an address of this machine such as 127.0.0.1, was ''")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OperatorError(f"port {port} of {host} cannot be used: {why}; --port takes another") from error


def serve(app: FastAPI, listener: socket.socket, *, on_ready: Callable[[str], None]) -> None:
    """Answer requests until INT or TERM; those that are being answered then have `GRACE_S` seconds.

    ``on_ready`` is given the URL when the first request can come. Requests and errors are logged to stderr.
    """
    logging.basicConfig(format=LOG_FORMAT, level=logging.WARNING)
    logging.getLogger("pipeline.api").setLevel(logging.INFO)
    server = Server(app, url_of(listener), on_ready)
    _spare_the_collector()
    with suppress(KeyboardInterrupt, SystemExit):  # uvicorn ends in order, then raises what ended it once more
        server.run(sockets=[listener])


def _spare_the_collector() -> None:
    """Take what is loaded by now, and stays for good, from what the garbage collector looks through.

    Its 200,000 objects take a tenth of a second each time, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


def url_of(listener: socket.socket) -> str:
    """Where a socket that listens is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """uvicorn without its own logs, its belief in headers of proxies, its patience; says when it is ready."""

    def __init__(self, app: FastAPI, url: str, on_ready: Callable[[str], None]) -> None:
        service: Service = app.state.service
        super().__init__(
            uvicorn.Config(
                app,
                http=guarded(service.settings.api.request_seconds),
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                lifespan="off",
                ws="none",
            )
        )
        # Its lines hold URLs, and it writes them again wherever somebody else has given the root logger a handler.
        logging.getLogger("uvicorn.access").disabled = True
        self._app, self._url, self._on_ready = app, url, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell where."""
        await super().startup(sockets)
        self._on_ready(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, which would never end by themselves; then as ever."""
        self._app.state.following.end()
        await super().shutdown(sockets)
