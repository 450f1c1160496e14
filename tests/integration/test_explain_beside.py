"""Explaining a strategy that reads beside the bar: what a named replay saw, whatever is stored."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline import explaining, generation, settings
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explain import judgement, rules
from pipeline.explaining import explain_bar
from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage import past_settings
from pipeline.strategies.registry import STRATEGIES
from tests.integration.test_side_columns import EXTRAS, FIRST, market, probe
from tests.support.chain import FILES, days, rows

__all__ = ["market"]
NOW = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    with_probe = {**STRATEGIES, "probe": probe}
    for module in (generation, settings, explaining, past_settings, judgement, rules):
        if hasattr(module, "STRATEGIES"):
            monkeypatch.setattr(module, "STRATEGIES", with_probe)


@pytest.mark.parametrize("is_stored", [False, True], ids=["nothing stored", "rows of other settings stored"])
def test_a_named_replay_is_explained_by_what_it_saw(market, is_stored):
    today = load_settings(FILES | EXTRAS | {"indicators.quick.window": "9"})
    if is_stored:
        days(market, FIRST.date(), FIRST.date(), EXTRAS | {"indicators.quick.window": "9"})
    start = FIRST - timedelta(hours=2)
    replay(market, load_settings(FILES | EXTRAS), "binance", "seen", start, start + timedelta(days=1), NOW)
    advised = rows(market, "candidate_signals", "scope = 'seen' AND strategy = 'PROBE'")

    for row in advised[:: len(advised) // 4]:
        key = SeriesKey("binance", row["symbol"], Timeframe(row["timeframe"]))
        told = explain_bar(market, today, key, as_of=NOW, at=row["candle_close_at"], scope="seen")
        assert told.findings.differences == ()
        assert told.as_dict()["outcome"] in ("signal", "dropped")
