"""The profile: the description's defaults, the three levels, and what a wrong one is told."""

from uuid import uuid4

import pytest
from pydantic import ValidationError

from pipeline.domain.errors import ConfigurationError
from pipeline.risk.profile import RISK_LEVELS, RiskLevel, RiskProfile, at_level, with_overrides


def test_the_defaults_are_those_of_the_description():
    assert RiskProfile().model_dump() == {
        "name": "house",
        "min_signal_confidence": 0.5,
        "avoid_high_volatility": True,
        "trading_hours_start": 0,
        "trading_hours_end": 24,
        "max_asset_exposure": 0.2,
        "max_total_exposure": 0.8,
        "stop_atr_multiple": 1.5,
        "user_id": None,
    }


def test_the_levels_differ_as_designed():
    seen = {
        level: (
            profile.name,
            profile.min_signal_confidence,
            profile.avoid_high_volatility,
            profile.max_asset_exposure,
            profile.max_total_exposure,
            profile.stop_atr_multiple,
        )
        for level, profile in RISK_LEVELS.items()
    }
    assert seen == {
        RiskLevel.LOW: ("low", 0.7, True, 0.1, 0.5, 1.0),
        RiskLevel.MEDIUM: ("medium", 0.5, True, 0.2, 0.8, 1.5),
        RiskLevel.HIGH: ("high", 0.5, False, 0.3, 1.0, 2.5),
    }


def test_the_medium_level_is_the_house_under_another_name():
    assert with_overrides(RISK_LEVELS[RiskLevel.MEDIUM], {"name": "house"}) == RiskProfile()


def test_overrides_change_what_they_name_and_nothing_else():
    changed = with_overrides(RiskProfile(), {"min_signal_confidence": "0.7", "avoid_high_volatility": "false"})
    assert changed == RiskProfile(min_signal_confidence=0.7, avoid_high_volatility=False)


def test_overrides_leave_the_profile_itself_alone():
    profile = RiskProfile()
    with_overrides(profile, {"max_asset_exposure": 0.1})
    assert profile.max_asset_exposure == 0.2


def test_a_profile_cannot_be_changed_in_place():
    with pytest.raises(ValidationError, match="frozen"):
        RiskProfile().max_asset_exposure = 0.5


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"max_asset_exposure": 20},
            r"max_asset_exposure must be a fraction in \[0, 1\] \(0.2 is 20 %\), was 20",
        ),
        (
            {"min_signal_confidence": -0.1},
            r"min_signal_confidence must be a fraction in \[0, 1\].*, was -0.1",
        ),
        ({"min_signal_confidence": float("nan")}, "min_signal_confidence must be a fraction.*, was nan"),
        ({"min_signal_confidence": True}, "min_signal_confidence must be a number, was True"),
        ({"min_signal_confidence": "high"}, "min_signal_confidence must be a valid number.*, was 'high'"),
        ({"max_total_exposure": 1.01}, "max_total_exposure must be a fraction.*, was 1.01"),
        (
            {"max_asset_exposure": 0.9},
            r"max_asset_exposure must be at most max_total_exposure \(0.8\), was 0.9",
        ),
        ({"trading_hours_start": 24}, "trading_hours_start must be an hour from 0 to 23.*, was 24"),
        ({"trading_hours_end": 25}, "trading_hours_end must be an hour from 0 to 24.*, was 25"),
        ({"trading_hours_end": 8.5}, "trading_hours_end must be a valid integer.*, was 8.5"),
        (
            {"trading_hours_start": 8, "trading_hours_end": 8},
            "must differ from trading_hours_start, both were 8",
        ),
        ({"stop_atr_multiple": 0}, "stop_atr_multiple must be greater than 0 and finite, was 0"),
        ({"stop_atr_multiple": float("inf")}, "stop_atr_multiple must be greater than 0 and finite, was inf"),
        ({"name": "a|b"}, "name must be 1 to 64 letters, digits, .*, was 'a|b'"),
        (
            {"avoid_high_volatility": "perhaps"},
            "avoid_high_volatility must be a valid boolean.*, was 'perhaps'",
        ),
        (
            {"max_exposure": 0.5},
            "max_exposure is not a setting of a risk profile; these are: name, min_signal",
        ),
        ({"user_id": "me"}, "user_id must be a valid UUID.*, was 'me'"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_its_rule_and_itself(overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        with_overrides(RiskProfile(), overrides)


def test_every_mistake_is_reported_at_once():
    with pytest.raises(ConfigurationError, match=r"trading_hours_end.*; max_asset_exposure"):
        with_overrides(RiskProfile(), {"max_asset_exposure": 2, "trading_hours_end": 99})


@pytest.mark.parametrize("level", RiskLevel)
def test_a_level_changes_every_limit_and_not_whose_they_are(level):
    mine = RiskProfile(name="mine", user_id=uuid4(), trading_hours_end=7, min_signal_confidence=0.9)
    changed = at_level(mine, level)
    assert (changed.name, changed.user_id) == ("mine", mine.user_id)
    apart = {"name", "user_id"}
    assert changed.model_dump(exclude=apart) == RISK_LEVELS[level].model_dump(exclude=apart)
