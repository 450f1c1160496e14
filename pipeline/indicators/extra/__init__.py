"""Extra indicators: those of `ta` that the settings name, and those of one's own, one file each in this folder.

A file that holds a function decorated with `pipeline.indicators.extra.definition.indicator` is available; a section
``[indicators.<name>]`` with ``own = "<its key>"`` switches it on. Nothing here runs where no section does.
"""
