"""The contracts: each refuses what its table must never hold, and says which column, rule and value."""

from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

from pipeline.contracts.candles import Candles
from pipeline.contracts.indicators import Indicators, MarketConditions
from pipeline.contracts.signals import CandidateSignals, RiskDecisions, TradingSignals
from pipeline.contracts.validation import hold_to
from pipeline.domain.errors import DataContractError
from pipeline.indicators.structure import BAR_COLUMNS

CLOSES = pd.DatetimeIndex(["2024-03-01 12:00", "2024-03-01 13:00"], tz="UTC").as_unit("us")

ROWS: dict[type[pa.DataFrameModel], dict[str, Any]] = {
    Candles: {
        "exchange": "binance",
        "symbol": "BTC/USDT",
        "timeframe": "1h",
        "open_at": CLOSES,
        "open": 100.0,
        "high": 110.0,
        "low": 90.0,
        "close": 105.0,
        "volume": 0.0,
    },
    Indicators: {
        "series_id": np.int32(1),
        "open_at": CLOSES - pd.Timedelta(hours=1),
        "close_at": CLOSES,
        **dict.fromkeys(BAR_COLUMNS, np.nan),
    },
    MarketConditions: {
        "series_id": np.int32(1),
        "open_at": CLOSES - pd.Timedelta(hours=1),
        "close_at": CLOSES,
        **dict.fromkeys(("atr_ratio", "atr_ratio_p95", "atr_ratio_median"), 0.01),
        "atr_ratio_bars": np.int32(500),
        "is_volatile": pd.array([True, None], dtype="boolean"),
        "filled_share": 0.0,
        "block_reason": pd.Series([None, "stale"], dtype=object),
    },
    CandidateSignals: {
        "series_id": 1,
        "candle_close_at": CLOSES,
        "strategy": "RSI_OVERSOLD",
        "signal_type": "BUY",
        "source": "technical",
        "strength": 0.8,
        "confidence": 0.7,
        "created_at": CLOSES,
    },
    RiskDecisions: {
        "series_id": 1,
        "candle_close_at": CLOSES,
        "strategy": "RSI_OVERSOLD",
        "signal_type": "BUY",
        "is_kept": [True, False],
        "exposure_weight": [0.05, np.nan],
        "expires_at": CLOSES,
    },
    TradingSignals: {
        "id": ["a", "b"],
        "signal_type": "BUY",
        "strength": 0.8,
        "confidence": 0.7,
        "rank_score": 0.73,
        "entry_price": 100.0,
        "stop_loss_price": [98.0, np.nan],
        "created_at": CLOSES,
        "expires_at": CLOSES + pd.Timedelta(hours=1),
    },
}

BREACHES: list[tuple[type[pa.DataFrameModel], dict[str, Any]]] = [
    (Candles, {"close": 0.0}),
    (Candles, {"volume": -1.0}),
    (Candles, {"close": np.nan}),
    (Candles, {"high": 104.0}),
    (Candles, {"low": 101.0}),
    (Candles, {"symbol": "BTCUSDT"}),
    (Candles, {"exchange": "Binance"}),
    (Candles, {"timeframe": "60m"}),
    (Candles, {"open_at": CLOSES.tz_localize(None)}),
    (Candles, {"open_at": CLOSES.as_unit("ns")}),
    (Candles, {"open_at": CLOSES[0]}),
    (Candles, {"volume": 1}),
    (Candles, {"trades": 5}),
    (Indicators, {"rsi_14": 100.1}),
    (Indicators, {"atr_14": np.inf}),
    (Indicators, {"sma_20": -1.0}),
    (Indicators, {"trend_state": 0.5}),
    (MarketConditions, {"filled_share": np.nan}),
    (MarketConditions, {"atr_ratio_bars": np.int32(501)}),
    (CandidateSignals, {"strength": 1.0000001}),
    (CandidateSignals, {"confidence": np.nan}),
    (CandidateSignals, {"signal_type": "HOLD"}),
    (CandidateSignals, {"source": "astrology"}),
    (CandidateSignals, {"strategy": "rsi"}),
    (CandidateSignals, {"candle_close_at": CLOSES[0]}),
    (RiskDecisions, {"exposure_weight": 1.1}),
    (TradingSignals, {"entry_price": np.inf}),
    (TradingSignals, {"stop_loss_price": 0.0}),
    (TradingSignals, {"expires_at": CLOSES}),
    (TradingSignals, {"id": "a"}),
]


def frame_of(contract: type[pa.DataFrameModel], **changes: Any) -> pd.DataFrame:
    return pd.DataFrame({**ROWS[contract], **changes}, index=range(2))


@pytest.mark.parametrize("contract", ROWS, ids=lambda contract: contract.__name__)
def test_a_right_frame_passes_as_it_is(contract: type[pa.DataFrameModel]) -> None:
    frame = frame_of(contract)
    assert hold_to(contract, frame) is frame


@pytest.mark.parametrize("contract", ROWS, ids=lambda contract: contract.__name__)
def test_a_frame_without_rows_promises_nothing(contract: type[pa.DataFrameModel]) -> None:
    assert hold_to(contract, pd.DataFrame()).empty


@pytest.mark.parametrize(
    ("contract", "change"), BREACHES, ids=[f"{model.__name__}-{next(iter(change))}" for model, change in BREACHES]
)
def test_f54_a_breach_is_refused(contract: type[pa.DataFrameModel], change: dict[str, Any]) -> None:
    with pytest.raises(DataContractError, match=f"^{contract.__name__}: "):
        hold_to(contract, frame_of(contract, **change))


def test_a_breach_says_column_rule_and_value() -> None:
    with pytest.raises(DataContractError) as refused:
        hold_to(CandidateSignals, frame_of(CandidateSignals, strength=[1.5, 0.5]))
    assert str(refused.value) == "CandidateSignals: strength must be less_than_or_equal_to(1), was 1.5"


def test_all_breaches_are_counted_and_the_first_five_told() -> None:
    with pytest.raises(DataContractError) as refused:
        hold_to(Candles, frame_of(Candles, open=-1.0, high=-1.0, low=-1.0, close=-1.0, volume=-1.0))
    message = str(refused.value)
    assert message.count(" must be ") == 5
    assert message.endswith(" and 5 more")


def test_the_contract_of_the_indicators_has_every_indicator() -> None:
    assert [name for name in Indicators.to_schema().columns if name in BAR_COLUMNS] == list(BAR_COLUMNS)
