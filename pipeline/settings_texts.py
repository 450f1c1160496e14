"""The sections of the settings about texts: which sources are read, with which keys and plans, and how they blend.

Keys are better set in the environment or a `.env` that nobody commits than in `signals.toml`; docs/sentiment.md says
how to get each. A source whose key is missing is unavailable, and says so; the others go on.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from pipeline.domain.document import TextSource
from pipeline.sentiment.blending import TEXTS, BlendRules
from pipeline.settings_sections import Names, Real, Section, Whole

# Public, read without a key, and long-lived; each gives its newest articles in English.
DEFAULT_FEEDS = (
    "https://www.coindesk.com/arc/outboundfeeds/rss/",
    "https://cointelegraph.com/rss",
    "https://decrypt.co/feed",
    "https://www.theblock.co/rss.xml",
    "https://bitcoinmagazine.com/feed",
    "https://cryptoslate.com/feed/",
    "https://www.federalreserve.gov/feeds/press_all.xml",
    "https://www.sec.gov/news/pressreleases.rss",
    "https://www.cnbc.com/id/20910258/device/rss/rss.html",
)
DEFAULT_SUBREDDITS = ("CryptoCurrency", "CryptoMarkets", "Bitcoin", "ethereum", "ethtrader", "solana")


def _pairs(value: object) -> object:
    """``owner/name=ASSET`` by commas, as a variable holds them, as a mapping."""
    if value is None or isinstance(value, Mapping):
        return value
    if not isinstance(value, str):
        rule = 'must say whose each is: "owner/name" = "BTC" in a file, owner/name=BTC in a variable'
        raise ValueError(rule)  # noqa: TRY004, pydantic reports ValueError with its place
    pairs = [each.partition("=") for each in value.split(",") if each.strip()]
    return {name.strip(): asset.strip() for name, _, asset in pairs}


def _named_whole(repository: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ValueError(f'must be named owner/name, as in "bitcoin/bitcoin" = "BTC", was {repository!r}')
    return repository


def _base(asset: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]+", asset):
        raise ValueError(f"must belong to a base currency such as BTC, was {asset!r}")
    return asset


Repository = Annotated[str, AfterValidator(_named_whole)]
Base = Annotated[str, AfterValidator(_base)]


class NewsSettings(Section):
    """RSS and Atom feeds; no key is needed."""

    is_enabled: bool = True
    feeds: Names = DEFAULT_FEEDS
    timeout_seconds: Annotated[Real, Field(gt=0, le=120)] = 10.0

    @field_validator("feeds")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for feed in value:
            if not re.match(r"https?://[^/\s]", feed):
                raise ValueError(f"must be addresses such as https://example.org/rss, was {feed!r}")
        return tuple(dict.fromkeys(value))


class TwitterSettings(Section):
    """X by its API v2; needs a bearer token of a plan that may search."""

    is_enabled: bool = True
    bearer_token: SecretStr | None = None
    queries: Names = ()  # none: one for the configured symbols is made
    accounts: Names = ()  # read in place of a search where named
    monthly_posts: Annotated[Whole, Field(ge=0)] = 15_000  # that the plan lets be read, Basic's by default
    requests_per_window: Annotated[Whole, Field(ge=1)] = 60  # in 15 minutes
    url: str | None = None  # instead of X's own address: a proxy, a test
    timeout_seconds: Annotated[Real, Field(gt=0, le=120)] = 10.0


class RedditSettings(Section):
    """Reddit by a script application's keys."""

    is_enabled: bool = True
    client_id: SecretStr | None = None
    client_secret: SecretStr | None = None
    user_agent: str = "trading-signals/0.1 (by /u/your-name)"
    subreddits: Names = DEFAULT_SUBREDDITS
    with_comments: bool = False  # the top comments of hot posts too
    url: str | None = None
    timeout_seconds: Annotated[Real, Field(gt=0, le=120)] = 10.0

    @field_validator("subreddits")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Without the r/ that people write before them; Reddit takes no account of case, so each counts once."""
        names: dict[str, str] = {}
        for given in value:
            name = re.sub(r"^/?r/", "", given.strip())
            if not re.fullmatch(r"[A-Za-z0-9_]{2,21}", name):
                raise ValueError(f"must be names of 2 to 21 letters, digits or _, such as Bitcoin, was {given!r}")
            names.setdefault(name.lower(), name)
        return tuple(names.values())


class GithubSettings(Section):
    """GitHub with or without a token; without one 60 requests an hour."""

    is_enabled: bool = True
    token: SecretStr | None = None
    # owner/name -> asset, e.g. {"bitcoin/bitcoin" = "BTC"}; in a variable bitcoin/bitcoin=BTC,...; None: the known ones
    repositories: Annotated[dict[Repository, Base] | None, NoDecode, BeforeValidator(_pairs)] = None
    url: str | None = None
    timeout_seconds: Annotated[Real, Field(gt=0, le=120)] = 10.0


class TextSettings(Section):
    """Where texts come from; None follows the market: simulated beside simulated candles, live beside live ones."""

    source: Literal["live", "simulated", "none"] | None = None
    news: NewsSettings = NewsSettings()
    twitter: TwitterSettings = TwitterSettings()
    reddit: RedditSettings = RedditSettings()
    github: GithubSettings = GithubSettings()


class SentimentSettings(Section):
    """How texts are scored, and what their scores weigh together."""

    scorer: str = "default"  # or transformers:<model or folder>, with the extra of that name
    weights: dict[TextSource, Annotated[Real, Field(ge=0, le=1)]] = Field(default_factory=dict, validate_default=True)
    window_hours: Annotated[Real, Field(ge=1, le=168)] = 24.0
    half_life_hours: Annotated[Real, Field(gt=0, le=168)] = 6.0
    author_cap: dict[TextSource, Annotated[Whole, Field(ge=1)]] = Field(default_factory=dict, validate_default=True)
    min_weight: Annotated[Real, Field(ge=0, le=1)] = 0.4
    min_documents: Annotated[Whole, Field(ge=1)] = 10

    @field_validator("scorer")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value != "default" and not re.fullmatch(r"transformers:\S.*", value):
            raise ValueError(f"scorer must be default or transformers:<model or folder>, was {value!r}")
        return value

    @field_validator("weights")
    @classmethod
    def _others_keep_their_weights(cls, value: dict[TextSource, float]) -> dict[TextSource, float]:
        """To set one says nothing about another."""
        return {**BlendRules().weights, **value}

    @field_validator("author_cap")
    @classmethod
    def _others_keep_their_caps(cls, value: dict[TextSource, int]) -> dict[TextSource, int]:
        if wrong := [source.value for source in value if source not in TEXTS]:
            raise ValueError(f"author_cap must be of {', '.join(TEXTS)}, was of {', '.join(wrong)}")
        return {**BlendRules().author_cap, **value}

    @model_validator(mode="after")
    def _weights_add_up(self) -> Self:
        total = sum(self.weights.values())
        if not 0.0 < total <= 1.0 + 1e-9:
            raise ValueError(f"weights must add up to 1 at most, and to more than 0, were {total:g}")
        return self

    @property
    def rules(self) -> BlendRules:
        """The settings as blending takes them."""
        return BlendRules(
            weights=self.weights,
            window=timedelta(hours=self.window_hours),
            half_life=timedelta(hours=self.half_life_hours),
            author_cap=self.author_cap,
            min_weight=self.min_weight,
            min_documents=self.min_documents,
        )
