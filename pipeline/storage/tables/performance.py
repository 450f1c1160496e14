"""How signals did, one row per report: the description's fields, the outcomes' headline, and all figures as JSON."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from pipeline.storage.tables.base import instant, metadata, number, recorded_at, text

signal_performance = sa.Table(
    "signal_performance",
    metadata,
    text("exchange", "exchange of the signals", primary_key=True),
    text("origin", "live or replay", primary_key=True),
    text("scope", "default, or the name of a replay", primary_key=True),
    text("timeframe", "the window: 24h, 7d or 30d", primary_key=True),
    text("horizon", "of the outcomes: expiry, or so many bars", primary_key=True),
    instant("as_of", "end of the window; signals of later closes do not count", primary_key=True),
    instant("started_at", "beginning of the window, by close", nullable=False),
    sa.Column("total_signals", sa.Integer, nullable=False, comment="executed and expired ones, ALERTs among them"),
    sa.Column("executed_signals", sa.Integer, nullable=False, comment="of them those that somebody executed"),
    sa.Column("expired_signals", sa.Integer, nullable=False, comment="of them those that nobody did"),
    number("execution_rate", "executed of those that could be, ALERTs aside", nullable=False),
    sa.Column("profitable_signals", sa.Integer, nullable=False, comment="executed ones with a profit_loss above 0"),
    sa.Column("losing_signals", sa.Integer, nullable=False, comment="executed ones with a profit_loss of 0 or less"),
    sa.Column("breakeven_signals", sa.Integer, nullable=False, comment="of the losing ones those with exactly 0"),
    number("win_rate", "profitable of the executed ones with a profit_loss, 0 if there is none", nullable=False),
    number("avg_profit_loss", "mean profit_loss of the executed ones, 0 if there is none", nullable=False),
    sa.Column(
        "by_source", JSONB, nullable=False, comment="source -> total, executed, expired, avg_profit_loss, win_rate"
    ),
    sa.Column("outcomes", sa.Integer, nullable=False, comment="BUYs and SELLs whose outcome is known, executed or not"),
    sa.Column("pending", sa.Integer, nullable=False, comment="BUYs and SELLs that wait for candles"),
    sa.Column("wins", sa.Integer, nullable=False, comment="outcomes with a net return above 0"),
    number("hit_rate", "wins of the outcomes that were entered; NULL without any"),
    number("hit_low", "lower end of its 95 % interval"),
    number("hit_high", "upper end of its 95 % interval"),
    number("mean_return", "mean return after fees and slippage, a fraction"),
    number("median_return", "median of the same"),
    number("profit_factor", "sum of the gains over sum of the losses; NULL without a loss"),
    number("expectancy_r", "mean return in units of the planned risk"),
    number("information_coefficient", "rank correlation of stated confidence times side with what the price did"),
    number("max_drawdown", "deepest fall of an equal-weight book, 0 to 1"),
    number("total_return", "what that book gained, a fraction"),
    number("ladder_return", "mean return with a third each sold at three targets"),
    number("long_return", "mean return of a purchase at each signal instead"),
    number("random_return", "mean return of entries at random into the same series and sides"),
    number("excess_return", "mean return over that of entries at random, where those are known"),
    number("p_value", "how likely entries at random would have done as well"),
    sa.Column("figures", JSONB, nullable=False, comment="grouping -> list of groups, each with all figures"),
    sa.Column("reliability", JSONB, nullable=False, comment="stated confidence against realised wins, by class"),
    recorded_at(),
    comment="Reports of how the house's signals did, one row per window and instant; earlier ones are kept",
)
