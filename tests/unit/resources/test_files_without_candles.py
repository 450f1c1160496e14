"""Files that never held candles, given to the import by mistake: each is told which formats are read."""

import io
import zipfile
from pathlib import Path

import pytest

from pipeline.domain.errors import UnreadableFileError
from resources.candle_files import read_candle_file
from tests.support.candle_rows import csv_lines

FORMATS = "parquet, feather, CSV, JSON or a zip"


def office(*members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for member in members:
            archive.writestr(member, "application/vnd.oasis" if member == "mimetype" else "<xml/>")
    return packed.getvalue()


# name: (content, words of the message beside the formats)
NO_CANDLES: dict[str, tuple[str | bytes, str]] = {
    "README.md": (
        "# Candles\n\nThey open, rise, and close.\nSome fall.\n\n| a | b |\n|---|---|\n",
        "must be a table of candles, its first line was 'They open, rise, and close.'",
    ),
    "BTCUSDT-1h.py": ("import os, sys\n\nprint(os.getcwd(), sys.path, 1, 2)\n", "its first line was 'import os, sys'"),
    "BTCUSDT-1h.txt": ("Dear Sir, I write to you,\nabout, well, candles.\n", "its first line was 'Dear Sir, I"),
    "BTCUSDT-1h.log": ("2024-01-01 12:00:00,123 INFO started\n", "its first line was '2024-01-01 12:00:00,123 INFO"),
    "BTCUSDT-1h.toml": ('[market]\nsource = "files"\n', "must be a table, its first line was '[market]'"),
    "BTCUSDT-1h.png": (b"\x89PNG\r\n\x1a\n\x00\x00", "was a PNG image"),
    "BTCUSDT-1h.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "was a JPEG image"),
    "BTCUSDT-1h.pdf": (b"%PDF-1.7\n%\xe2\xe3", "was a PDF document"),
    "BTCUSDT-1h.pkl": (b"\x80\x05\x95\x00", "was a pickle of Python"),
    "BTCUSDT-1h.docx": (
        office("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
        "of Word, Excel or the like",
    ),
    "BTCUSDT-1h.xlsx": (office("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), "save its table as CSV"),
    "BTCUSDT-1h.ods": (office("mimetype", "content.xml"), "was a document of Word, Excel or the like"),
}


@pytest.mark.parametrize("name", NO_CANDLES)
def test_a_file_without_candles_is_told_the_formats_and_no_word_of_a_parser(name, tmp_path):
    content, words = NO_CANDLES[name]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)

    with pytest.raises(UnreadableFileError) as refusal:
        read_candle_file(path, "binance")

    message = str(refusal.value)
    assert FORMATS in message
    assert words in message
    assert not any(jargon in message for jargon in ("tokenizing", "decimal commas", "Expecting value", "[Content"))
    assert "\n" not in message


def read_text(folder: Path, text: str) -> str:
    path = folder / "BTCUSDT-1h.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableFileError) as refusal:
        read_candle_file(path, "binance")
    return str(refusal.value)


def test_a_row_that_is_too_long_is_named_by_its_line_in_the_file(tmp_path):
    said = read_text(tmp_path, "\n".join(["# exported", *csv_lines(3), "1,2,3,4,5,6,7,8"]))
    assert "is not a regular table: line 6 has 8 fields, not 6 as the columns" in said
    assert "C error" not in said


def test_an_open_quotation_is_named(tmp_path):
    said = read_text(tmp_path, "\n".join([*csv_lines(3), '1704067200000,"1,2,1']))
    assert said.endswith("is not a regular table: a quotation mark is opened and never closed")


def test_json_of_another_shape_is_quoted_on_one_line(tmp_path):
    said = read_text(tmp_path, '{\n  "cells": [],\n  "metadata": {}\n}\n')
    assert 'must be JSON of rows [ms, open, high, low, close, volume], was { "cells": [], "metadata": {} }' in said
