"""Texts and development activity: read from their sources, stored, scored, and judged source by source.

They have no partitions: feeds have no past, and what is missed is missed. What a text says of a close is decided when
that close is judged, in `assets.sentiment`.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import dagster as dg

from assets.reporting import contract_check, contract_kept, small_table, stored_as, warned
from assets.retries import retried
from assets.text_reading import SourceReading, read_source
from pipeline import progress
from pipeline.domain.document import TextSource
from pipeline.sentiment.baseline import LEAST_DAYS, is_flood
from pipeline.sentiment.scorers import load_scorer
from pipeline.settings import Settings
from pipeline.storage.activity import newest_event
from pipeline.storage.database import Database
from pipeline.storage.document_scores import score_documents
from pipeline.storage.documents import newest_text, texts_a_day
from resources.clock import ClockResource

# Texts are read every quarter of an hour; four that are missed are worth a look.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=25), warn_window=timedelta(hours=1))
# Without anything new for so long it is the source that is silent, not the world.
STALE_AFTER = {
    TextSource.NEWS: timedelta(hours=12),
    TextSource.TWITTER: timedelta(hours=12),
    TextSource.REDDIT: timedelta(hours=12),
    TextSource.GITHUB: timedelta(days=7),
}
USUAL_DAYS = 30
ASSETS = {
    TextSource.NEWS: "news_articles",
    TextSource.TWITTER: "tweets",
    TextSource.REDDIT: "reddit_posts",
    TextSource.GITHUB: "repository_activity",
}
_SAYS = {
    TextSource.NEWS: "Articles of RSS and Atom feeds, each as it was first seen.",
    TextSource.TWITTER: "Posts on X that name the symbols, or by the accounts of the settings.",
    TextSource.REDDIT: "Posts of the subreddits of the settings, and comments where they are wanted.",
    TextSource.GITHUB: "Releases, pull requests, commits and issues of the coins' repositories.",
}


def _read(source: TextSource) -> dg.AssetsDefinition:
    """The asset of a source."""
    name = ASSETS[source]
    checks = [
        contract_check(name),
        dg.AssetCheckSpec("staleness", asset=name, description="The source has published something lately"),
        dg.AssetCheckSpec("coverage", asset=name, description="Every feed of the source answered"),
    ]
    if source is not TextSource.GITHUB:
        checks.append(dg.AssetCheckSpec("flood", asset=name, description="The source says no more than usual"))

    @dg.asset(
        name=name,
        description=_SAYS[source],
        group_name="text",
        kinds={"postgres"},
        freshness_policy=FRESHNESS,
        metadata=stored_as(name),
        check_specs=checks,
    )
    @retried
    def read(
        context: dg.AssetExecutionContext,
        unlocked_database: dg.ResourceParam[Database],
        settings: dg.ResourceParam[Settings],
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        as_of = clock.as_of(context)
        found = read_source(unlocked_database, settings, source, as_of)
        intake = found.intake
        context.log.info(
            "%s feeds=%d failed=%d requests=%d written=%d known=%d refused=%s skipped=%s",
            *(name, found.feeds, len(found.failed), found.requests, intake.written, intake.stored.known),
            *(dict(intake.refused), dict(intake.skipped + found.skipped)),
        )
        return dg.MaterializeResult(
            metadata=_metadata(found),
            check_results=_verdicts(unlocked_database, settings, source, found, as_of),
        )

    return read


news_articles, tweets, reddit_posts, repository_activity = (_read(source) for source in TextSource)


@dg.asset(
    deps=["news_articles", "tweets", "reddit_posts"],
    group_name="text",
    kinds={"postgres"},
    freshness_policy=FRESHNESS,
    metadata=stored_as("document_sentiment"),
    check_specs=[contract_check("document_sentiment")],
)
@retried
def document_sentiment(
    context: dg.AssetExecutionContext,
    unlocked_database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult:
    """How positive each text is, by the scorer of the settings: what is stored and has no score of it yet."""
    scorer = load_scorer(settings.sentiment.scorer)
    done = score_documents(unlocked_database, scorer, partial(progress.report, "document_sentiment"))
    context.log.info("document_sentiment scorer=%s scored=%d", scorer.name, done)
    return dg.MaterializeResult(
        metadata={"rows_written": done, "scorer": scorer.name},
        check_results=[contract_kept("document_sentiment", done)],
    )


def _metadata(found: SourceReading) -> dict[str, Any]:
    intake = found.intake
    left_out = intake.refused + intake.skipped + found.skipped
    return {
        "rows_written": intake.written,
        "edited": intake.stored.edited,
        "removed": intake.stored.removed,
        "repeated": intake.stored.repeated,
        "refused": intake.refused.total(),
        "feeds": found.feeds,
        "feeds_failed": len(found.failed),
        "requests": found.requests,
        "not_ok": small_table(
            ("feed", "status", "reason"),
            (
                {"feed": feed, "status": state.status.value, "reason": state.reason}
                for feed, state in found.failed.items()
            ),
        ),
        "left_out": small_table(("reason", "texts"), ({"reason": r, "texts": n} for r, n in left_out.most_common())),
        "about": small_table(
            ("asset", "texts"), ({"asset": each, "texts": n} for each, n in intake.linked.most_common())
        ),
    }


def _verdicts(
    database: Database, settings: Settings, source: TextSource, found: SourceReading, as_of: datetime
) -> list[dg.AssetCheckResult]:
    """Warnings at most: a source that is dead for weeks never stops the others."""
    name, is_simulated = ASSETS[source], settings.text_source == "simulated"
    with database.begin() as conn:
        if source is TextSource.GITHUB:
            newest, days = newest_event(conn, is_simulated=is_simulated), []
        else:
            newest = newest_text(conn, source, is_simulated=is_simulated)
            days = texts_a_day(conn, source, as_of, USUAL_DAYS + 1, is_simulated=is_simulated)
    is_stale = found.feeds > 0 and (newest is None or as_of - newest > STALE_AFTER[source])
    told = {"newest": "none" if newest is None else newest.isoformat()}
    results = [
        contract_kept(name, found.intake.written),
        warned(name, "staleness", is_passed=not is_stale, facts=told),
        warned(name, "coverage", is_passed=not found.failed, facts={"feeds": found.feeds, "failed": len(found.failed)}),
    ]
    if source is not TextSource.GITHUB:
        before = [n for n in days[1:] if n]
        usual = sum(before) / len(before) if before else 0.0
        is_flooded = len(before) >= LEAST_DAYS and is_flood(days[0], usual)
        facts = {"last_24h": days[0], "usual": round(usual, 1)}
        results.append(warned(name, "flood", is_passed=not is_flooded, facts=facts))
    return results
