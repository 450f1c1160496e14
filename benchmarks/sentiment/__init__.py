"""Learning to score texts, and measuring how well that went; `fit` writes weights, `accuracy` prints tables."""
