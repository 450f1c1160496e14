"""Which scorer a setting means, and the name under which its scores are stored."""

DEFAULT = "default"


def scorer_name(chosen: str) -> str:
    """The name that stands in `document_sentiment.scorer` for what the settings choose."""
    return chosen
