"""Fixtures of the tests of the local exchange."""

from tests.support.exchange_asking import exchange

__all__ = ["exchange"]
