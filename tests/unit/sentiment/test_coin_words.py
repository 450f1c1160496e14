"""Names of coins are read as one word, however they are written, and words that only look like them are not."""

import pytest

from pipeline.sentiment.asset_names import coins
from pipeline.sentiment.coin_words import COIN, COIN_PHRASES
from pipeline.sentiment.wording import words


@pytest.mark.parametrize("text", [name for coin in coins() for name in coin.sure if name.isalpha()])
def test_a_name_that_is_sure_to_be_a_coin_is_read_as_one_in_any_case(text):
    assert words(f"{text} {text.upper()} #{text.title()}'s {text}s") == [COIN] * 4


@pytest.mark.parametrize("grade", ["any", "word", "talk", "noun"])
def test_tickers_are_read_as_coins_in_upper_case(grade):
    tickers = [code for coin in coins() if coin.grade == grade for code in coin.codes if code.isalpha()]
    assert words(" ".join(tickers)) == [COIN] * len(tickers) != []


@pytest.mark.parametrize("text", ["btc", "Doge", "luna", "ust", "usdt", "BTCUSDT", "ethbtc", "solPERP", "#shibainu"])
def test_tickers_pairs_and_coins_that_are_gone_are_coins_in_lower_case_too(text):
    assert words(text) == [COIN]


@pytest.mark.parametrize("text", ["dot", "link", "near", "one", "gas", "theta", "not", "NOT", "ONE", "OP", "coin"])
def test_plain_words_stay(text):
    assert words(text) == [text.lower()]


def test_names_of_several_words_are_one_coin():
    assert words("sold Bitcoin Cash, Shiba Inu and the internet computer") == [
        *("sold", COIN, COIN, "and", "the", COIN),
    ]
    assert words("btc network") == [COIN, "network"]
    assert all(words(" ".join(phrase).replace(COIN, "btc")) == [COIN] for phrase in COIN_PHRASES)


def test_the_longest_name_counts():
    assert words("trust wallet token holders") == [COIN, "holders"]
