"""Sentiment in the chain: ticks, backfills and replays agree, and nobody knows a text before it was known."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.domain.document import TextSource
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explaining import explain_bar
from pipeline.replay import replay
from pipeline.sentiment.scorers import scorer_name
from pipeline.settings import load_settings
from tests.support.chain import FILES, days, hours, rows, run, store_block, tick
from tests.support.database import a_copy_of, a_database
from tests.support.documents import a_reading, a_tweet, keep, score_all
from tests.support.market import random_walk
from tests.support.sentiment_chain import store_moods

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
FIRST = datetime(2024, 2, 10, tzinfo=UTC)
DAY = timedelta(days=1)
APART = ("id", "origin", "scope", "configuration_hash")
# Every source agrees in these texts, so that advice comes often; and confirmation of trends is not what is shown here.
TALKATIVE = {"strategies.sentiment_analysis.beyond": "0.4", "strategies.sentiment_analysis.rearm_within": "0.3"}
TALKATIVE |= {"risk.min_signal_confidence": "0.3", "strategies.sentiment_divergence.threshold": "0.3"}
TALKATIVE |= {"strategies.sentiment_divergence.rearm_within": "0.2"}


@pytest.fixture(scope="module")
def template(postgres_server, migrated_template):
    """A market of 45 days with four days of texts, to copy."""
    with a_database(postgres_server, migrated_template) as database:
        block = random_walk(seed=11, n_candles=45 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1)
        store_block(database, block)
        store_moods(database, [symbol.partition("/")[0] for symbol in SYMBOLS], FIRST - 2 * DAY, 5)
        database.close()
        yield database.address


@pytest.fixture
def market(template):
    with a_copy_of(template) as copy:
        yield copy


def sentiment(database, where=None):
    """What is said at the closes of the first day; a backfill also makes what its strategies look back on."""
    return rows(database, "symbol_sentiment", where or f"close_at >= '{FIRST}' AND close_at < '{FIRST + DAY}'")


def test_ticks_backfills_and_replays_say_the_same_of_every_close(market):
    closes = hours(FIRST + timedelta(hours=6), 8)
    for close_at in closes:
        tick(market, close_at, TALKATIVE)
    at_closes = f"close_at BETWEEN '{closes[0]}' AND '{closes[-1]}'"
    ticked = sentiment(market, at_closes)
    live = {
        table: rows(market, table, "origin = 'live' AND source LIKE '%sentiment%'", APART)
        for table in ("candidate_signals", "trading_signals")
    }
    with market.begin() as conn:
        conn.execute(sa.text("TRUNCATE symbol_sentiment"))

    days(market, FIRST.date(), FIRST.date(), TALKATIVE)
    settings = load_settings({**FILES, **TALKATIVE})
    replay(market, settings, "binance", "again", FIRST, FIRST + DAY, as_of=datetime(2024, 3, 1, tzinfo=UTC))

    assert len(ticked) == len(closes) * len(SYMBOLS)
    assert sentiment(market, at_closes) == ticked
    assert live["candidate_signals"]
    assert live["trading_signals"]
    for scope in ("default", "again"):
        where = f"origin = 'replay' AND scope = '{scope}' AND source LIKE '%sentiment%' AND "
        where += f"candle_close_at BETWEEN '{closes[0]}' AND '{closes[-1]}'"
        assert {table: rows(market, table, where, APART) for table in live} == live


def test_what_is_known_later_changes_no_close_before(market):
    days(market, FIRST.date(), FIRST.date(), TALKATIVE)
    before = sentiment(market)
    late = [a_tweet(n, published_at=FIRST + timedelta(minutes=5 * n)) for n in range(200)]

    keep(market, late, a_reading(now=datetime.now(UTC)), TextSource.TWITTER)
    score_all(market, scorer_name("default"))
    made = days(market, FIRST.date(), FIRST.date(), TALKATIVE)

    assert made["symbol_sentiment"]["rows_written"] == 0
    assert sentiment(market) == before


def test_a_database_that_ends_at_a_close_says_the_same_of_it(market):
    days(market, FIRST.date(), FIRST.date() + DAY, TALKATIVE)
    market.close()
    for hour in (14, 31):
        close_at = FIRST + timedelta(hours=hour)
        with a_copy_of(market.address) as cut:
            with cut.begin() as conn:
                end = {"at": close_at}
                not_known = "SELECT document_id FROM document_sentiment WHERE known_at > :at"
                conn.execute(sa.text(f"DELETE FROM documents WHERE document_id IN ({not_known})"), end)
                conn.execute(
                    sa.text("UPDATE documents SET gone_at = NULL, gone_reason = NULL WHERE gone_at > :at"), end
                )
                conn.execute(sa.text("DELETE FROM repository_activity WHERE known_at > :at"), end)
                conn.execute(sa.text("UPDATE repository_coverage SET known_until = least(known_until, :at)"), end)
                conn.execute(sa.text("DELETE FROM candles WHERE close_at > :at"), end)
                conn.execute(sa.text("TRUNCATE symbol_sentiment"))
            where = f"close_at = '{close_at}'"
            run(cut, {"signals/as_of": close_at.isoformat()}, f"{close_at:%Y-%m-%d}", TALKATIVE)
            found = sentiment(cut, where)
        with a_copy_of(market.address) as whole:
            assert found == sentiment(whole, where)
            assert len(found) == len(SYMBOLS)


def test_a_chain_that_knows_texts_as_soon_as_they_are_published_is_caught(market):
    """The planted fault: the filter by what was known is taken away, and the scores are others."""
    days(market, FIRST.date(), FIRST.date())
    honest = sentiment(market)
    with market.begin() as conn:
        conn.execute(
            sa.text(
                "UPDATE document_sentiment s SET known_at = d.published_at FROM documents d "
                "WHERE d.document_id = s.document_id"
            )
        )

    days(market, FIRST.date(), FIRST.date())

    assert sentiment(market) != honest


def test_a_technical_and_a_sentiment_buy_become_one_signal_of_several_sources(market):
    strict = TALKATIVE | {"strategies.macd_crossover.trigger": "level"}

    days(market, FIRST.date(), FIRST.date() + 2 * DAY, strict)

    together = rows(market, "trading_signals", "source = 'technical, sentiment'")
    assert together
    for signal in together:
        assert signal["strategy"] == "MULTI_STRATEGY"
        assert "SENTIMENT_ANALYSIS" in {each["strategy"] for each in signal["metadata"]["components"]}
        assert set(signal["metadata"]["raw_data"]["sentiment"]) == {"overall_score", "news_score", "social_score"}


def test_without_x_the_weights_of_the_others_count_for_more_and_the_coverage_says_so(market):
    with market.begin() as conn:
        conn.execute(sa.text("DELETE FROM documents WHERE source = 'twitter'"))

    days(market, FIRST.date(), FIRST.date())

    for row in sentiment(market):
        assert row["twitter_score"] is None
        assert row["coverage"] == pytest.approx(0.7)
        assert row["weights"] == pytest.approx({"news": 0.4 / 0.7, "reddit": 0.2 / 0.7, "github": 0.1 / 0.7})
        parts = [row["weights"][name] * row[f"{name}_score"] for name in ("news", "reddit", "github")]
        assert row["overall_score"] == pytest.approx(sum(parts))


def test_without_texts_nothing_is_said_and_all_else_goes_on(market):
    with market.begin() as conn:
        conn.execute(sa.text("TRUNCATE documents, repository_coverage CASCADE"))

    made = days(market, FIRST.date(), FIRST.date())

    assert sentiment(market) == []
    assert made["sentiment_signals"]["rows_written"] == 0
    assert made["technical_signals"]["rows_written"] > 0


def test_rows_whose_texts_have_gone_are_taken_away_again(market):
    days(market, FIRST.date(), FIRST.date())
    with market.begin() as conn:
        conn.execute(sa.text("TRUNCATE documents, repository_coverage CASCADE"))

    made = days(market, FIRST.date(), FIRST.date())

    assert made["symbol_sentiment"]["rows_removed"] > 0
    assert sentiment(market) == []


def test_too_few_texts_are_no_advice_and_the_row_says_so(market):
    with market.begin() as conn:
        conn.execute(sa.text("DELETE FROM documents WHERE source <> 'reddit' OR external_id NOT LIKE '%-1_'"))

    days(market, FIRST.date(), FIRST.date())

    silences = {row["silence"].partition("(")[0] for row in sentiment(market)}
    assert silences == {"insufficient_coverage"}
    assert rows(market, "candidate_signals", "source = 'sentiment'") == []


def test_the_texts_that_moved_a_score_most_are_told_with_their_parts(market):
    days(market, FIRST.date(), FIRST.date())

    for row in sentiment(market):
        parts = [abs(each["part"]) for each in row["top_documents"]]
        assert len(parts) == 5
        assert parts == sorted(parts, reverse=True)
        assert np.all(np.array(parts) > 0)


def test_a_backfill_makes_what_its_strategies_look_back_on_and_nothing_after_its_days(market):
    days(market, date(2024, 2, 11), date(2024, 2, 11))

    closes = [row["close_at"] for row in sentiment(market, "true")]
    assert max(closes) == datetime(2024, 2, 11, 23, tzinfo=UTC)
    assert min(closes) < FIRST


def test_every_advice_of_texts_is_explained_with_the_texts_behind_it(market):
    days(market, FIRST.date(), FIRST.date(), TALKATIVE)
    settings = load_settings({**FILES, **TALKATIVE})
    advised = rows(market, "candidate_signals", "source = 'sentiment'")
    assert advised
    for row in advised[:6]:
        key = SeriesKey("binance", row["symbol"], Timeframe.H1)
        found = explain_bar(market, settings, key, as_of=FIRST + 2 * DAY, at=row["candle_close_at"])
        said = found.sentiment
        assert found.findings.differences == ()
        assert said.overall == pytest.approx(said.stored)
        assert [source.source for source in said.sources] == list(TextSource)
        assert sum(source.weight_used for source in said.sources) == pytest.approx(1.0)
        assert len(said.texts) == 5
        assert all(text.left_out is None and text.beginning for text in said.texts)
        assert set(said.left_out) <= {"known_later", "removed", "said_enough"}
        assert {"known_later", "removed"} & set(said.left_out)


def test_a_close_is_explained_by_the_scorer_that_judged_it_until_another_judges_it(market):
    days(market, FIRST.date(), FIRST.date(), TALKATIVE)
    with market.begin() as conn:
        for table in ("document_sentiment", "symbol_sentiment"):
            conn.execute(sa.text(f"UPDATE {table} SET scorer = 'of-before'"))
    key, settings = SeriesKey("binance", "BTC/USDT", Timeframe.H1), load_settings({**FILES, **TALKATIVE})

    def said():
        return explain_bar(market, settings, key, as_of=FIRST + 2 * DAY, at=FIRST + DAY / 2).sentiment

    before = said()
    score_all(market, scorer_name("default"))
    still = said()
    days(market, FIRST.date(), FIRST.date(), TALKATIVE)
    after = said()

    assert (before.scorer, before.overall) == ("of-before", pytest.approx(before.stored))
    assert still == before
    assert (after.scorer, after.overall) == (scorer_name("default"), pytest.approx(after.stored))
    assert after.overall != pytest.approx(before.overall)


def test_a_row_that_other_settings_made_is_told_beside_what_is_computed(market):
    days(market, FIRST.date(), FIRST.date(), TALKATIVE)
    with market.begin() as conn:
        conn.execute(sa.text("UPDATE symbol_sentiment SET overall_score = 0.125"))
    key = SeriesKey("binance", "BTC/USDT", Timeframe.H1)

    found = explain_bar(market, load_settings(FILES), key, as_of=FIRST + 2 * DAY, at=FIRST + DAY / 2)

    assert "stored is 0.125, of other texts or settings" in found.sentiment.words


def test_a_bar_about_which_nothing_is_said_is_explained_too(market):
    with market.begin() as conn:
        conn.execute(sa.text("TRUNCATE documents, repository_coverage CASCADE"))
    days(market, FIRST.date(), FIRST.date())

    key = SeriesKey("binance", "BTC/USDT", Timeframe.H1)
    found = explain_bar(market, load_settings(FILES), key, as_of=FIRST + 2 * DAY, at=FIRST + DAY / 2)

    assert found.sentiment.words.startswith("nothing is said")
    assert {source.words for source in found.sentiment.sources} == {
        "nothing to say: no text counts",
        "unknown: no repository was read",
    }
