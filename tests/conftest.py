"""Settings and servers for every test."""

import os

from hypothesis import settings

from tests.support.database import database, migrated_template
from tests.support.postgres import postgres_server

__all__ = ["database", "migrated_template", "postgres_server"]

# Tests start hundreds of processes, and each would compile the whole project by itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("suite")
