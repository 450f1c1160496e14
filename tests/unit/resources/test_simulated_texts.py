"""Simulated texts follow the simulated market, tell nothing of its future, and are the same whenever asked for."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from pipeline.domain.document import Cursor, TextSource
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from resources.market import SeriesWindow
from resources.simulated import EXCHANGE, SimulatedMarket
from resources.simulated_texts import SimulatedActivity, SimulatedTexts
from resources.simulation.sentences import HEADLINES, TALK, Tone

SEED = 7
NOON = datetime(2024, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SYMBOLS = {"BTC": "BTC/USDT", "ETH": "ETH/USDT"}


def news(source=TextSource.NEWS):
    return SimulatedTexts(SEED, source, SYMBOLS)


def fetched(client, since, until):
    cursors = {feed: Cursor(newest_at=since) for feed in client.feeds}
    return [text for fetch in client.fetch(cursors, until) for text in fetch.documents]


def test_the_same_texts_come_in_one_go_and_in_quarters_of_an_hour():
    whole = fetched(news(), NOON - DAY, NOON)
    instants = [NOON - DAY + n * timedelta(minutes=15) for n in range(4 * 24 + 1)]
    parts = [text for begin, end in pairwise(instants) for text in fetched(news(), begin, end)]

    assert len(whole) > 5
    assert sorted(whole, key=lambda t: t.external_id) == sorted(parts, key=lambda t: t.external_id)


def test_the_cursor_leads_to_what_is_new():
    client = news(TextSource.TWITTER)
    first = {fetch.feed: fetch for fetch in client.fetch({}, NOON)}
    again = {f.feed: f for f in client.fetch({feed: fetch.cursor for feed, fetch in first.items()}, NOON)}

    assert all(fetch.documents for fetch in first.values())
    assert all(fetch.is_unchanged and not fetch.documents for fetch in again.values())


def test_nothing_is_published_after_the_instant_that_is_asked_about():
    assert all(NOON - DAY < text.published_at <= NOON for text in fetched(news(), NOON - DAY, NOON))


def test_texts_follow_prices_and_do_not_lead_them():
    """The mood of an hour's texts goes with the day before them, and says nothing of the day after."""
    until = NOON + 60 * DAY
    texts = fetched(news(TextSource.TWITTER), NOON, until)
    window = SeriesWindow(SeriesKey(EXCHANGE, "BTC/USDT", Timeframe.H1), NOON - 2 * DAY, until + 2 * DAY)
    candles = SimulatedMarket(SEED).candles([window]).frame.set_index("open_at")["close"]
    mood, before, after = [], [], []
    for text in texts:
        if text.feed != "BTC":
            continue
        tone = next(tone for tone in Tone if _is_in(text.body, tone))
        if tone is Tone.FLAT:
            continue
        hour = text.published_at.replace(minute=0, second=0)
        mood.append(1.0 if tone is Tone.UP else -1.0)
        now = np.log(candles[hour - timedelta(hours=1)])
        before.append(now - np.log(candles[hour - timedelta(hours=25)]))
        after.append(np.log(candles[hour + timedelta(hours=23)]) - now)

    assert len(mood) > 100
    assert np.corrcoef(mood, before)[0, 1] > 0.5
    assert abs(np.corrcoef(mood, after)[0, 1]) < 0.35


def _is_in(body, tone):
    return any(body.endswith(ending) for ending in TALK[tone][2])


def test_no_part_of_a_sentence_belongs_to_two_tones():
    for parts in (HEADLINES, TALK):
        for place in range(3):
            every = [part for tone in Tone for part in parts[tone][place]]
            assert len(every) == len(set(every))


def test_the_activity_of_repositories_comes_in_parts_as_in_one_go_and_its_history_is_whole():
    client = SimulatedActivity(SEED, ["BTC"])
    (first,) = client.fetch({}, NOON - DAY)
    (second,) = client.fetch({"simulated/btc": first.cursor}, NOON)
    (whole,) = client.fetch({"simulated/btc": Cursor(newest_at=first.events[0].happened_at)}, NOON)

    assert [*first.events[1:], *second.events] == list(whole.events)
    assert first.cursor.history_from == second.cursor.history_from == NOON - DAY - timedelta(days=130)
    assert client.repositories == {"simulated/btc": "BTC"}
