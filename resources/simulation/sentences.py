"""What the simulated feeds write: sentences put together of parts, in the tone of whoever would write them.

Add parts rather than sentences: two texts that share all of their parts would be taken for one that is told twice.
Each part stands by itself and in any order of numbers; ``{name}`` is the asset's name, ``{ticker}`` its ticker.
"""

from enum import IntEnum


class Tone(IntEnum):
    """Which way a text points."""

    DOWN = 0
    FLAT = 1
    UP = 2


# Openings, middles and endings; every combination is a sentence.
Parts = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]

HEADLINES: dict[Tone, Parts] = {
    Tone.UP: (
        (
            "{name} surges",
            "{name} rallies",
            "{name} climbs sharply",
            "{name} jumps",
            "{name} extends its gains",
            "{name} breaks out",
            "{name} soars",
            "{name} hits a new monthly high",
            "{name} outperforms the market",
            "Bulls take control of {name}",
            "{name} recovers strongly",
            "{name} leads the gainers",
        ),
        (
            "as funds report record inflows",
            "after an upgrade by a large bank",
            "on strong demand from institutions",
            "as adoption grows",
            "after regulators approve a new product",
            "as buyers return in force",
            "on news of a major partnership",
            "as supply on exchanges falls to a low",
            "after beating expectations",
            "as short sellers are squeezed out",
            "on optimism about the next release",
            "as volumes double",
        ),
        (
            "and analysts raise their targets",
            "with momentum still building",
            "and the trend looks healthy",
            "in its best day this month",
            "and holders are rewarded",
            "while confidence improves",
            "and further gains are expected",
            "with bullish options activity",
            "and fees stay low",
        ),
    ),
    Tone.DOWN: (
        (
            "{name} plunges",
            "{name} slumps",
            "{name} falls sharply",
            "{name} drops",
            "{name} extends its losses",
            "{name} breaks down",
            "{name} tumbles",
            "{name} hits a new monthly low",
            "{name} underperforms the market",
            "Bears take control of {name}",
            "{name} fails to recover",
            "{name} leads the losers",
        ),
        (
            "as funds report record outflows",
            "after a downgrade by a large bank",
            "on weak demand from institutions",
            "as usage declines",
            "after regulators announce a lawsuit",
            "as sellers panic",
            "on news of an exploit",
            "as supply on exchanges rises to a high",
            "after missing expectations",
            "as leveraged longs are liquidated",
            "on fears of a delayed release",
            "as liquidity dries up",
        ),
        (
            "and analysts cut their targets",
            "with selling pressure still building",
            "and the trend looks broken",
            "in its worst day this month",
            "and holders suffer heavy losses",
            "while confidence collapses",
            "and further losses are feared",
            "with bearish options activity",
            "and risks keep growing",
        ),
    ),
    Tone.FLAT: (
        (
            "{name} trades sideways",
            "{name} is little changed",
            "{name} holds its range",
            "{name} awaits direction",
            "A look at {name}",
            "What to know about {name}",
            "{name} in numbers",
            "{name} developers meet",
            "{name} publishes its agenda",
            "{name} explained",
            "{name} enters its next phase",
            "Inside {name}",
        ),
        (
            "ahead of the inflation report",
            "in quiet trading",
            "as the quarter ends",
            "before the weekend",
            "as traders wait for minutes",
            "in an hourly overview",
            "according to a filing",
            "in a short summary",
            "as the calendar turns",
            "in this week's overview",
            "as volumes are average",
            "with few news",
        ),
        (
            "and the schedule is unchanged",
            "with the next meeting on Tuesday",
            "as described in the documentation",
            "and what comes next",
            "in a table",
            "with a list of dates",
            "from the archive",
            "in three charts",
            "and how it compares",
        ),
    ),
}

TALK: dict[Tone, Parts] = {
    Tone.UP: (
        (
            "${ticker} to the moon!", "${ticker} looks amazing right now.", "Loving this ${ticker} pump!",
            "So bullish on ${ticker}.", "${ticker} just broke out, great move!", "Happy ${ticker} holder here :)",
            "${ticker} is winning.", "What a beautiful ${ticker} chart!", "Best entry on ${ticker} in months.",
        ),
        (
            "Bought more this morning", "The trend is strong", "Support held perfectly", "Huge gains ahead",
            "Volume is great", "Everyone I trust is buying", "The breakout was clean", "Diamond hands win",
            "Momentum feels awesome", "Higher highs again",
        ),
        (
            "and I am excited.", "and my target is much higher.", "no reason to sell.", "this is just the beginning.",
            "and the news is good too.", "feeling confident.", "love it!", "thank you, buyers!", "easy win.",
        ),
    ),
    Tone.DOWN: (
        (
            "${ticker} is crashing.", "${ticker} looks terrible right now.", "Hate this ${ticker} dump.",
            "So bearish on ${ticker}.", "${ticker} just broke down, awful move.", "Sad ${ticker} holder here :(",
            "${ticker} is losing.", "What an ugly ${ticker} chart.", "Worst week on ${ticker} in months.",
        ),
        (
            "Sold everything this morning", "The trend is dead", "Support failed badly", "Big losses ahead",
            "Volume is a disaster", "Everyone I know is panic selling", "The breakdown was brutal", "Got rekt again",
            "Momentum feels horrible", "Lower lows again",
        ),
        (
            "and I am worried.", "and my stop was hit.", "no reason to buy.", "this will get worse.",
            "and the news is bad too.", "feeling scared.", "I hate it.", "what a scam.", "painful loss.",
        ),
    ),
    Tone.FLAT: (
        (
            "Question about ${ticker}:", "Anyone watching ${ticker}?", "${ticker} chart on the daily.",
            "Reading about ${ticker} today.", "${ticker} levels for today.", "New here, looking at ${ticker}.",
            "${ticker} at the same price as yesterday.", "Where do you follow ${ticker}?", "${ticker} notes.",
        ),
        (
            "which wallet do you use", "what is the schedule", "range is the same", "waiting for the close",
            "how long does a transfer take", "is there a list of exchanges", "volume is average",
            "the meeting is on Tuesday", "where is the documentation", "how is it calculated",
        ),
        (
            "and when?", "just asking.", "for a beginner.", "thanks in advance.", "any link?", "on a weekday.",
            "in the app or on the site?", "for the records.", "as of today.",
        ),
    ),
}  # fmt: skip

COMMITS = (
    ("core", "net", "rpc", "wallet", "tests", "docs", "build", "consensus", "storage", "cli"),
    ("fix", "simplify", "document", "test", "speed up", "refactor", "extend", "remove", "log", "bound"),
    ("peer selection", "block import", "fee estimates", "the cache", "error messages", "start-up", "the index",
     "message sizes", "timeouts", "key handling"),
)  # fmt: skip

# Names as people write them; an asset that is not here goes by its ticker.
NAMES = {
    "BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana", "BNB": "Binance Coin", "XRP": "XRP", "ADA": "Cardano",
    "DOGE": "Dogecoin", "AVAX": "Avalanche (AVAX)", "LINK": "Chainlink", "DOT": "Polkadot", "LTC": "Litecoin",
    "UNI": "Uniswap",
}  # fmt: skip
