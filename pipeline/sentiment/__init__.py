"""Sentiment: from texts and development activity to one score per asset and close. Numbers and words, no wire."""
