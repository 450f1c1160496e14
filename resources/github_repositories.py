"""Which repositories are whose: where the main coins are developed.

Add a repository when most of the work on an asset's protocol or its main client is done there. A mirror, a fork, a
wallet or a website says little about the asset. Coins that are developed elsewhere than on GitHub have none. A
repository that has been renamed is still read, and the reading says where it went.
"""

from collections.abc import Collection, Mapping

from pipeline.settings_texts import GithubSettings

REPOSITORIES: Mapping[str, str] = {
    "bitcoin/bitcoin": "BTC",
    "ethereum/go-ethereum": "ETH",
    "ethereum/consensus-specs": "ETH",
    "anza-xyz/agave": "SOL",
    "bnb-chain/bsc": "BNB",
    "XRPLF/rippled": "XRP",
    "IntersectMBO/cardano-node": "ADA",
    "dogecoin/dogecoin": "DOGE",
    "ava-labs/avalanchego": "AVAX",
    "smartcontractkit/chainlink": "LINK",
    "paritytech/polkadot-sdk": "DOT",
    "litecoin-project/litecoin": "LTC",
    "Uniswap/v4-core": "UNI",
    "tronprotocol/java-tron": "TRX",
    "ton-blockchain/ton": "TON",
    "0xPolygon/bor": "POL",
    "near/nearcore": "NEAR",
    "cosmos/cosmos-sdk": "ATOM",
    "cosmos/gaia": "ATOM",
    "dfinity/ic": "ICP",
    "etclabscore/core-geth": "ETC",
    "stellar/stellar-core": "XLM",
    "monero-project/monero": "XMR",
    "filecoin-project/lotus": "FIL",
    "aptos-labs/aptos-core": "APT",
    "OffchainLabs/nitro": "ARB",
    "ethereum-optimism/optimism": "OP",
    "MystenLabs/sui": "SUI",
    "hiero-ledger/hiero-consensus-node": "HBAR",
    "vechain/thor": "VET",
    "algorand/go-algorand": "ALGO",
    "aave-dao/aave-v3-origin": "AAVE",
    "graphprotocol/graph-node": "GRT",
    "stacks-network/stacks-core": "STX",
    "zcash/zcash": "ZEC",
    "dashpay/dash": "DASH",
    "sei-protocol/sei-chain": "SEI",
    "celestiaorg/celestia-app": "TIA",
    "kaspanet/rusty-kaspa": "KAS",
    "onflow/flow-go": "FLOW",
    "multiversx/mx-chain-go": "EGLD",
    "lidofinance/core": "LDO",
    "Conflux-Chain/conflux-rust": "CFX",
    "MinaProtocol/mina": "MINA",
    "starkware-libs/sequencer": "STRK",
    "matter-labs/zksync-era": "ZK",
    "neo-project/neo": "NEO",
    "decred/dcrd": "DCR",
}


def repositories_of(settings: GithubSettings, assets: Collection[str]) -> dict[str, str]:
    """Owner/name -> asset of what is to be read: the settings' own, else the known ones of ``assets``."""
    if settings.repositories is not None:
        return dict(settings.repositories)
    return {repository: asset for repository, asset in REPOSITORIES.items() if asset in assets}
