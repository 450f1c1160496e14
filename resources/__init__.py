"""Clients of the outside world: the only modules that know their vendor exists."""
