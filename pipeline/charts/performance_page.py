"""A report as one HTML page: pictures, tables and what each figure means, for a desk and for a phone.

The file holds everything that it shows, so that it can be sent and kept; there is no script in it, and it asks no
network. Whatever comes from the database is escaped.
"""

from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape

from pipeline.charts.performance import FINE, FINE_SMALL, Picture, draw_performance
from pipeline.outcomes.rules import OutcomeRules
from pipeline.performance.report import Performance
from pipeline.performance.tables import Table, cautions, executed_table, facts, tables
from pipeline.performance.wording import rate, rules_words, signed, window_words

NARROW_PX = 640  # windows that are given the narrow pictures
FOLDED = ("symbol", "calibration", "calibrated")  # long tables, opened by a click
STYLE = f"""
body {{ margin: 0 auto; max-width: 1240px; padding: 16px; color: #333333; background: #ffffff;
  font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; }}
h1 {{ font-size: 1.35em; margin: 0.2em 0; }}
h2 {{ font-size: 1.08em; margin: 1.8em 0 0.2em; }}
p {{ margin: 0.3em 0; max-width: {FINE.width}px; }}
.quiet {{ color: #6a6a6a; }}
.lead {{ font-size: 1.12em; margin: 0.8em 0; }}
.wide {{ overflow-x: auto; margin: 0.5em 0; }}
table {{ border-collapse: collapse; font-size: 0.87em; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 4px 9px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid #ececec; }}
th {{ color: #6a6a6a; font-weight: normal; }}
.text {{ text-align: left; }}
.facts td:last-child {{ text-align: left; white-space: normal; color: #6a6a6a; }}
img {{ display: block; width: 100%; height: auto; max-width: {FINE.width}px; margin: 0.5em 0; }}
summary {{ cursor: pointer; font-size: 1.08em; font-weight: bold; margin-top: 1.8em; }}
@media (max-width: {NARROW_PX}px) {{ body {{ padding: 10px; }} img {{ max-width: {FINE_SMALL.width}px; }} }}
"""
# Where each picture stands: before the table of that name.
BESIDE = {
    "hit rate by source": "source",
    "strategies against random entries": "strategy",
    "reliability of confidence": "confidence",
    "returns by exit reason": "exit",
}
TITLES = {
    "source": "Sources",
    "strategy": "Strategies",
    "side": "BUY and SELL",
    "timeframe": "Timeframes",
    "confidence": "Confidence",
    "decision": "Kept and dropped by risk",
    "exit": "How positions ended",
    "symbol": "Symbols",
    "calibration": "Confidence by strategy",
    "calibrated": "Calibrated confidence",
}


def performance_page(performance: Performance, rules: OutcomeRules) -> str:
    """The page; equal reports give equal text."""
    window = performance.window
    title = f"Signals {window.label}" if window.label else "Signals"
    body = "\n".join(_body(performance, rules))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
{body}
</body>
</html>
"""


def _body(performance: Performance, rules: OutcomeRules) -> Iterator[str]:
    wide, narrow = draw_performance(performance, FINE), draw_performance(performance, FINE_SMALL)
    pictures = {picture.name: _picture(picture, small) for picture, small in zip(wide, narrow, strict=True)}
    found = tables(performance)
    yield "<h1>How signals did</h1>"
    yield f'<p class="quiet">{escape(window_words(performance.window))}</p>'
    yield f'<p class="lead">{escape(_lead(performance))}</p>'
    yield _facts(performance)
    yield f'<p class="quiet">{escape(rules_words(rules))}</p>'
    yield "<h2>What this does not say</h2>"
    yield "<ul>" + "".join(f"<li>{escape(said)}</li>" for said in cautions(performance)) + "</ul>"
    yield "<h2>Equal stakes</h2>"
    yield pictures.pop("equity")
    for name, table in found.items():
        if name == "timeframe" and len(table.rows) < 2:
            continue
        shown = [pictures[picture] for picture, place in BESIDE.items() if place == name]
        shown.append(f'<p class="quiet">{escape(table.about)}</p>')
        shown.append(_table(table))
        if name in FOLDED:
            yield f"<details><summary>{TITLES[name]}</summary>{''.join(shown)}</details>"
        else:
            yield f"<h2>{TITLES[name]}</h2>{''.join(shown)}"
    yield "<h2>What was executed</h2>"
    table = executed_table(performance)
    is_any = performance.executed["executed_signals"] > 0
    about = table.about if is_any else "Nothing was executed in this window, so that its figures are empty."
    yield f'<p class="quiet">{escape(about)}</p>'
    yield _table(table)
    yield "<h2>How to read it</h2>"
    yield "".join(f"<p><b>{escape(name)}</b>: {escape(meaning)}</p>" for name, meaning in MEANINGS)


# Figures of the tables whose names do not say what they are.
MEANINGS = (
    ("hit rate", "share of signals whose net return is above 0; the 95 % interval is Wilson's."),
    ("mean, median", "net returns of a signal: after fees at both ends and slippage."),
    (
        "random",
        "mean net return of entries on every bar from the first advice to the last, both ways, with the same stops, "
        "targets and costs: what a monkey would have earned.",
    ),
    (
        "over random",
        "mean of each signal's return minus that of random entries into its series and side. The interval and p come "
        "from drawing whole blocks of time anew, since signals of one hour rise and fall together.",
    ),
    (
        "p",
        "how often signals without any skill would do as well or better. 0.5 is what luck gives, 0.01 is worth a look; "
        "of twenty strategies without skill one has p below 0.05.",
    ),
    ("long", "net return of buying at the same instants and holding to the horizon."),
    ("profit factor", "sum of gains over sum of losses; below 1 money was lost."),
    ("R", "mean net return in units of the planned risk, the distance to the stop."),
    ("ladder", "mean net return with a third of the position taken at each of the three targets."),
    ("IC", "rank correlation of side and confidence with how the price moved to the horizon; 0 knows nothing."),
    ("fall", "deepest fall of the equal-weight book from its highest point."),
)


def _lead(performance: Performance) -> str:
    row = performance.overall
    if not row["entered"]:
        return "No signal of this window has an outcome."
    said = f"{rate(row['hit_rate'])} of {int(row['entered']):,} signals won; {signed(row['mean_return'])} on average"
    words = f"{said} after costs, where entries at random brought {signed(row['random_return'])}."
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def _facts(performance: Performance) -> str:
    rows = "".join(
        f'<tr><td class="text">{escape(fact.name)}</td><td>{escape(fact.value)}</td><td>{escape(fact.about)}</td></tr>'
        for fact in facts(performance)
    )
    return f'<div class="wide"><table class="facts">{rows}</table></div>'


def _table(table: Table) -> str:
    if not table.rows:
        return "<p>none</p>"
    classes = ["" if heading.is_number else ' class="text"' for heading in table.headings]
    head = "".join(f"<th{kind}>{escape(each.title)}</th>" for each, kind in zip(table.headings, classes, strict=True))
    rows = "".join(f"<tr>{_cells(row, classes)}</tr>" for row in table.rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(row: Sequence[str], classes: Sequence[str]) -> str:
    return "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True))


def _picture(picture: Picture, small: Picture) -> str:
    return (
        f'<picture><source media="(max-width: {NARROW_PX}px)" srcset="{_inline(small.png)}">'
        f'<img src="{_inline(picture.png)}" alt="{escape(picture.name)}"></picture>'
        f'<p class="quiet">{escape(picture.about)}</p>'
    )


def _inline(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"
