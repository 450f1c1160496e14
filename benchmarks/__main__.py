"""`python -m benchmarks`: all cases, the table, and the page; with ``--case`` one case, for the parent process."""

import argparse
import json
import logging
import signal
import sys
from pathlib import Path


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "groups",
        nargs="*",
        help="start-up memory texts tick training history replay explain lifecycle outcomes curve; none: all, a page",
    )
    parser.add_argument("--case", help="measure one case in this process and print its figures")
    parser.add_argument(
        "--peers", action="store_true", help="compare with other packages, in environments of their own"
    )
    parser.add_argument("--home", type=Path)
    parser.add_argument("--argument", action="append", default=[], help="KEY=JSON for the case")
    asked = parser.parse_args()
    if asked.case:
        from benchmarks.cases import CASES

        logging.disable(logging.CRITICAL)
        arguments = {key: json.loads(value) for key, _, value in (word.partition("=") for word in asked.argument)}
        print(json.dumps(CASES[asked.case](asked.home, **arguments)))
        return 0
    from benchmarks import report, suite
    from benchmarks.peers import run_peers

    if unknown := set(asked.groups) - set(suite.GROUPS):
        parser.error(f"groups must be of {', '.join(suite.GROUPS)}, were {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the database server ends with us
    rows = []
    for row in run_peers() if asked.peers else suite.run(asked.groups or suite.GROUPS):
        print("  ".join(filter(None, row.cells)), flush=True)
        rows.append(row)
    print(f"\n{report.machine()}\n\n{report.table(rows)}")
    if asked.peers or not asked.groups:
        report.renew("peers" if asked.peers else "budgets", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
