"""Patterns: shapes that a series' swings (chart patterns) or its last few bars (candle patterns) make.

`pipeline.domain.patterns` says which there are and how they are stored; `swings`, `reversals`, `channels` and
`completion` find chart patterns, `candles` candle patterns.
"""
