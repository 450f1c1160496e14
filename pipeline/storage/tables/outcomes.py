"""What became of advice: outcomes of signals and of dropped advice, and what entries at random would have brought."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from pipeline.outcomes.rules import ExitReason
from pipeline.storage.tables.base import instant, metadata, number, recorded_at, text
from pipeline.storage.tables.signals import signal_type_enum

ENDS = {
    "horizon": "at the last bar's close",
    "stop": "at the stop",
    "target": "at the first target",
    "stop_gap": "at an open beyond the stop",
    "target_gap": "at an open beyond the target",
    "entry_gap": "at the open of the entry, which was beyond one of them",
    "no_trade": "at the last traded close, as nobody traded in the last bar",
    "delisted": "the same, as the series ended",
    "no_entry": "never entered",
}


def _judged_columns() -> list[sa.Column[object]]:
    """What outcomes of signals and of dropped advice have in common; see docs/outcomes.md."""
    return [
        instant("entry_at", "open of the first bar after the close; NULL if nothing was entered"),
        number("entry_price", "as traded, before slippage, quote currency"),
        instant("exit_at", "open or close of the bar of the exit"),
        number("exit_price", "as traded, before slippage, quote currency"),
        text("exit_reason", "; ".join(f"{ExitReason(name)}: {how}" for name, how in ENDS.items()), nullable=False),
        sa.Column("bars_held", sa.SmallInteger, nullable=False, comment="bars from entry to exit"),
        instant("resolved_at", "from when on all of this was known", nullable=False),
        number("gross_return", "signed move from entry to exit, a fraction"),
        number("net_return", "the same after fees and slippage; above 0 is a win; NULL if nothing was entered"),
        number("r_multiple", "net_return in units of the planned risk, entry to stop"),
        number("mfe", "largest move in favour until the exit, a fraction, 0 or more"),
        number("mae", "largest move against until the exit, a fraction, 0 or less"),
        number("ladder_return", "net return with a third each sold at tp1, tp2 and tp3"),
        number("long_return", "net return of a plain purchase held to the horizon"),
        sa.Column("targets_reached", sa.SmallInteger, nullable=False, comment="thirds sold at their targets, 0 to 3"),
        sa.Column("is_ambiguous", sa.Boolean, nullable=False, comment="one bar reached both stop and target"),
        text("rules", "entry, fee and slippage that it was counted with", nullable=False),
        recorded_at(),
    ]


def _exit_check() -> sa.CheckConstraint:
    values = ", ".join(f"'{reason}'" for reason in ExitReason)
    return sa.CheckConstraint(f"exit_reason IN ({values})", name="exit_reason_is_known")


def _return_check() -> sa.CheckConstraint:
    rule = f"(exit_reason = '{ExitReason.NO_ENTRY}') = (net_return IS NULL)"
    return sa.CheckConstraint(rule, name="a_return_unless_nothing_was_entered")


def _horizon() -> sa.Column[str]:
    return text("horizon", "expiry, or so many bars: 4_bars, 24_bars", primary_key=True)


signal_outcomes = sa.Table(
    "signal_outcomes",
    metadata,
    # No foreign key: `storage.triggers` deletes what belongs to a deleted signal.
    sa.Column("signal_id", sa.Uuid, primary_key=True, comment="the signal, see trading_signals.id"),
    _horizon(),
    sa.Column("series_id", sa.Integer, nullable=False, comment="see series"),
    instant("candle_close_at", "close of the signal's bar; the same as its created_at", nullable=False),
    sa.Column("signal_type", signal_type_enum, nullable=False, comment="BUY or SELL"),
    text("strategy", "the signal's strategy, or MULTI_STRATEGY", nullable=False),
    sa.Column("strategies", ARRAY(sa.Text), nullable=False, comment="the strategies of its components, by name"),
    text("source_group", "technical, ml_model, sentiment or multi", nullable=False),
    number("confidence", "the signal's confidence, 0 to 1", nullable=False),
    text("origin", "live or replay", nullable=False),
    text("scope", "default, or the name of a replay", nullable=False),
    text("profile", "risk profile that let the signal pass", nullable=False),
    *_judged_columns(),
    number("calibrated_confidence", "the signal's calibrated confidence, 0 to 1; NULL if it had none"),
    _exit_check(),
    _return_check(),
    sa.CheckConstraint("signal_type <> 'ALERT'", name="an_alert_has_no_outcome"),
    sa.Index("ix_signal_outcomes_close", "origin", "scope", "horizon", "candle_close_at"),
    sa.Index("ix_signal_outcomes_series", "series_id", "candle_close_at"),
    comment="What following each BUY and SELL would have brought, per horizon; final once stored",
)

dropped_outcomes = sa.Table(
    "dropped_outcomes",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("candle_close_at", "close of the bar", primary_key=True),
    sa.Column("signal_type", signal_type_enum, primary_key=True, comment="BUY or SELL"),
    text("origin", "live or replay", primary_key=True),
    text("scope", "default, or the name of a replay", primary_key=True),
    text("profile", "risk profile that dropped it", primary_key=True),
    _horizon(),
    sa.Column("strategies", ARRAY(sa.Text), nullable=False, comment="the strategies that advised it, by name"),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False, comment="why it was dropped, by name"),
    number("confidence", "the highest confidence among them, 0 to 1", nullable=False),
    *_judged_columns(),
    _exit_check(),
    _return_check(),
    sa.Index("ix_dropped_outcomes_close", "origin", "scope", "horizon", "candle_close_at"),
    comment="What following the advice that risk dropped would have brought: bars and sides without any signal",
)

random_entries = sa.Table(
    "random_entries",
    metadata,
    sa.Column("series_id", sa.Integer, primary_key=True, autoincrement=False, comment="see series"),
    instant("day_at", "UTC midnight before the closes of the day", primary_key=True),
    sa.Column("signal_type", signal_type_enum, primary_key=True, comment="BUY or SELL"),
    _horizon(),
    text("rules", "entry, fee, slippage and stop that they were counted with", primary_key=True),
    sa.Column("n_entries", sa.Integer, nullable=False, comment="bars of the day that one could have entered after"),
    sa.Column("n_wins", sa.Integer, nullable=False, comment="of them those with a net return above 0"),
    number("net_return", "mean net return of an entry, a fraction", nullable=False),
    number("long_return", "mean net return of a plain purchase held to the horizon, a fraction", nullable=False),
    instant("computed_to", "newest close that was looked at", nullable=False),
    recorded_at(),
    sa.CheckConstraint("n_entries > 0 AND n_wins BETWEEN 0 AND n_entries", name="wins_are_entries"),
    comment="What entries on the bars of a day would have brought on average: what strategies must beat",
)

source_days = sa.Table(
    "source_days",
    metadata,
    instant("day_at", "UTC midnight before or at the signals' closes", primary_key=True),
    text("source_group", "technical, ml_model, sentiment or multi", primary_key=True),
    _horizon(),
    sa.Column("outcomes", sa.BigInteger, nullable=False, comment="BUYs and SELLs whose outcome is known"),
    sa.Column("entered", sa.BigInteger, nullable=False, comment="of them those that were entered"),
    sa.Column("wins", sa.BigInteger, nullable=False, comment="of them those with a net return above 0"),
    sa.Column("net_return", sa.Numeric, nullable=False, comment="sum of their net returns, exact in 15 digits each"),
    sa.Column("r_multiple", sa.Numeric, nullable=False, comment="sum of their returns in units of the planned risk"),
    sa.CheckConstraint("outcomes > 0 AND entered BETWEEN 0 AND outcomes", name="entered_are_outcomes"),
    sa.CheckConstraint("wins BETWEEN 0 AND entered", name="wins_were_entered"),
    comment="Sums of the house's live outcomes per day, source and horizon, kept by triggers of signal_outcomes",
)

confidence_calibrations = sa.Table(
    "confidence_calibrations",
    metadata,
    text("origin", "live or replay", primary_key=True),
    text("scope", "default, or the name of a replay", primary_key=True),
    instant("fitted_as_of", "UTC midnight; outcomes that were resolved by then count", primary_key=True),
    text("exchange", "exchange of the signals", primary_key=True),
    text("timeframe", "timeframe of the signals, e.g. 1h", primary_key=True),
    text("profile", "risk profile of the signals", primary_key=True),
    text("source_group", "technical, ml_model, sentiment or multi", primary_key=True),
    text("strategy", "the signals' strategy, or MULTI_STRATEGY", primary_key=True),
    sa.Column(
        "confidence_class",
        sa.SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="twentieth of stated confidence, 13 is 0.65 up to 0.70",
    ),
    sa.Column("outcomes", sa.BigInteger, nullable=False, comment="signals of the class whose outcome was known"),
    sa.Column("wins", sa.BigInteger, nullable=False, comment="of them those with a net return above 0"),
    sa.Column("kind_outcomes", sa.BigInteger, nullable=False, comment="outcomes of all classes of these signals"),
    number("stated", "mean confidence of the class", nullable=False),
    number("calibrated", "the share that wins, 0 to 1; NULL while kind_outcomes are too few"),
    recorded_at(),
    sa.CheckConstraint("outcomes > 0 AND wins BETWEEN 0 AND outcomes", name="wins_are_outcomes"),
    sa.CheckConstraint("calibrated BETWEEN 0 AND 1", name="calibrated_is_a_fraction"),
    comment="What stated confidence was known to be worth at the end of each day, by kind of signal",
)
