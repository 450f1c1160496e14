"""Where the real candles, texts and recorded answers are; they are never part of the repository."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def real_data(*parts: str) -> Path:
    """A path below the real data, or a skip that says how to provide it."""
    base = Path(os.environ.get("SIGNALS_REAL_DATA", ROOT.parent / "shared" / "data"))
    path = base.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no real data at {path}; set SIGNALS_REAL_DATA")
    return path
