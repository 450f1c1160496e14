"""Candle files that people really have and that are wrong: what each is told, and what survives all the same.

A row is a file and the words of its message that say what was found and what to do. Files that are odd but
leave no doubt are in the second table, with what becomes of their rows.
"""

import gzip
import io
import random
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.contracts.candles import Candles
from pipeline.domain.errors import UnreadableFileError
from pipeline.domain.timeframe import Timeframe
from pipeline.market.cleaning import Cleaned, clean
from resources.candle_files import check_something_is_left, read_candle_file
from resources.candle_names import SUFFIXES
from resources.file_search import find_files
from tests.support.candle_rows import NOW, csv_lines, raw_rows

NAME = "BTCUSDT-1h.csv"
HEADER = "timestamp,open,high,low,close,volume"


def csv(n_rows: int = 30) -> str:
    return "\n".join(csv_lines(n_rows)) + "\n"


def changed(change: Callable[[pd.DataFrame], object]) -> str:
    """The CSV of valid rows after a change of the table; times are in ``timestamp``."""
    table = pd.read_csv(io.StringIO(csv()))
    result = change(table)
    return str((table if result is None else result).to_csv(index=False))


def times(per: Callable[[int, int], object]) -> str:
    """The CSV with other times: ``per`` gets the number of a row and its milliseconds."""
    return changed(lambda t: t.assign(timestamp=[per(row, ms) for row, ms in enumerate(t["timestamp"])]))


def packed(kind: str, n_rows: int = 2000) -> bytes:
    file = io.BytesIO()
    getattr(raw_rows(n_rows), f"to_{kind}")(file)
    return file.getvalue()


def zipped(**members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def locked_zip() -> bytes:
    """A zip whose header says that its member is encrypted."""
    content = bytearray(zipped(a=csv()))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE candles (open REAL)")
    return connection.serialize()


def decimal_commas(separator: str) -> str:
    rows = [line.replace(",", separator).replace(".", ",") for line in csv_lines(30)]
    return "\n".join(rows)


# kind: (name, content, words of the message)
REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "empty": (NAME, "", "is empty; download or export it again"),
    "only blank lines": (NAME, "\n \n\n", "is empty"),
    "header without rows": (NAME, HEADER + "\n", "has a header but no rows"),
    "parquet without rows": ("1h/BTCUSDT.parquet", packed("parquet", 0), "has columns but no rows"),
    "web page": (NAME, "<!DOCTYPE html><title>404</title>", "is a web page, not data"),
    "error of a storage service": (NAME, "<?xml version='1.0'?><Error>NoSuchKey</Error>", "is a web page"),
    "prose": (NAME, "Please accept our terms of use first.\n", "must be a table, its first line was 'Please"),
    "binary garbage": (NAME, bytes(range(256)) * 9, "must be parquet, feather, CSV, JSON or a zip, was b'"),
    "text of another encoding": (NAME, "Zeitpunkt;Öffnung\n".encode("latin-1"), "must be parquet, feather, CSV"),
    "database": ("BTCUSDT-1h.sqlite", database(), "is an SQLite database; export the table as CSV"),
    "workbook": ("BTCUSDT-1h.csv", zipped(**{"xl/workbook.xml": "<x/>"}), "is an Excel workbook; save the sheet"),
    "old workbook": (NAME, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, "is an Excel workbook"),
    "HDF5": ("BTCUSDT-1h.h5", b"\x89HDF\r\n\x1a\n" * 9, "is an HDF5 file; convert it"),
    "7z": ("BTCUSDT-1h.7z", b"7z\xbc\xaf\x27\x1c" * 9, "is packed with 7z; unpack it"),
    "truncated parquet": ("1h/BTCUSDT.parquet", packed("parquet")[:9000], "is a damaged or truncated parquet"),
    "truncated feather": ("BTC_USDT-1h.feather", packed("feather")[:9000], "is a damaged or truncated feather"),
    "truncated zip": ("BTCUSDT-1h.zip", zipped(a=csv())[:900], "is a damaged or truncated zip"),
    "truncated gzip": (NAME + ".gz", gzip.compress(csv().encode())[:200], "is a damaged or truncated gzip"),
    "truncated JSON": ("BTC_USDT-1h.json", "[[1704067200000,1,2,1,1,1],[17040", "is damaged JSON"),
    "JSON of brackets": ("BTC_USDT-1h.json", "[" * 100_000, "is damaged JSON"),
    "zip with a password": ("BTCUSDT-1h.zip", locked_zip(), "is a zip with a password; unpack it"),
    "zip of two files": (
        "BTCUSDT-1h.zip",
        zipped(**{"1.csv": csv(), "2.csv": csv()}),
        "must be a zip of one file, held 2 (1.csv, 2.csv); unpack it",
    ),
    "zip of nothing": ("BTCUSDT-1h.zip", zipped(), "must be a zip of one file, held 0"),
    "zip in a zip": ("BTCUSDT-1h.zip", zipped(a=zipped(b="").decode("latin-1")), "is an archive in an archive"),
    "JSON of another shape": ("BTC_USDT-1h.json", '{"data": []}', "must be JSON of rows [ms, open, high, low"),
    "JSON of pairs": ("BTC_USDT-1h.json", '["BTC/USDT", "ETH/USDT"]', "must be JSON of rows [ms, open, high"),
    "JSON of no rows": ("BTC_USDT-1h.json", "[]", "must be JSON of rows [ms, open, high"),
    "column missing": (NAME, changed(lambda t: t.drop(columns="low")), "lacks low (has timestamp, open, high, close"),
    "volume missing": (NAME, changed(lambda t: t.drop(columns="volume")), "lacks volume (has timestamp, open"),
    "only the quote's volume": (
        NAME,
        changed(lambda t: t.rename(columns={"volume": "Volume USDT"})),
        "must have the volume in BTC, has volume_usdt; call the right column volume",
    ),
    "column twice": (NAME, csv().replace(HEADER, HEADER.replace("high", "close")), "lacks high"),
    "column twice beside all others": (
        NAME,
        changed(lambda t: t.assign(again=1)).replace("again", "close"),
        "must have each column once, has close 2 times",
    ),
    "no header and 8 columns": (NAME, "1704067200000,1,2,1,1,1,0,0\n" * 9, "must name its columns in the first line"),
    "more fields than columns": (NAME, csv() + "1704067200000,1,2,1,1,1,1,1\n", "is not a regular table"),
    "open quotation": (NAME, csv() + '1704067200000,"1,2,1\n', "is not a regular table"),
    "decimal commas": (NAME, decimal_commas(";"), "must hold numbers like 42283.58, holds '100,0'; write them with"),
    "decimal commas between commas": (NAME, decimal_commas(","), "must have as many fields as columns (6), had 11"),
    "thousands separators": (
        NAME,
        changed(lambda t: t.assign(close=[f"42,283.{row}" for row in range(30)])),
        "column close must hold numbers like 42283.58, holds '42,283.0'",
    ),
    "seconds": (
        NAME,
        times(lambda _, ms: ms // 1000),
        "times must be milliseconds since 1970, were seconds (1704067200); multiply them by 1000",
    ),
    "nanoseconds": (NAME, times(lambda _, ms: ms * 10**6), "were nanoseconds (1704067200000000000); divide them"),
    "mixed units": (
        NAME,
        times(lambda row, ms: ms * 1000 if row > 19 else ms),
        "times must be of one unit, were milliseconds in row 1, microseconds in row 21; split the file",
    ),
    "day before month": (
        NAME,
        times(lambda _, ms: f"{pd.Timestamp(ms, unit='ms'):%d/%m/%Y %H:%M}"),
        "times must be written like 2024-01-31 13:00 (year, month, day) or as milliseconds since 1970, were '01/01",
    ),
    "times of day only": (NAME, times(lambda row, _: f"{row % 24:02}:00"), "times must be written like 2024"),
    "dates as numbers": (NAME, times(lambda row, _: 20240101 + row), "times must be dates or milliseconds"),
    "no times": (NAME, times(lambda *_: None), "times must be given, the column is empty"),
    "times of 1970": (
        NAME,
        times(lambda _, ms: pd.Timestamp(ms // 1000, unit="ms")),
        "times must lie between 2009 and now, the first was 1970-01-20",
    ),
    "no symbol in the name": ("prices-1h.csv", csv(), "must name its symbol, does not; call it like BTC_USDT-1h"),
    "no timeframe in the name": ("BTCUSDT.csv", csv(), "must name its timeframe, does not; pass --timeframe"),
    "a month in the name": ("BTCUSDT-1mo-2024.csv", csv(), "timeframe must be one of 1m 3m 5m"),
    "8 hours in the name": ("BTCUSDT-8h.csv", csv(), "12h 1d 1w, was 8h by its name"),
    "two timeframes in the name": ("BTCUSDT-1h-from-5m.csv", csv(), "must name one timeframe, named 1h and 5m"),
    "wrong timeframe in the name": (
        "BTCUSDT-4h.csv",
        csv(),
        "timeframe must be that of its rows, which are 1h apart, was 4h",
    ),
    "a shorter timeframe in the name": ("BTCUSDT-15m.csv", csv(), "which are 1h apart, was 15m"),
    "wrong timeframe in two rows": ("BTCUSDT-4h.csv", csv(2), "which are 1h apart, was 4h"),
    "two symbols": (
        "all-1h.csv",
        changed(lambda t: t.assign(symbol=["BTCUSDT", "ETHUSDT"] * 15)),
        "must hold one symbol, holds 2 (BTCUSDT, ETHUSDT); write a file for each",
    ),
    "two timeframes": (NAME, changed(lambda t: t.assign(tf=["1h", "4h"] * 15)), "must hold one timeframe, holds 2"),
    "a symbol that is none": (NAME, changed(lambda t: t.assign(symbol="Bitcoin")), "symbol must read like BTC/USDT"),
    "an interval that is none": (NAME, changed(lambda t: t.assign(interval="8h")), "was '8h' in the file"),
    "mark prices": ("BTC_USDT_USDT-1h-mark.csv", csv(), "must hold traded candles, holds mark or index prices"),
    "funding rates": ("BTC_USDT_USDT-8h-funding_rate.csv", csv(), "must hold traded candles"),
}  # fmt: skip


def stored(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_file_is_refused_with_its_name_what_was_found_and_what_to_do(kind, tmp_path):
    name, content, words = REFUSED[kind]
    path = stored(tmp_path, name, content)

    with pytest.raises(UnreadableFileError) as refusal:
        read_candle_file(path, "binance")

    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "\n" not in message
    assert len(message) < 400 + len(str(path))


# kind: (name, content, candles that come of it, refused rows by reason, conflicting bars, late rows)
ODD: dict[str, tuple[str, str | bytes, int, dict[str, int], int, int]] = {
    "f04 two files in one": (NAME, csv() + "\n".join(csv_lines(30, header="")), 30, {}, 0, 29),
    "f04 copies that differ": (NAME, csv() + "1704067200000,100,105,90,101,7\n", 30, {}, 1, 1),
    "f05 unsorted": (NAME, changed(lambda t: t.iloc[[*range(12, 30), *range(12)]]), 30, {}, 0, 12),
    "f05 newest first": (NAME, changed(lambda t: t.iloc[::-1]), 30, {}, 0, 29),
    "f06 a broken range": (NAME, csv() + "1704175200000,100,99,98,97,1\n", 30, {"broken_range": 1}, 0, 0),
    "f06 a price of zero": (NAME, csv() + "1704175200000,100,101,0,100,1\n", 30, {"non_positive_price": 1}, 0, 0),
    "f07 an empty value": (NAME, csv() + "1704175200000,100,101,,100,1\n", 30, {"not_finite": 1}, 0, 0),
    "f07 a line that broke off": (NAME, csv() + "1704175200000,100,10", 30, {"not_finite": 1}, 0, 0),
    "f07 a word": (NAME, csv() + "1704175200000,100,101,99,null?,1\n", 30, {"unreadable_number": 1}, 0, 0),
    "f13 a row of 1970": (NAME, csv() + "0,100,101,99,100,1\n", 30, {"time_out_of_range": 1}, 0, 0),
    "header in the middle": (NAME, csv(20) + csv(30), 30, {"unreadable_time": 1}, 0, 19),
    "header in the middle, with symbols": (
        "all-1h.csv",
        changed(lambda t: t.assign(symbol="BTCUSDT")) + HEADER + ",symbol\n",
        30,
        {"unreadable_time": 1},
        0,
        0,
    ),
    "a total at the end": (NAME, csv() + "Total,,,,,735\n", 30, {"unreadable_time": 1}, 0, 0),
    "f01 a bar that is still open": (NAME, csv() + "1719792000000,100,101,99,100,1\n", 30, {"not_closed": 1}, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_file_is_read_and_what_is_dropped_is_said(kind, tmp_path):
    name, content, n_candles, refused, merged, out_of_order = ODD[kind]
    path = stored(tmp_path, name, content)

    cleaned = clean(read_candle_file(path, "binance"), NOW)

    check_something_is_left(path, cleaned)
    assert len(cleaned.candles) == n_candles
    assert cleaned.refused["reason"].value_counts().to_dict() == refused
    assert (cleaned.merged, cleaned.out_of_order) == (merged, out_of_order)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """The content after one to five accidents: a flipped byte, a hole, a stray character, an early end."""
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(content) + 1)
        stray = rng.choice([b",", b"\n", b"\r", b'"', b"\x00", b"-", b"1e999", b"\xff", bytes([rng.randrange(256)])])
        kept = rng.choice([content[at + 1 :], content[at + 40 :], content[at:], content[at:], b""])
        content = content[:at] + stray + kept
    return content


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "feather", "zip", "gz"])
def test_damage_gives_candles_or_a_refusal_and_never_anything_else(kind, tmp_path):
    rng = random.Random(kind)
    json_rows = "[" + ",".join(f"[{line}]" for line in csv_lines(30, header="")) + "]"
    content = {
        "csv": csv().encode(),
        "json": json_rows.encode(),
        "parquet": packed("parquet", 30),
        "feather": packed("feather", 30),
        "zip": zipped(a=csv()),
        "gz": gzip.compress(csv().encode()),
    }[kind]
    refused = 0
    for _ in range(60):
        path = stored(tmp_path, f"BTCUSDT-1h.{kind}", damaged(content, rng))
        try:
            cleaned = clean(read_candle_file(path, "binance"), NOW)
            Candles.validate(cleaned.candles)
        except UnreadableFileError:
            refused += 1

    assert refused > 0


def test_f06_a_file_of_which_every_row_is_refused_says_so_with_counts(tmp_path):
    path = stored(tmp_path, NAME, changed(lambda t: t.assign(low=0.0, volume=-1.0)))
    cleaned = clean(read_candle_file(path, "binance"), NOW)

    with pytest.raises(UnreadableFileError, match=r"all 30 rows were refused \(30 non_positive_price\); docs/"):
        check_something_is_left(path, cleaned)


def test_f13_a_local_time_without_offset_shows_at_the_grid(tmp_path):
    local = times(lambda _, ms: f"{pd.Timestamp(ms + 19_800_000, unit='ms'):%Y-%m-%d %H:%M}")  # +05:30
    path = stored(tmp_path, NAME, local)
    cleaned = clean(read_candle_file(path, "binance"), NOW)

    with pytest.raises(UnreadableFileError, match="30 off_grid"):
        check_something_is_left(path, cleaned)


def test_nothing_read_and_nothing_refused_is_no_fault(tmp_path):
    empty = clean(raw_rows(0), NOW)

    check_something_is_left(tmp_path, Cleaned(empty.candles, empty.refused, 0, 0))


def test_what_was_asked_for_must_agree_with_the_file(tmp_path):
    labelled = changed(lambda t: t.assign(symbol="BTCUSDT", interval="1h"))
    path = stored(tmp_path, NAME, labelled)

    with pytest.raises(UnreadableFileError, match="symbol must be ETH/USDT as asked for, was BTC/USDT in the file"):
        read_candle_file(path, "binance", symbol="ETH/USDT")
    with pytest.raises(UnreadableFileError, match="timeframe must be 4h as asked for, was 1h in the file"):
        read_candle_file(path, "binance", Timeframe.H4)


def test_a_path_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match="must exist, there is no such file or folder"):
        find_files([tmp_path / "nothing.csv"], SUFFIXES)


def test_a_folder_without_candle_files_is_refused(tmp_path):
    stored(tmp_path, "README.md", "hello")

    with pytest.raises(UnreadableFileError, match=r"must hold files named \.parquet \.feather .* held none"):
        find_files([tmp_path], SUFFIXES)


def test_a_link_to_nowhere_is_found_and_refused(tmp_path):
    (tmp_path / NAME).symlink_to(tmp_path / "gone.csv")

    (path,) = find_files([tmp_path], SUFFIXES)

    with pytest.raises(UnreadableFileError, match=f"{NAME}: must be readable, was not: No such file"):
        read_candle_file(path, "binance")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = stored(tmp_path, NAME, csv())
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        pass
    else:
        pytest.skip("this user may read every file")

    with pytest.raises(UnreadableFileError, match="must be readable, was not: Permission denied"):
        read_candle_file(path, "binance")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(UnreadableFileError, match="must be readable, was not: Is a directory"):
        read_candle_file(tmp_path, "binance")


def test_a_file_too_large_to_take_apart_is_refused(tmp_path):
    path = tmp_path / NAME
    with path.open("wb") as file:
        file.truncate(2**30 + 1)  # sparse: takes no space

    with pytest.raises(UnreadableFileError, match="must be at most 1,073,741,824 bytes, was 1,073,741,825; split it"):
        read_candle_file(path, "binance")
