"""SIGNALS_HOME, the folder of everything that is kept: whether it can be used at all.

What lies where in it is told by whoever puts it there: `pipeline.storage.server_process`, `pipeline.cli.dagster_home`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.domain.errors import ConfigurationError


def require_home(home: Path) -> None:
    """Refuse a home that is no folder to write to and cannot become one; nothing is left behind.

    Tried out rather than read from permissions, which root passes on a file system that refuses all the same.
    """
    try:
        nearest = next(folder for folder in (home.resolve(), *home.resolve().parents) if folder.exists())
        with TemporaryDirectory(prefix=".signals-", dir=nearest):
            pass
    except OSError as error:
        raise unusable(home, error) from error


def unusable(home: Path, error: OSError) -> ConfigurationError:
    """What to tell about a home that the system refused."""
    return ConfigurationError(f"SIGNALS_HOME must be a folder that you may write to, was {home}: {error.strerror}")
