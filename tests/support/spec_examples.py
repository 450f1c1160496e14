"""The description's example answers, word for word, and rows that must be answered so.

Answers have more than the description asks for, always behind its own fields: `OURS`, and `with_ours`
for an example as it is answered.

The second example's id has letters beyond f, which no UUID has; one that is none of those stands in its place.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from tests.support.database import a_stored_signal

FIRST, SECOND = "f8a7c6b5-e4d3-42a1-9b8c-7d6e5f4a3b2c", "a1b2c3d4-e5f6-4a8b-9c0d-e1f2a3b4c5d6"
NO_UUID = "a1b2c3d4-e5f6-7g8h-9i0j-k1l2m3n4o5p6"
AT = datetime.fromisoformat("2023-06-15T14:45:00+00:00")  # when both are active

DETAIL: dict[str, Any] = {
    "success": True,
    "signal": {
        "signal_id": FIRST,
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
    },
}

REQUEST: dict[str, Any] = {
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "signal_types": ["technical", "ml", "sentiment"],
    "timeframe": "1h",
    "risk_level": "medium",
    "strategy_preference": "balanced",
}

GENERATED: dict[str, Any] = {
    "success": True,
    "signals": [
        {
            "signal_id": FIRST,
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
        },
        {
            "signal_id": SECOND,
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
        },
    ],
}

ACTIVE: dict[str, Any] = {
    "success": True,
    "count": 2,
    "signals": [
        {
            "signal_id": FIRST,
            "symbol": "BTC/USDT",
            "signal_type": "BUY",
            "strength": 0.85,
            "confidence": 0.78,
            "source": "technical, ml_model",
            "description": "RSI is oversold at 28.50; ML model predicts upward movement with 0.75 confidence",
            "entry_price": 42500.0,
            "created_at": "2023-06-15T14:30:45Z",
            "expires_at": "2023-06-15T15:30:45Z",
        },
        {
            "signal_id": SECOND,
            "symbol": "ETH/USDT",
            "signal_type": "SELL",
            "strength": 0.72,
            "confidence": 0.65,
            "source": "sentiment",
            "description": "Strong negative sentiment detected (score: -0.68)",
            "entry_price": 2250.0,
            "created_at": "2023-06-15T14:30:45Z",
            "expires_at": "2023-06-15T15:30:45Z",
        },
    ],
}

PERFORMANCE: dict[str, Any] = {
    "success": True,
    "performance": {
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
    },
}

# What we tell of both signals beside what the description does.
OURS: tuple[dict[str, Any], ...] = (
    {
        "calibrated_confidence": 0.43,
        "uncalibrated_because": None,
        "exchange": "binance",
        "profile": "house",
        "is_conflicting": False,
        "rank_score": 0.801,
    },
    {
        "calibrated_confidence": None,
        "uncalibrated_because": "insufficient_outcomes(37<100)",
        "exchange": "binance",
        "profile": "house",
        "is_conflicting": False,
        "rank_score": 0.671,
    },
)


def with_ours(signals: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Signals of an example, the first one first, with our fields behind the description's; all have a timeframe."""
    return [signal | beside | {"timeframe": "1h"} for signal, beside in zip(signals, OURS[: len(signals)], strict=True)]


def example_rows(series: dict[str, int]) -> list[dict[str, Any]]:
    """The rows of `trading_signals` behind the two examples; ``series`` has ids by symbol."""
    first = DETAIL["signal"]
    second = ACTIVE["signals"][1] | {
        "strategy": "SENTIMENT_ANALYSIS",
        "target_prices": {"tp1": 2205.0, "tp2": 2160.0, "tp3": 2115.0},
        "stop_loss_price": 2295.0,
        "timeframe": "1h",
        "metadata": {"component_signals": 1, "sources": ["sentiment"], "raw_data": {}},
    }
    return [
        a_stored_signal(series[each["symbol"]], **(_changes(each) | beside))
        for each, beside in zip((first, second), OURS, strict=True)
    ]


def _changes(example: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in example.items() if name not in ("signal_id", "status") and value is not None}
    instants = {name: datetime.fromisoformat(example[name]) for name in ("created_at", "expires_at")}
    return (
        kept
        | instants
        | {
            "id": UUID(example["signal_id"]),
            "candle_close_at": instants["created_at"],
        }
    )
