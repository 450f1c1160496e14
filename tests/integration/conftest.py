"""The `signals` command for the tests of this folder."""

from tests.support.cli import signals

__all__ = ["signals"]
