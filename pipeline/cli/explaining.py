"""`signals explain`: why there was, or was not, a signal on one bar."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from pipeline.cli.display import Column, as_text, instant, show_table
from pipeline.cli.explained_inputs import FACT, bar_facts, model_facts, show_sentiment
from pipeline.cli.parameters import EXCHANGE, INSTANT, SYMBOL, TIMEFRAME
from pipeline.cli.session import open_database
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explain.explanation import Explanation
from pipeline.explain.judgement import CandidateFinding, ConflictFinding, ExposureFinding
from pipeline.explain.rules import StrategyFinding, Verdict
from pipeline.explaining import explain_bar
from pipeline.json_values import json_text
from pipeline.settings import load_settings
from pipeline.storage.accounts import HOUSE
from pipeline.storage.universe import exchange_meant
from pipeline.strategies.checks import rounded, written

BLANK = " "  # as in the row above
MET = {True: "yes", False: "no", None: "unknown"}


@click.command("explain")
@click.argument("symbol", type=SYMBOL)
@click.argument("timeframe", type=TIMEFRAME)
@click.option("--at", type=INSTANT, help="The newest close at or before this instant; now by default.")
@click.option("--exchange", type=EXCHANGE, help="The settings' by default.")
@click.option("--origin", type=click.Choice([o.value for o in Origin]), help="Whose rows; live first by default.")
@click.option("--scope", default=DEFAULT_SCOPE, show_default=True, help="default, or the name of a replay.")
@click.option("--profile", default=HOUSE, show_default=True, help="The risk profile that judges.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def explain_command(
    symbol: str,
    timeframe: Timeframe,
    at: datetime | None,
    exchange: str | None,
    origin: str | None,
    scope: str,
    profile: str,
    as_json: bool,
) -> None:
    """Say why there was, or was not, a signal on one bar.

    Every strategy with its inputs, what it asked and found; each candidate's risk decisions, exposure, the arithmetic
    of its confidence and rank, its prices. All of it is judged anew from what is stored, by the settings of the time;
    where a stored row says something else, the differences are shown.

    \b
    Examples:
      signals explain BTC/USDT 1h
      signals explain BTCUSDT 1h --at 2024-06-01T12:00
      signals explain ETH/USDT 4h --scope fast-sma --at 2024-06-01 --json
    """
    settings = load_settings()
    with open_database(settings) as database:
        if exchange is None:
            with database.begin() as conn:
                exchange = exchange_meant(conn, settings.market, symbol, timeframe)
        key = SeriesKey(exchange, symbol, timeframe)
        found = explain_bar(
            database,
            settings,
            key,
            as_of=datetime.now(UTC),
            at=at,
            origin=None if origin is None else Origin(origin),
            scope=scope,
            profile=profile,
        )
    if as_json:
        click.echo(json_text(found.as_dict()))
    else:
        _show(found)


def _show(found: Explanation) -> None:
    findings = found.findings
    click.echo(f"{found.symbol} {found.timeframe} on {found.exchange}, close {instant(findings.bar.close_at)} UTC")
    click.echo(findings.summary)
    for remark in found.remarks:
        click.echo(f"note: {remark}")
    _section("Bar")
    show_table(FACT, list(bar_facts(found)))
    _section("Models")
    show_table(FACT, list(model_facts(found)))
    _section("Sentiment")
    show_sentiment(found.sentiment)
    _section("Strategies")
    _show_strategies(findings.strategies)
    if findings.candidates:
        _section("Risk")
        _show_risk(found)
    if findings.exposure is not None:
        _section("Exposure")
        _show_exposure(findings.exposure)
    if findings.aggregation:
        _section("Aggregation")
        _show_aggregation(found)
        _section("Prices")
        _show_prices(found)
    _section("Stored")
    _show_stored(found)


def _section(title: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}")


def _show_strategies(strategies: Sequence[StrategyFinding]) -> None:
    """One line for each strategy, then what each asks of the bar."""
    show_table(
        (
            Column(title="strategy"),
            Column(title="verdict"),
            Column(title="strength", is_number=True),
            Column(title="confidence", is_number=True),
            Column(title="settings", wraps=True),
        ),
        [
            (
                each.key,
                f"{each.verdict.value}, else {each.would_say}" if _is_muted(each) else each.verdict.value,
                None if each.strength is None else rounded(each.strength),
                None if each.confidence is None else rounded(each.confidence),
                ", ".join(f"{name} {value}" for name, value in each.parameters.items()) or None,
            )
            for each in strategies
        ],
    )
    click.echo()
    show_table(
        (
            Column(title="rule"),
            Column(title="asks", wraps=True),
            Column(title="found", wraps=True),
            Column(title="wanted", wraps=True),
            Column(title="met"),
        ),
        list(_asked(strategies)),
    )


def _asked(strategies: Sequence[StrategyFinding]) -> Iterator[tuple[str, ...]]:
    """A row for each check, headed by its strategy and side; of a strategy without checks its inputs and its rule."""
    for each in strategies:
        head = None
        for check in each.checks:
            rule = f"{each.key} {check.side}"
            yield BLANK if rule == head else rule, check.asks, check.found, check.wanted, MET[check.is_met]
            head = rule
        if not each.checks:
            met = MET[None] if each.verdict is Verdict.UNKNOWN else each.would_say or MET[False]
            yield each.key, "its rule", _inputs(each), each.rule, met


def _is_muted(finding: StrategyFinding) -> bool:
    return finding.verdict in (Verdict.DISABLED, Verdict.ABSENT) and finding.would_say is not None


def _inputs(finding: StrategyFinding) -> str:
    return ", ".join(
        f"{name} {'unknown' if value is None else written(value)}" for name, value in finding.inputs.items()
    )


def _show_risk(found: Explanation) -> None:
    """One line for each candidate, then each filter; conflicts and exposure came after the filters."""
    candidates = found.findings.candidates
    show_table(
        (
            Column(title="candidate"),
            Column(title="strength", is_number=True),
            Column(title="confidence", is_number=True),
            Column(title="verdict"),
            Column(title="description", wraps=True),
        ),
        [
            (
                f"{each.strategy} {each.signal_type}",
                rounded(each.strength),
                rounded(each.confidence),
                "kept" if each.is_kept else f"dropped: {', '.join(each.reasons)}",
                each.description,
            )
            for each in candidates
        ],
    )
    click.echo()
    show_table(
        (
            Column(title="candidate"),
            Column(title="filter"),
            Column(title="found", wraps=True),
            Column(title="wanted", wraps=True),
            Column(title="passed"),
        ),
        list(_filtered(candidates)),
    )
    conflict = found.findings.conflict
    if conflict is not None:
        click.echo(
            f"\nconflict: BUY scores {rounded(conflict.buy_score, conflict.sell_score)}, "
            f"SELL {rounded(conflict.sell_score, conflict.buy_score)}; "
            f"policy {conflict.policy}: {_end_of_conflict(conflict, found.findings.exposure)}"
        )


def _filtered(candidates: Sequence[CandidateFinding]) -> Iterator[tuple[str, ...]]:
    for each in candidates:
        head = f"{each.strategy} {each.signal_type}"
        for place, f in enumerate(each.filters):
            yield head if place == 0 else BLANK, f.filter, f.found, f.wanted, MET[f.reason is None]


def _end_of_conflict(conflict: ConflictFinding, exposure: ExposureFinding | None) -> str:
    if conflict.dropped is not None:
        return f"the {conflict.dropped} is dropped"
    return "both stand" if exposure is None or exposure.is_kept else "exposure drops the BUY, the SELL stands"


def _show_exposure(found: ExposureFinding) -> None:
    weight = rounded(
        found.weight,
        found.max_asset_exposure - found.asset_exposure,
        found.max_total_exposure - found.total_exposure,
    )

    def line(name: str, tied_up: float, limit: float) -> tuple[str, str]:
        word = "exceeds" if f"{name}_exposure" in found.reasons else "fits into"
        return (
            f"{found.asset if name == 'asset' else 'all assets'}",
            f"{rounded(tied_up, limit - found.weight)} tied up + {weight} {word} {written(limit)}",
        )

    rows = [
        ("verdict", "kept" if found.is_kept else f"dropped: {', '.join(found.reasons)}"),
        (
            "weight",
            f"{written(found.position_size)} x confidence {rounded(found.confidence)} = {weight}",
        ),
        line("asset", found.asset_exposure, found.max_asset_exposure),
        line("total", found.total_exposure, found.max_total_exposure),
    ]
    held: dict[str, list[str]] = {}
    for each in found.holdings:
        words = (each.symbol, each.timeframe, rounded(each.weight))
        held.setdefault(each.kind, []).append(" ".join(filter(None, words)))
    rows += [(kind, ", ".join(names)) for kind, names in held.items()]
    show_table(FACT, rows)


def _show_aggregation(found: Explanation) -> None:
    for each in found.findings.aggregation:
        columns = (
            Column(title="component"),
            Column(title="source"),
            *(Column(title=name, is_number=True) for name in ("weight", "strength", "confidence")),
        )
        show_table(
            columns,
            [
                (c.strategy, c.source, rounded(c.weight), rounded(c.strength), rounded(c.confidence))
                for c in each.components
            ],
        )
        click.echo()
        show_table(
            FACT,
            [
                ("signal", f"{each.signal_type} of {each.strategy}: {each.description}"),
                *each.steps.items(),
                ("preference", each.strategy_preference),
                ("conflicting", each.is_conflicting),
                ("place", f"{each.place} of {each.n_at_close} signals of this close"),
            ],
        )


def _show_prices(found: Explanation) -> None:
    rows: list[tuple[str, object]] = []
    for each in found.findings.prices:
        several = f"{each.signal_type} " if len(found.findings.prices) > 1 else ""
        rows.append((f"{several}entry", f"{written(each.entry_price)}, the close"))
        rows.append((f"{several}R", each.risk_step))
        if each.stop_loss_price is not None:
            rows.append((f"{several}stop", f"{rounded(each.stop_loss_price, each.entry_price)}, 1 R against it"))
        for number, (name, price) in enumerate((each.target_prices or {}).items(), start=1):
            if each.aim is None or each.aim_step is None:
                how = f"{number} R along it"
            elif number == 1:
                how = f"{rounded(each.aim)} along it, {each.aim_step}"
            else:
                how = f"{number} times as far as tp1"
            rows.append((f"{several}{name}", f"{rounded(price, each.entry_price)}, {how}"))
        bars = "1 bar" if each.expiry_bars == 1 else f"{each.expiry_bars} bars"
        rows.append((f"{several}expires", f"{instant(each.expires_at)}, {bars} after the close"))
    show_table(FACT, rows)


def _show_stored(found: Explanation) -> None:
    stored = found.stored
    rows: list[tuple[str, object]] = [
        ("compared with", f"{stored.origin}, scope {stored.scope}, profile {stored.profile}"),
        ("rows", f"candidates {stored.candidates}, decisions {stored.decisions}, signals {len(stored.signals)}"),
    ]
    for row in stored.signals:
        said = f"{row['signal_type']} {row['status']}, revision {row['revision']}, id {row['id']}{_end(row)}"
        rows += [("signal", said), ("calibrated", _calibrated(row))]
    if stored.live_pass_at is not None:
        rows.append(("live run", f"processed this close, stored {as_text(stored.live_pass_at)}"))
    if stored.others:
        rows.append(("also stored", ", ".join(stored.others)))
    differing = found.findings.differences
    is_compared = bool(stored.candidates or stored.decisions or stored.signals or stored.live_pass_at)
    rows.append(("differences", str(len(differing)) if differing else "none" if is_compared else "nothing to compare"))
    show_table(FACT, rows)
    if differing:
        click.echo()
        columns = (
            Column(title="table"),
            Column(title="row"),
            Column(title="field"),
            Column(title="stored", wraps=True),
            Column(title="now", wraps=True),
        )
        show_table(columns, [(d.table, d.row, d.field, _value(d.stored), _value(d.computed)) for d in differing])


def _end(signal: Mapping[str, Any]) -> str:
    """As of when a stored signal ended, who ended it, and why; nothing while it stands."""
    if signal["ended_at"] is None:
        return ""
    why = "" if signal["end_reason"] is None else f": {signal['end_reason']}"
    return f", ended {instant(signal['ended_at'])} by {signal['ended_by']}{why}"


def _calibrated(signal: Mapping[str, Any]) -> str:
    """What was known of signals like it when it came, or why nothing was."""
    value = signal["calibrated_confidence"]
    if value is None:
        return f"no calibrated confidence: {signal['uncalibrated_because']}"
    return f"{100 * value:.1f} % of signals like it had won when it came"


def _value(value: Any) -> Any:
    return written(value) if isinstance(value, float) else value
