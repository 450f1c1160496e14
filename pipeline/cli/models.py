"""`signals models`: the registry as a person reads it. `pipeline.cli.training` makes models."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.cli.display import Column, remark, seconds, show_table
from pipeline.cli.judgement import in_short, overall, show_folds, show_measures
from pipeline.cli.parameters import EVERY_EXCHANGE, EXCHANGE, TIMEFRAME
from pipeline.cli.session import open_database
from pipeline.cli.speaking import EARLIER, NO_REFUSALS, NOW, Refusals, refusals, speaks, speaks_about
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.model import ModelKind, ModelStatus, short_id
from pipeline.domain.timeframe import Timeframe
from pipeline.json_values import json_text
from pipeline.settings import Settings, load_settings
from pipeline.settings_sections import MarketSettings
from pipeline.storage.models import list_models, read_evaluations, retire
from pipeline.storage.universe import exchange_of

KINDS = click.Choice([kind.value for kind in ModelKind])
TABLE_LIMIT = 20
MORE = 8  # characters of an id after a beginning that several have
BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]*", re.IGNORECASE)

COLUMNS = (
    Column(title="model"),
    Column(title="kind"),
    Column(title="tf"),
    Column(title="through", is_optional=True),
    Column(title="status"),
    Column(title="speaks", wraps=True),
    Column(title="judged", is_number=True),
    Column(title="about closes", is_optional=True),
    Column(title="rows", is_number=True, is_optional=True),
    Column(title="exchange", is_optional=True),
    Column(title="why", wraps=True, is_optional=True),
)
COMPARED = ("kind", "series", "learned from", "bars", "status", "speaks", "about closes", "training took, s")


class ModelGroup(click.Group):
    """A group that takes a model's id for `show` and the id."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand; what looks like the beginning of an id, or stands alone, is shown."""
        stands_alone = all(each.startswith("-") for each in args[1:])
        if args[0] not in self.commands and (stands_alone or BEGINNING.fullmatch(args[0])):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group("models", cls=ModelGroup, invoke_without_command=True)
@click.option("--kind", type=KINDS, help="Only of this kind.")
@click.option("--timeframe", type=TIMEFRAME, help="Only of this timeframe.")
@click.option("--exchange", type=EXCHANGE, help="Only of this exchange; the settings' by default, all: of every one.")
@click.option("--all", "has_retired", is_flag=True, help="Those too that are retired, and of any age.")
@click.option("--json", "as_json", is_flag=True, help="Print an array as JSON.")
@click.pass_context
def models_command(
    ctx: click.Context,
    kind: str | None,
    timeframe: Timeframe | None,
    exchange: str | None,
    has_retired: bool,
    as_json: bool,
) -> None:
    """List the trained models, the newest first, and which of them speaks now.

    With the id of a model, or its beginning, that one is shown with its judgement. docs/models.md explains the numbers.

    \b
    Examples:
      signals models
      signals models --kind direction --all
      signals models 3f2a
      signals models compare 3f2a 91c0
      signals models retire 3f2a --reason "trained on candles that were corrected since"
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = load_settings()
    with open_database(settings) as database:
        with database.begin() as conn:
            known = list_models(conn)
            wanted = {"exchange": _exchange(conn, settings.market, exchange), "kind": kind, "timeframe": timeframe}
        found = [row for row in known if all(value in (None, row[name]) for name, value in wanted.items())]
        shown = [row for row in found if has_retired or row["status"] != ModelStatus.RETIRED]
        refused = refusals(database, shown, settings)
    limit = len(shown) if has_retired or as_json else TABLE_LIMIT
    if as_json:
        click.echo(json_text([described(row, settings, refused) for row in shown]))
    elif shown:
        _list(shown[:limit], settings, refused)
    else:
        remark(_absence(known, wanted))
    if len(shown) > limit:
        remark(f"{limit} of {len(shown)} models; --all shows all")


@models_command.command("show")
@click.argument("beginning", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON, with every measure of every fold.")
def show_model(beginning: str, as_json: bool) -> None:
    """Show one model: what it learned from, how it was judged, and why it speaks or does not.

    \b
    Examples:
      signals models show 3f2a
      signals models 3f2a --json
    """
    settings = load_settings()
    with open_database(settings) as database:
        with database.begin() as conn:
            (row,) = _named(conn, [beginning])
            measured = read_evaluations(conn, row["model_id"])
        refused = refusals(database, [row], settings)
    if as_json:
        click.echo(json_text(described(row, settings, refused) | {"evaluation": measured}))
        return
    show_table((Column(title="model"), Column(title=str(row["model_id"]), wraps=True)), _facts(row, settings, refused))
    kind = ModelKind(row["kind"])
    click.echo("\nOver all folds:\n")
    show_measures(kind, measured)
    click.echo("\nBy fold, from this close to that one:\n")
    show_folds(kind, measured)


@models_command.command("compare")
@click.argument("first", metavar="ID")
@click.argument("second", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print both as JSON, with every measure of every fold.")
def compare_models(first: str, second: str, as_json: bool) -> None:
    """Set two models of one kind side by side.

    Each was judged on the weeks before its own end: where these differ, so does the market that they were judged on.
    A promotion compares on equal bars; the decision that `signals models show` tells has those numbers.

    \b
    Examples:
      signals models compare 3f2a 91c0
    """
    settings = load_settings()
    with open_database(settings) as database:
        with database.begin() as conn:
            rows = _named(conn, [first, second])
            measured = [read_evaluations(conn, row["model_id"]) for row in rows]
        refused = refusals(database, rows, settings)
    kinds = {ModelKind(row["kind"]) for row in rows}
    if len(kinds) > 1:
        raise DataContractError(f"models to compare must be of one kind, was {' and '.join(sorted(kinds))}")
    if as_json:
        both = zip(rows, measured, strict=True)
        click.echo(json_text([described(row, settings, refused) | {"evaluation": each} for row, each in both]))
        return
    (kind,) = kinds
    columns = [Column(title="model"), *(Column(title=short_id(row["model_id"]), is_number=True) for row in rows)]
    one, other = (dict(_facts(row, settings, refused)) for row in rows)
    reached, others = (dict(overall(kind, each)) for each in measured)
    table = [(name, one[name], other[name]) for name in COMPARED]
    show_table(columns, [*table, *((words, cell, others[words]) for words, cell in reached.items())])
    periods = [{(each["test_from"], each["test_to"]) for each in found if each["fold"]} for found in measured]
    if periods[0] != periods[1]:
        remark("they were judged on different weeks")


@models_command.command("retire")
@click.argument("beginning", metavar="ID")
@click.option("--reason", required=True, help="Why; it is stored with the model.")
def retire_model(beginning: str, reason: str) -> None:
    """Withdraw a model for good: the champion before it speaks in its place.

    What it has said stays stored until those days are computed anew by `signals backfill`.

    \b
    Examples:
      signals models retire 3f2a --reason "trained on candles that were corrected since"
    """
    if not reason.strip():
        raise click.BadParameter("must not be empty", param_hint="--reason")
    settings = load_settings()
    with open_database(settings) as database:
        with database.begin() as conn:
            (row,) = _named(conn, [beginning])
            is_new = retire(conn, row["model_id"], reason.strip())
            same = {name: row[name] for name in ("exchange", "kind", "timeframe")}
            others = [each for each in list_models(conn) if all(each[name] == same[name] for name in same)]
        refused = refusals(database, others, settings)
    champions = [each for each in others if each["status"] == ModelStatus.CHAMPION]
    said = {short_id(each["model_id"]): speaks(each, settings, refused) for each in champions}
    click.echo(f"{short_id(row['model_id'])} {'is retired' if is_new else 'was retired already'}")
    speaking = [number for number, word in said.items() if word == NOW]
    silent = ", ".join(f"{number} {word}" for number, word in said.items() if word != EARLIER)
    successor = (
        f"{speaking[0]} speaks now"
        if speaking
        else f"none speaks now{f' ({silent})' if silent else ''}: `signals train` makes one"
    )
    remark(f"of {row['kind']} {row['timeframe']} on {row['exchange']} {successor}")


def _exchange(conn: sa.Connection, market: MarketSettings, given: str | None) -> str | None:
    """The exchange whose models are meant, None for every one; settings that leave it open mean every one."""
    if given is not None:
        return None if given == EVERY_EXCHANGE else given
    try:
        return exchange_of(conn, market)
    except ConfigurationError:
        return market.exchange


def _named(conn: sa.Connection, beginnings: Iterable[str]) -> list[RowMapping]:
    """The models of these ids, or beginnings of ids."""
    known = list_models(conn)
    found: list[RowMapping] = []
    for beginning in beginnings:
        hits = [row for row in known if str(row["model_id"]).startswith(beginning.lower())]
        if not hits:
            raise DataContractError(
                f"a model must be one of those that `signals models --all --exchange all` lists, was {beginning}"
                + ("" if BEGINNING.fullmatch(beginning) else "; `signals models --help` has the commands")
            )
        if len(hits) > 1:
            ids = ", ".join(str(row["model_id"])[: len(beginning) + MORE] for row in hits[:3])
            raise DataContractError(f"the beginning of an id must be of one model, was that of {len(hits)}: {ids}")
        found.append(hits[0])
    return found


def _absence(known: Sequence[RowMapping], wanted: Mapping[str, str | None]) -> str:
    """Why no model is shown: which part of what was asked for has none, and of what there are some instead."""
    if not known:
        return "no model is there: `signals train` makes some"
    left = list(known)
    for name, value in wanted.items():
        others = sorted({row[name] for row in left})
        left = [row for row in left if value in (None, row[name])]
        if not left:
            word, hint = ("on", f" (--exchange {others[0]})") if name == "exchange" else ("of", "")
            return f"none {word} {value}; there are {word} {', '.join(others)}{hint}"
    return f"no model is there: {len(left)} retired ones with --all; `signals train` makes some"


def _list(rows: Sequence[RowMapping], settings: Settings, refused: Refusals) -> None:
    exchanges = {row["exchange"] for row in rows}
    columns = [column for column in COLUMNS if column.title != "exchange" or len(exchanges) > 1]
    table = []
    for row in rows:
        cells = {
            "model": short_id(row["model_id"]),
            "kind": row["kind"],
            "tf": row["timeframe"],
            "through": f"{row['trained_through']:%Y-%m-%d}",
            "status": row["status"],
            "speaks": speaks(row, settings, refused),
            "about closes": speaks_about(row, settings),
            "judged": in_short(ModelKind(row["kind"]), row["metrics"]),
            "rows": row["n_rows"],
            "exchange": row["exchange"],
            "why": row["status_reason"] or row["decision"].get("rule"),
        }
        table.append([cells[column.title] for column in columns])
    show_table(columns, table)


def _facts(row: RowMapping, settings: Settings, refused: Refusals) -> list[tuple[str, object]]:
    """What a model is, line by line."""
    decision = row["decision"]
    versions = ", ".join(f"{name} {version}" for name, version in row["library_versions"].items())
    parameters = ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in row["parameters"].items()
    )
    return [
        ("kind", row["kind"]),
        ("series", f"{row['exchange']} {row['timeframe']}"),
        ("learned from", f"{row['trained_from']:%Y-%m-%d} to {row['trained_through']:%Y-%m-%d}"),
        ("bars", row["n_rows"]),
        ("speaks", speaks(row, settings, refused)),
        ("about closes", speaks_about(row, settings)),
        ("status", row["status"]),
        ("reason", row["status_reason"]),
        ("decision", _decision(decision)),
        ("parameters", parameters),
        ("libraries", versions),
        ("features", row["feature_schema"]),
        ("artefact", f"{row['artefact_bytes']:,} bytes, sha256 {row['artefact_sha256'][:16]}"),
        ("trained", row["recorded_at"]),
        ("training took, s", seconds(row["training_seconds"])),
    ]


def _decision(decision: Mapping[str, Any]) -> str:
    """The rule of a promotion with its numbers."""
    rule = str(decision.get("rule"))
    if decision.get("challenger") is None or decision.get("champion") is None:
        return rule
    return (
        f"{rule}: {decision.get('metric')} {decision['challenger']:.5f}, the champion's {decision['champion']:.5f} on "
        f"the same {decision.get('n_rows') or 0:,} bars"
    )


def described(row: RowMapping, settings: Settings, refused: Refusals = NO_REFUSALS) -> dict[str, Any]:
    """A model as JSON tells it: its row of `v_models`, and whether and about which closes it speaks."""
    said = speaks(row, settings, refused)
    return dict(row) | {"is_speaking": said == NOW, "speaks": said, "about_closes": speaks_about(row, settings)}
