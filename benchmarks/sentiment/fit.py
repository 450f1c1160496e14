"""`python -m benchmarks.sentiment.fit --labelled DIR`: learn the default scorer's weights anew and write them.

The folder holds the sets that `benchmarks.sentiment.texts` names as teachers. The same folder gives the same bytes.
"""

import argparse
from pathlib import Path

from benchmarks.sentiment.fitting import fit
from benchmarks.sentiment.texts import TEACHERS, read_labelled
from pipeline.sentiment.linear import WEIGHTS, write_weights


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.sentiment.fit", description=__doc__)
    parser.add_argument("--labelled", type=Path, required=True, help="folder of the labelled sets")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help=f"default: {WEIGHTS.name} of the package")
    asked = parser.parse_args()
    sets = [read_labelled(asked.labelled, name) for name in TEACHERS]
    about = {
        "what": "weights of the default scorer; see docs/sentiment-scoring.md",
        "made by": "python -m benchmarks.sentiment.fit",
        **{f"learned from {each.name}": f"{len(each.texts)} texts, sha256 {each.digest[:16]}" for each in sets},
    }
    weights = fit(sets, about)
    write_weights(weights, asked.out)
    print(f"{asked.out}: {len(weights.terms)} terms, {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
