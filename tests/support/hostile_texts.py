"""A megabyte each of what somebody could send to keep a cleaner busy."""

HOSTILE = {
    "words": "word " * 200_000,
    "nested blocks": "<div>" * 200_000 + "x",
    "nested marks": "<b>" * 300_000 + "x",
    "open brackets": "<" * 1_000_000,
    "open tags": "<a" * 500_000,
    "comments": "<!--" * 250_000,
    "entities": "&amp;" * 200_000,
    "heaps of marks": "a" + "\u0301\u0323" * 500_000,
    "spaces": "x" + " " * 1_000_000 + "y\n",
    "links": "[a](" * 250_000,
    "long ligatures": "\ufdfa" * 1_000_000,
    "quotes": ">\n" * 500_000,
}
