"""Settings and servers for every test."""

from hypothesis import settings

from tests.support.database import database, migrated_template
from tests.support.postgres import postgres_server

__all__ = ["database", "migrated_template", "postgres_server"]

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("suite")
