"""`signals symbols`: which symbols an exchange trades, to choose a universe."""

import click

from pipeline.cli.display import Column, price, remark, show_table
from pipeline.cli.parameters import EXCHANGE
from pipeline.domain.errors import DataContractError
from pipeline.domain.universe import parse_symbol
from pipeline.json_values import json_text
from pipeline.settings import load_settings

COLUMNS = (
    Column(title="", is_number=True),
    Column(title="symbol"),
    Column(title="24h volume", is_number=True),
    Column(title="last price", is_number=True),
    Column(title="24h %", is_number=True, is_optional=True),
)


@click.command("symbols")
@click.option("--exchange", type=EXCHANGE, help="As ccxt writes it; that of the settings by default.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="So many.")
@click.option("--by", type=click.Choice(["volume", "name"]), default="volume", show_default=True, help="Their order.")
@click.option("--quote", default="USDT", show_default=True, help="Only of this quote currency; `any` for all.")
@click.option("--json", "as_json", is_flag=True, help="Print an array as JSON.")
def symbols_command(exchange: str | None, top: int, by: str, quote: str, as_json: bool) -> None:
    """List the spot symbols that an exchange trades, the most traded first.

    Asks the exchange's public endpoints; no key is needed. Volume is that of 24 hours, in the quote currency.

    \b
    Examples:
      signals symbols --exchange binance --top 40
      signals symbols --exchange kraken --quote USD --by name
    """
    from resources.exchange_survey import listings

    market = load_settings().market
    name = exchange or market.exchange
    if name is None:
        raise click.UsageError("say which: --exchange binance")
    url = market.exchange_url if name == market.exchange else None
    found = listings(name, url, None if quote == "any" else quote.upper())
    found = [each for each in found if _is_ours(each.symbol)]
    chosen = found[:top] if by == "volume" else sorted(found, key=lambda each: each.symbol)[:top]
    if as_json:
        click.echo(
            json_text(
                [
                    {
                        "symbol": each.symbol,
                        "quote_volume": each.quote_volume,
                        "last_price": each.last_price,
                        "change_percent": each.change_percent,
                    }
                    for each in chosen
                ]
            )
        )
        return
    if not chosen:
        remark(f"{name} trades nothing against {quote}; --quote any shows all")
        return
    rows = [
        (
            place,
            each.symbol,
            None if each.quote_volume is None else f"{each.quote_volume:,.0f}",
            None if each.last_price is None else price(each.last_price),
            None if each.change_percent is None else f"{each.change_percent:+.1f}",
        )
        for place, each in enumerate(chosen, start=1)
    ]
    show_table(COLUMNS, rows)
    names = ", ".join(f'"{each.symbol}"' for each in chosen)
    remark(f"{len(chosen)} of {len(found)}; for signals.toml:")
    remark(f'[market]\nsource = "live"\nexchange = "{name}"\nsymbols = [{names}]\ntimeframes = ["1h"]')
    if url is not None:
        remark(f'exchange_url = "{url}"')


def _is_ours(symbol: str) -> bool:
    """Whether a symbol can be stored as the exchange writes it."""
    try:
        return parse_symbol(symbol) == symbol
    except DataContractError:
        return False
