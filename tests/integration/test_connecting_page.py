"""The programs of docs/connecting.md run as they stand there, with a reader's and a bot's address."""

from datetime import timedelta

import pytest

from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, events_of, store
from tests.support.outcomes_stored import live_reports
from tests.support.pages import ROOT, blocks
from tests.support.sql_logins import bot, reader

__all__ = ["bot", "reader"]

NOTEBOOK, BOT = blocks("docs/connecting.md", "python")


def address_of(session) -> str:
    info = session.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"


def test_the_notebook_reads_outcomes(database, reader, monkeypatch):
    live_reports(database, around_now()["created_at"] - timedelta(days=10))
    monkeypatch.setenv("READER_URL", address_of(reader))
    names: dict[str, object] = {}
    exec(compile(NOTEBOOK.replace("24_bars", "expiry"), "notebook", "exec"), names)
    outcomes = names["outcomes"]
    assert len(outcomes) == 60
    names["engine"].dispose()


def test_the_bot_executes_the_best_signal_once(database, bot, monkeypatch, capsys):
    number, life = a_series_of(database), around_now()
    best, _ = store(database, [a_life(number, rank_score=0.9, **life), a_life(number, **life)])
    monkeypatch.setenv("BOT_URL", address_of(bot))
    exec(compile(BOT, "bot", "exec"), {})
    assert [(event[1], event[3]) for event in events_of(database, best)] == [("EXECUTED", f"sql:{bot.info.user}")]
    assert capsys.readouterr().out == ""


def test_the_bot_leaves_conflicts_other_profiles_and_other_exchanges_alone(database, bot, monkeypatch):
    number, life = a_series_of(database), around_now()
    plain, *others = store(
        database,
        [
            a_life(number, symbol="LTC/USDT", rank_score=0.2, **life),
            a_life(number, rank_score=0.9, **life),
            a_life(number, rank_score=0.8, signal_type="SELL", timeframe="4h", **life),
            a_life(number, symbol="ETH/USDT", rank_score=0.9, profile="alice", **life),
            a_life(number, symbol="ETH/USDT", rank_score=0.9, exchange="simulated", **life),
        ],
    )
    monkeypatch.setenv("BOT_URL", address_of(bot))
    for _ in range(2):
        exec(compile(BOT, "bot", "exec"), {})
    assert [events_of(database, each) for each in others] == [[]] * 4
    assert [event[1] for event in events_of(database, plain)] == ["EXECUTED"]


@pytest.mark.parametrize("name", ["signals.json", "datasource.yaml", "dashboards.yaml"])
def test_the_files_of_the_page_are_there(name):
    assert f"docs/grafana/{name}" in (ROOT / "docs" / "connecting.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "grafana" / name).is_file()
