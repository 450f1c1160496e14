"""File and folder names: which symbol and timeframe they tell of.

Only names that can mean one thing are read; a wrong guess would store prices under another asset. Add a
convention here with the program or site that writes it.
"""

import re
from itertools import pairwise
from pathlib import Path

from pipeline.domain.errors import UnreadableFileError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import QUOTES

SUFFIXES = (".parquet", ".feather", ".csv", ".tsv", ".json", ".zip", ".gz")
FOLDERS = 3  # how many folders above the file are read

# freqtrade's other candles: same columns, but not of trades
NO_TRADES = re.compile(r"-(mark|index|premiumindex|funding_rate|open_interest)$", re.IGNORECASE)
# Names that tell the quote whatever it is: BTC_USDT-1h and BTC_USDT_USDT-1h-futures as freqtrade writes
# them, and ETH_BTC, ETH-BTC where that is the whole name. Elsewhere BTC may be a base (Kraken_BTC_1h).
FREQTRADE = re.compile(r"([A-Z0-9]+)_([A-Z0-9]{2,5})(_\2)?-[0-9]+[mhdw](-futures)?")
PAIR = re.compile(rf"([A-Z0-9]+)[-_]({'|'.join(QUOTES)})")
DOLLARS = tuple(quote for quote in QUOTES if "USD" in quote)  # in any case: the others end words (entry)
PERPETUALS = {"PERP", "SWAP"}  # BTC-PERP, BTC_USDT_PERP, BTC-USDT-SWAP

DURATION = re.compile(r"([0-9]+)(m|min|minute|h|hour|d|day|w|week)s?", re.IGNORECASE)
MONTH = re.compile(r"[0-9]+(M|mo|mon|month)s?")
UNIT_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
WORDS = {"minute": "1m", "hour": "1h", "hourly": "1h", "d": "1d", "day": "1d", "daily": "1d", "weekly": "1w"}


def refuse_other_candles(path: Path) -> None:
    """Refuse a file that by its name holds no candles of trades."""
    if NO_TRADES.search(_stem(path)):
        raise UnreadableFileError("must hold traded candles, holds mark or index prices or rates by its name")


def timeframe_of(path: Path) -> Timeframe | None:
    """The timeframe that a file's name, or else a folder above it, tells of; None if they do not.

    Raises
    ------
    UnreadableFileError
        The name tells of two, or of one that we do not have.
    """
    places = [_words(_stem(path))]
    places += [[word for word in _words(folder) if word.lower() not in WORDS] for folder in _folders(path)]
    for words in places:
        found = {timeframe for word in words if (timeframe := timeframe_called(word))}
        if len(found) > 1:
            raise UnreadableFileError(f"must name one timeframe, named {' and '.join(sorted(found))}")
        if found:
            return found.pop()
    for word in (word for words in places for word in words):
        if DURATION.fullmatch(word) or MONTH.fullmatch(word):
            raise UnreadableFileError(f"timeframe must be one of {' '.join(Timeframe)}, was {word} by its name")
    return None


def symbol_of(path: Path) -> str | None:
    """The symbol that a file's name, or else a folder above it, tells of; None if they leave a choice."""
    name = _stem(path)
    if (match := FREQTRADE.fullmatch(name)) and match[2] not in PERPETUALS:
        base, quote, settle, futures = match.groups()
        return f"{base}/{quote}" + (f":{quote}" if settle or futures else "")
    if match := PAIR.fullmatch(name):
        return f"{match[1]}/{match[2]}"
    return next((symbol for part in (name, *_folders(path)) if (symbol := _symbol_in(part))), None)


def timeframe_called(text: str) -> Timeframe | None:
    """The timeframe that people mean by ``1h``, ``1H``, ``60min``, ``hourly``; None if it is none of ours."""
    lowered = WORDS.get(text.lower(), text.lower())
    match = DURATION.fullmatch(lowered)
    if match is None or MONTH.fullmatch(text):
        return None
    seconds = int(match[1]) * UNIT_SECONDS[match[2][0]]
    return next((timeframe for timeframe in Timeframe if timeframe.seconds == seconds), None)


def _stem(path: Path) -> str:
    name = path.name
    while name.lower().endswith(SUFFIXES):
        name = name.rpartition(".")[0]
    return name


def _folders(path: Path) -> list[str]:
    """The nearest folders above a file, nearest first."""
    return [folder.name for folder in list(path.absolute().parents)[:FOLDERS]]


def _symbol_in(name: str) -> str | None:
    """The one symbol with a known quote among the words of a name, None if there is none or a choice."""
    words = _words(name)
    raised = [word.upper() for word in words]
    pairs = {
        f"{base}/{quote}"
        for base, quote in pairwise(raised)
        if quote in DOLLARS and base not in DOLLARS and not base.isdigit()
    }
    found = pairs or {symbol for word in words if (symbol := _joined(word))}
    perpetual = next((place for place, word in enumerate(raised) if word in PERPETUALS), 0)
    if perpetual and not found:
        return f"{raised[perpetual - 1]}/{raised[perpetual]}"
    if len(found) != 1:
        return None
    symbol = found.pop()
    quote = symbol.partition("/")[2]
    is_linear = bool(perpetual) or f"{quote}_{quote}" in "_".join(raised)
    if not is_linear:
        return symbol
    return None if quote == "USD" else f"{symbol}:{quote}"  # in USD it may be settled in either


def _joined(word: str) -> str | None:
    """BTC/USDT of BTCUSDT."""
    for quote in QUOTES:
        text = word.upper() if quote in DOLLARS else word
        if text.isalnum() and text.isupper() and text.endswith(quote) and len(text) > len(quote) + 1:
            return f"{text.removesuffix(quote)}/{quote}"
    return None


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[^A-Za-z0-9]+", name) if word]
