"""What importing costs, and that every module has its place among the layers."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HEAVY = (
    *("keras", "jax", "ccxt", "praw", "tweepy", "matplotlib", "mplfinance", "plotly", "PIL"),
    *("fastapi", "prometheus_client"),
)


def loaded_by(program: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running ``program``."""
    script = f"import sys\n{program}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_loading_the_definitions_loads_no_heavy_library() -> None:
    loaded = loaded_by("import pipeline.definitions")
    assert "dagster" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_help_of_the_command_needs_neither_pandas_nor_dagster() -> None:
    program = """
from pipeline.cli import signals
try:
    signals(["--help"])
except SystemExit as stop:
    assert stop.code == 0, stop.code
"""
    loaded = loaded_by(program)
    assert "click" in loaded
    assert loaded.isdisjoint({"pandas", "dagster", "numpy", "sqlalchemy", "pydantic", *HEAVY})


@pytest.mark.parametrize("module", ["pipeline.replay", "pipeline.storage.queries", "pipeline.api.application"])
def test_storage_replays_and_the_api_work_without_the_orchestrator(module: str) -> None:
    assert "dagster" not in loaded_by(f"import {module}")


def test_the_api_makes_signals_without_the_libraries_that_models_are_trained_with() -> None:
    loaded = loaded_by("import pipeline.api.application")
    assert "fastapi" in loaded
    assert loaded.isdisjoint({"keras", "jax", "sklearn", "ccxt", "assets", "resources"})


def test_every_module_stands_in_one_layer() -> None:
    (layers,) = (c["layers"] for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    named = [name.strip() for layer in layers for name in layer.split("|")]
    folder = ROOT / "pipeline"
    modules = {f"pipeline.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__"}
    packages = {f"pipeline.{path.parent.name}" for path in folder.glob("*/__init__.py")}
    assert sorted(named) == sorted({*modules, *packages, "assets", "resources"})


def test_the_linter_bans_what_must_not_be_loaded_with_a_module() -> None:
    banned = PROJECT["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-module-level-imports"]
    assert {"keras", "jax", "ccxt", "praw", "tweepy"} <= set(banned)
    assert "TID253" in PROJECT["tool"]["ruff"]["lint"]["select"]
