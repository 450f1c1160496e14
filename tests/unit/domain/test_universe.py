"""Symbols: how people and files spell them, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import QUOTES, SeriesKey, base_of, parse_symbol

COINS = st.from_regex(r"[A-Z0-9]{1,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        ("BTC/USDT", "BTC/USDT"),
        ("btc/usdt", "BTC/USDT"),
        (" BTC/USDT\n", "BTC/USDT"),
        ("BTC_USDT", "BTC/USDT"),
        ("BTC-USDT", "BTC/USDT"),
        ("BTCUSDT", "BTC/USDT"),
        ("BTC/USDT:USDT", "BTC/USDT:USDT"),
        ("BTC_USDT_USDT", "BTC/USDT:USDT"),
        ("1INCHUSDT", "1INCH/USDT"),
        ("BTCFDUSD", "BTC/FDUSD"),
        ("ETHBTC", "ETH/BTC"),
        ("USDTTRY", "USDT/TRY"),
        ("BTCUSD", "BTC/USD"),
    ],
)
def test_every_usual_spelling_of_a_symbol_is_read(written: str, symbol: str) -> None:
    assert parse_symbol(written) == symbol


@pytest.mark.parametrize(
    "written", ["", " ", "BTC", "USDT", "BTC/", "/USDT", "BTC//USDT", "BTC USDT", "BTC_USDT_EUR", "BTC/USDT;--", "../x"]
)
def test_what_names_no_pair_is_refused_as_it_was_written(written: str) -> None:
    with pytest.raises(DataContractError) as refused:
        parse_symbol(written)
    assert str(refused.value) == f"symbol must read like BTC/USDT, was {written!r}"


@given(base=COINS, quote=COINS)
def test_a_symbol_that_was_read_is_read_as_itself(base: str, quote: str) -> None:
    symbol = parse_symbol(f"{base}_{quote}")
    assert symbol == f"{base}/{quote}" == parse_symbol(symbol)
    assert base_of(symbol) == base


def test_a_longer_quote_currency_wins_over_one_that_it_ends_in() -> None:
    for place, quote in enumerate(QUOTES):
        assert not any(quote.endswith(earlier) for earlier in QUOTES[:place])


def test_a_perpetual_has_the_base_of_its_spot_market() -> None:
    assert base_of("BTC/USDT:USDT") == base_of("BTC/EUR") == "BTC"


def test_a_series_reads_as_people_say_it() -> None:
    assert str(SeriesKey("binance", "BTC/USDT", Timeframe.H1)) == "binance BTC/USDT 1h"
