"""Why there was, or was not, a signal on one bar: every rule, every filter and all arithmetic, with its numbers.

What is judged here is judged by the functions that judge live and replayed bars. This package only runs them on one
bar and keeps what they do not say: thresholds beside values, limits beside exposures, weights beside means.
"""
