"""Bare connections to a server, for requests that no client would make."""

import socket
from collections.abc import Mapping
from types import MappingProxyType

import httpx


def connected(client: httpx.Client) -> socket.socket:
    """A connection to the client's server."""
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)


def said_until_closed(connection: socket.socket) -> str:
    """All that the server says until it closes the connection."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return found.decode()


def head(client: httpx.Client, shown: Mapping[str, str] = MappingProxyType({}), length: int | None = None) -> bytes:
    """The head of a PUT of positions, without the line that ends it."""
    lines = [f"PUT /api/v1/ai/positions HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}"]
    lines += [f"{name}: {value}" for name, value in shown.items()]
    lines += ["Content-Type: application/json", *(() if length is None else (f"Content-Length: {length}",))]
    return "\r\n".join(lines).encode()
