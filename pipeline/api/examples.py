"""The description's own examples, shown in the OpenAPI document beside the shapes; tests hold the answers to them.

What answers have beyond the description stands behind its fields here as there, and is no part of its examples.
"""

import json
from typing import Any

from pipeline.api.payloads import ActiveSignal, GeneratedSignal

SIGNAL: dict[str, Any] = {
    "signal_id": "f8a7c6b5-e4d3-42a1-9b8c-7d6e5f4a3b2c",
    "symbol": "BTC/USDT",
    "signal_type": "BUY",
    "strength": 0.85,
    "confidence": 0.78,
    "source": "technical, ml_model",
    "strategy": "MULTI_STRATEGY",
    "description": "RSI is oversold at 28.50; ML model predicts upward movement with 0.75 confidence",
    "entry_price": 42500.0,
    "target_prices": {"tp1": 43350.0, "tp2": 44200.0, "tp3": 45050.0},
    "stop_loss_price": 41650.0,
    "timeframe": "1h",
    "created_at": "2023-06-15T14:30:45Z",
    "expires_at": "2023-06-15T15:30:45Z",
    "status": "ACTIVE",
    "executed_at": None,
    "execution_price": None,
    "profit_loss": None,
    "metadata": {
        "component_signals": 2,
        "sources": ["technical", "ml_model"],
        "raw_data": {
            "technical_indicators": {"rsi": 28.5, "sma_20": 41200.0, "sma_50": 40800.0},
            "ml_prediction": 0.75,
        },
    },
    "calibrated_confidence": 0.43,
    "uncalibrated_because": None,
    "exchange": "binance",
    "profile": "house",
    "is_conflicting": False,
    "rank_score": 0.801,
}

ACTIVE_SIGNAL = {name: SIGNAL[name] for name in ActiveSignal.model_fields}

GENERATED = {name: SIGNAL[name] for name in GeneratedSignal.model_fields}

REQUEST: dict[str, Any] = {
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "signal_types": ["technical", "ml", "sentiment"],
    "timeframe": "1h",
    "risk_level": "medium",
    "strategy_preference": "balanced",
}

SECOND: dict[str, Any] = {
    "signal_id": "a1b2c3d4-e5f6-4a8b-9c0d-e1f2a3b4c5d6",  # the description's has letters that no UUID has
    "symbol": "ETH/USDT",
    "signal_type": "SELL",
    "strength": 0.72,
    "confidence": 0.65,
    "source": "sentiment",
    "strategy": "SENTIMENT_ANALYSIS",
    "description": "Strong negative sentiment detected (score: -0.68)",
    "entry_price": 2250.0,
    "target_prices": {"tp1": 2205.0, "tp2": 2160.0, "tp3": 2115.0},
    "stop_loss_price": 2295.0,
    "timeframe": "1h",
    "created_at": "2023-06-15T14:30:45Z",
    "expires_at": "2023-06-15T15:30:45Z",
    "calibrated_confidence": None,
    "uncalibrated_because": "insufficient_outcomes(37<100)",
    "exchange": "binance",
    "profile": "house",
    "is_conflicting": False,
    "rank_score": 0.671,
}

EVALUATIONS: list[dict[str, Any]] = [
    {
        "symbol": "BTC/USDT",
        "exchange": "binance",
        "timeframe": "1h",
        "evaluated_close_at": "2023-06-15T14:30:45Z",
        "outcome": "signal",
        "reasons": [],
        "warnings": [],
    },
    {
        "symbol": "ETH/USDT",
        "exchange": "binance",
        "timeframe": "1h",
        "evaluated_close_at": "2023-06-15T14:30:45Z",
        "outcome": "signal",
        "reasons": ["SMA_CROSSOVER BUY: high_volatility"],
        "warnings": ["ml: model_expired(2023-02-12)"],
    },
]

GENERATION: dict[str, Any] = {"success": True, "signals": [GENERATED, SECOND], "evaluations": EVALUATIONS}

CHANGE = {
    "cursor": "10482-9f3a1c0b77d2",
    "change": "new",
    "at": "2023-06-15T14:30:46.120480Z",
    "reason": None,
    "signal": ACTIVE_SIGNAL | {"status": "ACTIVE"},
}
EVENT_EXAMPLE = f"event: signal\ndata: {json.dumps(CHANGE)}\nid: {CHANGE['cursor']}\n\n"

OUTCOMES: dict[str, Any] = {
    "exchange": "binance",
    "horizon": "expiry",
    "started_at": "2023-06-08T14:00:00Z",
    "as_of": "2023-06-15T14:00:00Z",
    "outcomes": 114,
    "pending": 6,
    "wins": 41,
    "hit_rate": 0.36,
    "hit_low": 0.28,
    "hit_high": 0.45,
    "mean_return": -0.0021,
    "median_return": -0.0024,
    "profit_factor": 0.71,
    "expectancy_r": -0.14,
    "information_coefficient": 0.03,
    "max_drawdown": 0.18,
    "total_return": -0.16,
    "ladder_return": -0.0019,
    "long_return": -0.0012,
    "random_return": -0.0023,
    "excess_return": 0.0002,
    "p_value": 0.41,
}

PERFORMANCE: dict[str, Any] = {
    "timeframe": "7d",
    "total_signals": 120,
    "executed_signals": 85,
    "expired_signals": 35,
    "execution_rate": 0.71,
    "profitable_signals": 52,
    "losing_signals": 33,
    "win_rate": 0.61,
    "avg_profit_loss": 0.023,
    "by_source": {
        "technical": {"total": 65, "executed": 48, "expired": 17, "avg_profit_loss": 0.018, "win_rate": 0.58},
        "ml_model": {"total": 30, "executed": 22, "expired": 8, "avg_profit_loss": 0.031, "win_rate": 0.68},
        "sentiment": {"total": 15, "executed": 9, "expired": 6, "avg_profit_loss": 0.015, "win_rate": 0.56},
        "multi": {"total": 10, "executed": 6, "expired": 4, "avg_profit_loss": 0.042, "win_rate": 0.83},
    },
    "outcomes": OUTCOMES,
}

LIMITS: dict[str, Any] = {
    "min_signal_confidence": 0.6,
    "avoid_high_volatility": True,
    "trading_hours_start": 0,
    "trading_hours_end": 24,
    "max_asset_exposure": 0.1,
    "max_total_exposure": 0.8,
    "stop_atr_multiple": 1.5,
}

# Status -> code and message of a refusal for who asks.
REFUSALS = {
    400: ("key_in_url", "a key must be in a header, Authorization: Bearer KEY, and never in a URL, which logs keep"),
    401: ("key_expired", "the key alice-bot expired at 2023-06-15T14:00:00Z"),
    403: ("scope_missing", "the key alice-bot must have the scope execute, has read"),
    429: ("too_many_requests", "requests of scope read must be at most 1000 in 10 s; the next one may come in 1 s"),
    503: ("database_unavailable", "the database does not answer; try again later"),
}

# Name of the payload -> what the document shows of it.
EXAMPLES = {
    "ActiveSignal": ACTIVE_SIGNAL,
    "SignalDetail": SIGNAL,
    "Outcomes": OUTCOMES,
    "Performance": PERFORMANCE,
    "RiskProfileAnswer": {
        "success": True,
        "profile": "alice",
        "is_scheduled": False,
        "risk_profile": LIMITS,
        "changed": ["min_signal_confidence", "max_asset_exposure"],
    },
    "RiskLimits": {"min_signal_confidence": 0.6, "max_asset_exposure": 0.1},
    "PositionsAnswer": {
        "success": True,
        "profile": "alice",
        "as_of": "2023-06-15T14:31:10Z",
        "positions": [
            {"symbol": "BTC/USDT", "weight": 0.05, "valid_from": "2023-06-12T09:00:00Z", "valid_to": None},
        ],
        "warnings": [],
    },
    "Holdings": {"positions": [{"symbol": "BTC/USDT", "weight": 0.05}, {"symbol": "ETH/USDT", "weight": 0.1}]},
    "GenerationRequest": REQUEST,
    "GeneratedSignal": GENERATED,
    "Evaluation": EVALUATIONS[1],
    "GenerationAnswer": GENERATION,
    "Execution": {"status": "EXECUTED", "price": 42500.5, "at": "2023-06-15T14:31:10Z"},
    "Invalidation": {"status": "INVALIDATED", "reason": "the exchange halts trading at noon"},
}
