"""`signals chart`: a picture of a series with its levels, patterns and signals."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from pipeline.charting import DEFAULT_BARS, series_scene
from pipeline.charts.html import draw_html
from pipeline.charts.png import draw_png
from pipeline.cli.display import remark
from pipeline.cli.output_files import OutputType, write_file
from pipeline.cli.parameters import EXCHANGE, INSTANT, SYMBOL, TIMEFRAME, WRITTEN_DAY, InstantType
from pipeline.cli.session import open_database
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.settings import load_settings
from pipeline.storage.accounts import HOUSE
from pipeline.storage.universe import exchange_meant

DRAWN_BY = {
    ".png": draw_png,
    ".html": lambda scene: draw_html(scene).encode(),
}


class EndType(InstantType):
    """An instant; a day alone is its end, so that the last day is in the picture."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The aware instant that ``value`` means."""
        instant = super().convert(value, param, ctx)
        return instant + timedelta(days=1) if isinstance(value, str) and WRITTEN_DAY.fullmatch(value) else instant


@click.command("chart")
@click.argument("symbol", type=SYMBOL)
@click.argument("timeframe", type=TIMEFRAME)
@click.option("--from", "first_close", type=INSTANT, help=f"First close; {DEFAULT_BARS} bars by default.")
@click.option("--to", "last_close", type=EndType(), help="Last close, a day with all of it; the newest by default.")
@click.option("--exchange", type=EXCHANGE, help="The settings' by default.")
@click.option("--origin", type=click.Choice([o.value for o in Origin]), help="Whose signals; live first by default.")
@click.option("--scope", default=DEFAULT_SCOPE, show_default=True, help="default, or the name of a replay.")
@click.option("--profile", default=HOUSE, show_default=True, help="The risk profile whose signals are drawn.")
@click.option(
    "-o", "--output", type=OutputType(tuple(DRAWN_BY)), help="FILE.png, or FILE.html to zoom in; named by the series."
)
def chart_command(
    symbol: str,
    timeframe: Timeframe,
    first_close: datetime | None,
    last_close: datetime | None,
    exchange: str | None,
    origin: str | None,
    scope: str,
    profile: str,
    output: Path | None,
) -> None:
    """Draw a series: candles, volume, averages, bands, levels, chart patterns and signals.

    The newest signals are drawn with entry, stop and targets, until they expire. A file that exists is written over.
    `docs/charts.md` says how to read the picture.

    \b
    Examples:
      signals chart BTC/USDT 1h
      signals chart BTCUSDT 4h --from 2024-05-01 --to 2024-06-30 -o june.html
      signals chart ETH/USDT 1h --scope fast-sma -o eth.png
    """
    settings = load_settings()
    with open_database(settings) as database:
        if exchange is None:
            with database.begin() as conn:
                exchange = exchange_meant(conn, settings.market, symbol, timeframe)
        scene = series_scene(
            database,
            SeriesKey(exchange, symbol, timeframe),
            first_close=first_close,
            last_close=last_close,
            origin=None if origin is None else Origin(origin),
            scope=scope,
            profile=profile,
        )
    path = output or Path(f"{re.sub('[^A-Z0-9]', '-', symbol)}-{timeframe}.png")
    write_file(path, DRAWN_BY[path.suffix.lower()](scene))
    remark(scene.subtitle)
    click.echo(path)
