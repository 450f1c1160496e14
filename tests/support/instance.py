"""An instance of Dagster for tests of schedules."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(name="instance")
def dagster_instance() -> Iterator[dg.DagsterInstance]:
    """An empty instance, of which nothing is left behind.

    A tick that is evaluated enters the instance a second time, after which leaving it does not take back its storage of
    definitions: definitions that a later test builds would ask an instance that is gone. The outer block takes it back.
    """
    with set_defs_state_storage(None), dg.instance_for_test() as instance:
        yield instance
