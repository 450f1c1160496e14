"""Asset names: which tickers and names mean which coin, and how far each can be trusted.

Add a coin as a row of `TABLE`. Ask of each word what else it means: a word that people also use for something else
belongs into a lower grade, since a link that is missing costs little and a wrong one tells lies about a market.

Tickers have a grade:

    any     in any case: nothing else is written so
    word    in upper case
    talk    in upper case, where the text or its feed is about crypto anyway: SOL, ADA
    noun    in upper case before a noun of chains: NEAR Protocol, LINK token
    tag     as a cashtag or in a pair only, or beside its name: ONE, GAS

and with ``*`` a share that people talk of as much has the same ticker, so that the cashtag counts only where the text
or its feed is about crypto anyway. Names are

    sure    in any case
    proper  with a capital, where the text or its feed is about crypto anyway: Polygon
    vague   with a capital before a noun of chains, or beside the ticker: Avalanche network, Compound (COMP)
"""

from collections.abc import Mapping
from dataclasses import dataclass

# codes, those that only some use in brackets; grade of the ticker; sure names; proper names; vague names
TABLE = """
BTC (XBT WBTC)  | any   | bitcoin, wrapped bitcoin |  |
ETH (WETH)      | any   | ethereum, ether, wrapped ether |  |
XRP             | any   | xrp ledger, xrpl, ripplenet | ripple |
BNB             | word  | bnb chain, binance coin, binance smart chain |  |
SOL             | talk  | solana |  |
DOGE            | talk  | dogecoin |  |
ADA             | talk  | cardano |  |
TRX             | word  | tron network, tron dao | tron |
TON (TONCOIN)   | noun  | toncoin, the open network, ton blockchain |  |
LINK            | noun  | chainlink |  |
AVAX            | word  | avax c-chain, avalanche blockchain |  | avalanche
XLM             | any   | stellar lumens, stellar network |  | stellar
SUI             | talk  | sui network, sui blockchain | sui |
BCH             | word* | bitcoin cash, bcash |  |
BSV (BCHSV)     | word  | bitcoin sv |  |
BTG             | tag*  |  |  |
HBAR            | word  | hedera, hedera hashgraph, hashgraph |  |
SHIB            | word  | shiba inu, shibarium |  |
LTC             | any   | litecoin |  |
DOT             | talk  | polkadot |  |
HYPE            | tag   | hyperliquid |  |
XMR             | any   | monero |  |
UNI             | noun  | uniswap, unichain |  |
PEPE            | talk  | pepe coin, pepecoin | pepe |
APT             | talk* | aptos network, aptos labs | aptos |
NEAR            | noun  | near protocol |  | near
ICP             | talk  | internet computer, dfinity |  |
ETC             | tag   | ethereum classic |  |
AAVE            | word  | aave |  |
POL MATIC       | tag*  | polygon network, polygon labs, polygon pos | polygon |
MNT             | tag   | mantle network |  | mantle
ARB             | noun  | arbitrum |  |
OP              | tag   | optimism network, op mainnet |  | optimism
FIL             | talk  | filecoin |  |
ATOM            | talk  | cosmos hub, cosmos network, cosmos ecosystem |  | cosmos
INJ             | word  | injective protocol, injective labs | injective |
VET             | noun  | vechain |  |
KAS             | talk  | kaspa |  |
RENDER RNDR     | tag   | render network, render token |  | render
FET             | talk* | fetch.ai, artificial superintelligence alliance |  |
ALGO            | talk  | algorand |  |
TAO             | talk  | bittensor |  |
WLD             | word  | worldcoin |  |
STX             | talk* | stacks network, stacks blockchain |  | stacks
IMX             | talk  | immutable x, immutablex, immutable zkevm |  | immutable
TIA             | talk  | celestia network | celestia |
SEI             | talk  | sei network, sei labs | sei |
BONK            | talk  | bonk coin | bonk |
FLOKI           | word  | floki inu | floki |
WIF             | talk  | dogwifhat |  |
JUP             | talk  | jupiter exchange |  | jupiter
ENA             | talk  | ethena |  |
ONDO            | talk  | ondo finance | ondo |
GRT             | talk* | the graph protocol, the graph network |  | the graph
LDO             | word  | lido dao, lido finance | lido |
MKR SKY         | tag*  | makerdao, maker dao, maker protocol, sky protocol |  | maker
CRV             | talk* | curve finance, curve dao |  | curve
CAKE            | tag*  | pancakeswap |  |
RUNE            | talk  | thorchain |  |
SNX             | word  | synthetix |  |
COMP            | tag*  | compound finance, compound protocol |  | compound
SUSHI           | tag   | sushiswap |  |
1INCH           | any   | 1inch network |  |
YFI             | word  | yearn finance, yearn.finance |  |
DYDX            | word  | dydx |  |
GMX             | talk* | gmx exchange |  |
CVX             | tag*  | convex finance |  |
BAL             | tag   | balancer protocol, balancer labs |  | balancer
RPL             | talk* | rocket pool, rocketpool |  |
SSV             | talk* | ssv network |  |
FXS FRAX        | word  | frax finance, frax share |  |
PENDLE          | word  | pendle finance | pendle |
EIGEN           | talk  | eigenlayer, eigencloud |  |
STRK            | talk* | starknet, starkware |  |
ZK              | noun  | zksync |  |
MANTA           | talk  | manta network |  |
BLUR            | tag   | blur marketplace |  |
ENS             | talk  | ethereum name service |  |
LRC             | talk* | loopring |  |
SKL             | talk  | skale network |  |
QNT             | word  | quant network |  | quant
XDC             | word  | xdc network |  |
FLR             | talk* | flare network, flare networks |  | flare
AXS             | talk* | axie infinity |  |
MANA            | tag   | decentraland |  |
SAND            | tag*  | sandbox token, the sandbox game |  | the sandbox
GALA            | tag   | gala games |  |
APE             | tag*  | apecoin, ape coin |  |
ENJ             | word  | enjin |  |
FLOW            | tag*  | flow blockchain, flow network |  | flow
CHZ             | word  | chiliz |  |
THETA           | talk  | theta network, theta token |  | theta
BTT             | talk  | bittorrent token, bittorrent chain |  |
XTZ             | word  | tezos |  |
A EOS           | tag   | eos network, eosio, vaulta |  |
NEO             | noun* | neo blockchain, neo smart economy |  | neo
GAS             | tag   | neo gas, neogas |  |
IOTA            | talk  | iota foundation | iota |
ZEC             | word  | zcash |  |
DASH            | tag*  | dashcoin, dash coin |  |
EGLD            | word  | multiversx, elrond |  |
FTM             | word  | fantom opera, fantom network | fantom |
S               | tag*  | sonic labs |  |
ONE             | tag*  | harmony one, harmony protocol |  | harmony
ROSE            | tag*  | oasis network, oasis protocol |  |
KAVA            | talk  | kava network | kava |
CELO            | talk  | celo network | celo |
ZIL             | talk  | zilliqa |  |
ICX             | word  | icon foundation |  |
QTUM            | word  | qtum |  |
ONT             | talk* | ontology network |  |
WAVES           | tag   | waves platform, waves blockchain |  |
XNO (NANO)      | tag   | nano currency |  |
DGB             | word  | digibyte |  |
SC              | tag   | siacoin |  |
HOT             | tag   | holochain |  |
ANKR            | word  | ankr network | ankr |
BAT             | tag*  | basic attention token |  |
MINA            | tag   | mina protocol |  |
CFX             | talk* | conflux network |  |
KAIA KLAY       | talk  | klaytn, kaia chain |  |
CSPR            | word  | casper network |  |
HNT             | talk  | helium network, helium mobile |  | helium
AR              | tag*  | arweave |  |
LPT             | talk* | livepeer |  |
AKT             | talk  | akash network |  |
OCEAN           | tag   | ocean protocol |  |
AGIX            | word  | singularitynet |  |
VIRTUAL         | tag   | virtuals protocol |  |
TRUMP           | tag   | official trump, trump coin, trump memecoin, trump token |  |
MELANIA         | tag   | melania coin, melania memecoin, melania token |  |
PUMP            | tag   | pump.fun, pumpfun |  |
CRO             | talk* | cronos chain | cronos |
OKB             | word  | okb token |  |
LEO             | tag   | unus sed leo, leo token |  |
BGB             | talk  | bitget token |  |
KCS             | word  | kucoin token |  |
TWT             | talk  | trust wallet token |  |
MASK            | tag   | mask network |  |
API3            | any   |  |  |
BAND            | tag*  | band protocol |  |
AERO            | tag*  | aerodrome finance |  |
MOG             | tag   | mog coin |  |
POPCAT          | word  | popcat |  |
NOT             | tag   | notcoin |  |
HMSTR           | word  | hamster kombat |  |
PI              | tag   | pi network, pi coin |  |
IP              | tag*  | story protocol |  |
BERA            | talk  | berachain |  |
MOVE            | tag   | movement labs, movement network |  |
MON             | tag   |  | monad |
XPL             | talk* | plasma chain |  |
ASTER           | talk  | aster dex |  |
KAITO           | word  | kaito |  |
FARTCOIN        | any   | fartcoin |  |
PNUT            | word  | peanut the squirrel |  |
ORDI            | word  |  |  |
PYTH            | word  | pyth network | pyth |
JTO             | word  | jito labs, jito network | jito |
RAY             | tag*  | raydium |  |
W               | tag*  | wormhole token |  | wormhole
ZRO             | talk  | layerzero |  |
LUNC            | word  | terra classic, luna classic |  |
LUNA            | talk* | terra luna |  | terra
USTC (UST)      | tag   | terrausd |  |
CKB             | talk  | nervos network |  |
MORPHO          | word  | morpho labs | morpho |
WLFI            | word  | world liberty financial |  |
PENGU           | word  | pudgy penguins |  |
CC              | tag*  | canton network |  |
GLM             | talk  | golem network |  |
ZRX             | talk  | 0x protocol |  |
SUPER           | tag   | superverse |  |
RSR             | talk  | reserve rights |  |
ZEN             | tag*  | horizen |  |
DCR             | talk  | decred |  |
RVN             | talk* | ravencoin |  |
XEM             | talk  |  |  |
IOTX            | word  | iotex |  |
ASTR            | talk* | astar network |  |
GNO             | talk  | gnosis chain, gnosis safe |  |
TFUEL           | word  | theta fuel |  |
JASMY           | word  | jasmycoin | jasmy |
"""

# What follows a name that is a coin's, and hardly ever one that is a word.
_NOUNS = """
blockchain blockchains chain network mainnet testnet protocol ecosystem foundation token tokens coin labs
validators validator subnet subnets holders staking etf dapp dapps memecoin altcoin
"""
NOUNS = frozenset(_NOUNS.split())
# What one of the feeds is about, where it is about one asset; subreddits in lower case.
FEED_ASSETS: Mapping[str, str] = {
    "bitcoin": "BTC",
    "bitcoinmarkets": "BTC",
    "bitcoinbeginners": "BTC",
    "btc": "BTC",
    "ethereum": "ETH",
    "ethtrader": "ETH",
    "ethfinance": "ETH",
    "ethstaker": "ETH",
    "solana": "SOL",
    "cardano": "ADA",
    "ripple": "XRP",
    "xrp": "XRP",
    "dogecoin": "DOGE",
    "litecoin": "LTC",
    "monero": "XMR",
    "chainlink": "LINK",
    "polkadot": "DOT",
    "avax": "AVAX",
    "algorand": "ALGO",
    "cosmosnetwork": "ATOM",
    "tronix": "TRX",
    "stellar": "XLM",
    "bitcoincash": "BCH",
    "nearprotocol": "NEAR",
    "hedera": "HBAR",
    "kaspa": "KAS",
    "sui": "SUI",
}


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin and the words that mean it; names are in lower case."""

    codes: tuple[str, ...]  # a text about it is linked to all of them, since exchanges differ after a coin is renamed
    aliases: tuple[str, ...]  # other tickers that mean it; linked where they are traded
    grade: str
    is_shared: bool  # with a share that people talk of as much
    sure: tuple[str, ...] = ()
    proper: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()


def coins() -> tuple[Coin, ...]:
    """The rows of `TABLE`."""
    return tuple(_coin(line) for line in TABLE.strip().splitlines())


def _coin(line: str) -> Coin:
    tickers, grade, *names = (part.strip() for part in line.split("|"))
    codes, _, aliases = tickers.partition("(")
    sure, proper, vague = (tuple(filter(None, map(str.strip, part.split(",")))) for part in names)
    return Coin(
        tuple(codes.split()),
        tuple(aliases.rstrip(")").split()),
        grade.rstrip("*"),
        grade.endswith("*"),
        sure,
        proper,
        vague,
    )
