"""File formats: the bytes of one file turned into a table, with its columns named as the file names them.

What a file is, its first bytes say, not its suffix: a CSV that was packed, or an error page that was saved as
one, is recognised. What the columns mean is decided in `resources.candle_columns`.
"""

import csv
import io
import json
import re
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pandas as pd

from pipeline.domain.errors import UnreadableFileError
from resources.candle_columns import NEEDED, VOLUMES, plain_name
from resources.packed_files import unpacked_bytes

CANDLE_COLUMNS = ["open_time", "open", "high", "low", "close", "volume"]
KLINE_COLUMNS = [
    *CANDLE_COLUMNS, "close_time", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume",
    "ignore",
]  # fmt: skip  # Binance's klines, spot and futures: https://github.com/binance/binance-public-data
BY_WIDTH = {len(columns): columns for columns in (CANDLE_COLUMNS, KLINE_COLUMNS)}

FORMATS = "parquet, feather, CSV, JSON or a zip"
WANTED = f"wanted are time, open, high, low, close and volume as {FORMATS}"
NAMES = {name for names in (*NEEDED.values(), VOLUMES) for name in names} - {""}

FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook or another Office document; save its table as CSV",
    b"\x89HDF": "an HDF5 file; convert it to parquet, feather or CSV",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"PK": "an archive in an archive; unpack it",
    b"\x1f\x8b": "an archive in an archive; unpack it",
}
NO_CANDLES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"\x93NUMPY": "a NumPy array",
    b"\x80\x04": "a pickle of Python",
    b"\x80\x05": "a pickle of Python",
}
# The first member of a zip that Word, Excel and PowerPoint write, or LibreOffice; it begins behind 30 bytes.
OFFICE_DOCUMENT = re.compile(rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|docProps/|word/|ppt/|mimetypeapp)", re.DOTALL)
WEB_PAGE = re.compile(r"<(!doctype|html|head|body|\?xml|error|svg)\b", re.IGNORECASE)
JSON = re.compile(r"\s*(\{|\[\s*(?:[\[\]{\"\d-]|$))")  # and no heading like [market]
PREAMBLE = re.compile(r"\s*(https?://|www\.|#(?!.*open)|sep=|$)", re.IGNORECASE)
SEPARATORS = ",;\t|"
FIRST_LINES = 50  # in which the header and a row are looked for
EMPTY = "is empty; download or export it again"
SHOWN = 60  # characters of a file that a message quotes


def read_table(path: Path) -> pd.DataFrame:
    """The one table in a file, its columns as they are named there.

    Raises
    ------
    UnreadableFileError
        It cannot be opened, is empty, damaged, or no format of ours; the message does not name the file.
    """
    if OFFICE_DOCUMENT.match(_first_bytes(path)):
        raise UnreadableFileError(
            f"must be {FORMATS}, was a document of Word, Excel or the like; save its table as CSV"
        )
    data = unpacked_bytes(path)
    if not data:
        raise UnreadableFileError(EMPTY)
    for magic, what in FOREIGN.items():
        if data.startswith(magic):
            raise UnreadableFileError(f"is {what}")
    for magic, what in NO_CANDLES.items():
        if data.startswith(magic):
            raise UnreadableFileError(f"must be {FORMATS} of candles, was {what}")
    if data.startswith((b"PAR1", b"ARROW1", b"FEA1")):
        return _columnar(data)
    text = _text(data)
    if WEB_PAGE.match(text.lstrip()):
        raise UnreadableFileError("is a web page, not data (the download failed?); download it again")
    return _json(text) if JSON.match(text) else _csv(text)


def _first_bytes(path: Path) -> bytes:
    """What a file begins with; nothing if it cannot be opened, of which unpacking it tells why."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(SHOWN)
    return b""


def _columnar(data: bytes) -> pd.DataFrame:
    is_parquet = data.startswith(b"PAR1")
    try:
        table = (pd.read_parquet if is_parquet else pd.read_feather)(io.BytesIO(data))
    except Exception as error:  # the readers answer damage with whatever breaks first
        what = "parquet" if is_parquet else "feather"
        reason = str(error).partition("\n")[0][: 2 * SHOWN]
        raise UnreadableFileError(f"is a damaged or truncated {what} file ({reason}); write it again") from error
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


def _text(data: bytes) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text[:1000]:
        raise UnreadableFileError(f"must be {FORMATS}, was {data[:8]!r}...")
    if not text.strip():
        raise UnreadableFileError(EMPTY)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _json(text: str) -> pd.DataFrame:
    """Rows of [ms, open, high, low, close, volume, ...], as freqtrade stores and Binance sends them."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"is damaged JSON ({error}); download it again") from error
    widths = {len(row) if isinstance(row, list) else 0 for row in rows} if isinstance(rows, list) else {0}
    if len(widths) != 1 or (width := widths.pop()) not in BY_WIDTH:
        found = " ".join(text[: 2 * SHOWN].split())[:SHOWN]
        raise UnreadableFileError(f"must be JSON of rows [ms, open, high, low, close, volume], was {found}...")
    return pd.DataFrame(rows, columns=BY_WIDTH[width])


def _csv(text: str) -> pd.DataFrame:
    lines = [line.rstrip("\n") for line in islice(io.StringIO(text), FIRST_LINES)]
    skipped = next((place for place, line in enumerate(lines) if not PREAMBLE.match(line)), len(lines) - 1)
    separator = max(SEPARATORS, key=lines[skipped].count)
    first = _fields(lines[skipped], separator)
    if len(first) == 1:
        raise UnreadableFileError(f"must be a table, its first line was {lines[skipped][:SHOWN]!r}; {WANTED}")
    has_header = not any(_is_number(field) for field in first[1:5])
    if not has_header and len(first) not in BY_WIDTH:
        raise UnreadableFileError(
            f"must name its columns in the first line unless it has 6 or 12 of them, had {len(first)}"
        )
    columns = [field.strip("<># ") for field in first] if has_header else BY_WIDTH[len(first)]
    if not NAMES.intersection(map(plain_name, columns)):
        raise UnreadableFileError(
            f"must be a table of candles, its first line was {lines[skipped][:SHOWN]!r}; {WANTED}"
        )
    body = [line for line in lines[skipped + has_header :] if line.strip()]
    if not body:
        raise UnreadableFileError("has a header but no rows")
    n_fields = len(_fields(body[0], separator))
    if body[0].endswith(separator) and n_fields == len(columns) + 1:
        columns = [*columns, "after the last separator"]
    if n_fields > len(columns):
        raise UnreadableFileError(
            f"must have as many fields as columns ({len(columns)}), had {n_fields} in its first row "
            "(decimal commas? write numbers with a point)"
        )
    return _parsed(text, separator, skipped + has_header, columns)


def _parsed(text: str, separator: str, n_skipped: int, columns: list[str]) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=None,
            skiprows=n_skipped,
            names=list(range(len(columns))),  # numbers, since pandas would rename a column that comes twice
            index_col=False,
            skipinitialspace=True,
            dtype="str",  # nothing is guessed: what cannot be used is kept as it was written
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise UnreadableFileError(f"is not a regular table: {_in_words(error)}") from error
    table.columns = pd.Index(columns)
    return table


def _in_words(error: Exception) -> str:
    """What pandas' parser stumbled over, in the words of a person."""
    if found := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
        wanted, line, seen = found.groups()
        return f"line {line} has {seen} fields, not {wanted} as the columns; {WANTED}"
    if "EOF inside string" in str(error):
        return "a quotation mark is opened and never closed"
    return str(error).strip()


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error as error:
        raise UnreadableFileError(f"is not a regular table: {error}") from error


def _is_number(field: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9][0-9.,]*([eE][-+]?[0-9]+)?", field.strip()) is not None
