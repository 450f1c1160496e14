"""The guide of CONTRIBUTING.md, followed to the letter: one file in the folder, then the commands that it gives."""

import json
import shlex
import shutil
from datetime import datetime

import pytest

from tests.support.chain import store_block
from tests.support.commands import environment, signals
from tests.support.market import START, random_walk
from tests.support.pages import blocks
from tests.support.real_data import ROOT

PARTS = ("pipeline", "assets", "resources")
FILES = ("pyproject.toml", "workspace.yaml", "dagster.yaml")


@pytest.fixture
def checkout(tmp_path):
    """The project as somebody has it who wrote the guide's file and nothing else."""
    folder = tmp_path / "checkout"
    for name in PARTS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (example,) = blocks("CONTRIBUTING.md", "python")
    (folder / "pipeline" / "strategies" / "ema_crossover.py").write_text(example, encoding="utf-8")
    return folder


def test_a_strategy_added_by_the_guide_works_at_the_first_try(checkout, database, tmp_path):
    n_candles = (datetime.fromisoformat("2024-07-01T00:00:00+00:00") - START).days * 24
    store_block(database, random_walk(seed=4, n_candles=n_candles, symbols=["BTC/USDT"]))
    env = environment(tmp_path / "home", SIGNALS_DATABASE_URL=database.address.libpq, SIGNALS_MARKET__SOURCE="files")
    env["PYTHONPATH"] = str(checkout)

    def said(*words: str) -> str:
        done = signals(*words, env=env, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = {each["strategy"]: each for each in json.loads(said("strategies", "--json"))}
    assert listed["ema_crossover"]["columns"] == ["ema_12", "ema_26"]
    assert "ema_crossover" in said("strategies")

    (script,) = (block for block in blocks("CONTRIBUTING.md", "sh") if "signals replay" in block)
    answers = [said(*shlex.split(line.removeprefix("signals "))) for line in script.split("\nsignals ")]
    counts = dict(line.split() for line in answers[-1].splitlines()[1:])
    assert int(counts["BUY"]) > 5
    assert int(counts["SELL"]) > 5

    query = "SELECT candle_close_at FROM candidate_signals WHERE strategy = 'EMA_CROSSOVER' LIMIT 1"
    (row,) = json.loads(said("sql", "--format", "json", query))
    told = said(
        "explain", "BTC/USDT", "1h", "--at", row["candle_close_at"], "--scope", "with-ema", "--origin", "replay"
    )
    assert "ema_crossover" in told
