"""All cases in order, each in a process of its own on one server, and the rows that they make.

The server is the embedded one with its own settings, in a folder that goes at the end.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from benchmarks.measurement import ROOT, Figures, in_own_process
from benchmarks.profiling import as_text
from benchmarks.replay_year import N_SYMBOLS as REPLAY_SYMBOLS
from benchmarks.replay_year import STORED_BARS
from benchmarks.report import Row, at_least, at_most, told
from benchmarks.stored_market import HISTORY_BARS
from benchmarks.text_speed import N_KNOWN, N_NEW, real_tweets
from pipeline.storage.server import embedded_server

SYMBOLS = 500
TEXTS_A_DAY = 3_000
JUDGED, JUDGED_BARS = 100_000, 200  # signals without an outcome; bars of each series
REPORTED = 1_000_000  # signals of a month
SWEPT, SWEPT_BARS = 100_000, 200  # signals that expire at once; bars of each series
CURVE = (50, 2_000)  # and the 500 between them
AGED_SYMBOLS = 100  # both tables ten times as long fit a small disk
PROFILE = ROOT / "benchmarks" / "profiles" / "tick.txt"
GIGABYTE = 1e9
TRAINING_BARS = (104 + 13) * 7 * 24 + 600  # the weeks that are learned from, those that judge, and their warm-up


def run(groups: Collection[str]) -> Iterator[Row]:
    """Measure some of `GROUPS`, row by row."""
    with tempfile.TemporaryDirectory(prefix="signals-") as folder, embedded_server(Path(folder)):
        for group in groups:
            yield from GROUPS[group](Path(folder))


def _start_up(home: Path) -> list[Row]:
    found = in_own_process("importing", home)
    heavy = ", ".join(found["loaded"]) or "none"
    return [
        at_most("import of `pipeline.definitions`", found["seconds"], 2.0, "s", found["peak"]),
        told("... processor time", f"{found['used_s']:.2f} s"),
        Row(
            what="clients loaded with it (keras jax ccxt praw tweepy)",
            measured=heavy,
            budget="none",
            is_met=not found["loaded"],
        ),
    ]


def _in_memory(home: Path) -> list[Row]:
    found = in_own_process("in_memory", home)
    ours = found["seconds"]
    return [
        told("indicators and strategies, 500 x 1,000 bars in memory", f"{ours:.2f} s", found["peak"]),
        told("... of which indicators", f"{found['indicators_s']:.2f} s"),
        told("... with candle patterns, levels and chart patterns too", f"{found['everything_s']:.2f} s"),
        told(f"... with {found['signals']:,} signals made, each saying why", f"{found['signals_s']:.2f} s"),
        at_least("... faster than a loop over `ta`, indicators alone", found["ta_s"] / ours, 30.0),
        told("... over TA-Lib's functions on contiguous columns, the floor", f"{ours / found['talib_s']:.1f}x"),
    ]


def _texts(home: Path) -> list[Row]:
    found = in_own_process("text_speed", home, tweets=real_tweets())
    what = f"{found['texts']:,} {'financial tweets' if found['are_real'] else 'simulated texts'}"
    return [
        at_least(f"scoring on one core, {what}", found["scored_per_s"], 5_000.0, "texts/s", found["peak"]),
        told("... over VADER on the same texts", f"{found['scored_per_s'] / found['vader_per_s']:.1f}x"),
        told("... preparing them: cleaned, dated, linked, sketched", f"{found['prepared_per_s']:,.0f} texts/s"),
        at_most(f"cleaning the slowest hostile megabyte ({found['hostile']})", 1_000 * found["hostile_s"], 50.0, "ms"),
        at_most(f"repetitions of {N_KNOWN:,} known texts among {N_NEW:,} new ones", found["duplicates_s"], 1.0, "s"),
    ]


def _tick(home: Path) -> list[Row]:
    stored = {"name": f"tick_{SYMBOLS}"}
    in_own_process("load", home, **stored, n_symbols=SYMBOLS, n_bars=HISTORY_BARS + 30)
    young = in_own_process("stages", home, **stored, first_tick=0, n_ticks=2)
    in_own_process("derive", home, **stored)
    in_own_process("publish_models", home, **stored, last_bar=HISTORY_BARS)
    found = in_own_process("stages", home, **stored, first_tick=2, n_ticks=6)
    bare = in_own_process("floor", home, **stored, tick=8)
    dagster = in_own_process("dagster_runs", home, **stored, first_tick=9, n_ticks=5)
    profile = in_own_process("profile", home, **stored, first_tick=14, n_ticks=5)
    texts = in_own_process("publish_texts", home, **stored, n_symbols=SYMBOLS, last_bar=HISTORY_BARS, a_day=TEXTS_A_DAY)
    talked = in_own_process("stages", home, **stored, first_tick=19, n_ticks=6)
    PROFILE.write_text(as_text(profile), encoding="utf-8")
    floor_parts = ", ".join(f"{part} {1_000 * bare[f'{part}_s']:.0f}" for part in ("read", "talib", "copy"))
    stage_parts = ", ".join(f"{name} {1_000 * seconds:.0f}" for name, seconds in found["stages"].items())
    return [
        at_most(f"tick, {SYMBOLS} symbols: stages and their I/O", found["seconds"], 1.5, "s", found["peak"]),
        told("... by stage, ms", stage_parts),
        told("... processor time, Python + database", _used(found)),
        at_most("... over the floor", found["seconds"] / bare["seconds"], 3.0, "x"),
        told("... over the floor, by processor time", f"{_processor(found) / _processor(bare):.2f}x"),
        told("... the floor by part, ms", floor_parts),
        told("... the floor's processor time, Python + database", _used(bare)),
        at_most("... as a Dagster run, start to success", dagster["seconds"], 3.0, "s", dagster["peak"]),
        told("... processor time, Python + database", _used(dagster)),
        told("... of which between and around the steps", f"{dagster['seconds'] - dagster['steps_s']:.2f} s"),
        at_most("... peak memory", dagster["peak"] / GIGABYTE, 1.5, "GB"),
        told(
            f"the same tick with {TEXTS_A_DAY:,} texts a day, {texts['texts']:,} in all", f"{talked['seconds']:.2f} s"
        ),
        told("... of which sentiment", f"{1_000 * talked['stages']['symbol_sentiment']:.0f} ms"),
        at_most("the same tick in the first 500 closes of a database", young["seconds"], 1.5, "s", young["peak"]),
        told("... processor time, Python + database", _used(young)),
    ]


def _training(home: Path) -> list[Row]:
    stored = {"name": "training"}
    in_own_process("load", home, **stored, n_symbols=REPLAY_SYMBOLS, n_bars=TRAINING_BARS)
    found = in_own_process("train_two_years", home, **stored, n_symbols=REPLAY_SYMBOLS, last_bar=TRAINING_BARS - 1)
    parts = ", ".join(f"{name} {seconds:.0f}" for name, seconds in found["parts"].items())
    return [
        at_most(
            f"training, {REPLAY_SYMBOLS} symbols x 2 years x 1h: all models",
            found["seconds"],
            300.0,
            "s",
            found["peak"],
        ),
        told("... by part, s", parts),
        told("... processor time, Python + database", _used(found)),
        at_most("... peak memory", found["peak"] / GIGABYTE, 4.0, "GB"),
    ]


def _aged(home: Path) -> list[Row]:
    stored = {"name": "aged"}
    in_own_process("load", home, **stored, n_symbols=AGED_SYMBOLS, n_bars=HISTORY_BARS + 20)
    in_own_process("stages", home, **stored, first_tick=0, n_ticks=2)
    in_own_process("derive", home, **stored, bars=HISTORY_BARS)
    before = in_own_process("stages", home, **stored, first_tick=2, n_ticks=8)
    in_own_process("deepen", home, **stored)
    after = in_own_process("stages", home, **stored, first_tick=10, n_ticks=8)
    what = f"tick with 10 x the history, {AGED_SYMBOLS} symbols: {before['seconds']:.2f} s -> {after['seconds']:.2f} s"
    return [
        at_most(what, after["seconds"] / before["seconds"], 1.1, "x"),
        told("... in processor time", f"{_processor(after) / _processor(before):.2f}x"),
    ]


def _curve(home: Path) -> list[Row]:
    rows = []
    for n_symbols in CURVE:
        stored = {"name": f"tick_{n_symbols}"}
        in_own_process("load", home, **stored, n_symbols=n_symbols, n_bars=HISTORY_BARS + 5)
        in_own_process("stages", home, **stored, first_tick=0, n_ticks=2)
        in_own_process("derive", home, **stored)
        found: Figures = in_own_process("stages", home, **stored, first_tick=2, n_ticks=3)
        rows.append(told(f"tick, {n_symbols:,} symbols", f"{found['seconds']:.2f} s", found["peak"]))
        rows.append(told("... processor time, Python + database", _used(found)))
    return rows


def _replay(home: Path) -> list[Row]:
    stored = {"name": "year"}
    in_own_process("load", home, **stored, n_symbols=REPLAY_SYMBOLS, n_bars=STORED_BARS)
    found = in_own_process("replay_year", home, **stored)
    what = f"replay, {REPLAY_SYMBOLS} symbols x 1 year x 1h, {found['signals']:,} signals stored"
    return [
        at_most(what, found["seconds"], 20.0, "s", found["peak"]),
        told("... processor time, Python + database", _used(found)),
        told("... once more, nothing to change", f"{found['again_s']:.1f} s"),
    ]


def _explain(home: Path) -> list[Row]:
    stored = {"name": "explain"}
    in_own_process("load", home, **stored, n_symbols=SYMBOLS, n_bars=HISTORY_BARS + 10)
    in_own_process("stages", home, **stored, first_tick=0, n_ticks=2)
    in_own_process("derive", home, **stored)
    in_own_process("stages", home, **stored, first_tick=2, n_ticks=6)
    found = in_own_process("explanations", home, **stored, n_symbols=SYMBOLS, first_tick=2, n_ticks=6)
    what = f"why a bar has a signal or none, {SYMBOLS} symbols: p95 of {found['asked']}"
    return [
        at_most(what, 1_000 * found["p95_s"], 50.0, "ms", found["peak"]),
        told("... median", f"{1_000 * found['median_s']:.1f} ms"),
        told("... over a bare read of the same rows, median", f"{found['median_s'] / found['read_s']:.1f}x"),
        told(
            "... outcomes, and differences from what is stored",
            f"{', '.join(found['outcomes'])}; {found['differences']}",
        ),
    ]


def _requests(home: Path) -> list[Row]:
    stored = {"name": "requests"}
    in_own_process("load", home, **stored, n_symbols=SYMBOLS, n_bars=HISTORY_BARS + 10)
    in_own_process("stages", home, **stored, first_tick=0, n_ticks=2)
    in_own_process("derive", home, **stored)
    in_own_process("stages", home, **stored, first_tick=2, n_ticks=2)
    found = in_own_process("requests", home, **stored, n_symbols=SYMBOLS, last_tick=3)
    return [
        at_most(
            f"POST for two of {SYMBOLS} symbols, {found['signals']} signals: p95 of {found['asked']}",
            1_000 * found["p95_s"],
            300.0,
            "ms",
            found["peak"],
        ),
        told("... median, and of one that changes nothing", f"{_ms(found['median_s'])}, {_ms(found['again_s'])}"),
        told("... processor time of one, Python + database", f"{_ms(found['python_s'])} + {_ms(found['server_s'])}"),
        told("... of Python's p95, client and server", _ms(found["python_p95_s"])),
        told("... beside the smallest answer of the same server, median", _ms(found["smallest_s"])),
    ]


def _ms(seconds: float) -> str:
    return f"{1_000 * seconds:.1f} ms"


def _outcomes(home: Path) -> list[Row]:
    stored = {"name": "outcomes"}
    in_own_process("load", home, **stored, n_symbols=SYMBOLS, n_bars=JUDGED_BARS)
    found = in_own_process("judging", home, **stored, n_signals=JUDGED, n_bars=JUDGED_BARS)
    in_own_process("load", home, name="month", n_symbols=SYMBOLS, n_bars=2)
    month = in_own_process("month", home, name="month", n_signals=REPORTED)
    return [
        at_most(
            f"outcomes of {found['signals']:,} signals at three horizons", found["seconds"], 20.0, "s", found["peak"]
        ),
        told("... processor time, Python + database", _used(found)),
        told("... once more, with nothing new", f"{1_000 * found['again_s']:.0f} ms"),
        at_most(f"report of 30 days over {month['signals']:,} signals", month["seconds"], 2.0, "s", month["peak"]),
        told("... processor time, Python + database", _used(month)),
    ]


def _lifecycle(home: Path) -> list[Row]:
    stored = {"name": "lifecycle"}
    in_own_process("load", home, **stored, n_symbols=SYMBOLS, n_bars=SWEPT_BARS)
    found = in_own_process("sweeps", home, **stored, n_signals=SWEPT, n_bars=SWEPT_BARS)
    return [
        at_most(
            f"expiring {found['expired']:,} signals with their events, {found['events']:,} in the end",
            found["seconds"],
            2.0,
            "s",
            found["peak"],
        ),
        told("... processor time, Python + database", _used(found)),
        told(
            "... beside the same change of status without rules, events and changes",
            f"{found['seconds'] / found['bare_s']:.1f}x of {found['bare_s']:.2f} s",
        ),
        told(
            f"stops and opposites of {found['standing']:,} signals that stand, in every tick",
            f"{1_000 * found['look_up_s']:.1f} ms",
        ),
    ]


def _processor(found: Figures) -> float:
    return float(found["python_s"] + found["server_s"])


def _used(found: Figures) -> str:
    return f"{found['python_s']:.2f} + {found['server_s']:.2f} s"


GROUPS: dict[str, Callable[[Path], list[Row]]] = {
    "start-up": _start_up,
    "memory": _in_memory,
    "texts": _texts,
    "tick": _tick,
    "training": _training,
    "history": _aged,
    "replay": _replay,
    "explain": _explain,
    "requests": _requests,
    "outcomes": _outcomes,
    "lifecycle": _lifecycle,
    "curve": _curve,
}
