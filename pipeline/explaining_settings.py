"""By which settings a bar is judged when it is explained: those of the time, as far as they are known.

A part of `pipeline.explaining`; what of them a past version wrote is read by `pipeline.storage.past_settings`.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError

from pipeline import __version__
from pipeline.domain.signal import Origin
from pipeline.explain.differences import StoredRows
from pipeline.explain.explanation import SettingsUsed
from pipeline.generation import Rules
from pipeline.risk.profile import RiskProfile
from pipeline.settings import Settings
from pipeline.settings_sections import ModelSettings
from pipeline.settings_texts import SentimentSettings
from pipeline.stages import rules_of
from pipeline.storage.accounts import read_profile
from pipeline.storage.past_settings import (
    Configuration,
    configuration_in_force,
    past_settings,
    read_configuration,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The settings that a bar is judged by."""

    rules: Rules
    profile: RiskProfile
    absent: frozenset[str]
    used: SettingsUsed
    settings: Settings  # those of today, but with the extra indicators and what models were to do at the time


def judgement_of_the_time(
    conn: sa.Connection,
    settings: Settings,
    mine: StoredRows,
    origin: Origin,
    scope: str,
    profile: str,
    close_at: datetime,
    remarks: list[str],
) -> Judgement:
    """The settings that made the bar's rows, else those in force then, else those of today."""
    hashes = list(dict.fromkeys(r["configuration_hash"] for r in (*mine.signals, *mine.decisions, *mine.candidates)))
    if len(hashes) > 1:
        remarks.append(f"the bar's rows were made with {len(hashes)} different settings; it is judged by {hashes[0]}")
    found = "row" if hashes else "in_force"
    configuration = (
        read_configuration(conn, hashes[0], close_at)
        if hashes
        else configuration_in_force(conn, origin, scope, close_at)
    )
    if configuration is not None:
        try:
            return _of_the_time(configuration, settings, profile, found, remarks)
        except (ValidationError, KeyError, TypeError, ValueError) as error:
            remarks.append(
                f"the settings {configuration.configuration_hash} cannot be read by version {__version__} "
                f"({type(error).__name__}); those of today are used instead"
            )
    elif hashes:
        remarks.append(f"the settings {hashes[0]}, which made the bar's rows, are not kept; those of today are used")
    else:
        remarks.append("nothing stored tells the settings in force then; those of today are used")
    today = read_profile(conn, settings.risk, profile)
    used = SettingsUsed(
        configuration_hash=None, found="current", code_version=__version__, words="the settings of today"
    )
    return Judgement(rules_of(settings), today, frozenset(), used, settings)


def _of_the_time(
    configuration: Configuration, settings: Settings, profile: str, found: str, remarks: list[str]
) -> Judgement:
    past = past_settings(configuration, settings.families)
    if past.gone:
        remarks.append(f"strategies that there are no longer had a say then: {', '.join(past.gone)}")
    if configuration.code_version != __version__:
        remarks.append(
            f"the rows were made by version {configuration.code_version}, this is {__version__}: rules may have changed"
        )
    made = "made the bar's rows" if found == "row" else f"made the rows of {configuration.made_at:%Y-%m-%d %H:%M}"
    return Judgement(
        past.rules,
        past.profiles[profile],
        past.absent,
        SettingsUsed(
            configuration_hash=configuration.configuration_hash,
            found=found,
            code_version=configuration.code_version,
            words=f"settings {configuration.configuration_hash}, which {made}",
        ),
        settings.model_copy(
            update={
                "indicators": dict(past.indicators),
                "models": ModelSettings.model_validate(configuration.settings.get("models", {})),
                "sentiment": SentimentSettings.model_validate(configuration.settings.get("sentiment", {})),
            }
        ),
    )
