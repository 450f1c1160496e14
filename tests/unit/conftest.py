"""A place where settings are read from, without what the machine's own environment says; an instance of Dagster."""

import os
from pathlib import Path

import pytest

from tests.support.instance import dagster_instance

__all__ = ["dagster_instance", "settings_place"]


@pytest.fixture
def settings_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``signals.toml`` of an empty working folder; no variable of ours is set."""
    for name in list(os.environ):
        if name.upper().startswith("SIGNALS_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Path("signals.toml")
