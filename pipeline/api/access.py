"""By which names a server may be called, and whether who calls must show a key: decided once, at its start."""

from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from pipeline.domain.errors import ConfigurationError
from pipeline.settings_api import ApiSettings
from pipeline.storage.database import Database
from pipeline.storage.keys import has_active_key

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a server asks of those who call it."""

    keys_required: bool
    names: frozenset[str]  # beside loopback names, and the address that a connection has come to


def access_of(host: str, settings: ApiSettings) -> Access:
    """What a server on ``host`` asks: a key, unless nobody but this machine's programs can mean it.

    A public name makes keys a must on a loopback address too: it says that a proxy stands before the server, and what
    a proxy passes on comes from this machine, whoever sent it.
    """
    is_public = not is_loopback(host) or bool(settings.public_hosts)
    return Access(keys_required=settings.require_keys or is_public, names=frozenset(settings.public_hosts))


def is_loopback(host: str) -> bool:
    """Whether a name or address of a host, without a port, can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def require_a_key(database: Database, access: Access, host: str, at: datetime) -> None:
    """Refuse to serve where a key is asked for and there is none that opens anything: `ConfigurationError`."""
    if not access.keys_required:
        return
    with database.begin() as conn:
        if has_active_key(conn, at):
            return
    why = "its settings ask for one" if is_loopback(host) else "others than this machine can reach it"
    raise ConfigurationError(
        f"a server on host {host!r} must have a key, as {why}: `signals users add NAME`, then `signals keys add NAME "
        "--scope read` prints one"
    )
