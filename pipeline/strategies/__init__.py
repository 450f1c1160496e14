"""Strategies: indicator columns in, sides (BUY, SELL, nothing) out; one module each, found by the registry.

A file that is put here is computed, configured, documented and tested like the others. What it has to
declare is in `pipeline.strategies.definition`, rules that several share in `pipeline.strategies.crossing`.
"""
