"""What the tables of texts and development activity promise."""

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from pipeline.contracts.indicators import INSTANT
from pipeline.domain.document import SOURCE_OF_KIND, ActivityKind, DocumentKind, Provenance

SOURCES = sorted({source.value for source in SOURCE_OF_KIND.values()})
NO_CONTROL = r"^[^\x00]*$"  # what PostgreSQL cannot keep


class Documents(pa.DataFrameModel):
    """Texts as they were first seen: cleaned, dated, and known no earlier than they were published."""

    document_id: Series[Any]
    source: Series[str] = pa.Field(isin=SOURCES)
    kind: Series[str] = pa.Field(isin=[kind.value for kind in DocumentKind])
    external_id: Series[str] = pa.Field(str_length={"min_value": 1, "max_value": 512})
    feed: Series[str] = pa.Field(str_length={"min_value": 1, "max_value": 2048})
    title: Series[str] = pa.Field(str_length={"max_value": 300}, str_matches=NO_CONTROL)
    body: Series[str] = pa.Field(str_length={"max_value": 8000}, str_matches=NO_CONTROL)
    published_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    fetched_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    content_hash: Series[str]
    provenance: Series[str] = pa.Field(isin=[each.value for each in Provenance])

    class Config:
        """Who wrote it, where, and what it repeats is said by the table; each text once."""

        strict = False
        unique = ["document_id"]

    @pa.dataframe_check(description="fetched_at >= published_at")
    def is_known_after_it_was_published(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """A text that was known before it was published would be a look into the future."""
        return frame["fetched_at"] >= frame["published_at"]

    @pa.dataframe_check(description="title or body")
    def says_something(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """A text without words is none."""
        return (frame["title"] != "") | (frame["body"] != "")

    @pa.dataframe_check(description="kind of its source")
    def is_of_its_source(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """A tweet on Reddit is a post."""
        return (
            frame["kind"].map({kind.value: source.value for kind, source in SOURCE_OF_KIND.items()}) == frame["source"]
        )


class RepositoryActivity(pa.DataFrameModel):
    """What happened in repositories, known no earlier than it happened."""

    repository: Series[str] = pa.Field(str_matches=r"^[\w.-]+/[\w.-]+$")
    kind: Series[str] = pa.Field(isin=[kind.value for kind in ActivityKind])
    external_id: Series[str] = pa.Field(str_length={"min_value": 1, "max_value": 512})
    asset: Series[str] = pa.Field(str_matches=r"^[A-Z0-9]+$")
    happened_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    known_at: Series[pd.DatetimeTZDtype] = pa.Field(dtype_kwargs=INSTANT)
    title: Series[str] = pa.Field(str_length={"max_value": 300}, str_matches=NO_CONTROL)
    provenance: Series[str] = pa.Field(isin=[each.value for each in Provenance])

    class Config:
        """Where it can be read and by whom it is stands beside; each event once."""

        strict = False
        unique = ["repository", "kind", "external_id"]

    @pa.dataframe_check(description="known_at >= happened_at")
    def is_known_after_it_happened(cls, frame: pd.DataFrame) -> "pd.Series[bool]":  # noqa: N805
        """As with texts."""
        return frame["known_at"] >= frame["happened_at"]
