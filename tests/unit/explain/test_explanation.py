"""One bar explained: what came of it in a word, and where stored rows say something else."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Signal
from pipeline.explain.differences import Difference, StoredRows
from pipeline.explain.explanation import BarEvidence, Findings, advised, explain
from pipeline.explain.judgement import Company
from pipeline.explain.rules import strategy_findings
from pipeline.generation import Rules
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.columns import READABLE
from pipeline.strategies.registry import MAX_REACH, STRATEGIES
from tests.support.signals import a_signal
from tests.support.strategy_columns import SYMBOL, wandering_columns

PARAMETERS = {key: each.parameters() for key, each in STRATEGIES.items()}
CALM = MarketConditions(is_volatile=False)


@pytest.fixture(scope="module")
def market() -> Block:
    return wandering_columns(seed=8, n_candles=MAX_REACH + 200, n_symbols=1, names=READABLE)


def the_bar(block: Block, bar: int, **changes: Any) -> BarEvidence:
    columns = {name: frame.iloc[bar - MAX_REACH : bar + 1] for name, frame in block.items()}
    columns = {name: frame.set_axis([SYMBOL], axis=1) for name, frame in columns.items()}
    series = a_signal().series
    close_at = columns["close"].index[-1].to_pydatetime() + series.timeframe.duration
    evidence = BarEvidence(
        series=series,
        close_at=close_at,
        candle={"close": float(columns["close"].iloc[-1, 0])},
        columns=columns,
        market=CALM,
        filled_share=0.0,
        first_open=close_at - (bar + 1) * series.timeframe.duration,
        rules=Rules(parameters=PARAMETERS),
        absent=frozenset(),
        profile=RiskProfile(),
    )
    return replace(evidence, **changes)


def advised_bar(block: Block, **changes: Any) -> BarEvidence:
    """The first bar on which the RSI says BUY."""
    sides = STRATEGIES["rsi"].sides(block, PARAMETERS["rsi"]).to_numpy()[MAX_REACH:, 0]
    return the_bar(block, MAX_REACH + int((sides == 1).argmax()), **changes)


def explained(bar: BarEvidence, company: Company | None = None, stored: StoredRows | None = None) -> Findings:
    strategies = strategy_findings(bar.columns, bar.rules, bar.absent)
    return explain(bar, strategies, advised(bar, strategies), company or Company(), stored)


def test_advice_that_passes_becomes_a_signal_with_all_its_numbers(market):
    found = explained(advised_bar(market))
    assert found.outcome == "signal"
    assert found.summary.startswith("signal: BUY of ")
    assert "RSI_OVERSOLD" in {each.strategy for each in found.candidates}
    assert found.exposure is not None
    assert [each.signal_type for each in found.aggregation] == [each.signal_type for each in found.prices]
    assert found.bar.n_bars >= MAX_REACH


def test_advice_that_is_dropped_is_no_signal_and_says_why(market):
    found = explained(advised_bar(market, profile=RiskProfile(min_signal_confidence=0.95)))
    assert (found.outcome, found.aggregation, found.prices) == ("dropped", (), ())
    assert "RSI_OVERSOLD BUY was dropped (low_confidence)" in found.summary


@pytest.mark.parametrize(
    ("market_conditions", "reason"),
    [
        (MarketConditions(is_filled=True), "filled_bar"),
        (MarketConditions(block_reason="gapped(6.1%)"), "blocked:gapped(6.1%)"),
    ],
)
def test_a_bar_that_may_not_speak_says_what_it_would_have_said(market, market_conditions, reason):
    found = explained(advised_bar(market, market=market_conditions))
    assert (found.outcome, found.candidates, found.bar.silenced_by) == ("silenced", (), reason)
    assert f"({reason}); else there would be advice of" in found.summary
    assert "rsi BUY" in found.summary


def test_a_bar_without_advice_counts_what_the_strategies_said(market):
    found = explained(the_bar(market, MAX_REACH + 1, rules=quiet(*STRATEGIES)))
    assert found.outcome == "no_advice"
    assert found.summary == f"no signal: no strategy advises anything ({len(STRATEGIES)} disabled)"


def quiet(*keys: str) -> Rules:
    off = {key: STRATEGIES[key].parameters(is_enabled=False) for key in keys}
    return Rules(parameters=PARAMETERS | off)


def test_other_series_of_the_close_take_their_share_first(market):
    bar = advised_bar(market, rules=quiet(*(key for key in STRATEGIES if key != "rsi")))
    others = [a_signal(symbol=f"C{number}/USDT", confidence=0.99, created_at=bar.close_at) for number in range(20)]
    company = Company(signals=others, conditions={(s.series, s.created_at): CALM for s in others})
    found = explained(bar, company)
    assert found.outcome == "dropped"
    assert found.exposure is not None
    assert found.exposure.reasons == ("total_exposure",)
    assert {each.kind for each in found.exposure.holdings} == {"this close"}


# Stored rows


def stored_rows(bar: BarEvidence, **changes: Mapping[str, Any]) -> StoredRows:
    """What production would have stored of the bar, with some fields of some tables changed."""
    found = explained(bar)
    (signal,), candidates = found.aggregation, {each.strategy: each for each in found.candidates}
    assert list(candidates) == ["RSI_OVERSOLD"]
    candidate = candidates["RSI_OVERSOLD"]
    name = {"strategy": "RSI_OVERSOLD", "signal_type": "BUY"}
    expires_at = bar.close_at + bar.series.timeframe.duration
    columns = {"rsi" if key == "rsi_14" else key: frame.iloc[-1, 0] for key, frame in bar.columns.items()}
    candidate_row = {
        field: getattr(candidate, field) for field in ("source", "strength", "confidence", "description", "inputs")
    }
    decision_row = {"is_kept": True, "reasons": [], "exposure_weight": 0.05 * 0.7, "expires_at": expires_at}
    signal_row = {
        field: getattr(signal, field)
        for field in (
            *("source", "strength", "confidence", "base_confidence", "agreement_boost", "rank_score", "description"),
            "is_conflicting",
        )
    } | {
        "entry_price": found.prices[0].entry_price,
        "stop_loss_price": found.prices[0].stop_loss_price,
        "target_prices": dict(found.prices[0].target_prices or {}),
        "expires_at": expires_at,
        "status": "EXPIRED",
        "metadata": {
            "component_signals": 1,
            "sources": ["technical"],
            "components": [{"strategy": "RSI_OVERSOLD", "source": "technical", "strength": 0.8, "confidence": 0.7}],
            "raw_data": {
                "technical_indicators": {name: float(value) for name, value in columns.items()},
                "ml_prediction": None,
                "sentiment": None,
            },
        },
    }
    return StoredRows(
        candidates=[name | candidate_row | {"superseded_at": None} | changes.get("candidate", {})],
        decisions=[name | decision_row | changes.get("decision", {})],
        signals=[name | signal_row | changes.get("signal", {})],
    )


def lone_bar(market: Block) -> BarEvidence:
    return advised_bar(market, rules=quiet(*(key for key in STRATEGIES if key != "rsi")))


def told(differences: tuple[Difference, ...]) -> dict[str, tuple[Any, Any]]:
    """Differences by place, but for values of `raw_data` that only one side knows."""
    return {
        f"{d.table}.{d.field}": (d.stored, d.computed) for d in differences if "technical_indicators" not in d.field
    }


def test_equal_rows_have_no_differences(market):
    bar = lone_bar(market)
    assert told(explained(bar, stored=stored_rows(bar)).differences) == {}


def test_a_difference_names_the_field_and_both_values(market):
    bar = lone_bar(market)
    stored = stored_rows(
        bar,
        candidate={"confidence": 0.6},
        decision={"reasons": ["high_volatility"], "is_kept": False},
        signal={"target_prices": {"tp1": 1.0}},
    )
    found = told(explained(bar, stored=stored).differences)
    assert found["candidate_signals.confidence"] == (0.6, 0.7)
    assert found["risk_decisions.is_kept"] == (False, True)
    assert found["risk_decisions.reasons"] == (["high_volatility"], [])
    assert found["trading_signals.target_prices.tp1"][0] == 1.0
    assert found["trading_signals.target_prices.tp2"][0] is None


def test_a_row_that_only_one_side_has_is_one_difference(market):
    bar = lone_bar(market)
    found = explained(bar, stored=StoredRows()).differences
    assert {(d.table, d.field, d.stored, d.computed) for d in found} == {
        ("candidate_signals", "row", None, "there"),
        ("risk_decisions", "row", None, "there"),
        ("trading_signals", "row", None, "there"),
    }


def test_what_a_data_revision_made_void_is_compared_with_nothing(market):
    bar = the_bar(market, MAX_REACH + 1, rules=quiet(*STRATEGIES))
    void = stored_rows(
        lone_bar(market),
        candidate={"superseded_at": bar.close_at + timedelta(hours=1)},
        signal={"status": "INVALIDATED"},
    )
    assert explained(bar, stored=void).differences == ()


def test_candidates_of_other_sources_are_judged_as_they_are_given(market):
    bar = the_bar(market, MAX_REACH + 1, rules=quiet(*STRATEGIES))
    given: list[Signal] = [a_signal(strategy="ML_PREDICTION", created_at=bar.close_at)]
    found = explain(bar, strategy_findings(bar.columns, bar.rules), given, Company(), None)
    assert [each.strategy for each in found.candidates] == ["ML_PREDICTION"]
    assert found.outcome == "signal"
