"""Which sources of texts are read, what each lacks, and how to get it: what `signals doctor` and `status` say."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.cli.display import instant
from pipeline.domain.document import TextSource
from pipeline.settings import Settings
from pipeline.storage.text_health import SourceState

REASONS_NAMED = 2  # of a source's failures
# What each source needs beside being switched on, and where that is to be had; docs/sentiment-sources.md has the steps.
KEYS = {
    TextSource.NEWS: ((), ""),
    TextSource.TWITTER: (
        ("texts.twitter.bearer_token",),
        "a bearer token of a project at developer.x.com, on a plan that may search",
    ),
    TextSource.REDDIT: (
        ("texts.reddit.client_id", "texts.reddit.client_secret"),
        "the id and the secret of a script application, made at reddit.com/prefs/apps",
    ),
    TextSource.GITHUB: ((), ""),
}
REFUSED = ("unavailable(key_refused", "unavailable(forbidden")


def examine_texts(
    settings: Settings, states: Sequence[SourceState]
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """A row for every source, what a person must act on, and what is only good to know.

    A source that refuses its key needs a person; one without a key does not, since the others go on without it.
    """
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    hints: list[str] = []
    for state in states:
        missing = missing_keys(settings, state.source)
        mode, lacks = _mode(settings, state.source), None
        if mode == "live" and missing:
            lacks = f"{' and '.join(variable(key) for key in missing)}: {KEYS[state.source][1]}"
            hints.append(f"{state.source} is not read, it lacks {lacks}; docs/sentiment-sources.md has the steps")
        elif mode == "live":
            problems += _refusals(state)
            hints += _silences(state)
            is_reached = state.feeds > len(state.failed) or not state.feeds
            if state.source is TextSource.GITHUB and settings.texts.github.token is None and is_reached:
                hints.append(
                    "github is read with 60 requests an hour; a token without any rights, in "
                    f"{variable('texts.github.token')}, allows 5,000"
                )
        rows.append(
            {
                "source": state.source.value,
                "mode": mode,
                "feeds": state.feeds,
                "feeds_failed": len(state.failed),
                "rows": state.rows,
                "newest": state.newest,
                "read_at": state.as_of,
                "lacks": lacks,
                "failures": dict(state.failed),
            }
        )
    return rows, problems, hints


def missing_keys(settings: Settings, source: TextSource) -> list[str]:
    """The settings of keys that a source needs and does not have."""
    section = getattr(settings.texts, source.value)
    return [key for key in KEYS[source][0] if getattr(section, key.rpartition(".")[2]) is None]


def told(states: Sequence[SourceState]) -> Iterator[tuple[str, str]]:
    """A line for every source that was ever read."""
    for state in states:
        if state.as_of is not None:
            reasons = sorted(set(state.failed.values()))
            why = f", {'; '.join(reasons[:REASONS_NAMED])}" if reasons else ""
            newest = "" if state.newest is None else f", newest {instant(state.newest)}"
            good = state.feeds - len(state.failed)
            yield state.source.value, f"{good} of {state.feeds} feeds answer, {state.rows:,} rows{newest}{why}"


def variable(key: str) -> str:
    """The environment variable of a setting."""
    return "SIGNALS_" + key.upper().replace(".", "__")


def _mode(settings: Settings, source: TextSource) -> str:
    if not getattr(settings.texts, source.value).is_enabled:
        return "off"
    return "imported only" if settings.text_source == "none" else settings.text_source


def _silences(state: SourceState) -> Iterator[str]:
    """A sentence on the feeds that do not answer, those aside that refuse us."""
    failed = {feed: reason for feed, reason in state.failed.items() if not reason.startswith(REFUSED)}
    if failed:
        reasons = sorted(set(failed.values()))
        others = f" and {len(reasons) - REASONS_NAMED} other reasons" if len(reasons) > REASONS_NAMED else ""
        yield (
            f"{len(failed)} of {state.feeds} feeds of {state.source} did not answer wholly when they were read last: "
            f"{'; '.join(reasons[:REASONS_NAMED])}{others}; the schedule asks again, source_health names them"
        )


def _refusals(state: SourceState) -> Iterator[str]:
    """One sentence for each reason for which feeds refuse us."""
    reasons: dict[str, list[str]] = {}
    for feed, reason in state.failed.items():
        if reason.startswith(REFUSED):
            reasons.setdefault(reason, []).append(feed)
    for reason, feeds in reasons.items():
        others = f" and {len(feeds) - 1} more" if len(feeds) > 1 else ""
        yield (
            f"{state.source} refuses {feeds[0]}{others}: {reason}; renew the key, or leave the feed out of the settings"
        )
