"""Which source of texts, or of development activity, the settings mean."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.domain.document import TextSource
from pipeline.domain.universe import base_of
from pipeline.settings import Settings
from resources.github import GithubClient
from resources.github_repositories import repositories_of
from resources.news import NewsClient
from resources.reddit import RedditClient
from resources.simulated_texts import SimulatedActivity, SimulatedTexts
from resources.texts import TextClient
from resources.twitter import TwitterClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What of a plan may still be used; without a plan there is no end to it."""

    posts: int = 1_000_000
    requests: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What texts are to be about, and what of them is there already."""

    symbols: Sequence[str]  # that are traded
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)  # asset -> what people call it
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)  # feed -> ids of recent texts, to look at again

    @property
    def assets(self) -> tuple[str, ...]:
        """The bases of the symbols, each once, in order."""
        return tuple(sorted({base_of(symbol) for symbol in self.symbols}))


def text_client(
    settings: Settings,
    source: TextSource,
    wanted: Wanted,
    allowance: Allowance,
    *,
    resting: Collection[str] = (),
) -> TextClient | None:
    """The client of a source; None where the settings switch it off.

    ``resting`` holds the feeds that asked not to be asked now. On X that is all of them: its limit is the account's.
    """
    if settings.text_source == "none" or not getattr(settings.texts, source.value).is_enabled:
        return None
    if settings.text_source == "simulated":
        seed = settings.market.simulation_seed
        if source is TextSource.GITHUB:
            return SimulatedActivity(seed, wanted.assets)
        symbols = {base_of(symbol): symbol for symbol in sorted(wanted.symbols, reverse=True)}
        return SimulatedTexts(seed, source, dict(sorted(symbols.items())))
    match source:
        case TextSource.NEWS:
            news = settings.texts.news
            return NewsClient(news.model_copy(update={"feeds": _others(news.feeds, resting)}))
        case TextSource.TWITTER if resting:
            return None
        case TextSource.TWITTER:
            return TwitterClient(
                settings=settings.texts.twitter,
                names={asset: wanted.names.get(asset, ()) for asset in wanted.assets},
                posts_left=allowance.posts,
                requests_left=allowance.requests,
            )
        case TextSource.REDDIT:
            reddit = settings.texts.reddit
            subreddits = _others(reddit.subreddits, resting)
            return RedditClient(settings=reddit.model_copy(update={"subreddits": subreddits}), known=wanted.known)
        case TextSource.GITHUB:
            github = settings.texts.github
            repositories = repositories_of(github, wanted.assets)
            return GithubClient(github, {each: repositories[each] for each in _others(tuple(repositories), resting)})


def _others(feeds: tuple[str, ...], resting: Collection[str]) -> tuple[str, ...]:
    return tuple(feed for feed in feeds if feed not in resting)


def repositories_read(client: TextClient) -> Mapping[str, str]:
    """Of a client of development activity: owner/name -> asset; of others nothing."""
    return client.repositories if isinstance(client, GithubClient | SimulatedActivity) else {}
