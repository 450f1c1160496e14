"""Texts: how many are scored and prepared in a second, what a hostile one costs, and finding what is told twice.

All of it is arithmetic of one process on one core, so processor time is what counts.
"""

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.measurement import ROOT, Figures, median_seconds, peak_memory
from pipeline.domain.document import DocumentKind, Provenance, RawDocument, TextSource
from pipeline.sentiment.cleaning import clean_body
from pipeline.sentiment.duplicates import find_duplicates
from pipeline.sentiment.preparing import prepare
from pipeline.sentiment.scorers import load_scorer
from resources.simulation.sentences import HEADLINES, NAMES, TALK
from tests.support.hostile_texts import HOSTILE
from tests.support.retold_texts import strangers_and_retellings

TWEETS = Path("labelled") / "twitter_financial_news_sentiment_train.jsonl"
N_SIMULATED = 10_000
N_KNOWN, N_NEW = 100_000, 1_000
NOW = datetime(2025, 1, 1, tzinfo=UTC)
REPEATS = 3


def real_tweets() -> str | None:
    """Where the labelled tweets are, as the argument ``tweets`` of the case; None where they are not."""
    path = Path(os.environ.get("SIGNALS_REAL_DATA", ROOT.parent / "shared" / "data")) / TWEETS
    return str(path) if path.exists() else None


def text_speed(home: object, tweets: str | None = None) -> Figures:
    """Case: texts a second and seconds, over ``tweets`` (JSONL with ``text``) or, without them, over simulated ones."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    texts = list(itertools.islice(_simulated(), N_SIMULATED)) if tweets is None else _read(Path(tweets))
    scorer, vader = load_scorer("default"), SentimentIntensityAnalyzer()
    sources = [TextSource.TWITTER] * len(texts)
    raw = [
        RawDocument(kind=DocumentKind.TWEET, external_id=str(n), feed="benchmark", published_at=NOW, body=text)
        for n, text in enumerate(texts)
    ]
    new, known = strangers_and_retellings(N_KNOWN, N_NEW)
    scoring_s = _seconds(lambda: scorer.score(texts, sources))
    vader_s = _seconds(lambda: [vader.polarity_scores(text) for text in texts])
    preparing_s = _seconds(lambda: prepare(raw, now=NOW, provenance=Provenance.FETCHED, author_key=b"benchmark"))
    hostile_s = {name: _seconds(partial(clean_body, text, DocumentKind.POST)) for name, text in HOSTILE.items()}
    slowest = max(hostile_s, key=hostile_s.__getitem__)
    return {
        "texts": len(texts),
        "are_real": tweets is not None,
        "scored_per_s": len(texts) / scoring_s,
        "vader_per_s": len(texts) / vader_s,
        "prepared_per_s": len(texts) / preparing_s,
        "hostile": slowest,
        "hostile_s": hostile_s[slowest],
        "duplicates_s": _seconds(lambda: find_duplicates(new, known)),
        "peak": peak_memory(),
    }


def _seconds(work: Callable[[], object]) -> float:
    return median_seconds(work, REPEATS, time.process_time)


def _read(path: Path) -> list[str]:
    return [str(json.loads(line)["text"]) for line in path.read_bytes().splitlines()]


def _simulated() -> Iterator[str]:
    """Headlines and talk in turn, about one asset after the other."""
    assets = itertools.cycle(NAMES.items())
    kinds = [parts for tones in (HEADLINES, TALK) for parts in tones.values()]
    for some in itertools.zip_longest(*(itertools.cycle(itertools.product(*parts)) for parts in kinds)):
        for parts in some:
            ticker, name = next(assets)
            yield " ".join(parts).format(name=name, ticker=ticker)
