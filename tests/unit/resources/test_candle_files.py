"""Candle files that are as they should be: every format, naming and notation that we promise to read."""

import gzip
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.market.cleaning import RAW, clean
from resources.candle_files import read_candle_file
from resources.candle_names import SUFFIXES, symbol_of, timeframe_called, timeframe_of
from resources.file_search import find_files
from tests.support.candle_rows import NOW, START, csv_lines, raw_rows
from tests.support.real_data import real_data

N = 30
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)


def times_of(rows: pd.DataFrame, unit: str) -> list[int]:
    return rows["open_at"].dt.as_unit(unit).astype("int64").tolist()


def klines(unit: str, *, is_headed: bool) -> str:
    """Binance's twelve columns."""
    rows = raw_rows(N)
    lines = [
        f"{at},{row.open:.8f},{row.high:.8f},{row.low:.8f},{row.close:.8f},{row.volume:.8f},{at},1.0,5,0.5,0.5,0"
        for at, row in zip(times_of(rows, unit), rows.itertuples(), strict=True)
    ]
    return "\n".join([KLINE_HEADER, *lines] if is_headed else lines) + "\n"


def klines_of_the_api() -> str:
    """Times and counts as numbers, all else as text."""
    rows = [line.split(",") for line in klines("ms", is_headed=False).split()]
    return json.dumps([[int(row[0]), *row[1:6], int(row[6]), row[7], int(row[8]), *row[9:]] for row in rows])


def plain(n_rows: int = N) -> pd.DataFrame:
    """Times and values alone, as a file holds them."""
    return raw_rows(n_rows)[RAW[3:]].rename(columns={"open_at": "date"})


def text(separator: str = ",", **names: str) -> str:
    return str(plain().rename(columns=names).to_csv(index=False, sep=separator))


def zipped(content: str, name: str = "BTCUSDT-1h-2024-01.csv") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.writestr(f"__MACOSX/._{name}", b"\x00\x05")
    return packed.getvalue()


def columnar(frame: pd.DataFrame, kind: str, **options: object) -> bytes:
    packed = io.BytesIO()
    getattr(frame, f"to_{kind}")(packed, **options)
    return packed.getvalue()


def freqtrade_json() -> str:
    rows = plain().assign(date=times_of(raw_rows(N), "ms"))
    return json.dumps([list(row) for row in rows.astype(object).to_numpy().tolist()])


def crypto_data_download() -> str:
    """A line of advertising, the newest first, seconds beside dates, two volumes."""
    rows = raw_rows(N).iloc[::-1]
    lines = [
        f"{at},{row.open_at:%Y-%m-%d %H:%M:%S},BTC/USDT,{row.open},{row.high},{row.low},{row.close},"
        f"{row.close * row.volume},{row.volume},77"
        for at, row in zip(times_of(rows, "s"), rows.itertuples(), strict=True)
    ]
    header = "Unix,Date,Symbol,Open,High,Low,Close,Volume USDT,Volume BTC,tradecount"
    return "\n".join(["https://www.CryptoDataDownload.com", header, *lines])


def with_dates(form: str) -> str:
    return str(plain().assign(date=raw_rows(N)["open_at"].dt.strftime(form)).to_csv(index=False))


def meta_trader() -> str:
    """Day and time of day apart, names in angle brackets."""
    rows = raw_rows(N)
    lines = [
        f"{row.open_at:%Y.%m.%d}\t{row.open_at:%H:%M:%S}\t{row.open}\t{row.high}\t{row.low}\t{row.close}\t{row.volume}"
        for row in rows.itertuples()
    ]
    return "\n".join(["<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>", *lines])


FILES: dict[str, tuple[str, str | bytes]] = {
    "csv": ("BTCUSDT-1h.csv", text()),
    "csv of upper case": ("BTCUSDT-1h.csv", text(date="Date", open="OPEN", close="Close", volume="Volume")),
    "csv with tabs": ("BTCUSDT-1h.tsv", text("\t")),
    "csv with semicolons": ("BTCUSDT-1h.csv", text(";")),
    "csv from a spreadsheet": ("BTCUSDT-1h.csv", b"\xef\xbb\xbfsep=;\r\n" + text(";").encode()),
    "csv in UTF-16": ("BTCUSDT-1h.csv", text().encode("utf-16")),
    "csv with an index": ("BTCUSDT-1h.csv", str(plain().to_csv())),
    "csv with times as an unnamed index": (
        "BTCUSDT-1h.csv",
        str(plain().rename(columns={"date": ""}).to_csv(index=False)),
    ),
    "csv without header": ("BTCUSDT-1h.csv", "\n".join(csv_lines(N, header=""))),
    "csv with a comment": ("BTCUSDT-1h.csv", "# exported yesterday\n\n" + text()),
    "csv with a comment as header": ("BTCUSDT-1h.csv", "# " + text()),
    "csv that ends lines with a comma": (
        "BTCUSDT-1h.csv",
        text().replace("\n", ",\n").replace(",\n", "\n", 1),
    ),
    "csv with offsets": ("BTCUSDT-1h.csv", with_dates("%Y-%m-%dT%H:%M:%S+00:00")),
    "csv with dates without offset": ("BTCUSDT-1h.csv", with_dates("%Y-%m-%d %H:%M")),
    "csv with a 12-hour clock": ("BTCUSDT-1h.csv", with_dates("%Y-%m-%d %I-%p")),
    "csv of MetaTrader": ("BTCUSD-1h.csv", meta_trader()),
    "csv gzipped": ("BTCUSDT-1h.csv.gz", gzip.compress(text().encode())),
    "csv with a symbol column": ("candles-1h.csv", str(plain().assign(ticker="BTCUSDT").to_csv(index=False))),
    "csv with all columns of ours": ("export.csv", str(raw_rows(N).to_csv(index=False))),
    "klines with header, ms": ("BTCUSDT-1h-2024-01.csv", klines("ms", is_headed=True)),
    "klines without header, ms": ("BTCUSDT-1h-2024-01.csv", klines("ms", is_headed=False)),
    "klines without header, us": ("BTCUSDT-1h-2025-01.csv", klines("us", is_headed=False)),
    "klines zipped": ("BTCUSDT-1h-2024-01.zip", zipped(klines("us", is_headed=True))),
    "klines as the API sends them": ("BTCUSDT-1h.json", klines_of_the_api()),
    "crypto data download": ("Binance_BTCUSDT_1h.csv", crypto_data_download()),
    "freqtrade json": ("BTC_USDT-1h.json", freqtrade_json()),
    "freqtrade json, gzipped": ("BTC_USDT-1h.json.gz", gzip.compress(freqtrade_json().encode())),
    "freqtrade feather": ("BTC_USDT-1h.feather", columnar(plain(), "feather", compression="lz4")),
    "parquet": ("1h/BTCUSDT.parquet", columnar(plain(), "parquet")),
    "parquet with a time index": ("1h/BTCUSDT.parquet", columnar(plain().set_index("date"), "parquet")),
    "parquet with an unnamed time index": (
        "1h/BTCUSDT.parquet",
        columnar(plain().set_index("date").rename_axis(None), "parquet"),
    ),
    "parquet with times without zone": (
        "1h/BTCUSDT.parquet",
        columnar(plain().assign(date=plain()["date"].dt.tz_localize(None)), "parquet"),
    ),
    "parquet with milliseconds": (
        "1h/BTCUSDT.parquet",
        columnar(plain().assign(date=times_of(raw_rows(N), "ms")), "parquet"),
    ),
    "parquet under the name of a csv": ("BTCUSDT-1h.csv", columnar(plain(), "parquet")),
}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("kind", FILES)
def test_every_usual_file_gives_the_candles_that_were_written_to_it(kind, tmp_path):
    path = written(tmp_path, *FILES[kind])

    cleaned = clean(read_candle_file(path, "binance"), NOW)

    expected = raw_rows(N, symbol="BTC/USD" if "MetaTrader" in kind else "BTC/USDT")
    pd.testing.assert_frame_equal(cleaned.candles, expected)
    assert cleaned.refused.empty


def test_offsets_are_converted(tmp_path):
    lines = [f"2024-01-01T{hour + 5:02}:30:00+05:30,1,2,0.5,1.5,9" for hour in range(4)]
    path = written(tmp_path, "BTCUSDT-1h.csv", "\n".join(["time,open,high,low,close,volume", *lines]))

    rows = read_candle_file(path, "binance")

    assert rows["open_at"].tolist() == [pd.Timestamp(START + timedelta(hours=hour)) for hour in range(4)]


def test_texts_of_numbers_lose_nothing_on_the_way(tmp_path):
    number = "0.30000000000000004"
    lines = [line.replace("11.0", number) for line in csv_lines(4)]
    path = written(tmp_path, "BTCUSDT-1h.csv", "\n".join(lines))

    assert clean(read_candle_file(path, "binance"), NOW).candles["volume"].iloc[1] == float(number)


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe"),
    [
        ("BTCUSDT-1h.csv", "BTC/USDT", "1h"),
        ("btcusdt_15m.csv", "BTC/USDT", "15m"),
        ("BTC_USDT-1h.feather", "BTC/USDT", "1h"),
        ("STETH_USDT-4h.feather", "STETH/USDT", "4h"),
        ("SOL_BRL-1d.feather", "SOL/BRL", "1d"),
        ("BTC_USDT_USDT-1h-futures.feather", "BTC/USDT:USDT", "1h"),
        ("1h/BTCUSDT.parquet", "BTC/USDT", "1h"),
        ("1h/ETH_BTC.parquet", "ETH/BTC", "1h"),
        ("BTCUSDT/1h/2024-01.csv", "BTC/USDT", "1h"),
        ("ETCUSDT_1h_head3000.csv", "ETC/USDT", "1h"),
        ("BTCUSDT-1h-2024-01.zip", "BTC/USDT", "1h"),
        ("BTCUSDT_1h_365d.csv", "BTC/USDT", "1h"),
        ("Binance_BTCUSDT_d.csv", "BTC/USDT", "1d"),
        ("Bitstamp_BTCUSD_2021_minute.csv", "BTC/USD", "1m"),
        ("Kraken-ETHBTC-60min.csv", "ETH/BTC", "1h"),
        ("1000PEPEUSDT-1H.csv.gz", "1000PEPE/USDT", "1h"),
        ("btc-perp_1m_head2000.csv", "BTC/PERP", "1m"),
        ("BTC-USDT-SWAP_1h.csv", "BTC/USDT:USDT", "1h"),
        ("USDC_USDT-1h.feather", "USDC/USDT", "1h"),
        ("country_data_1w.csv", None, "1w"),
        ("Kraken_BTC_1h.csv", None, "1h"),  # of which pair?
        ("BTCUSD_PERP-1h.csv", None, "1h"),  # settled in which currency?
        ("BTC_USDT_vs_ETH_USDT.csv", None, None),
        ("candles.csv", None, None),
    ],
)
def test_names_tell_symbol_and_timeframe_or_nothing(name, symbol, timeframe):
    path = Path("/data/market") / name

    assert (symbol_of(path), timeframe_of(path)) == (symbol, timeframe)


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_timeframes_are_understood_as_exchanges_write_them(timeframe):
    assert timeframe_called(timeframe) is timeframe


def test_what_is_given_goes_before_what_names_tell(tmp_path):
    path = written(tmp_path, "ETHUSDT-4h.csv", text())

    rows = read_candle_file(path, "binance", Timeframe.H1, "btc_usdt")

    assert set(rows["symbol"]) == {"BTC/USDT"}
    assert set(rows["timeframe"]) == {"1h"}


def test_bars_without_trades_may_be_missing_from_a_file(tmp_path):
    path = written(
        tmp_path,
        "BTCUSDT-1h.csv",
        "\n".join(csv_lines(100)[:1] + csv_lines(100)[1::3] + csv_lines(100)[50:60]),
    )

    assert set(read_candle_file(path, "binance")["timeframe"]) == {"1h"}


def test_single_bad_values_are_left_to_cleaning(tmp_path):
    lines = csv_lines(10)
    lines[3] = lines[3].replace("103.0", "n/a?")
    lines[5] = "sometime" + lines[5][13:]
    path = written(tmp_path, "BTCUSDT-1h.csv", "\n".join(lines))

    cleaned = clean(read_candle_file(path, "binance"), NOW)

    assert len(cleaned.candles) == 8
    assert list(cleaned.refused["reason"]) == ["unreadable_number", "unreadable_time"]
    assert cleaned.refused["row"].iloc[1]["open_at"] == "sometime"


@pytest.mark.parametrize(("exchange", "symbol"), [("Binance", None), ("", None), ("binance", "BTC")])
def test_a_malformed_exchange_or_symbol_is_refused(exchange, symbol, tmp_path):
    with pytest.raises(DataContractError):
        read_candle_file(written(tmp_path, "BTCUSDT-1h.csv", text()), exchange, symbol=symbol)


def test_folders_are_searched_and_each_file_is_found_once(tmp_path):
    for name in ("a/BTCUSDT-1h.csv", "a/b.zip", "a/.hidden.csv", "a/notes.txt", "b/X.PARQUET", "c.json.gz"):
        written(tmp_path, name, "x")
    (tmp_path / "b" / "link.csv").symlink_to(tmp_path / "c.json.gz")

    found = find_files([tmp_path / "a", tmp_path, tmp_path / "a" / "notes.txt"], SUFFIXES)

    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["a/BTCUSDT-1h.csv", "a/b.zip", "b/X.PARQUET", "b/link.csv", "a/notes.txt"]


def test_real_candles_of_all_sources_are_read_without_loss():
    files = find_files([real_data("candles")], SUFFIXES)
    for path in files:
        rows = read_candle_file(path, "binance")
        cleaned = clean(rows, NOW.replace(year=2026))
        assert (len(cleaned.candles), cleaned.merged, cleaned.out_of_order) == (len(rows), 0, 0), path
        assert set(rows["timeframe"]) == {path.parent.name}, path
        assert set(rows["symbol"].str.replace("/", "")) == {path.stem.replace("-", "")}, path
    assert len(files) > 100


@pytest.mark.parametrize(
    ("folder", "symbol", "timeframe", "n_rows", "first_close"),
    [
        ("csv_misrori", "ETC/USDT", "1h", 3000, 14.3103),
        ("csv_nautilus", "BTC/PERP", "1m", 2000, 46377.0),
        ("freqtrade_json_nfi", "LTC/USDT", "1h", 5482, 86.37),
        ("freqtrade_feather_genetrader", "FTM/USDT", "1d", 250, 0.5049),
    ],
)
def test_real_files_in_their_native_form_are_read(folder, symbol, timeframe, n_rows, first_close):
    path = find_files([real_data("raw_samples", folder)], SUFFIXES)[0]

    cleaned = clean(read_candle_file(path, "binance"), NOW.replace(year=2026))

    assert cleaned.refused.empty
    assert len(cleaned.candles) == n_rows
    assert tuple(cleaned.candles.iloc[0][["symbol", "timeframe", "close"]]) == (
        symbol,
        timeframe,
        first_close,
    )
