"""What stated confidence came true as, and the confidence that signals had by it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the table of fits, and add to signals and outcomes what they say."""
    op.create_table(
        "confidence_calibrations",
        sa.Column("origin", sa.Text(), nullable=False, comment="live or replay"),
        sa.Column("scope", sa.Text(), nullable=False, comment="default, or the name of a replay"),
        sa.Column(
            "fitted_as_of",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            comment="UTC midnight; outcomes that were resolved by then count",
        ),
        sa.Column("exchange", sa.Text(), nullable=False, comment="exchange of the signals"),
        sa.Column("timeframe", sa.Text(), nullable=False, comment="timeframe of the signals, e.g. 1h"),
        sa.Column("profile", sa.Text(), nullable=False, comment="risk profile of the signals"),
        sa.Column("source_group", sa.Text(), nullable=False, comment="technical, ml_model, sentiment or multi"),
        sa.Column("strategy", sa.Text(), nullable=False, comment="the signals' strategy, or MULTI_STRATEGY"),
        sa.Column(
            "confidence_class",
            sa.SmallInteger(),
            autoincrement=False,
            nullable=False,
            comment="twentieth of stated confidence, 13 is 0.65 up to 0.70",
        ),
        sa.Column("outcomes", sa.BigInteger(), nullable=False, comment="signals of the class whose outcome was known"),
        sa.Column("wins", sa.BigInteger(), nullable=False, comment="of them those with a net return above 0"),
        sa.Column("kind_outcomes", sa.BigInteger(), nullable=False, comment="outcomes of all classes of these signals"),
        sa.Column("stated", sa.Double(), nullable=False, comment="mean confidence of the class"),
        sa.Column(
            "calibrated",
            sa.Double(),
            nullable=True,
            comment="the share that wins, 0 to 1; NULL while kind_outcomes are too few",
        ),
        sa.Column(
            "recorded_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="wall clock when the row was written",
        ),
        sa.CheckConstraint(
            "outcomes > 0 AND wins BETWEEN 0 AND outcomes",
            name=op.f("ck_confidence_calibrations_wins_are_outcomes"),
        ),
        sa.CheckConstraint(
            "calibrated BETWEEN 0 AND 1", name=op.f("ck_confidence_calibrations_calibrated_is_a_fraction")
        ),
        sa.PrimaryKeyConstraint(
            *("origin", "scope", "fitted_as_of", "exchange", "timeframe", "profile"),
            *("source_group", "strategy", "confidence_class"),
            name=op.f("pk_confidence_calibrations"),
        ),
        comment="What stated confidence was known to be worth at the end of each day, by kind of signal",
    )
    op.add_column(
        "signal_outcomes",
        sa.Column(
            "calibrated_confidence",
            sa.Double(),
            nullable=True,
            comment="the signal's calibrated confidence, 0 to 1; NULL if it had none",
        ),
    )
    for column in (
        sa.Column(
            "calibrated_confidence",
            sa.Double(),
            nullable=True,
            comment="share of signals like it that had won before, 0 to 1; NULL if few were known",
        ),
        sa.Column(
            "uncalibrated_because",
            sa.Text(),
            server_default="not_calibrated_yet",
            nullable=True,
            comment="why calibrated_confidence is NULL; NULL where it is not",
        ),
        sa.Column(
            "calibrated_rank",
            sa.Double(),
            sa.Computed(
                """rank_score * (0.7 * calibrated_confidence + 0.3 * strength)
  / nullif(0.7 * confidence + 0.3 * strength, 0)""",
                persisted=True,
            ),
            nullable=True,
            comment="rank_score with calibrated_confidence for confidence; NULL where that is",
        ),
    ):
        op.add_column("trading_signals", column)
    op.create_check_constraint(
        op.f("ck_trading_signals_calibrated_confidence_is_a_fraction"),
        "trading_signals",
        "calibrated_confidence BETWEEN 0 AND 1",
    )
    op.create_check_constraint(
        op.f("ck_trading_signals_calibrated_or_a_reason"),
        "trading_signals",
        "(calibrated_confidence IS NULL) = (uncalibrated_because IS NOT NULL)",
    )
