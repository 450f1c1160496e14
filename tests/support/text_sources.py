"""All four sources on this machine, and what a reading of them leaves in the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.text_reading import SourceReading, read_source
from pipeline.definitions import defs
from pipeline.domain.document import TextSource
from pipeline.run_tags import AS_OF, TEXT_JOB
from pipeline.settings import Settings, load_settings
from pipeline.storage.database import Database
from tests.support.documents import stored
from tests.support.github_server import LocalGithub, github_server
from tests.support.news_server import LocalNews, news_server
from tests.support.reddit_server import CLIENT_ID, CLIENT_SECRET, LocalReddit, reddit_server
from tests.support.x_server import TOKEN, LocalX, x_server

GITHUB_TOKEN = "a-token"
REPOSITORY = "coins/one"


@dataclass(kw_only=True)
class LocalSources:
    """The four servers, and settings that lead to them."""

    news: LocalNews
    x: LocalX
    reddit: LocalReddit
    github: LocalGithub
    feeds: tuple[str, ...] = ()

    def changes(self, **others: str) -> dict[str, str]:
        """Settings of a live market whose sources are here, each with its key."""
        return {
            "market.source": "live",
            "market.exchange": "binance",
            "market.symbols": "BTC/USDT,ETH/USDT",
            "texts.news.feeds": ",".join(self.feeds),
            "texts.news.timeout_seconds": "5",
            "texts.twitter.bearer_token": TOKEN,
            "texts.twitter.queries": "bitcoin",
            "texts.twitter.url": self.x.url,
            "texts.reddit.client_id": CLIENT_ID,
            "texts.reddit.client_secret": CLIENT_SECRET,
            "texts.reddit.subreddits": "Bitcoin",
            "texts.reddit.url": self.reddit.url,
            "texts.github.token": GITHUB_TOKEN,
            "texts.github.url": self.github.url,
            "texts.github.repositories": f"{REPOSITORY}=BTC",
            **{name.replace("__", "."): value for name, value in others.items()},
        }

    def settings(self, **others: str) -> Settings:
        """The same, loaded."""
        return load_settings(self.changes(**others))

    def read(self, database: Database, source: TextSource, **others: str) -> SourceReading:
        """One reading of a source, now."""
        return read_source(database, self.settings(**others), source, datetime.now(UTC))


@contextmanager
def local_sources() -> Iterator[LocalSources]:
    """Four running servers."""
    with (
        news_server() as news,
        x_server(datetime.now(UTC)) as x,
        reddit_server() as reddit,
        github_server(GITHUB_TOKEN) as github,
    ):
        yield LocalSources(news=news, x=x, reddit=reddit, github=github)


def health(database: Database, source: TextSource) -> dict[str, tuple[str, str | None]]:
    """Status and reason of each feed of a source."""
    found = stored(database, "source_health", f"source = '{source}'")
    return {row["subject"]: (row["status"], row["reason"]) for row in found}


def ingest(database: Database, changes: dict[str, str]) -> dict[str, dict[str, Any]]:
    """One run of the job that reads texts; what each asset reported, its checks as ``check:<name>``."""
    resources = {
        "unlocked_database": {"config": {"url": database.address.libpq}},
        "settings": {"config": {"changes": changes}},
    }
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def(TEXT_JOB).execute_in_process(
            instance=instance,
            tags={AS_OF: datetime.now(UTC).isoformat()},
            run_config={"resources": resources, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    found: dict[str, dict[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        made = event.step_materialization_data.materialization
        found[made.asset_key.to_user_string()] = {key: value.value for key, value in made.metadata.items()}
    for check in result.get_asset_check_evaluations():
        found[check.asset_key.to_user_string()][f"check:{check.check_name}"] = check.passed
    return found
