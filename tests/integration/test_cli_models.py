"""`signals models` and `signals train`: which models there are, who speaks, and what a training refuses."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.storage.models import publish
from pipeline.storage.server import start_kept, stop
from tests.support.chain import raw_rows, store_block
from tests.support.cli import line_with, words
from tests.support.commands import environment
from tests.support.commands import signals as run
from tests.support.market import random_walk
from tests.support.model_chain import speaking
from tests.support.trained_models import WEEK, an_evaluation

NOW = datetime.now(UTC)


def monday(instant: datetime) -> datetime:
    midnight = instant.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=midnight.weekday())


def published(database, weeks_ago=1, **changes):
    """A model of a week that ended so many weeks before the newest Monday, in the registry."""
    through = monday(NOW) - weeks_ago * WEEK
    facts = {"trained_from": through - 52 * WEEK, "trained_through": through, "exchange": "simulated"}
    facts |= {"effective_from": through + timedelta(days=1), "metrics": {"auc": 0.55, "hit_rate_above": float("nan")}}
    model = speaking(week=0, **({"kind": ModelKind.DIRECTION} | facts | changes))
    with database.begin() as conn:
        publish(conn, model, an_evaluation())
    return str(model.model_id)


# The registry


def test_models_are_listed_with_the_newest_first_and_who_speaks_now(database, signals):
    old, new = published(database, 5), published(database, 1)
    to_come = published(database, 0, effective_from=NOW + timedelta(days=3))
    loser = published(database, 2, status=ModelStatus.CANDIDATE)

    said = signals("models")

    lines = [words(line) for line in said.out.splitlines()[1:]]
    assert [line[0] for line in lines] == [each[:8] for each in (to_come, new, loser, old)]
    assert [line[5] for line in lines] == ["from", "now", "no", "earlier"]
    assert line_with(said, new[:8]).split()[6:8] == ["AUC", "0.550"]
    assert "its log loss is higher" in line_with(said, loser[:8])


def test_a_champion_that_is_too_old_is_said_to_be_and_a_longer_life_lets_it_speak(database, signals, monkeypatch):
    published(database, 30)

    assert signals("models", "--json").json[0]["speaks"] == "too old"
    monkeypatch.setenv("SIGNALS_MODELS__MAX_AGE_DAYS", "365")
    assert signals("models", "--json").json[0]["speaks"] == "now"


def test_retired_ones_and_those_of_other_exchanges_are_shown_when_asked_for(database, signals):
    mine = published(database)
    gone = published(database, 2, status=ModelStatus.RETIRED)
    other = published(database, exchange="binance", kind=ModelKind.ANOMALY)

    def listed(*arguments):
        return {row["model_id"] for row in signals("models", *arguments, "--json").json}

    assert listed() == {mine}
    assert listed("--all") == {mine, gone}
    assert listed("--exchange", "binance") == {other}
    assert listed("--exchange", "all", "--all") == {mine, gone, other}
    assert listed("--exchange", "all", "--kind", "anomaly") == {other}
    assert listed("--timeframe", "4h") == set()


def test_no_model_is_said_to_be_none_with_what_makes_one(signals):
    said = signals("models")
    assert (said.code, said.out) == (0, "")
    assert said.err == "no model is there: `signals train` makes some\n"


@pytest.mark.parametrize("arguments", [("show",), ()])
def test_a_model_is_shown_by_the_beginning_of_its_id_with_its_folds(database, signals, arguments):
    decision = {"rule": "not worse", "metric": "log_loss", "challenger": 0.69, "champion": 0.691, "n_rows": 5000}
    number = published(database, decision=decision)

    said = signals("models", *arguments, number[:4])

    assert said.code == 0, said.err
    assert line_with(said, "model ").split() == ["model", number]
    assert "not worse: log_loss 0.69000, the champion's 0.69100 on the same 5,000 bars" in said.out
    assert "seed=1" in line_with(said, "parameters")
    assert "AUC      model  0.550  0.500 to 0.600   500" in said.out
    assert said.out.count("0.550 (0.500, 0.600)") == 2  # the folds


def test_a_model_in_json_has_every_measure_of_every_fold(database, signals):
    number = published(database)
    shown = signals("models", number, "--json").json
    assert (shown["model_id"], shown["metrics"]) == (number, {"auc": 0.55, "hit_rate_above": None})
    assert len(shown["evaluation"]) == len(an_evaluation())
    assert shown["evaluation"][0]["fold"] == 0


def test_two_models_stand_side_by_side(database, signals):
    one, other = published(database, 1), published(database, 2, training_seconds=99.0)

    said = signals("models", "compare", one, other)

    assert words(said.out.splitlines()[0]) == ["model", one[:8], other[:8]]
    assert words(line_with(said, "training took"))[-2:] == ["12.5", "99.0"]
    assert line_with(said, "AUC ").count("0.550 (0.500, 0.600)") == 2


def test_models_of_two_kinds_are_not_compared(database, signals):
    one, other = published(database), published(database, kind=ModelKind.ANOMALY)
    said = signals("models", "compare", one, other)
    assert said.code == 1
    assert "must be of one kind, was anomaly and direction" in said.err


def test_a_retired_model_keeps_its_reason_and_the_one_before_it_speaks(database, signals):
    old, new = published(database, 2), published(database, 1)

    said = signals("models", "retire", new[:6], "--reason", "trained on wrong candles")
    again = signals("models", "retire", new[:6], "--reason", "another reason")

    assert said.out == f"{new[:8]} is retired\n"
    assert said.err == f"of direction 1h on simulated {old[:8]} speaks now\n"
    assert again.out == f"{new[:8]} was retired already\n"
    shown = signals("models", new, "--json").json
    assert (shown["status"], shown["status_reason"]) == ("retired", "trained on wrong candles")


def test_an_id_that_is_nobodys_or_of_several_is_refused(database, signals):
    numbers = [published(database, week) for week in range(1, 18)]  # of 17 ids two begin alike
    shared = next(each for each in "0123456789abcdef" if sum(n.startswith(each) for n in numbers) > 1)

    unknown = signals("models", "show", "0000000000")
    several = signals("models", shared)

    assert unknown.code == several.code == 1
    assert "must be one of those that `signals models --all --exchange all` lists, was 0000000000" in unknown.err
    assert "the beginning of an id must be of one model, was that of" in several.err


def test_a_word_that_is_no_command_and_no_id_is_refused(signals):
    said = signals("models", "comapre", "a", "b")
    assert said.code == 2
    assert "No such command 'comapre'" in said.err


def test_a_model_is_not_retired_without_a_reason(database, signals):
    number = published(database)
    assert signals("models", "retire", number).code == 2
    assert "must not be empty" in signals("models", "retire", number, "--reason", " ").err


# What a training refuses, before it starts Dagster


@pytest.fixture
def market(database, monkeypatch):
    """Nine weeks of hours from the first Monday of 2024 on, found as imported files."""
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    store_block(database, random_walk(seed=3, n_candles=9 * 7 * 24, symbols=("BTC/USDT",), timeframe=Timeframe.H1))
    return database


REFUSED = {
    "a week to come": (("--through", "2999-01-01"), 2, "must not be after today"),
    "weeks without a beginning": (("--every", "13"), 2, "--every and --from go together"),
    "a beginning without weeks": (("--from", "2024-01-15"), 2, "--every and --from go together"),
    "a beginning after the end": (("--every", "2", "--from", "2024-12-30"), 2, "must be before 2024-03-04"),
    "a beginning before all time": (("--every", "2", "--from", "2009-01-01"), 2, "must not be before 20"),
    "no timeframe": (("--timeframe", "7h"), 2, "must be one of 1m 3m"),
    "a timeframe that is not stored": (("--timeframe", "4h"), 1, "binance has none of 4h"),
    "a kind that nobody knows": (("--kind", "sentiment"), 2, "is not one of 'direction', 'price_range', 'anomaly'"),
    "no fold": (("--folds", "0"), 2, "is not in the range"),
    "a week before the first candle": (("--through", "2023-12-31"), 1, "the week that ends on 2024-01-01 must have"),
    "a week after the last candle": (("--through", "2024-04-01"), 1, "up to its end, binance has them from 2024-01-01"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_a_reason(market, signals, what):
    arguments, code, reason = REFUSED[what]
    said = signals("train", *arguments)
    assert reason in said.err
    assert (said.code, said.out) == (code, "")


def test_without_candles_a_training_says_what_brings_some(database, signals):
    said = signals("train")
    assert said.code == 1
    assert "simulated has none; `signals backfill --fetch" in said.err


# A training, from files to the registry


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """A folder with twelve weeks of two coins, imported; its database is kept up meanwhile."""
    folder = tmp_path_factory.mktemp("training")
    block = random_walk(seed=3, n_candles=12 * 7 * 24, symbols=("BTC/USDT", "ETH/USDT"), timeframe=Timeframe.H1)
    for symbol, candles in raw_rows(block, "binance", Timeframe.H1).groupby("symbol"):
        candles[["open_at", "open", "high", "low", "close", "volume"]].to_csv(
            folder / f"{symbol.replace('/', '')}-1h.csv", index=False
        )
    start_kept(folder / "home")
    assert command(folder, "import", "candles", ".", "--exchange", "binance").returncode == 0
    yield folder
    stop(folder / "home")


def command(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    files = {"SIGNALS_MARKET__SOURCE": "files", "SIGNALS_TRAINING__WEEKS": "6", "SIGNALS_TRAINING__FOLD_WEEKS": "1"}
    files["SIGNALS_TRAINING__NEEDS_SKILL"] = "false"  # in a random walk there is nothing to know
    return run(*arguments, env=environment(folder / "home", **files | variables), folder=folder)


def test_a_training_makes_models_of_past_weeks_tells_how_good_they_are_and_the_same_again(home):
    kinds = ("--kind", "anomaly", "--kind", "price_range", "--timeframe", "1h")
    weeks = ("--every", "1", "--from", "2024-03-18")  # the candles end with Monday 2024-03-25 00:00

    first = command(home, "train", *kinds, *weeks, SIGNALS_MODELS__MAX_AGE_DAYS="6")
    again = command(home, "train", *kinds, "--json")

    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    lines = [line.split() for line in first.stdout.splitlines()[1:]]
    assert [line[1:5] for line in lines] == [
        [kind, "1h", week, "champion"] for week in ("2024-03-18", "2024-03-25") for kind in ("anomaly", "price_range")
    ]
    assert "speaks for 6 days (models.max_age_days), and these lie 7 days apart" in first.stderr
    made = json.loads(again.stdout)
    assert [row["model_id"][:8] for row in made] == [line[0] for line in lines[2:]]
    assert {each["fold"] for row in made for each in row["evaluation"]} == {0, 1}
    assert "Traceback" not in first.stderr + again.stderr


def test_a_week_with_too_little_before_it_leaves_the_models_alone_and_says_why(home):
    done = command(home, "train", "--through", "2024-01-08", "--kind", "price_range")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "price_range_model of 2024-01-08 was left alone: 1h: " in done.stderr
    assert done.stderr.endswith("error: no model was made; `signals doctor` shows which candles are stored\n")
