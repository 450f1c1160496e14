"""Entities: which coins a text is about, and which words that only sound like coins are left alone."""

import re

import pytest

from pipeline.sentiment.asset_names import coins
from pipeline.sentiment.entities import LEAD_CHARACTERS, MOST_ASSETS, AssetFinder, LinkRule
from tests.support.real_data import real_data

FINDER = AssetFinder()
GIVEN, CASHTAG, TICKER, NAME, FEED = LinkRule


def about(text: str, **facts) -> dict[str, LinkRule]:
    """Assets of a body and the rules by which they were found."""
    return {link.asset: link.rule for link in FINDER.find(facts.pop("title", ""), text, **facts).links}


@pytest.mark.parametrize(
    ("text", "asset", "rule"),
    [
        ("I like $BTC a lot", "BTC", CASHTAG),
        ("i like $btc a lot", "BTC", CASHTAG),
        ("$BTCUSDT breaks out", "BTC", CASHTAG),
        ("BTC breaks out", "BTC", TICKER),
        ("my btc is safe", "BTC", TICKER),
        ("#BTC breaks out", "BTC", TICKER),
        ("BTC/USDT, 4h", "BTC", TICKER),
        ("btc-usd fell", "BTC", TICKER),
        ("ETH_USDT fell", "ETH", TICKER),
        ("ETHUSDT fell", "ETH", TICKER),
        ("BTC-backed loans", "BTC", TICKER),
        ("Bitcoin fell", "BTC", NAME),
        ("bitcoin's fall", "BTC", NAME),
        ("bitcoin\u2019s fall", "BTC", NAME),
        ("two bitcoins", "BTC", NAME),
        ("#bitcoin fell", "BTC", NAME),
        ("#ShibaInu fell", "SHIB", NAME),
        ("wrapped bitcoin fell", "BTC", NAME),
        ("WBTC fell", "BTC", TICKER),
        ("fetch.ai fell", "FET", NAME),
        ("1INCH fell", "1INCH", TICKER),
    ],
)
def test_an_asset_is_found_by_how_people_write_it(text, asset, rule):
    assert about(text) == {asset: rule}


def test_the_words_that_say_so_are_kept():
    links = FINDER.find("", "Wrapped Bitcoin beside $eth").links
    assert [(link.asset, link.mention) for link in links] == [("BTC", "Wrapped Bitcoin"), ("ETH", "$eth")]


def test_the_strongest_rule_is_kept():
    assert about("Bitcoin: BTC or $BTC") == {"BTC": CASHTAG}


@pytest.mark.parametrize(
    "text",
    [
        "THE ONE thing about GAS prices near me",
        "link in bio, near the avalanche, a stellar day in the cosmos",
        "Avalanche of Liquidations, Stellar Quarter, Near Misses",
        "ADA compliance at the harbour",
        "CLICK THE LINK, ITS A NEAR MISS AND NOT A DASH",
        "the maker of this curve, and the sandbox",
        "ape into cake and sand, flow with the waves",
        "a ripple effect",
        "buttcoiners",
        "$100 and $1,000 at 100$",
        "Nature (NASDAQ: BCH) and NYSE: AVAX",
        "see https://example.org/bitcoin/eth or bitcoin.org, ask @bitcoin or u/ethereum in r/Bitcoin, pay vitalik.eth",
        "",
        "$ # / $$ #1",
    ],
)
def test_a_word_that_is_no_coin_is_left_alone(text):
    assert about(text) == {}


@pytest.mark.parametrize(
    ("text", "asset"),
    [
        ("$LINK is up", "LINK"),
        ("$ONE is up", None),
        ("$ONE is up, like all of crypto", "ONE"),
        ("$SOL beats its earnings, says the CEO", None),
        ("$SOL beats every stock of the crypto sector", "SOL"),
        ("LINK is up", None),
        ("LINK/USDT is up", "LINK"),
        ("LINKUSDT is up", "LINK"),
        ("the LINK token is up", "LINK"),
        ("LINK TOKEN IS UP", None),
        ("Chainlink is up", "LINK"),
        ("NEAR Protocol is up", "NEAR"),
        ("Near (NEAR) is up", "NEAR"),
        ("Avalanche network is up", "AVAX"),
        ("Compound (COMP) is up", "COMP"),
        ("Stellar Lumens is up", "XLM"),
        ("SOL is up", None),
        ("SOL is up, and so is every altcoin", "SOL"),
        ("Polygon is up", None),
        ("Ripple wins, crypto cheers", "XRP"),
        ("Ripple Effect in crypto", None),
        ("The Sandbox (SAND) is up", "SAND"),
    ],
)
def test_an_ambiguous_word_needs_a_second_sign(text, asset):
    found = about(text)
    assert found.keys() - {"MATIC", "POL"} == ({asset} if asset else set())


def test_another_coin_makes_an_ambiguous_ticker_clear():
    assert about("BTC and SOL").keys() == {"BTC", "SOL"}
    assert about("SOL and ADA").keys() == {"SOL", "ADA"}


def test_a_feed_about_crypto_makes_an_ambiguous_ticker_clear():
    assert about("SOL is up", feed="CryptoMarkets") == {"SOL": TICKER}
    assert about("SOL is up", feed="investing") == {}


def test_a_search_says_nothing_of_the_shares_that_it_finds():
    assert about("$CVX restarts a refinery", feed="($BTC OR $CVX) lang:en") == {}


def test_a_longer_name_is_another_coin():
    assert about("Ethereum Classic and Bitcoin Cash").keys() == {"ETC", "BCH"}
    assert about("ethereum, classic; bitcoin, cash").keys() == {"ETH", "BTC"}


def test_a_coin_that_was_renamed_has_both_tickers():
    assert about("$MATIC is up in crypto") == about("$POL is up in crypto") == {"MATIC": CASHTAG, "POL": CASHTAG}


def test_a_price_in_coins_is_not_about_the_coins():
    assert about("BNB trades at 0.0054 BTC").keys() == {"BNB"}


def test_what_is_traded_is_found_by_cashtag_and_pair_only():
    finder = AssetFinder(["QQZ", "BTC"])
    for text, found in (("$QQZ", ["QQZ"]), ("QQZ/USDT", ["QQZ"]), ("#QQZUSDT", ["QQZ"]), ("QQZ", []), ("#QQZ", [])):
        assert [link.asset for link in finder.find("", text).links] == found
    assert FINDER.find("", "$QQZ QQZ/USDT").links == ()


def test_a_thousand_of_a_coin_is_that_coin():
    links = AssetFinder(["1000PEPE"]).find("", "$PEPE and 1000PEPEUSDT").links
    assert {link.asset for link in links} == {"PEPE", "1000PEPE"}


def test_an_alias_is_linked_where_it_is_traded():
    assert about("XBT fell").keys() == {"BTC"}
    assert {link.asset for link in AssetFinder(["XBT"]).find("", "Bitcoin fell").links} == {"BTC", "XBT"}


def test_what_the_source_says_counts():
    assert about("no names here", given=("btc", " ETH ", "XBT")) == {"BTC": GIVEN, "ETH": GIVEN}


def test_a_source_that_tags_by_machine_is_not_believed():
    assert about("no names here", given=("A", "I", "4", "OP", "No currency", "EPS", "")) == {}


def test_a_list_of_coins_is_about_none_of_them():
    names = ["BTC", "ETH", "XRP", "LTC", "BNB", "AVAX", "AAVE", "XLM", "TRX"]
    found = FINDER.find("", " ".join(names))
    assert (found.links, found.too_many) == ((), len(names))
    assert len(names) == MOST_ASSETS + 1
    assert len(FINDER.find("", " ".join(names[1:])).links) == MOST_ASSETS


def test_an_article_that_ends_in_a_list_is_about_its_headline():
    found = FINDER.find("Litecoin halves", "Also: BTC ETH XRP BNB AVAX AAVE XLM TRX BCH")
    assert ([link.asset for link in found.links], found.too_many) == (["LTC"], 0)


def test_what_is_named_far_below_is_named_in_passing():
    assert about("word " * (LEAD_CHARACTERS // 5) + "BTC") == {}


def test_hashtags_are_ignored_where_there_are_many():
    tags = " ".join(f"#tag{n}" for n in range(8))
    assert about(f"Buy this shirt {tags} #ETH #bitcoin") == {}
    assert about(f"Buy $BTC {tags} #ETH") == {"BTC": CASHTAG}
    assert about("Buy this shirt #ETH").keys() == {"ETH"}


def test_the_feed_speaks_where_the_text_talks_of_a_market_and_names_nothing():
    assert about("we break the ATH next week", feed="Bitcoin") == {"BTC": FEED}
    assert about("we break the ATH next week", feed="r/ethereum") == {"ETH": FEED}
    assert about("ETH breaks the ATH next week", feed="Bitcoin").keys() == {"ETH"}
    assert about("what a nice photo", feed="Bitcoin") == {}
    assert about("my 401k is fine", feed="Bitcoin") == {}
    assert about("gold is at its ATH", feed="Bitcoin") == {}
    assert about("we break the ATH next week" + " and so on" * 30, feed="Bitcoin") == {}
    assert about("we break the ATH next week", feed="CryptoCurrency") == {}


def test_feeds_can_be_told():
    finder = AssetFinder(feed_assets={"MyCoin": "XRP"})
    assert [link.asset for link in finder.find("", "bullish", feed="mycoin").links] == ["XRP"]
    assert finder.find("", "bullish", feed="bitcoin").links == ()


def test_every_coin_is_found_by_its_cashtag_and_by_its_names():
    for coin in coins():
        for code in (*coin.codes, *coin.aliases):
            assert set(coin.codes) <= about(f"crypto ${code}").keys(), code
        for name in coin.sure:
            assert set(coin.codes) <= about(f"about {name} today").keys(), name


def test_no_word_means_two_coins():
    codes = [code for coin in coins() for code in (*coin.codes, *coin.aliases)]
    names = [name for coin in coins() for name in (*coin.sure, *coin.proper, *coin.vague)]
    assert len(codes) == len(set(codes))
    assert len(names) == len(set(names))
    assert len(coins()) >= 120
    assert {coin.grade for coin in coins()} == {"any", "word", "talk", "noun", "tag"}
    assert all(re.fullmatch(r"[A-Z0-9]+", code) for code in codes)


def test_every_coin_with_real_candles_is_known():
    known = {code for coin in coins() for code in coin.codes}
    files = [path.stem for path in real_data("candles").rglob("*.parquet")]
    bases = {re.split(r"[-_]?USD|-", stem)[0] for stem in files}
    assert files
    assert bases <= known
