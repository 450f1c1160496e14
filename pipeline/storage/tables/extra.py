"""The side table of extra indicators: those of `ta` and of one's own that the settings switch on.

One JSON object a bar, because the settings decide which columns there are: a column of their own each would make
every change of the settings a change of the schema.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.storage.tables.base import instant, metadata

extra_indicators = sa.Table(
    "extra_indicators",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("open_at", "open of the bar, UTC", primary_key=True),
    instant("close_at", "close of the bar", nullable=False),
    sa.Column(
        "values",
        JSONB,
        nullable=False,
        comment="column -> value, null during its warm-up; "
        "the columns are those of [indicators.*] when it was computed",
    ),
    sa.CheckConstraint("jsonb_typeof(\"values\") = 'object'", name="values_are_an_object"),
    sa.Index("ix_extra_indicators_close_at", "close_at", postgresql_using="brin"),
    comment="Indicators that the settings add: one JSON object per series and bar; see docs/indicators.md",
)
