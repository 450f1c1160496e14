"""Wrong settings, as people make them, and the message that each gets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.domain.errors import ConfigurationError
from pipeline.settings import load_settings
from pipeline.storage.address import DatabaseAddress

TIMEFRAMES = "1m 3m 5m 15m 30m 1h 2h 4h 6h 12h 1d 1w"


@dataclass(frozen=True)
class Mistake:
    """What somebody wrote, and the message that tells where it stands and what it must be."""

    message: str
    file: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


MISTAKES = {
    "a misspelt section": Mistake(
        "signals.toml:1: markets is not a setting; did you mean market?", file='[markets]\nsource = "files"\n'
    ),
    "a misspelt key": Mistake(
        "signals.toml:3: market.sorce is not a setting, was 'files'; did you mean market.source?",
        file='# mine\n[market]\nsorce = "files"\n',
    ),
    "a key outside of its section": Mistake(
        "signals.toml:1: source is not a setting, was 'files'; did you mean market.source?", file='source = "files"\n'
    ),
    "a key one level too high": Mistake(
        "signals.toml:2: expiry.1h is not a setting, was 3; did you mean expiry.bars.1h?", file="[expiry]\n1h = 3\n"
    ),
    "a key that is like no other": Mistake(
        "signals.toml:2: schedule.cron is not a setting, was '* * * * *'; there are is_enabled, grace_seconds, "
        "straggler_seconds, ui_port",
        file='[schedule]\ncron = "* * * * *"\n',
    ),
    "a section that is a value": Mistake(
        "signals.toml:1: market must be a section with keys of its own, was 'files'", file='market = "files"\n'
    ),
    "a subreddit by its address": Mistake(
        "signals.toml:2: texts.reddit.subreddits must be names of 2 to 21 letters, digits or _, such as Bitcoin, "
        "was 'https://reddit.com/r/Bitcoin'",
        file='[texts.reddit]\nsubreddits = ["r/solana", "https://reddit.com/r/Bitcoin"]\n',
    ),
    "a subreddit with a space": Mistake(
        "SIGNALS_TEXTS__REDDIT__SUBREDDITS: texts.reddit.subreddits must be names of 2 to 21 letters, digits or _, "
        "such as Bitcoin, was 'Bitcoin Cash'",
        variables={"SIGNALS_TEXTS__REDDIT__SUBREDDITS": "Bitcoin Cash"},
    ),
    "repositories the wrong way round, and a coin in lower case": Mistake(
        'signals.toml:2: texts.github.repositories.BTC must be named owner/name, as in "bitcoin/bitcoin" = "BTC", '
        "was 'BTC'\n"
        "signals.toml:2: texts.github.repositories.BTC must belong to a base currency such as BTC, was "
        "'bitcoin/bitcoin'\n"
        "signals.toml:3: texts.github.repositories.mine/coin must belong to a base currency such as BTC, was 'mine'",
        file='[texts.github.repositories]\nBTC = "bitcoin/bitcoin"\n"mine/coin" = "mine"\n',
    ),
    "a repository whose coin nobody says": Mistake(
        "SIGNALS_TEXTS__GITHUB__REPOSITORIES: texts.github.repositories.mine/coin must belong to a base currency such "
        "as BTC, was ''",
        variables={"SIGNALS_TEXTS__GITHUB__REPOSITORIES": "mine/coin"},
    ),
    "repositories as a list": Mistake(
        'signals.toml:2: texts.github.repositories must say whose each is: "owner/name" = "BTC" in a file, '
        "owner/name=BTC in a variable, was ['mine/coin']",
        file='[texts.github]\nrepositories = ["mine/coin"]\n',
    ),
    "a source that is a number": Mistake(
        "signals.toml:2: market.source must be 'live', 'files' or 'simulated', was 3", file="[market]\nsource = 3\n"
    ),
    "a live source without its exchange": Mistake(
        "signals.toml:2: market.exchange must be named for source = 'live', such as binance or kraken",
        file='[market]\nsource = "live"\n',
    ),
    "a live source without its symbols": Mistake(
        "signals.toml:2: market.symbols must be named for source = 'live'; `signals symbols --exchange kraken "
        "--top 20` suggests some",
        file='[market]\nsource = "live"\nexchange = "kraken"\n',
    ),
    "an exchange for the simulated market": Mistake(
        "signals.toml:2: market.exchange must be left out for the simulated market, was 'binance'; "
        'for imported candles say source = "files"',
        file='[market]\nexchange = "binance"\n',
    ),
    "an exchange in capitals": Mistake(
        "signals.toml:3: market.exchange must be an exchange in lower case, such as binance, was 'Binance'",
        file='[market]\nsource = "files"\nexchange = "Binance"\n',
    ),
    "a symbol without a quote currency": Mistake(
        "signals.toml:2: market.symbols must read like BTC/USDT, was 'ETH'",
        file='[market]\nsymbols = ["BTC/USDT", "ETH"]\n',
    ),
    "a symbol twice, in two spellings": Mistake(
        "signals.toml:2: market.symbols must name each once, BTC/USDT stands there twice, was ['btc/usdt', 'BTCUSDT']",
        file='[market]\nsymbols = ["btc/usdt", "BTCUSDT"]\n',
    ),
    "an empty list": Mistake(
        "signals.toml:2: market.symbols must name one at least; leave it out for all, was []",
        file="[market]\nsymbols = []\n",
    ),
    "a number for a list": Mistake(
        'signals.toml:2: market.symbols must be a list: ["A", "B"] in a file, A,B in a variable, was 5',
        file="[market]\nsymbols = 5\n",
    ),
    "an unknown timeframe": Mistake(
        f"signals.toml:2: market.timeframes must be one of {TIMEFRAMES}, was '99d'",
        file='[market]\ntimeframes = ["1h", "99d"]\n',
    ),
    "a timeframe in capitals": Mistake(
        f"signals.toml:2: market.timeframes must be one of {TIMEFRAMES}, was '1H'",
        file='[market]\ntimeframes = ["1H"]\n',
    ),
    "an unknown strategy": Mistake(
        "signals.toml:1: strategies.rsii is not a setting; did you mean strategies.rsi?",
        file="[strategies.rsii]\noversold = 20\n",
    ),
    "strategies that are a value": Mistake(
        "signals.toml:1: strategies must be a section with keys of its own, was 'rsi'", file='strategies = "rsi"\n'
    ),
    "a higher timeframe that is none": Mistake(
        "signals.toml:1: context.higher_timeframes.1h must name a whole number of its bars, and more than one, was 30m",
        file='[context.higher_timeframes]\n1h = "30m"\n',
    ),
    "two mistakes in two strategies": Mistake(
        "signals.toml:5: strategies.macd_crossover.fast is not a setting, was 12; "
        "there are is_enabled, higher_timeframe_trend, strength, confidence, trigger\n"
        "signals.toml:2: strategies.rsi.oversold must be below 100, was 120",
        file="[strategies.rsi]\noversold = 120\n\n[strategies.macd_crossover]\nfast = 12\n",
    ),
    "thresholds that contradict each other": Mistake(
        "signals.toml:2: strategies.rsi.oversold must be below overbought, was 80.0 and 70.0",
        file="[strategies.rsi]\noversold = 80\n",
    ),
    "averages the wrong way round": Mistake(
        "signals.toml:2: strategies.sma_crossover.fast must be a shorter average than slow, was 50 and 20",
        file="[strategies.sma_crossover]\nfast = 50\nslow = 20\n",
    ),
    "an average that is not stored": Mistake(
        "signals.toml:2: strategies.sma_crossover.fast must be one of the stored averages (20, 50, 200), was 30",
        file="[strategies.sma_crossover]\nfast = 30\n",
    ),
    "equal trading hours": Mistake(
        "signals.toml:3: risk.trading_hours_end must differ from trading_hours_start, both were 9; 0 to 24 is always",
        file="[risk]\ntrading_hours_start = 9\ntrading_hours_end = 9\n",
    ),
    "an exposure in percent": Mistake(
        "signals.toml:2: risk.max_asset_exposure must be a fraction in [0, 1] (0.2 is 20 %), was 20",
        file="[risk]\nmax_asset_exposure = 20\n",
    ),
    "more for one asset than for all": Mistake(
        "signals.toml:2: risk.max_asset_exposure must be at most max_total_exposure (0.1), was 0.2",
        file="[risk]\nmax_total_exposure = 0.1\n",
    ),
    "a truth value for a number": Mistake(
        "signals.toml:2: risk.min_signal_confidence must be a number, was true",
        file="[risk]\nmin_signal_confidence = true\n",
    ),
    "a truth value for a number at the top": Mistake(
        "signals.toml:1: position_size must be a number, was true", file="position_size = true\n"
    ),
    "a truth value for a number of a strategy": Mistake(
        "signals.toml:2: strategies.rsi.strength must be a number, was 'true'",
        file="[strategies.rsi]\nstrength = true\n",
    ),
    "half an hour": Mistake(
        "signals.toml:2: risk.trading_hours_start must be a whole number, was 9.5",
        file="[risk]\ntrading_hours_start = 9.5\n",
    ),
    "a word for a truth value": Mistake(
        "signals.toml:2: schedule.is_enabled must be true or false, was 'si'", file='[schedule]\nis_enabled = "si"\n'
    ),
    "a negative expiry": Mistake(
        "signals.toml:2: expiry.bars.1h must be at least 1, was -1", file="[expiry.bars]\n1h = -1\n"
    ),
    "an expiry for an unknown timeframe": Mistake(
        f"signals.toml:2: expiry.bars.1H must be one of {TIMEFRAMES}, was '1H'", file="[expiry.bars]\n1H = 3\n"
    ),
    "a boost that is no boost": Mistake(
        "signals.toml:2: aggregation.boost must be 'spec' or 'graded', was 'double'",
        file='[aggregation]\nboost = "double"\n',
    ),
    "a port that no machine has": Mistake(
        "signals.toml:2: schedule.ui_port must be at most 65535, was 80000", file="[schedule]\nui_port = 80000\n"
    ),
    "a home that is a number": Mistake("signals.toml:1: home must be a path, in quotes, was 3", file="home = 3\n"),
    "several at once": Mistake(
        "signals.toml:3: market.symbols must read like BTC/USDT, was 'ETH'\n"
        "signals.toml:6: aggregation.boost must be 'spec' or 'graded', was 'x'",
        file='[market]\nsource = "files"\nsymbols = "ETH"\n\n[aggregation]\nboost = "x"\n',
    ),
    "text without quotes": Mistake(
        "signals.toml:2: must be TOML, was not at column 10: Invalid value; "
        "text stands in quotes, true and false in lower case, .9 is written 0.9",
        file="[market]\nsource = files\n",
    ),
    "an open bracket": Mistake(
        "signals.toml:1: must be TOML, was not at column 8: Expected ']' at the end of a table declaration",
        file='[market\nsource = "files"\n',
    ),
    "a key twice": Mistake(
        "signals.toml:3: must be TOML, was not at column 21: Cannot overwrite a value; the key stands there twice",
        file='[market]\nsource = "files"\nsource = "simulated"\n',
    ),
    "an unclosed list": Mistake(
        "signals.toml must be TOML, was not at its end: Unclosed array", file='[market]\nsymbols = ["BTC/USDT"\n'
    ),
    "a misspelt section in a variable": Mistake(
        "SIGNALS_MARKT__SOURCE is not a setting; did you mean SIGNALS_MARKET__SOURCE?",
        variables={"SIGNALS_MARKT__SOURCE": "files"},
    ),
    "one underscore for two, and another mistake": Mistake(
        "SIGNALS_COLOUR is not a setting; `signals config` lists them\n"
        "SIGNALS_MARKET_SOURCE is not a setting; did you mean SIGNALS_MARKET__SOURCE?",
        variables={"SIGNALS_MARKET_SOURCE": "files", "SIGNALS_COLOUR": "red"},
    ),
    "a key below a key": Mistake(
        "SIGNALS_HOME__PATH is not a setting; `signals config` lists them", variables={"SIGNALS_HOME__PATH": "x"}
    ),
    "a wrong value in a variable": Mistake(
        "SIGNALS_MARKET__SOURCE: market.source must be 'live', 'files' or 'simulated', was 'Files'",
        file='[market]\nsource = "files"\n',
        variables={"SIGNALS_MARKET__SOURCE": "Files"},
    ),
    "a variable in lower case": Mistake(
        "signals_market__source: market.source must be 'live', 'files' or 'simulated', was 'x'",
        variables={"signals_market__source": "x"},
    ),
    "a percentage in a variable": Mistake(
        "SIGNALS_POSITION_SIZE: position_size must be a number, was '5%'", variables={"SIGNALS_POSITION_SIZE": "5%"}
    ),
    "a symbol in a variable": Mistake(
        "SIGNALS_MARKET__SYMBOLS: market.symbols must read like BTC/USDT, was 'ETH'",
        variables={"SIGNALS_MARKET__SYMBOLS": "BTC/USDT, ETH"},
    ),
    "a section in a variable": Mistake(
        "SIGNALS_MARKET: market must be JSON, or a variable for each key, SIGNALS_MARKET__KEY, was 'files'",
        variables={"SIGNALS_MARKET": "files"},
    ),
    "a variable against a limit of the file": Mistake(
        "SIGNALS_RISK__MAX_ASSET_EXPOSURE: risk.max_asset_exposure must be at most max_total_exposure (0.3), was 0.5",
        file="[risk]\nmax_total_exposure = 0.3\n",
        variables={"SIGNALS_RISK__MAX_ASSET_EXPOSURE": "0.5"},
    ),
    "a file that is not there": Mistake(
        "SIGNALS_CONFIG must name a settings file, was nowhere.toml", variables={"SIGNALS_CONFIG": "nowhere.toml"}
    ),
    "a misspelt change": Mistake(
        "--set strategies.rsi.over_sold is not a setting, was '20'; did you mean strategies.rsi.oversold?",
        changes={"strategies.rsi.over_sold": "20"},
    ),
    "a change that contradicts the file": Mistake(
        "--set strategies.rsi.oversold must be below overbought, was 65.0 and 60.0",
        file="[strategies.rsi]\noverbought = 60\nrearm_below = 55\n",
        changes={"strategies.rsi.oversold": "65"},
    ),
    "a change of a section and of its key": Mistake(
        "--set must name a section or its keys, was both in market.source",
        changes={"market": "files", "market.source": "files"},
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_setting_is_refused_with_its_place_rule_and_value(name: str, settings_place: Path) -> None:
    mistake = MISTAKES[name]
    settings_place.write_text(mistake.file)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in mistake.variables.items():
            patch.setenv(variable, value)
        with pytest.raises(ConfigurationError) as refused:
            load_settings(mistake.changes)
    assert str(refused.value) == mistake.message


def test_a_file_of_another_encoding_is_refused(settings_place: Path) -> None:
    settings_place.write_bytes('[market]\nsource = "files"\n'.encode("utf-16"))
    with pytest.raises(
        ConfigurationError, match=r"^signals.toml must be UTF-8 text, was not at byte 0; save it as UTF-8$"
    ):
        load_settings()


def test_the_password_of_a_wrong_address_is_never_shown(settings_place: Path) -> None:
    settings_place.write_text('database_url = ["postgresql://me:hunter2@host/db"]\n')
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert str(refused.value) == "signals.toml:1: database_url must be text, in quotes"


def test_a_syntax_error_does_not_repeat_the_line_it_is_in(settings_place: Path) -> None:
    settings_place.write_text("database_url = postgresql://me:hunter2@host/db\n")
    with pytest.raises(ConfigurationError, match=r"^signals.toml:1: must be TOML") as refused:
        load_settings()
    assert "hunter2" not in str(refused.value)


def test_another_database_than_postgresql_is_refused_where_it_is_opened(settings_place: Path) -> None:
    settings_place.write_text('database_url = "sqlite:///signals.db"\n')
    address = load_settings().database_url
    assert address is not None
    with pytest.raises(ConfigurationError, match=r"^database URL must start with postgresql:// .* was sqlite://$"):
        DatabaseAddress.parse(address.get_secret_value())
