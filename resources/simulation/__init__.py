"""The simulated market: prices out of a seed and a date, without a file, a network or a memory.

Every number is drawn from a counter-based generator at a position that the symbol and the day determine, so
that a candle does not depend on what was asked before it. Prices are built from coarse to fine: a level per
128 days, a path through the days between two levels, a path through the minutes between two midnights.
"""
