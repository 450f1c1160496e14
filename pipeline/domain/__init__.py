"""The vocabulary everyone shares: standard library only, no I/O, no clock."""
