"""Settings and servers for every test."""

from hypothesis import settings

from tests.support.postgres import postgres_server

__all__ = ["postgres_server"]

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("suite")
