"""`signals strategies` and `signals indicators`: what there is to switch on, and what it is set to."""

from typing import Any

import click

from pipeline.cli.display import Column, as_text, remark, share, show_table
from pipeline.json_values import json_text

STRATEGY_COLUMNS = (
    Column(title="strategy"),
    Column(title="signals", wraps=True),
    Column(title="family"),
    Column(title="on"),
    Column(title="str", is_number=True),
    Column(title="conf", is_number=True),
    Column(title="looks back", is_number=True),
    Column(title="settings of its own", wraps=True),
    Column(title="rule", wraps=True),
)
COLUMNS = (
    Column(title="from"),
    Column(title="indicator"),
    Column(title="parameters", wraps=True),
    Column(title="columns", wraps=True),
    Column(title="reads"),
    Column(title="memory"),
    Column(title="warm-up", is_number=True),
)
BY_BAR = "by bar"  # of strategies whose signals weigh as their bar says
SECTION = "NAME"  # stands for the name that a section of the settings gets


@click.command("strategies")
@click.option("--json", "as_json", is_flag=True, help="Print an array as JSON.")
def strategies_command(as_json: bool) -> None:
    """List the strategies with their settings as they are in force: every file in pipeline/strategies is one.

    Each has a section [strategies.NAME] of signals.toml. "Looks back" counts bars. docs/strategies.md explains the
    rules, CONTRIBUTING.md how to add one.

    \b
    Examples:
      signals strategies
      signals strategies --json
    """
    from pipeline.settings import load_settings
    from pipeline.strategies.definition import STATED
    from pipeline.strategies.emission import SIGNAL_TYPES
    from pipeline.strategies.registry import STRATEGIES, StrategyParameters

    settings = load_settings()
    shared = {*StrategyParameters.model_fields, *STATED}
    found: list[dict[str, Any]] = []
    for key, strategy in STRATEGIES.items():
        parameters = settings.strategies[key]
        found.append(
            {
                "strategy": key,
                "signals": list(dict.fromkeys(strategy.names.values())),
                "sides": [SIGNAL_TYPES[side].value for side in strategy.names],
                "family": strategy.family,
                "source": strategy.source.value,
                "lookback": strategy.lookback,
                "columns": list(strategy.columns(parameters)),
                "module": strategy.module,
                "rule": strategy.summary,
                "settings": parameters.model_dump(mode="json"),
            }
        )
    if as_json:
        click.echo(json_text(found))
        return
    show_table(
        STRATEGY_COLUMNS,
        [
            (
                each["strategy"],
                " ".join(each["signals"]),
                each["family"],
                "yes" if each["settings"]["is_enabled"] else "no",
                *(share(each["settings"][name]) if name in each["settings"] else BY_BAR for name in STATED),
                each["lookback"],
                ", ".join(_set(name, value) for name, value in each["settings"].items() if name not in shared)
                + _filtered(each["settings"]["higher_timeframe_trend"]),
                each["rule"].replace("``", ""),
            )
            for each in found
        ],
    )


def _set(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"{name}={str(value).lower()}"
    if isinstance(value, float):
        return f"{name}={value:g}"
    return f"{name}={','.join(value) or 'none'}" if isinstance(value, list) else f"{name}={value}"


def _filtered(mode: str) -> str:
    """The filter that every strategy has, where it is on."""
    return "" if mode == "off" else f", higher_timeframe_trend={mode}"


@click.command("indicators")
@click.option("--json", "as_json", is_flag=True, help="Print an array as JSON.")
def indicators_command(as_json: bool) -> None:
    """List the indicators that the settings can switch on: those of the ta package, and those of your own.

    A section [indicators.NAME] of signals.toml with `ta = "MACD"` or `own = "know_sure_thing"` does so, with any of
    the parameters; its columns are called after it. The warm-up, in bars, is that of the defaults. docs/indicators.md
    says how to write one of your own.

    \b
    Examples:
      signals indicators
      signals indicators --json
    """
    from pipeline.indicators.extra.ta_rules import REFUSED_PARAMETERS

    found = [*_of_ta(), *_own()]
    if as_json:
        click.echo(json_text(found))
        return
    usable = [each for each in found if each["refused"] is None]
    show_table(
        COLUMNS,
        [
            (
                each["source"],
                each["name"],
                ", ".join(_parameter(key, value, each["required"]) for key, value in each["parameters"].items()),
                " ".join(each["columns"]),
                " ".join(each["inputs"]),
                each["memory"],
                each["warm_up"],
            )
            for each in usable
        ],
    )
    for each in found:
        if each["refused"] is not None:
            remark(f"refused: {each['name']}: {each['refused']}")
    for name, why in REFUSED_PARAMETERS.items():
        remark(f"refused: {name} = true: {why}")
    remark(f'to switch one on: [indicators.{SECTION}] with {usable[0]["source"]} = "{usable[0]["name"]}"')


def _parameter(name: str, default: Any, required: list[str]) -> str:
    if name in required:
        return f"{name} (to be given)"
    return f"{name}={str(default).lower() if isinstance(default, bool) else as_text(default)}"


def _of_ta() -> list[dict[str, Any]]:
    from pipeline.indicators.extra import ta_catalogue
    from pipeline.indicators.extra.definition import parameter_names
    from pipeline.indicators.extra.ta_rules import REFUSED_CLASSES, TA

    found = []
    for name in ta_catalogue.classes():
        rule = TA.get(name)
        parameters = parameter_names(ta_catalogue.parameters_of(name))
        required = [key for key, value in parameters.items() if value is ...]
        refused = REFUSED_CLASSES.get(name)
        if rule is None and refused is None:
            refused = "nobody has tried yet whether it looks ahead"
        found.append(
            {
                "source": "ta",
                "name": name,
                "parameters": {key: None if key in required else value for key, value in parameters.items()},
                "required": required,
                "columns": list(ta_catalogue.columns_of(SECTION, name)) if rule else [],
                "inputs": list(ta_catalogue.inputs_of(name)),
                "memory": rule.memory.name.lower() if rule else None,
                "warm_up": rule.warm_up(parameters) if rule and not required else None,
                "refused": refused,
            }
        )
    return found


def _own() -> list[dict[str, Any]]:
    from pipeline.indicators.extra.definition import parameter_names
    from pipeline.indicators.extra.registry import own_indicators

    return [
        {
            "source": "own",
            "name": key,
            "parameters": dict(parameter_names(own.parameters)),
            "required": [],
            "columns": list(own.columns(SECTION)),
            "inputs": list(own.inputs),
            "memory": own.memory.name.lower(),
            "warm_up": own.warm_up(own.parameters()),
            "refused": None,
        }
        for key, own in own_indicators().items()
    ]
