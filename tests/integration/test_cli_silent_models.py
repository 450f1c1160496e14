"""What the commands say of models that are silent: which, about which closes, why, and what ends it."""

from datetime import UTC, datetime

import click
import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.models.evaluation import ALL_FOLDS
from pipeline.storage.candles import ensure_series, record_health
from pipeline.storage.models import publish
from tests.support.chain import store_block
from tests.support.cli import line_with
from tests.support.market import random_walk
from tests.support.model_chain import packed, publish_all, publish_each_kind, speaking
from tests.support.trained_models import an_evaluation

MUTE = ModelKind.DIRECTION
OTHERS = [kind for kind in ModelKind if kind is not MUTE]
NEWEST_WEEK = 4  # its models learn through 2024-02-05 and speak about closes from the 6th on


@pytest.fixture
def market(database, monkeypatch):
    """Six weeks of hours from 2024-01-01 on, found as imported files; it ended long ago."""
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    store_block(database, random_walk(seed=3, n_candles=6 * 7 * 24, symbols=("BTC/USDT",), timeframe=Timeframe.H1))
    return database


def said_of(signals, kind, *arguments):
    """What the newest model of a kind is said to do."""
    return next(row for row in signals("models", *arguments, "--json").json if row["kind"] == kind)


def damage(database, change):
    """Change models of the kind behind the back of what keeps their hash."""
    with database.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE models DROP CONSTRAINT ck_models_hash_is_the_artefacts")
        conn.exec_driver_sql(f"UPDATE models SET {change} WHERE kind = '{MUTE}'")


FLIPPED = "artefact = set_byte(artefact, 100, 255 - get_byte(artefact, 100))"
CUT = "artefact = substr(artefact, 1, 200)"
OLD = "trained_through = '2023-10-30'"
OK = SeriesState(HealthStatus.OK)
AS_OF = datetime(2024, 2, 12, tzinfo=UTC)


# About which closes


def test_a_model_of_past_files_speaks_about_the_newest_stored_close_however_long_ago(market, signals):
    publish_each_kind(market, NEWEST_WEEK)

    assert {row["speaks"] for row in signals("models", "--json").json} == {"now"}
    assert signals("doctor").err == ""


def test_the_days_that_a_model_is_asked_about_end_with_its_successor_or_its_age(market, signals):
    publish_all(market, speaking(MUTE, 2), speaking(MUTE, 4), speaking(MUTE, 3, status=ModelStatus.CANDIDATE))

    listed = signals("models", "--json").json

    assert [(row["speaks"], row["about_closes"]) for row in listed] == [
        ("now", "2024-02-06 to 2024-05-13"),
        ("no", "-"),
        ("earlier", "2024-01-23 to 2024-02-06"),
    ]
    assert "2024-02-06 to 2024-05-13" in line_with(signals("models"), listed[0]["model_id"][:8])
    shown = signals("models", "show", listed[2]["model_id"])
    assert line_with(shown, "about closes").split(maxsplit=2)[2] == "2024-01-23 to 2024-02-06"


def test_a_model_that_no_stored_close_has_reached_speaks_from_its_day_and_nothing_is_wrong(market, signals):
    publish_each_kind(market, 5)

    assert said_of(signals, MUTE)["speaks"] == "from 2024-02-13"
    said = signals("doctor")
    assert (said.code, said.err) == (0, "")
    told = "its champion speaks from 2024-02-13 on, the newest close is 2024-02-12 00:00"
    assert f"good to know: direction 1h is silent: {told}" in said.out


# Why not


@pytest.mark.parametrize(
    ("change", "reason", "remedy"),
    [
        (FLIPPED, "artefact_corrupt", "lets the one before it speak"),
        (CUT, "artefact_truncated", "lets the one before it speak"),
        (OLD, "model_expired(2023-10-30)", "`signals train`"),
    ],
    ids=["changed", "cut", "old"],
)
def test_f29_f30_a_champion_that_cannot_be_asked_needs_a_person_and_is_not_said_to_speak(
    market, signals, change, reason, remedy
):
    publish_each_kind(market, NEWEST_WEEK)
    damage(market, change)

    row, said = said_of(signals, MUTE), signals("doctor")

    assert row["speaks"] == ("too old" if "expired" in reason else f"no ({reason})")
    assert row["speaks"] in line_with(signals("models"), row["model_id"][:8])
    assert row["speaks"] in line_with(signals("models", row["model_id"]), "speaks")
    assert {said_of(signals, kind)["speaks"] for kind in OTHERS} == {"now"}
    assert said.code == 1
    assert said.err.startswith(f"needs you: direction 1h is silent: {reason}; ")
    assert said.err.count("needs you") == 1
    assert remedy in said.err


def test_f31_kinds_that_are_silent_for_one_reason_are_told_in_one_sentence(market, signals):
    versions = {"numpy": "1.0.0"}
    strange = [
        speaking(kind, NEWEST_WEEK, artefact=packed(kind, {}, library_versions=versions)) for kind in (MUTE, OTHERS[0])
    ]
    publish_all(market, *strange, speaking(OTHERS[1], NEWEST_WEEK))

    problems = signals("doctor", "--json").json["problems"]

    assert len(problems) == 1
    assert problems[0].startswith(f"{MUTE} and {OTHERS[0]} 1h are silent: library_mismatch(numpy 1.0 != ")
    assert "or install the version of before" in problems[0]


def test_f29_a_champion_that_is_no_model_of_its_kind_is_not_said_to_speak(market, signals):
    publish_all(market, speaking(MUTE, NEWEST_WEEK, artefact=packed(MUTE, {})))
    assert said_of(signals, MUTE)["speaks"] == "no (artefact_corrupt)"


def test_on_a_terminal_of_80_columns_the_longest_reason_still_stands_in_a_line_per_model(market, signals, monkeypatch):
    publish_each_kind(market, 3)
    strange = packed(MUTE, {}, library_versions={"keras": "2.0.0", "numpy": "1.0.0"})
    publish_all(market, speaking(MUTE, NEWEST_WEEK, artefact=strange))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    lines = click.unstyle(signals("models").out).splitlines()

    assert lines[0].split()[:4] == ["model", "kind", "tf", "status"]
    assert max(map(len, lines)) <= 80
    assert sum(line.count(" 1h ") for line in lines) == 4  # models, each beginning in one line


def test_models_that_are_switched_off_are_not_said_to_speak_and_need_nobody(market, signals, monkeypatch):
    publish_each_kind(market, NEWEST_WEEK)
    damage(market, FLIPPED)
    monkeypatch.setenv("SIGNALS_MODELS__IS_ENABLED", "false")

    assert said_of(signals, MUTE)["speaks"] == "no (switched_off)"
    assert signals("doctor").code == 0


@pytest.mark.parametrize(
    ("speaks", "change"), [("now", None), ("no (artefact_corrupt)", FLIPPED), ("too old", OLD)], ids=str
)
def test_whether_a_model_is_speaking_and_what_it_is_said_to_do_agree(market, signals, speaks, change):
    first, *_ = publish_all(market, speaking(MUTE, 2))
    if change:
        damage(market, change)

    shown = signals("models", first, "--json").json

    assert shown["speaks"] == speaks
    assert shown["is_speaking"] is (speaks == "now")


def test_what_speaks_after_a_model_is_withdrawn_is_told_as_the_list_tells_it(market, signals):
    old, new = publish_all(market, speaking(MUTE, 2), speaking(MUTE, NEWEST_WEEK))
    with market.begin() as conn:
        conn.execute(sa.text(f"UPDATE models SET {OLD} WHERE model_id = :id"), {"id": old})

    said = signals("models", "retire", new, "--reason", "wrong candles")

    assert said.err == f"of direction 1h on binance none speaks now ({old[:8]} too old): `signals train` makes one\n"
    assert said_of(signals, MUTE)["speaks"] == "too old"


def test_status_counts_only_series_among_series_and_tells_each_silent_kind_with_its_reason(market, signals):
    with market.begin() as conn:
        series = ensure_series(conn, [SeriesKey("binance", "BTC/USDT", Timeframe.H1)])
        record_health(conn, "candles", dict.fromkeys(series, OK), series, AS_OF)
        silent = SeriesState(HealthStatus.BLOCKED, "unavailable(artefact_corrupt)")
        kinds = {f"{kind} binance 1h": silent if kind is MUTE else OK for kind in ModelKind}
        record_health(conn, "ml_model", kinds, {}, AS_OF)

    facts, said = signals("status", "--json").json, signals("status")

    assert {name: facts[name] for name in facts if name.startswith("series")} == {"series": 1, "series_ok": 1}
    assert [(row["kind"], row["reason"]) for row in facts["silent_models"]] == [(MUTE, "unavailable(artefact_corrupt)")]
    told = line_with(said, "direction 1h on binance").split(maxsplit=4)[4]
    assert told == "silent: unavailable(artefact_corrupt) (as of 2024-02-12 00:00)"


# What is no fault


def test_a_home_that_never_trained_is_told_so_and_nothing_is_wrong(market, signals):
    said = signals("doctor")

    assert (said.code, said.err) == (0, "")
    assert "good to know: no model was trained yet; `signals train` makes some" in said.out
    assert said.out.endswith("Nothing needs you.\n")


def test_a_kind_that_was_never_trained_or_did_not_win_is_told_with_why_and_nothing_is_wrong(market, signals):
    loser = speaking(OTHERS[0], NEWEST_WEEK, status=ModelStatus.CANDIDATE, status_reason="no better than guessing")
    publish_all(market, speaking(MUTE, NEWEST_WEEK), loser)

    said = signals("doctor", "--json")

    assert (said.code, said.json["problems"]) == (0, [])
    lost, missing = said.json["hints"]
    assert lost.startswith(f"{OTHERS[0]} 1h is silent: none of its models is a champion; ")
    assert lost.endswith("the newest is a candidate: no better than guessing")
    assert missing == f"{OTHERS[1]} 1h is silent: none was trained; signals train --kind {OTHERS[1]} --timeframe 1h"


# What is asked for and not there


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("--timeframe", "4h"), "none of 4h; there are of 1h\n"),
        (("--kind", "anomaly"), "none of anomaly; there are of direction\n"),
        (("--exchange", "kraken"), "none on kraken; there are on binance (--exchange binance)\n"),
    ],
    ids=str,
)
def test_where_no_model_matches_it_is_said_of_what_there_are_some(market, signals, arguments, answer):
    publish_all(market, speaking(MUTE, NEWEST_WEEK))

    said = signals("models", *arguments)

    assert (said.code, said.out, said.err) == (0, "", answer)


def test_where_only_retired_models_match_they_are_counted(market, signals):
    publish_all(market, speaking(MUTE, NEWEST_WEEK, status=ModelStatus.RETIRED))
    assert signals("models").err == "no model is there: 1 retired ones with --all; `signals train` makes some\n"


@pytest.mark.parametrize("word", ["zzz", "fff"])
def test_a_word_alone_that_is_no_models_id_is_refused_as_one(market, signals, word):
    said = signals("models", word)

    assert said.code == 1
    assert f"a model must be one of those that `signals models --all --exchange all` lists, was {word}" in said.err


# Intervals


def test_an_interval_without_width_is_not_shown(market, signals):
    evaluation = an_evaluation().assign(lower=0.55, upper=0.55)
    evaluation.loc[evaluation["fold"] == 2, ["lower", "upper"]] = [0.5, 0.6]
    model = speaking(MUTE, NEWEST_WEEK)
    with market.begin() as conn:
        publish(conn, model, evaluation)

    said = signals("models", str(model.model_id))

    assert evaluation["fold"].min() == ALL_FOLDS
    assert line_with(said, "AUC      model").split() == ["AUC", "model", "0.550", "-", "500"]
    assert said.out.count("0.550 (0.500, 0.600)") == 1
    assert "0.550, 0.550" not in said.out
