"""The part of docs/sql.md that is made from the comments of the views: `make sql-page` writes it anew.

It fails while the newest version of the contract does not hold, and says what that needs.
"""

import re
import sys
import tempfile
from pathlib import Path

from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from pipeline.storage.server import embedded_server
from pipeline.storage.views.contract import broken, describe, read
from tests.support.pages import ROOT

PAGE = ROOT / "docs" / "sql.md"
PART = re.compile(r"(?<=<!-- made by `make sql-page` -->\n).*(?=<!-- end of what is made -->)", re.DOTALL)


def written_part() -> str:
    """What the page has."""
    found = PART.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return found[0].strip() + "\n"


def main() -> None:
    """Write the part from an empty database of this version."""
    with tempfile.TemporaryDirectory(prefix="signals-") as home, embedded_server(Path(home)) as address:
        database = Database(address)
        migrate(database)
        with database.begin() as conn:
            promises = read(conn)
        database.close()
    made = f"\n{describe(promises)}\n"
    PAGE.write_text(PART.sub(lambda _: made, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    if (fault := broken(promises)) is not None:
        sys.exit(fault)


if __name__ == "__main__":
    main()
