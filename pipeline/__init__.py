"""Trading signals: candles in, ranked and explainable signals out. `docs/architecture.md` is the map."""

__version__ = "0.1.0"
