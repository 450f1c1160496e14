"""Texts and development activity of the simulated market: no network, no key, the same texts for ever.

They follow prices as talk does: a text is published after the minutes that it is about, most are about nothing, and
after a large move many say the same. Every hour of every asset is made of random words of its own, so that any hour
can be had without those before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from pipeline.domain.document import (
    ActivityKind,
    Cursor,
    DocumentKind,
    RawDocument,
    RepositoryEvent,
    TextSource,
)
from resources.simulation.days import DAY, FIRST_DAY
from resources.simulation.listings import listing
from resources.simulation.minutes import MARKET, minutes
from resources.simulation.noise import Numbers, Stream, uniform
from resources.simulation.sentences import COMMITS, HEADLINES, NAMES, TALK, Parts, Tone
from resources.texts import FeedFetch, Progress

HOUR = timedelta(hours=1)
MINUTES_A_DAY, HOURS_A_DAY = 1440, 24
HISTORY = timedelta(days=12)  # that a first fetch brings: a day's window, and ten days and more to compare with
ACTIVITY_HISTORY = timedelta(days=130)
WORDS = 64  # of randomness an hour: how many texts, and six for each
WORDS_A_TEXT, MOST_TEXTS = 6, 10
AUTHORS = 40

# Texts an hour about an asset when nothing happens, and how many more for each usual day's move beyond what is calm.
QUIET = {TextSource.NEWS: 0.12, TextSource.TWITTER: 0.25, TextSource.REDDIT: 0.12}
EXCITED = {TextSource.NEWS: 2.5, TextSource.TWITTER: 3.0, TextSource.REDDIT: 2.5}
CALM = 0.7  # of a usual day's move
KINDS = {
    TextSource.NEWS: DocumentKind.ARTICLE,
    TextSource.TWITTER: DocumentKind.TWEET,
    TextSource.REDDIT: DocumentKind.POST,
}
EVENTS_A_DAY = 2.0
EVENT_ODDS = (
    (ActivityKind.COMMIT, 0.70),
    (ActivityKind.OPENED, 0.82),
    (ActivityKind.MERGED, 0.92),
    (ActivityKind.ISSUE, 0.99),
    (ActivityKind.RELEASE, 1.0),
)


@dataclass(frozen=True, slots=True)
class SimulatedTexts:
    """News, X or Reddit of the simulated market, one feed per asset."""

    seed: int
    source: TextSource
    symbols: Mapping[str, str]  # asset -> the symbol whose price its texts follow

    @property
    def feeds(self) -> Sequence[str]:
        """The assets."""
        return tuple(self.symbols)

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What is new in each feed; see `TextClient`. Never fails."""
        for done, asset in enumerate(self.symbols, start=1):
            known = cursors.get(asset, Cursor())
            after = known.newest_at or as_of - HISTORY
            documents = [each for each in self._texts(asset, after, as_of) if each.published_at is not None]
            newest = documents[-1] if documents else None
            cursor = known if newest is None else Cursor(newest_id=newest.external_id, newest_at=newest.published_at)
            if on_progress is not None:
                on_progress(done, len(self.symbols))
            yield FeedFetch(feed=asset, cursor=cursor, documents=documents, is_unchanged=newest is None)

    def _texts(self, asset: str, after: datetime, until: datetime) -> Iterator[RawDocument]:
        """The texts with ``after < published_at <= until``, oldest first."""
        first, last = _hour(after), _hour(until)
        moves = self._moves(self.symbols[asset], first, last)
        words = Stream(self.seed, "texts", self.source.value, asset).words(first, last - first + 1, WORDS)
        for hour, move, chances in zip(range(first, last + 1), moves, uniform(words), strict=True):
            rate = QUIET[self.source] + EXCITED[self.source] * max(abs(move) - CALM, 0.0)
            draws = chances[: MOST_TEXTS * WORDS_A_TEXT].reshape(MOST_TEXTS, WORDS_A_TEXT)
            n_texts = int(np.floor(min(rate, MOST_TEXTS - 1.0) + chances[-1]))
            for number in np.argsort(draws[:n_texts, 0], kind="stable"):
                published_at = FIRST_DAY + hour * HOUR + float(draws[number, 0]) * HOUR
                published_at = published_at.replace(microsecond=0)
                if after < published_at <= until:
                    yield self._text(asset, hour, int(number), published_at, move, draws[number, 1:])

    def _text(
        self, asset: str, hour: int, number: int, published_at: datetime, move: float, draws: Numbers
    ) -> RawDocument:
        tone = _tone(move, float(draws[0]))
        parts = (HEADLINES if self.source is TextSource.NEWS else TALK)[tone]
        text = _sentence(parts, draws[1:4]).format(name=NAMES.get(asset, asset), ticker=asset)
        is_headline = self.source is not TextSource.TWITTER
        return RawDocument(
            kind=KINDS[self.source],
            external_id=f"{asset}-{hour}-{number}",
            feed=asset,
            published_at=published_at,
            title=text if is_headline else "",
            body="" if is_headline else text,
            author=f"{self.source.value}-{int(draws[4] * AUTHORS)}",
            language="en",
        )

    def _moves(self, symbol: str, first: int, last: int) -> Numbers:
        """The price's move over the 24 hours before each hour begins, in usual moves of a day."""
        first_day, last_day = first // HOURS_A_DAY - 2, last // HOURS_A_DAY
        closes = minutes(self.seed, symbol, first_day, last_day - first_day + 1).close
        terms = listing(self.seed, symbol)
        usual = float(np.hypot(terms.beta * MARKET.volatility, terms.volatility))
        begins = (np.arange(first, last + 1) - first_day * HOURS_A_DAY) * 60 - 1  # the last minute before the hour
        return np.log(closes[begins] / closes[begins - MINUTES_A_DAY]) / usual


@dataclass(frozen=True, slots=True)
class SimulatedActivity:
    """Repositories of the simulated market: ``simulated/btc`` and the like, one per asset."""

    seed: int
    assets: Sequence[str]

    @property
    def source(self) -> TextSource:
        """GitHub's part."""
        return TextSource.GITHUB

    @property
    def repositories(self) -> Mapping[str, str]:
        """Owner/name -> asset."""
        return {f"simulated/{asset.lower()}": asset for asset in self.assets}

    @property
    def feeds(self) -> Sequence[str]:
        """The repositories."""
        return tuple(self.repositories)

    def fetch(
        self, cursors: Mapping[str, Cursor], as_of: datetime, on_progress: Progress | None = None
    ) -> Iterator[FeedFetch]:
        """What is new in each repository; see `TextClient`. Never fails."""
        for done, (feed, asset) in enumerate(self.repositories.items(), start=1):
            known = cursors.get(feed, Cursor())
            after = known.newest_at or as_of - ACTIVITY_HISTORY
            events = list(self._events(asset, feed, after, as_of))
            cursor = Cursor(
                newest_id=events[-1].external_id if events else known.newest_id,
                newest_at=events[-1].happened_at if events else known.newest_at,
                history_from=known.history_from or as_of - ACTIVITY_HISTORY,
            )
            if on_progress is not None:
                on_progress(done, len(self.assets))
            yield FeedFetch(feed=feed, cursor=cursor, events=events, is_unchanged=not events)

    def _events(self, asset: str, feed: str, after: datetime, until: datetime) -> Iterator[RepositoryEvent]:
        first, last = (after - FIRST_DAY) // DAY, (until - FIRST_DAY) // DAY
        words = uniform(Stream(self.seed, "activity", asset).words(first, last - first + 1, WORDS))
        for day, chances in zip(range(first, last + 1), words, strict=True):
            draws = chances[: MOST_TEXTS * WORDS_A_TEXT].reshape(MOST_TEXTS, WORDS_A_TEXT)
            n_events = int(np.floor(min(2.0 * EVENTS_A_DAY * chances[-2], MOST_TEXTS - 1.0) + chances[-1]))
            for number in np.argsort(draws[:n_events, 0], kind="stable"):
                happened_at = (FIRST_DAY + day * DAY + float(draws[number, 0]) * DAY).replace(microsecond=0)
                if after < happened_at <= until:
                    kind = next(kind for kind, odds in EVENT_ODDS if draws[number, 1] < odds)
                    yield RepositoryEvent(
                        repository=feed,
                        kind=kind,
                        external_id=f"{day}-{int(number)}",
                        happened_at=happened_at,
                        title=_commit(draws[number, 2:5]),
                        author=f"developer-{int(draws[number, 5] * AUTHORS)}",
                    )


def _hour(instant: datetime) -> int:
    return (instant - FIRST_DAY) // HOUR


def _tone(move: float, draw: float) -> Tone:
    """In calm times half of the texts take a side; after a large move nearly all do, and go along with it."""
    decided = min(0.5 + 0.6 * max(abs(move) - CALM, 0.0), 0.97)
    if draw >= decided:
        return Tone.FLAT
    with_it = 0.5 + 0.45 * min(max(abs(move) - 0.3, 0.0), 1.0)
    is_up = (draw / decided < with_it) == (move > 0.0)
    return Tone.UP if is_up else Tone.DOWN


def _sentence(parts: Parts, draws: Numbers) -> str:
    return " ".join(choices[int(draw * len(choices))] for choices, draw in zip(parts, draws, strict=True))


def _commit(draws: Numbers) -> str:
    where, what, which = (choices[int(draw * len(choices))] for choices, draw in zip(COMMITS, draws, strict=True))
    return f"{where}: {what} {which}"
