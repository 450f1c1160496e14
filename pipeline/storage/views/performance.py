"""Views of how signals did: their outcomes one by one, and what the reports and calibrations of them say.

Whatever is a sum over signals is read from where it was summed: these views answer as fast with a million signals as
with a thousand. `source_days` is kept by triggers (`storage.outcome_days`), the others by the assets of their names.
"""

from pipeline.outcomes.rules import EXPIRY
from pipeline.performance.calibration import KIND
from pipeline.performance.intervals import Z_95
from pipeline.performance.reliability import WIDTH
from pipeline.performance.statistics import FIGURES
from pipeline.storage.views.definition import SERIES, View, comments, listed

PERIODS = ("24h", "7d", "30d")


def _outcomes() -> View:
    columns = comments("signal_outcomes", leave_out=("series_id",))
    return View(
        "v_signal_outcomes",
        "What following each BUY and SELL would have brought, with the names of its series; of every origin, scope and "
        "profile, so ask for one of each",
        SERIES | columns,
        f"""SELECT s.exchange, s.symbol, s.timeframe, {listed("o", columns)}
FROM signal_outcomes o JOIN series s USING (series_id)""",
    )


def _source_performance() -> View:
    return View(
        "v_source_performance",
        "How the house's live signals of each source did, by UTC day of their close and horizon; read from sums that "
        "are kept with each outcome",
        {
            "day": "UTC day of the signals' closes",
            "source_group": "technical, ml_model, sentiment, or multi for several sources",
            "horizon": "expiry, or so many bars",
            "outcomes": "BUYs and SELLs whose outcome is known",
            "entered": "of them those that were entered",
            "wins": "of them those with a net return above 0",
            "hit_rate": "wins of the entered ones, 0 to 1",
            "mean_return": "mean return after fees and slippage, a fraction",
            "expectancy_r": "the same in units of the planned risk",
        },
        """SELECT day_at, source_group, horizon, outcomes, entered, wins, wins::float8 / nullif(entered, 0),
  (net_return / nullif(entered, 0))::float8, (r_multiple / nullif(entered, 0))::float8
FROM source_days""",
    )


def _strategy_performance() -> View:
    stored = comments("signal_performance")
    told = {name: stored[name] for name in FIGURES if name in stored}
    told |= {
        "excess_low": "lower end of the 95 % interval of excess_return",
        "excess_high": "upper end of it",
    }
    counts = {
        "signals": "BUYs and SELLs that it had a part in and whose outcome is known",
        "entered": "of them those that were entered, which all rates are of",
        "wins": "of them those with a net return above 0",
    }
    figures = [f"(g ->> '{name}')::bigint" for name in counts] + [f"(g ->> '{name}')::float8" for name in FIGURES]
    return View(
        "v_strategy_performance",
        "How the house's live signals of each strategy did over the last day, week and month, by the newest stored "
        "report (signal_performance), so nothing before the first; a signal of several strategies counts for each",
        {
            "exchange": SERIES["exchange"],
            "period": "24h, 7d or 30d before as_of",
            "horizon": "of the outcomes: expiry, the signals' own life",
            "as_of": "end of the period",
            "strategy": "the strategy, as it stands in the metadata of signals",
            **counts,
            **{name: told[name] for name in FIGURES},
        },
        f"""SELECT e.exchange, w.period, '{EXPIRY}'::text, p.as_of, g ->> 'group', {", ".join(figures)}
FROM (SELECT DISTINCT exchange FROM series) e
CROSS JOIN (VALUES {", ".join(f"('{period}')" for period in PERIODS)}) w (period)
CROSS JOIN LATERAL (
  SELECT r.as_of, r.figures -> 'component' AS components FROM signal_performance r
  WHERE (r.exchange, r.origin, r.scope, r.timeframe, r.horizon)
    = (e.exchange, 'live', 'default', w.period, '{EXPIRY}')
  ORDER BY r.as_of DESC LIMIT 1
) p
CROSS JOIN LATERAL jsonb_array_elements(p.components) g""",
    )


def _confidence_reliability() -> View:
    stored = comments("confidence_calibrations")
    share, spread = "c.wins::float8 / c.outcomes", f"{Z_95}::float8 ^ 2 / c.outcomes"
    centre = f"({share} + {spread} / 2) / (1 + {spread})"
    reach = f"sqrt(({share} * (1 - {share}) + {spread} / 4) * {spread}) / (1 + {spread})"
    return View(
        "v_confidence_reliability",
        "What live signals of each class of confidence stated, and how many of them won, of each timeframe, "
        "profile, source and strategy; by the newest fit of calibrated confidence (confidence_calibrations), made "
        "each midnight from a year of outcomes",
        {
            **{name: stored[name] for name in KIND},
            "confidence_from": "stated confidence from here",
            "confidence_to": "up to here, which belongs to the next class, 1 to this one",
            "outcomes": stored["outcomes"],
            "wins": stored["wins"],
            "stated": stored["stated"],
            "realised": "wins of outcomes, 0 to 1: above stated the class is too modest, below it too sure",
            "realised_low": "lower end of its 95 % interval (Wilson)",
            "realised_high": "upper end of it",
            "calibrated": "what a signal of the class is given as calibrated confidence; NULL while outcomes are few",
            "fitted_as_of": stored["fitted_as_of"],
        },
        f"""SELECT {", ".join(f"c.{name}" for name in KIND)}, round(c.confidence_class * {WIDTH}, 2)::float8,
  round((c.confidence_class + 1) * {WIDTH}, 2)::float8, c.outcomes, c.wins, c.stated, {share},
  greatest({centre} - {reach}, 0), least({centre} + {reach}, 1), c.calibrated, c.fitted_as_of
FROM confidence_calibrations c
WHERE c.origin = 'live' AND c.scope = 'default' AND c.fitted_as_of = (
  SELECT max(n.fitted_as_of) FROM confidence_calibrations n WHERE n.origin = 'live' AND n.scope = 'default'
)""",
    )


VIEWS = (_outcomes(), _source_performance(), _strategy_performance(), _confidence_reliability())
