"""Texts by command: imported, read, listed by the doctor, and explained; and where keys are kept."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.domain.document import TextSource
from pipeline.domain.timeframe import Timeframe
from pipeline.settings import load_settings
from tests.support.chain import store_block
from tests.support.cli import line_with
from tests.support.commands import environment
from tests.support.commands import signals as signals_run
from tests.support.documents import stored
from tests.support.market import random_walk
from tests.support.text_sources import LocalSources, local_sources
from tests.support.x_server import refusal

NOON = datetime(2024, 6, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADLINE = "Bitcoin rallies to a new high on strong demand today"


@pytest.fixture
def folder(tmp_path):
    """Two articles, a tweet, a post that says what an article says, two commits, and three lines of no use."""
    texts = tmp_path / "texts"
    texts.mkdir()
    at = f"{NOON:%Y-%m-%dT%H:%M:%SZ}"
    lines = [
        {"source": "news", "id": "n1", "timestamp": at, "text": "Bitcoin rallies to a new high on strong demand today"},
        {
            "source": "news",
            "id": "n2",
            "timestamp": at,
            "text": "Regulators postpone their decision about Ethereum funds",
        },
        {"source": "twitter", "id": "t1", "timestamp": at, "text": "love this $BTC move", "author": "me", "likes": 3},
        {
            "source": "reddit",
            "id": "r1",
            "timestamp": at,
            "text": "Bitcoin rallies to a new high on strong demand today",
        },
        {"source": "github", "id": "c1", "timestamp": at, "text": "fix it", "repository": "a/b", "symbols": ["BTC"]},
        {"source": "github", "id": "c2", "timestamp": "2024-03-01T00:00:00Z", "text": "begin", "repository": "a/b"},
        {"source": "news", "id": "n3", "text": "a text without a date"},
    ]
    (texts / "a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (texts / "b.jsonl").write_text('not json\n{"text": "of nowhere"}\n', encoding="utf-8")
    return texts


def test_an_import_tells_what_it_found_and_what_it_could_not_use(signals, database, folder):
    said = signals("import", "documents", str(folder), "--json")

    assert said.code == 1  # two lines could not be read
    assert said.json["files"] == 2
    told = {name: (each["lines"], each["new"], each["repeated"]) for name, each in said.json["sources"].items()}
    assert told == {"github": (2, 2, 0), "news": (3, 2, 0), "reddit": (1, 1, 1), "twitter": (1, 1, 0)}
    assert said.json["sources"]["news"]["refused"] == {"no_date": 1}
    assert said.json["unreadable"] == {"no_json": 1, "no_source": 1}
    assert said.json["scored"] == 4
    assert {row["provenance"] for row in stored(database)} == {"imported"}


def test_the_same_import_again_adds_nothing_and_says_so(signals, database, folder):
    (folder / "b.jsonl").unlink()
    signals("import", "documents", str(folder))
    before = stored(database)

    again = signals("import", "documents", str(folder))

    assert (again.code, stored(database)) == (0, before)
    assert line_with(again, "news").split()[:5] == ["news", "3", "0", "0", "2"]
    assert "No candles are stored of these days" in again.out


def test_imported_activity_is_covered_from_its_first_event_to_its_last(signals, database, folder):
    signals("import", "documents", str(folder))

    (stretch,) = stored(database, "repository_coverage")

    assert (stretch["known_from"], stretch["known_until"]) == (datetime(2024, 3, 1, tzinfo=UTC), NOON)
    assert {row["known_at"] == row["happened_at"] for row in stored(database, "repository_activity")} == {True}


def test_an_import_names_the_days_that_have_candles_too(signals, database, folder):
    store_block(database, random_walk(seed=1, n_candles=200 * 24, symbols=("BTC/USDT",), timeframe=Timeframe.H1))

    said = signals("import", "documents", str(folder / "a.jsonl"))

    assert "signals backfill --from 2024-03-01 --to 2024-06-30" in said.out


def wrote(folder, name, *lines):
    """A folder with one file of such lines, and nothing else."""
    folder.mkdir()
    (folder / name).write_bytes(b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines))
    return str(folder)


def test_lines_that_cannot_be_read_are_named_and_counted_each_reason_once_at_least(signals, database, tmp_path):
    event = {"source": "github", "timestamp": f"{NOON:%Y-%m-%dT%H:%M:%SZ}", "text": "fix"}
    lines = [b"\xff"] * 2000 + [event | {"repository": "nobody/knows"}, event | {"repository": "nonsense"}] + [b"\xff"]

    said = signals("import", "documents", wrote(tmp_path / "in", "a.jsonl", *lines))

    assert said.code == 1
    assert said.err.splitlines()[-8:] == [
        "2,003 lines could not be read: 2,001 no_utf8, 1 no_asset, 1 no_repository; such as:",
        *(f"  a.jsonl:{number}: must be UTF-8, byte 1 was not" for number in range(1, 6)),
        '  a.jsonl:2001: symbols must say whose repository nobody/knows is, as in ["BTC"]: it is none that is known',
        "  a.jsonl:2002: repository must read like owner/name, was 'nonsense'",
    ]
    assert said.out == ""  # nothing was read: no table, and nothing to do next


def test_the_quarantine_is_named_where_something_is_in_it(signals, database, tmp_path):
    news = {"source": "news", "timestamp": f"{NOON:%Y-%m-%dT%H:%M:%SZ}"}
    gone = {"source": "reddit", "timestamp": news["timestamp"], "kind": "comment", "text": "[removed]"}
    lines = (news | {"text": HEADLINE}, {"source": "news", "text": HEADLINE}, gone)

    said = signals("import", "documents", wrote(tmp_path / "in", "a.jsonl", *lines))

    assert "1 file, 1 text scored, " in said.err
    assert "news: refused 1 no_date; document_quarantine has them" in said.err
    assert "reddit: 1 removed; docs/sentiment-texts.md says what becomes of these" in said.err


def test_a_path_without_files_is_told_and_the_others_are_read(signals, folder, tmp_path):
    said = signals("import", "documents", str(tmp_path / "nowhere"), str(folder / "a.jsonl"))

    assert said.code == 1
    assert "nowhere: must exist" in said.err
    assert line_with(said, "twitter").split()[1] == "1"


def ingested(database, tmp_path, *options, code=0, **variables):
    """`signals ingest` in a process of its own, as it changes the environment that Dagster sees."""
    env = environment(tmp_path / "home", SIGNALS_DATABASE_URL=database.address.libpq, **variables)
    done = signals_run("ingest", *options, env=env, folder=tmp_path)
    assert done.returncode == code, done.stderr
    return done


def test_the_simulated_market_is_read_with_simulated_texts(signals, database, tmp_path):
    done = ingested(database, tmp_path, "--json", SIGNALS_MARKET__SYMBOLS="BTC/USDT")

    numbers = json.loads(done.stdout)["tables"]
    assert all(numbers[name]["rows_written"] > 0 for name in ("news_articles", "tweets", "reddit_posts"))
    assert numbers["document_sentiment"]["rows_written"] == len(stored(database))
    assert {row["provenance"] for row in stored(database)} == {"simulated"}
    assert "texts are simulated" in done.stderr
    assert "1 of 1 feeds answer" in line_with(signals("status"), "texts news")


@pytest.fixture
def live(monkeypatch):
    """The four sources, which the command finds in its environment."""
    with local_sources() as sources:
        sources.feeds = (sources.news.serve("/feed", b"<rss version='2.0'><channel/></rss>"),)
        for key, value in sources.changes().items():
            monkeypatch.setenv("SIGNALS_" + key.upper().replace(".", "__"), value)
        yield sources


def test_ingest_tells_which_feeds_could_not_be_had_and_why(database, tmp_path, live: LocalSources):
    live.x.orders.order(refusal(401, {"title": "Unauthorized"}))
    variables = {"SIGNALS_" + key.upper().replace(".", "__"): value for key, value in live.changes().items()}

    done = ingested(database, tmp_path, **variables)

    assert "tweets: unavailable(key_refused(401)): bitcoin" in done.stderr
    assert "news_articles" in done.stdout


def test_ingest_asks_to_try_again_where_nothing_answers(signals, database, tmp_path, monkeypatch):
    with local_sources() as sources:
        sources.feeds = (sources.news.serve("/feed", b"<rss version='2.0'><channel/></rss>"),)
    variables = {"SIGNALS_" + key.upper().replace(".", "__"): value for key, value in sources.changes().items()}

    done = ingested(database, tmp_path, code=75, **variables)

    assert "none of the 4 feeds answered" in done.stderr
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    monkeypatch.setenv("SIGNALS_TEXTS__SOURCE", "live")
    said = signals("doctor").out
    assert "1 of 1 feeds of news did not answer wholly" in said
    assert "60 requests an hour" not in said


def test_where_texts_are_off_ingest_says_so(database, tmp_path):
    done = ingested(database, tmp_path, SIGNALS_TEXTS__SOURCE="none")

    assert "texts are off" in done.stderr


def test_the_doctor_says_of_each_source_what_is_missing_and_how_to_get_it(signals, live: LocalSources, monkeypatch):
    for key in ("TWITTER__BEARER_TOKEN", "REDDIT__CLIENT_SECRET", "GITHUB__TOKEN"):
        monkeypatch.delenv(f"SIGNALS_TEXTS__{key}")
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    monkeypatch.setenv("SIGNALS_MARKET__EXCHANGE", "")
    monkeypatch.setenv("SIGNALS_TEXTS__SOURCE", "live")

    said = signals("doctor")

    assert "twitter is not read, it lacks SIGNALS_TEXTS__TWITTER__BEARER_TOKEN: a bearer token" in said.out
    assert "reddit is not read, it lacks SIGNALS_TEXTS__REDDIT__CLIENT_SECRET: the id and the secret" in said.out
    assert "a token without any rights, in SIGNALS_TEXTS__GITHUB__TOKEN" in said.out
    assert line_with(said, "news").split()[1] == "live"


def test_the_doctor_wants_a_person_where_a_key_is_refused(signals, live: LocalSources, database, monkeypatch):
    live.x.orders.order(refusal(401, {"title": "Unauthorized"}))
    live.read(database, TextSource.TWITTER)
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    monkeypatch.setenv("SIGNALS_MARKET__EXCHANGE", "")
    monkeypatch.setenv("SIGNALS_TEXTS__SOURCE", "live")

    said = signals("doctor")

    assert said.code == 1
    assert "twitter refuses bitcoin: unavailable(key_refused(401)); renew the key" in said.err


def test_keys_are_read_from_a_dotenv_file_and_shown_nowhere(signals, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    secret = "do-not-show-this"
    (tmp_path / ".env").write_text(f"SIGNALS_TEXTS__TWITTER__BEARER_TOKEN={secret}\nOTHER=1\n", encoding="utf-8")

    for arguments in (("config",), ("config", "--json")):
        said = signals(*arguments)
        assert secret not in said.out
        assert "set, not shown" in said.out
    assert signals("config", "--json").json["texts.twitter.bearer_token"]["origin"].startswith("SIGNALS_TEXTS__")


def test_the_environment_goes_before_a_dotenv_file(signals, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", os.environ.copy())
    (tmp_path / ".env").write_text("SIGNALS_SENTIMENT__WINDOW_HOURS=12\nSIGNALS_SENTIMENT__HALF_LIFE_HOURS=3\n")
    monkeypatch.setenv("SIGNALS_SENTIMENT__WINDOW_HOURS", "36")

    shown = signals("config", "--json").json

    assert shown["sentiment.window_hours"]["value"] == 36
    assert shown["sentiment.half_life_hours"]["value"] == 3


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"texts.source": "simulated", "market.source": "files"}, "texts.source must be of the same world"),
        ({"texts.source": "live"}, "texts.source must be of the same world"),
        ({"texts.news.feeds": "ftp://x.example"}, "texts.news.feeds must be addresses"),
        ({"texts.github.repositories": "bitcoin=BTC"}, "texts.github.repositories.bitcoin must be named owner/name"),
        ({"texts.github.repositories": "a/b=btc"}, "texts.github.repositories.a/b must belong to a base currency"),
        ({"sentiment.weights.news": "0.9"}, "weights must add up to 1 at most"),
        ({"sentiment.author_cap.github": "3"}, "author_cap must be of"),
        ({"sentiment.scorer": "magic"}, "scorer must be default or transformers:"),
        ({"sentiment.window_hours": "0.5"}, "window_hours"),
    ],
)
def test_a_wrong_setting_of_texts_is_refused_with_the_rule(changes, wrong):
    with pytest.raises(Exception, match=wrong.replace("/", "/")):
        load_settings(changes)
