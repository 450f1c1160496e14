"""Entities: which assets a text is about, from the words that it uses and from what its source says.

Add a rule here when it needs only the words of one text. Which words mean which asset is data, in
`pipeline.sentiment.asset_names`. Most coins are named like something else (`LINK`, `GAS`, near, stellar): such a word
counts with a second sign only, since a wrong link moves a price's sentiment by what was said of a garden.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pipeline.domain.universe import QUOTES
from pipeline.sentiment.asset_names import FEED_ASSETS, NOUNS, Coin, coins

MOST_ASSETS = 8  # a text that names more is a list, and says little of each
MOST_TAGS = 8  # in a text with more, a hashtag is there to be found, not because of what the text is about
LEAD_CHARACTERS = 1_000  # of a body, in which it says what it is about; what follows is named in passing

# Addresses, accounts, subreddits, sites and wallets: their names are not what the text is about.
_MASKED = re.compile(
    r"https?://\S+|(?<!\S)\S*@\w\S*|(?<!\w)/?[ru]/\w+|(?<![\w.-])\w[\w.-]*\.(?:com|org|net|io|eth|sol|xyz|app|gg)\b\S*"
    r"|\b0\.\d{3,}\s*[$#]?(?:btc|eth|bitcoin)\b",  # and a price in coins is about what is priced
    re.IGNORECASE,
)
_MAYBE_MASKED = re.compile(r"[/@.]")
# BTC/USDT and BTC-USD, but not ETH/BTC: that is about both.
_PARTED_PAIR = re.compile(rf"(?<=\w)[/_-](?=(?:{'|'.join(QUOTES[:9])}|PERP)\b)", re.IGNORECASE)
_TOKEN = re.compile(r"[$#]?[^\W_]+|[,;!?|&+\n]")  # what parts words parts names: "bitcoin, cash"
_CRYPTO = re.compile(
    r"\b(?:crypto\w*|block-?chains?|altcoins?|alt ?season|stable-?coins?|meme-?coins?|shitcoins?|de-?fi|nfts?|"
    r"web3|air-?drops?|on-?chain|satoshis?|hodl\w*|binance|coinbase|kraken|bybit|okx|usdt|usdc|dex|tokens?|tokenomics|"
    r"tokeni[sz]\w+|coins|cold wallets?|hardware wallets?|layer[ -][12]|l[12]s?|staking|validators?|mainnet|btc|eth)\b",
    re.IGNORECASE,
)
_SHARES = re.compile(
    r"\b(?:shares?|stocks?|shareholders?|earnings|eps|dividends?|nyse|nasdaq|revenues?|ceo|cfo|quarterly|q[1-4])\b",
    re.IGNORECASE,
)
_QUERY = re.compile(r"[ $()]")  # a search names coins, and finds shares that are called alike
_CRYPTO_FEED = re.compile(r"crypto|coin|btc|ethereum|ethtrader|solana|blockchain|decrypt|defi|altcoin", re.IGNORECASE)
# Talk of a market, and of others than those of coins. What people say to each other in a feed about a coin is about the
# coin in half of the cases; in nine of ten where they are brief, talk of a market, and not of one of the others.
_MARKET = re.compile(
    r"\b(?:(?!401k)\d{2,3}(?:\.\d+)?k|moo+n\w*|aths?|dips?|halving|hodl\w*|dca\w*|bulls|bullish|bull ?run|"
    r"bull market|bearish|bear market|pump(?:s|ed)?|dump(?:s|ed|ing)?|sats|crash\w*|rall(?:y|ies|ied)|uptober|"
    r"moonvember|all[- ]time highs?|sell-?offs?|breakout|hash ?rate|self[- ]custody|stak(?:e|ed|ing))\b",
    re.IGNORECASE,
)
_OTHER_MARKETS = re.compile(
    r"\b(?:gold|silver|oil|stocks?|shares?|nasdaq|s&p|mstr|house|houses|rent|cars?|jobs?|salary|casino|lost|gamble\w*)\b",
    re.IGNORECASE,
)
_BRIEF_CHARACTERS = 280
_EXCHANGES_OF_SHARES = frozenset({"nasdaq", "nyse", "nysearca", "amex", "otc", "otcmkts", "otcqb", "tsx", "lse", "asx"})
_SHORTEST_GIVEN = 3
_CONTRACT_SIZE = re.compile(r"^1(?:0{3,6}|M)(?=[A-Z]{2,})")  # 1000PEPE is a thousand PEPE


class LinkRule(StrEnum):
    """How it shows that a text is about an asset; the strongest is stored, strongest first."""

    GIVEN = "given"  # its source says so
    CASHTAG = "cashtag"  # $BTC
    TICKER = "ticker"  # BTC, #BTC, BTC/USDT, BTCUSDT
    NAME = "name"  # Bitcoin, bitcoin's, #bitcoin
    FEED = "feed"  # it came through a feed about that asset, is brief, talks of a market and names no other


@dataclass(frozen=True, slots=True)
class AssetLink:
    """An asset that a text is about."""

    asset: str  # base currency, e.g. BTC
    rule: LinkRule
    mention: str  # the words that say so; empty where the source or the feed does


@dataclass(frozen=True, slots=True)
class Links:
    """What a text is about; ``too_many`` is how many coins it names where it names more than `MOST_ASSETS`, else 0."""

    links: tuple[AssetLink, ...] = ()  # by asset
    too_many: int = 0


_STRENGTH = {rule: place for place, rule in enumerate(LinkRule)}
_Found = dict[int, tuple[LinkRule, str]]  # coin by its place -> the strongest rule and its words


@dataclass(slots=True)
class _Signs:
    """What one text says of coins; coins by place."""

    ignores_hashtags: bool = False
    certain: _Found = field(default_factory=dict)
    talk: dict[int, str] = field(default_factory=dict)  # tickers that count where crypto is talked about
    proper: dict[int, str] = field(default_factory=dict)  # names that do
    lone: dict[int, str] = field(default_factory=dict)  # tickers that need their name beside them
    vague: dict[int, str] = field(default_factory=dict)  # names that need their ticker
    cashtags: dict[int, str] = field(default_factory=dict)  # those that shares may have as well

    def add(self, coin: int, rule: LinkRule, mention: str) -> None:
        known = self.certain.get(coin)
        if known is None or _STRENGTH[rule] < _STRENGTH[known[0]]:
            self.certain[coin] = (rule, mention)


class AssetFinder:
    """Finds assets in texts; made once for many texts, since it holds every word that can mean one."""

    def __init__(self, traded: Collection[str] = (), feed_assets: Mapping[str, str] | None = None) -> None:
        """``traded`` bases are found by cashtag and pair even where nobody else knows them.

        ``feed_assets`` is what feeds are about, e.g. ``{"ethereum": "ETH"}``; None takes `asset_names.FEED_ASSETS`.
        """
        self._coins = _with_traded(coins(), traded)
        feeds = FEED_ASSETS if feed_assets is None else feed_assets
        self._feed_assets = {feed.casefold(): asset for feed, asset in feeds.items()}
        self._by_code = {code: n for n, coin in enumerate(self._coins) for code in (*coin.codes, *coin.aliases)}
        self._tickers: dict[str, int] = {code.lower(): place for code, place in self._by_code.items()}
        self._pairs = {f"{code}{quote}".lower(): n for code, n in self._by_code.items() for quote in _JOINED_QUOTES}
        self._names: dict[str, list[tuple[tuple[str, ...], int, str]]] = {}
        for place, coin in enumerate(self._coins):
            for trust, names in (("sure", coin.sure), ("proper", coin.proper), ("vague", coin.vague)):
                for name in names:
                    self._add_name(name, place, trust)
        for found in self._names.values():
            found.sort(key=lambda name: -len(name[0]))
        bare = {*self._tickers, *self._pairs, *self._names}
        self._words = frozenset(prefix + word for word in bare for prefix in ("", "$", "#"))

    def find(self, title: str, body: str, given: Sequence[str] = (), feed: str = "") -> Links:
        """The assets that a cleaned text is about, by its title and the first `LEAD_CHARACTERS` of its body.

        Where the whole names more than `MOST_ASSETS` and the title does not, it is about those of the title: an
        article on one coin often ends with a list of the others.
        """
        said = self._assets_given(given)
        lead = body[:LEAD_CHARACTERS]
        found = self._named(f"{title}\n{lead}" if title and lead else title or lead, feed)
        n_named = len(found.keys() | said.keys())
        if n_named > MOST_ASSETS:
            found = self._named(title, feed) if title and len(said) <= MOST_ASSETS else {}
            if not 0 < len(found.keys() | said.keys()) <= MOST_ASSETS:
                return Links(too_many=n_named)
        found.update(said)
        if not found:
            asset = self._feed_assets.get(feed.casefold().removeprefix("/").removeprefix("r/"))
            return Links((AssetLink(asset, LinkRule.FEED, ""),) if asset and _is_market_talk(title, body) else ())
        links = {
            code: AssetLink(code, rule, mention)
            for coin, (rule, mention) in found.items()
            for code in self._coins[coin].codes
        }
        return Links(tuple(links[code] for code in sorted(links)))

    def _assets_given(self, given: Sequence[str]) -> _Found:
        """What the source says of coins that are known or traded."""
        codes = (_CONTRACT_SIZE.sub("", code.strip().lstrip("$#").upper()) for code in given)
        return {self._by_code[code]: (LinkRule.GIVEN, "") for code in codes if self._is_believed(code)}

    def _is_believed(self, code: str) -> bool:
        """Whether a source that states a code means the coin: many tag by machine, and find A, I and OP everywhere."""
        return code in self._by_code and len(code) >= _SHORTEST_GIVEN

    def _add_name(self, name: str, place: int, trust: str) -> None:
        first, *rest = _TOKEN.findall(name)
        self._names.setdefault(first, []).append((tuple(rest), place, trust))
        if not rest:  # bitcoins
            self._names.setdefault(f"{first}s", []).append(((), place, trust))
        elif len(name) <= _LONGEST_HASHTAG:  # #shibainu
            self._names.setdefault("".join((first, *rest)), []).append(((), place, trust))

    def _named(self, text: str, feed: str) -> _Found:
        """Coins by place, with the strongest rule and its words."""
        if _MAYBE_MASKED.search(text):
            text = _MASKED.sub(" ", text)
        text = _PARTED_PAIR.sub("", text)
        tokens = _TOKEN.findall(text)
        words, known = [token.lower() for token in tokens], self._words
        signs, end = _Signs(ignores_hashtags=sum(word[0] in "$#" and len(word) > 1 for word in words) > MOST_TAGS), 0
        for place in [n for n, word in enumerate(words) if word in known]:
            if place >= end:
                end = self._read(tokens, words, place, signs)
        self._weigh(signs, text, feed)
        return dict(signs.certain)

    def _read(self, tokens: list[str], words: list[str], place: int, signs: _Signs) -> int:
        """Note what the word at a place says, and give the place behind what was read."""
        token, word = tokens[place], words[place]
        prefix = word[0] if word[0] in "$#" else ""
        if prefix == "#" and signs.ignores_hashtags:
            return place + 1
        bare, mention = word[len(prefix) :], token[len(prefix) :]
        if prefix == "$" and bare in self._tickers:
            coin = self._tickers[bare]
            if self._coins[coin].grade in ("any", "word") and not self._coins[coin].is_shared:
                signs.add(coin, LinkRule.CASHTAG, token)
            else:
                signs.cashtags.setdefault(coin, token)
            return place + 1
        if bare in self._names and (length := self._read_name(tokens, words, place, bare, signs)):
            return place + length
        if bare in self._tickers:
            self._read_ticker(tokens, words, place, mention, signs)
        elif bare in self._pairs:
            signs.add(self._pairs[bare], LinkRule.CASHTAG if prefix == "$" else LinkRule.TICKER, token)
        return place + 1

    def _read_name(self, tokens: list[str], words: list[str], place: int, first: str, signs: _Signs) -> int:
        """How many words the longest name has that begins at a place; 0 if none does."""
        for rest, coin, trust in self._names[first]:
            end = place + 1 + len(rest)
            if rest and tuple(words[place + 1 : end]) != rest:
                continue
            mention = " ".join(tokens[place:end])
            is_capital = mention.lstrip("$#")[0].isupper() or mention[0] in "$#"
            if trust == "sure" or (is_capital and _is_before_noun(words, end)):
                signs.add(coin, LinkRule.NAME, mention)
            elif not is_capital or mention in self._by_code:
                continue  # a word, or a ticker such as NEAR
            elif trust == "proper" and not (end < len(words) and words[end].startswith("effect")):
                signs.proper.setdefault(coin, mention)
            else:
                signs.vague.setdefault(coin, mention)
            return 1 + len(rest)
        return 0

    def _read_ticker(self, tokens: list[str], words: list[str], place: int, mention: str, signs: _Signs) -> None:
        coin = self._tickers[mention.lower()]
        grade = self._coins[coin].grade
        if place and words[place - 1] in _EXCHANGES_OF_SHARES:
            return
        is_tagged = tokens[place][0] == "#"
        is_upper = mention.isupper()
        if grade == "any" or (grade == "word" and (is_upper or is_tagged)):
            signs.add(coin, LinkRule.TICKER, tokens[place])
        elif grade == "talk" and (is_upper or is_tagged):
            signs.talk.setdefault(coin, tokens[place])
        elif is_upper:
            if grade == "noun" and _is_before_noun(words, place + 1) and not tokens[place + 1].isupper():
                signs.add(coin, LinkRule.TICKER, tokens[place])
            signs.lone.setdefault(coin, tokens[place])

    def _weigh(self, signs: _Signs, text: str, feed: str) -> None:
        """Decide what needs a second sign."""
        for coin, mention in signs.vague.items():
            if ticker := signs.lone.get(coin) or signs.talk.get(coin):
                signs.add(coin, LinkRule.TICKER, ticker)
                signs.add(coin, LinkRule.NAME, mention)
        if not (signs.talk or signs.proper or signs.cashtags):
            return
        for coin, mention in signs.cashtags.items():
            is_doubtful = self._coins[coin].is_shared or len(mention) <= len("$X")
            if not is_doubtful and not _SHARES.search(text):
                signs.add(coin, LinkRule.CASHTAG, mention)
        is_talk = (
            bool(signs.certain)
            or len(signs.talk) > 1
            or (_CRYPTO_FEED.search(feed) is not None and not _QUERY.search(feed))
            or _CRYPTO.search(text) is not None
        )
        if is_talk:
            for coin, mention in signs.cashtags.items():
                signs.add(coin, LinkRule.CASHTAG, mention)
            for coin, mention in signs.talk.items():
                signs.add(coin, LinkRule.TICKER, mention)
            for coin, mention in signs.proper.items():
                signs.add(coin, LinkRule.NAME, mention)


_JOINED_QUOTES = (*QUOTES[:7], "PERP")
_LONGEST_HASHTAG = 20


def _is_market_talk(title: str, body: str) -> bool:
    said = f"{title} {body}"
    return len(said) <= _BRIEF_CHARACTERS and bool(_MARKET.search(said)) and not _OTHER_MARKETS.search(said)


def _is_before_noun(words: list[str], end: int) -> bool:
    return end < len(words) and words[end] in NOUNS


def _with_traded(known: tuple[Coin, ...], traded: Collection[str]) -> tuple[Coin, ...]:
    """The coins that are known, linked to what is traded of them, and those that are only traded."""
    codes = {code for coin in known for code in (*coin.codes, *coin.aliases)}
    extra: dict[str, list[str]] = {}
    for code in sorted(set(map(str.upper, traded))):
        extra.setdefault(_CONTRACT_SIZE.sub("", code), []).append(code)
    linked = tuple(
        replace(
            coin, codes=tuple(dict.fromkeys((*coin.codes, *(code for each in named for code in extra.get(each, ())))))
        )
        for coin in known
        for named in [(*coin.codes, *coin.aliases)]
    )
    return linked + tuple(
        Coin(tuple(sorted({bare, *sized})), (), "tag", is_shared=False)
        for bare, sized in extra.items()
        if bare not in codes
    )
