"""How fast the pipeline is: every budget of the design as ratios in one run, with peak memory.

`make bench` runs all of it in some minutes, prints a table and renews the one in `docs/performance.md`. Seconds say
little about another machine; a ratio to the floor or to another package, taken in the same run, does. A case belongs
here when a budget stands behind it; what must be *right* is a test.
"""
