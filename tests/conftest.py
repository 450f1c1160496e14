"""Settings and servers for every test."""

import os
import signal

from hypothesis import settings

from tests.support.database import database, migrated_template
from tests.support.postgres import postgres_server

__all__ = ["database", "migrated_template", "postgres_server"]

# Tests start hundreds of processes, and each would compile the whole project by itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell that starts the tests in its background lets them, and all that they start, ignore Ctrl-C; some send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("suite")
