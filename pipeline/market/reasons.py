"""The words for a row that is refused: stable, since operators search for them.

`docs/market-data.md` lists them. A word is never renamed or reused; a new rule brings a new word.
"""

# In the order of judgement: a row carries the first reason that applies.
REASONS: dict[str, str] = {
    "malformed_series": "exchange, symbol or timeframe is not written like `binance`, `BTC/USDT`, `1h`",
    "unreadable_time": "the time is missing, or neither an instant, ISO 8601 text nor whole milliseconds",
    "naive_time": "the time has no zone, so that nobody knows which instant it means",
    "time_out_of_range": "the bar opens before 2009-01-01, or more than one bar after now: "
    "seconds or microseconds read as milliseconds, or a local time",
    "off_grid": "the time is not the open of a bar of this timeframe: UTC grid, weeks open on Monday",
    "not_closed": "the bar closes after now, so that its values may still change",
    "unreadable_number": "a price or the volume is not a number, or float64 cannot hold it without loss",
    "not_finite": "a price or the volume is missing, NaN or infinite",
    "non_positive_price": "a price is zero or negative",
    "negative_volume": "the volume is negative",
    "broken_range": "the high is below, or the low above, another price of the bar",
}
