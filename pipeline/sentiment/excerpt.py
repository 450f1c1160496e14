"""Excerpt: the part of a text that is scored."""

CHARACTERS = 600  # an article says in its first lines what it says; what follows is background, or another story


def excerpt(title: str, body: str) -> str:
    """The title and the beginning of the body, cut behind a word; a body that begins with the title is enough."""
    text = body if body.startswith(title) else f"{title}\n{body}".strip()
    if len(text) <= CHARACTERS:
        return text
    cut = text[:CHARACTERS]
    end = max(cut.rfind(" "), cut.rfind("\n"))
    return cut[: end if end > 0 else CHARACTERS].rstrip()
