"""The examples of the documentation, run: a page whose numbers no longer hold fails."""

import doctest
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language on a page of the project, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [block for found, block in FENCE.findall(text) if found == language]


def failures_on(page: str) -> list[str]:
    """Run the ``pycon`` blocks of ``docs/<page>`` as one conversation; what went differently than it says."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    conversation = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(conversation, {}, page, page, 0)
    if not test.examples:
        return [f"docs/{page} must have examples in ```pycon blocks, had none"]
    found: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=found.append)
    return found
