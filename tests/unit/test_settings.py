"""Settings: which source wins, what may be written how, and what belongs to a signal's fingerprint."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.aggregation import Boost, ConflictPolicy, StrategyPreference
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.timeframe import Timeframe
from pipeline.risk.profile import RiskProfile
from pipeline.settings import config_file, keys_of, load_settings
from pipeline.stages import rules_of
from pipeline.strategies.registry import STRATEGIES


def hash_of(**changes: Any) -> str:
    settings = load_settings({name.replace("__", "."): value for name, value in changes.items()})
    return settings.fingerprint({"house": settings.risk})[0]


def test_without_any_file_or_variable_the_simulated_market_runs(settings_place: Path) -> None:
    settings = load_settings()
    assert (settings.market.source, settings.market.symbols, settings.market.cadence) == (
        "simulated",
        None,
        Timeframe.H1,
    )
    assert settings.home == Path(".signals")
    assert set(settings.strategies) == set(STRATEGIES)
    assert all(strategy.is_enabled for strategy in settings.strategies.values())
    assert settings.risk == RiskProfile()


def test_a_change_wins_over_a_variable_and_a_variable_over_the_file(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_place.write_text(
        "position_size = 0.1\n[strategies.rsi]\noversold = 20\noverbought = 80\nconfidence = 0.9\n"
    )
    monkeypatch.setenv("SIGNALS_STRATEGIES__RSI__OVERSOLD", "25")
    monkeypatch.setenv("SIGNALS_STRATEGIES__RSI__OVERBOUGHT", "75")
    settings = load_settings({"strategies.rsi.overbought": "71"})
    rsi = settings.strategies["rsi"].model_dump()
    assert (rsi["oversold"], rsi["overbought"], rsi["confidence"]) == (25.0, 71.0, 0.9)
    assert settings.position_size == 0.1


def test_an_empty_variable_says_nothing(settings_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_place.write_text('[market]\nsource = "files"\n')
    for name in ("SIGNALS_MARKET__SOURCE", "SIGNALS_HOME", "SIGNALS_CONFIG"):
        monkeypatch.setenv(name, "")
    settings = load_settings()
    assert (settings.market.source, settings.home, config_file()) == ("files", Path(".signals"), Path("signals.toml"))


def test_signals_config_names_another_file(settings_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_place.write_text("position_size = 0.1\n")
    Path("mine.toml").write_text("position_size = 0.2\n")
    monkeypatch.setenv("SIGNALS_CONFIG", "mine.toml")
    assert load_settings().position_size == 0.2


@pytest.mark.parametrize("written", ["btc/usdt", "BTCUSDT", "btc_usdt", "BTC-USDT", " BTC/USDT "])
def test_a_symbol_may_be_spelt_as_exchanges_do(settings_place: Path, written: str) -> None:
    assert load_settings({"market.symbols": written}).market.symbols == ("BTC/USDT",)


@pytest.mark.parametrize("written", ["BTC/USDT,ETH/USDT", " BTC/USDT , ETHUSDT, ", '["BTC/USDT", "ETH/USDT"]'])
def test_a_list_in_a_variable_is_separated_by_commas_or_json(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("SIGNALS_MARKET__SYMBOLS", written)
    assert load_settings().market.symbols == ("BTC/USDT", "ETH/USDT")


def test_the_chain_runs_at_the_shortest_timeframe_in_whatever_order_they_stand(settings_place: Path) -> None:
    assert load_settings({"market.timeframes": "1d,15m,4h"}).market.cadence is Timeframe.M15


def test_an_expiry_of_one_timeframe_leaves_the_others_as_they_are(settings_place: Path) -> None:
    bars = load_settings({"expiry.bars.1h": "2"}).expiry.bars
    assert bars == {Timeframe.M1: 3, Timeframe.M5: 3, Timeframe.H1: 2}


def test_the_variables_of_the_launcher_are_not_settings(settings_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIGNALS_REAL_DATA", "SIGNALS_DAGSTER_URL", "SIGNALS_DAGSTER_FILES"):
        monkeypatch.setenv(name, "x")
    assert load_settings().market.source == "simulated"


def test_every_key_can_be_set_by_its_dotted_name(settings_place: Path) -> None:
    keys = list(keys_of())
    assert {"home", "market.source", "strategies.rsi.oversold", "risk.max_asset_exposure", "expiry.bars.1d"} <= {*keys}
    assert len(keys) == len({*keys})
    for key in keys:
        with pytest.raises(ConfigurationError) as refused:
            load_settings({key: ["nonsense", {}]})
        assert "is not a setting" not in str(refused.value)


def test_settings_cannot_be_changed_after_they_were_loaded(settings_place: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().position_size = 0.5


def test_the_address_of_the_database_is_masked_when_it_is_shown(settings_place: Path) -> None:
    settings = load_settings({"database_url": "postgresql://me:hunter2@host/db"})
    assert "hunter2" not in repr(settings) + settings.model_dump_json()


def test_the_fingerprint_is_the_same_for_the_same_settings_however_they_were_given(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = hash_of()
    assert plain == hash_of()
    changed = hash_of(strategies__rsi__oversold="25")
    monkeypatch.setenv("SIGNALS_STRATEGIES__RSI__OVERSOLD", "25")
    assert (hash_of(), plain == changed) == (changed, False)


DECISIVE = {
    "market.simulation_seed": "8",
    "strategies.rsi.confidence": "0.71",
    "strategies.golden_cross.is_enabled": "false",
    "risk.stop_atr_multiple": "2",
    "position_size": "0.06",
    "aggregation.boost": "graded",
    "aggregation.conflict_policy": "drop_weaker",
    "aggregation.strategy_preference": "technical",
    "expiry.bars.1h": "2",
}
INDIFFERENT = {
    "home": "elsewhere",
    "database_url": "postgresql://host/db",
    "market.exchange": "simulated",
    "market.symbols": "BTC/USDT",
    "market.timeframes": "4h",
    "schedule.is_enabled": "false",
    "schedule.grace_seconds": "9",
    "schedule.ui_port": "3001",
    "api.port": "3000",
    "charts.signals": "0",
}


@pytest.mark.parametrize(("key", "value"), DECISIVE.items())
def test_what_can_change_a_signal_changes_the_fingerprint(settings_place: Path, key: str, value: str) -> None:
    assert hash_of(**{key: value}) != hash_of()


@pytest.mark.parametrize(("key", "value"), INDIFFERENT.items())
def test_what_cannot_change_a_signal_leaves_the_fingerprint(settings_place: Path, key: str, value: str) -> None:
    assert hash_of(**{key: value}) == hash_of()


def test_the_fingerprint_covers_every_profile_and_no_secret(settings_place: Path) -> None:
    settings = load_settings({"database_url": "postgresql://me:hunter2@host/db"})
    house = settings.risk
    other = RiskProfile(name="other", min_signal_confidence=0.9)
    one, content = settings.fingerprint({"house": house})
    both, _ = settings.fingerprint({"house": house, "other": other})
    turned, _ = settings.fingerprint({"other": other, "house": house})
    assert (both == turned, one == both) == (True, False)
    assert "hunter2" not in str(content)
    assert set(content["profiles"]) == {"house"}


def test_the_families_name_every_signal_of_every_strategy(settings_place: Path) -> None:
    names = sorted(name for family in load_settings().families.values() for name in family)
    assert names == sorted(name for each in STRATEGIES.values() for name in each.names.values())


def test_the_stages_get_what_the_settings_say(settings_place: Path) -> None:
    rules = rules_of(load_settings({key: value for key, value in DECISIVE.items() if not key.startswith("risk")}))
    assert (rules.position_size, rules.boost, rules.conflict_policy, rules.strategy_preference) == (
        0.06,
        Boost.GRADED,
        ConflictPolicy.DROP_WEAKER,
        StrategyPreference.TECHNICAL,
    )
    assert rules.parameters["rsi"].confidence == 0.71
    assert not rules.parameters["golden_cross"].is_enabled
    assert rules.expiry_bars[Timeframe.H1] == 2


def test_every_preference_but_a_source_has_a_family(settings_place: Path) -> None:
    families = set(load_settings().families)
    sources = {"balanced", "technical", "ml", "sentiment"}
    assert {preference.value for preference in StrategyPreference} - sources <= families


def test_subreddits_are_read_as_people_write_them_each_once(settings_place: Path) -> None:
    settings = load_settings({"texts.reddit.subreddits": "r/Bitcoin, /r/ethereum,bitcoin,a_b,rust"})
    assert settings.texts.reddit.subreddits == ("Bitcoin", "ethereum", "a_b", "rust")


@pytest.mark.parametrize("name", ["a", "a" * 22, "a-b", "a+b", "r/", "u/somebody", "r/a/b", "bücher"])
def test_what_reddit_does_not_allow_is_no_subreddit(settings_place: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--set texts.reddit.subreddits must be names of 2 to 21 letters"):
        load_settings({"texts.reddit.subreddits": f"Bitcoin,{name}"})


def test_repositories_are_read_from_a_file_and_a_variable(
    settings_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_place.write_text('[texts.github.repositories]\n"mine/coin.js" = "MINE"\n')
    assert load_settings().texts.github.repositories == {"mine/coin.js": "MINE"}
    monkeypatch.setenv("SIGNALS_TEXTS__GITHUB__REPOSITORIES", "bitcoin/bitcoin=BTC, a/b=BTC")
    settings_place.write_text("")
    assert load_settings().texts.github.repositories == {"bitcoin/bitcoin": "BTC", "a/b": "BTC"}
