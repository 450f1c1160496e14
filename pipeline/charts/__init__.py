"""Charts: a scene says what is drawn, a backend draws it.

`build_scene` makes the scene of one series from what is stored; `png` draws it by mplfinance, `html` by plotly. Both
backends draw the same scene, so that what is in a picture is decided, and tested, once.
"""
