"""What people type after a command: days and exchanges, and what a wrong one is told."""

from datetime import datetime

import click
import pytest

from pipeline.cli.parameters import DAY, EXCHANGE, INSTANT


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-06-30", "2024-06-30"),
        ("2024-02-29", "2024-02-29"),
        ("2024-6-1", "2024-06-01"),
        (datetime.fromisoformat("2024-06-01"), "2024-06-01"),  # a default that is converted again
    ],
    ids=str,
)
def test_a_day_is_its_naive_midnight(text, day):
    assert DAY.convert(text, None, None) == datetime.fromisoformat(day)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2022-06-31", "must be a day like 2024-06-30, was '2022-06-31': June has 30 days"),
        ("2023-02-29", "was '2023-02-29': February 2023 has 28 days"),
        ("2024-06-00", "was '2024-06-00': June has 30 days"),
        ("2024-13-01", "was '2024-13-01': there is no month 13"),
        ("0000-01-01", "was '0000-01-01': years go from 1970 to 9998"),
        ("2024-06-30T12:00", "must be a day like 2024-06-30, was '2024-06-30T12:00'"),
        ("30.06.2024", "must be a day like 2024-06-30, was '30.06.2024'"),
        ("2024-06-301", "must be a day like 2024-06-30, was '2024-06-301'"),
        ("yesterday", "must be a day like 2024-06-30, was 'yesterday'"),
        ("", "must be a day like 2024-06-30, was ''"),
    ],
)
def test_what_is_no_day_is_refused_with_what_is_wrong(text, message):
    with pytest.raises(click.BadParameter) as refusal:
        DAY.convert(text, None, None)
    assert refusal.value.message.endswith(message)


def test_an_instant_of_a_day_that_is_none_says_so_too():
    with pytest.raises(click.BadParameter, match=r"was '2022-06-31T12:00': June has 30 days$"):
        INSTANT.convert("2022-06-31T12:00", None, None)


@pytest.mark.parametrize("text", ["Binance", "", "binance us", "../binance"])
def test_an_exchange_is_written_as_ccxt_writes_it(text):
    assert EXCHANGE.convert("binance_us", None, None) == "binance_us"
    with pytest.raises(click.BadParameter, match="must be lower case like binance"):
        EXCHANGE.convert(text, None, None)
