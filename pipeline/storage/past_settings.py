"""The settings of the time: which made a row or were in force at a close, read back from `configurations`.

What is kept there is what can change a signal; `settings.Settings.fingerprint` says what that is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from pipeline.domain.signal import Origin
from pipeline.generation import Rules
from pipeline.indicators.extra.choice import chosen
from pipeline.indicators.extra.definition import ExtraParameters
from pipeline.risk.profile import RiskProfile
from pipeline.settings_sections import AggregationSettings, ContextSettings, ExpirySettings, ModelSettings
from pipeline.storage import tables
from pipeline.strategies.registry import STRATEGIES


class Configuration(NamedTuple):
    """Settings of the time."""

    configuration_hash: str
    settings: dict[str, Any]
    code_version: str
    made_at: datetime  # close of the row that was made by them


@dataclass(frozen=True, slots=True)
class PastSettings:
    """Kept settings as the stages take them."""

    rules: Rules
    indicators: Mapping[str, ExtraParameters]  # `[indicators.*]`
    profiles: Mapping[str, RiskProfile]
    absent: frozenset[str]  # strategies that came later; the rules have them switched off
    gone: tuple[str, ...]  # strategies that were there then and are no longer


def read_configuration(conn: sa.Connection, configuration_hash: str, made_at: datetime) -> Configuration | None:
    """The settings of that hash; None if they are not kept."""
    c = tables.configurations.c
    row = conn.execute(
        sa.select(c.settings, c.code_version).where(c.configuration_hash == configuration_hash)
    ).one_or_none()
    return None if row is None else Configuration(configuration_hash, row.settings, row.code_version, made_at)


def configuration_in_force(conn: sa.Connection, origin: Origin, scope: str, close_at: datetime) -> Configuration | None:
    """The settings of the newest candidate of an occasion that is not later than a close; None if there is none."""
    x = tables.candidate_signals.c
    row = conn.execute(
        sa.select(x.configuration_hash, x.candle_close_at)
        .where(x.origin == origin.value, x.scope == scope, x.candle_close_at <= close_at)
        .order_by(x.candle_close_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else read_configuration(conn, row.configuration_hash, row.candle_close_at)


def past_settings(configuration: Configuration, families: Mapping[str, Sequence[str]]) -> PastSettings:
    """What a configuration says, in today's terms; ``families`` are those of the strategies that there are.

    Not through `Settings`, which would mix in what the environment and signals.toml say today.

    Raises
    ------
    ValidationError, KeyError, ValueError
        This version cannot read what another one kept.
    """
    content = configuration.settings
    known: Mapping[str, Any] = content["strategies"]
    absent = frozenset(STRATEGIES) - frozenset(known)
    aggregation = AggregationSettings.model_validate(content["aggregation"])
    context = ContextSettings.model_validate(content.get("context", {}))  # not told before there was any
    rules = Rules(
        parameters={
            key: strategy.parameters.model_validate({"is_enabled": False} if key in absent else known[key])
            for key, strategy in STRATEGIES.items()
        },
        families=families,
        position_size=content["position_size"],
        boost=aggregation.boost,
        conflict_policy=aggregation.conflict_policy,
        strategy_preference=aggregation.strategy_preference,
        expiry_bars=ExpirySettings.model_validate(content["expiry"]).bars,
        context=context.beside,
        tighten_targets=ModelSettings.model_validate(content.get("models", {})).tighten_targets,
    )
    profiles = {name: RiskProfile.model_validate(limits) for name, limits in content["profiles"].items()}
    indicators, mistakes = chosen(content.get("indicators", {}))
    if mistakes:
        raise ValueError(f"{'.'.join(mistakes[0].place)} {mistakes[0].message}")
    return PastSettings(rules, indicators, profiles, absent, tuple(sorted(set(known) - set(STRATEGIES))))
