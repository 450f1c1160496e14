"""What is true of market data: which rows are candles, and which series may be trusted.

Fetching and reading are a resource's work; storing, revisions and the filling of gaps belong to storage.
"""
