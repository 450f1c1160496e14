"""Indicators: candles to columns, one module per family; `compute` is where others enter."""
