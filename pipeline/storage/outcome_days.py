"""Sums of the house's live outcomes per UTC day, source and horizon (`source_days`), kept by triggers.

A million signals have three million outcomes, which no view adds up while somebody waits. Returns are added as numeric:
such sums are exact, so that they are the same in whatever order outcomes come, and taking one away leaves no trace.
Other scheduled profiles are given the same advice; their outcomes would count it again.
"""

from pipeline.storage.accounts import HOUSE

KEY = ("day_at", "source_group", "horizon")
SUMS = ("outcomes", "entered", "wins", "net_return", "r_multiple")
# What sums depend on.
SUMMED = ("candle_close_at", "source_group", "net_return", "r_multiple", "origin", "scope", "profile")


def statements() -> list[str]:
    """SQL that makes the triggers; running it twice changes nothing."""
    return [
        f"""
CREATE OR REPLACE FUNCTION keep_source_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    {_add(_sums("after"))}
  ELSIF TG_OP = 'DELETE' THEN
    {_take(_sums("before"))}
  ELSIF TG_OP = 'UPDATE' THEN
    {_take(_sums("before", unlike="after"))}
    {_add(_sums("after", unlike="before"))}
  ELSE
    DELETE FROM public.source_days;
  END IF;
  RETURN NULL;
END $$""",
        "COMMENT ON FUNCTION keep_source_days() IS 'Keeps the sums of the house''s live outcomes per day'",
        *(
            f"""
CREATE OR REPLACE TRIGGER {name}_source_days AFTER {name} ON signal_outcomes{tables}
FOR EACH STATEMENT EXECUTE FUNCTION keep_source_days()"""
            for name, tables in {
                "insert": " REFERENCING NEW TABLE AS after",
                "update": " REFERENCING OLD TABLE AS before NEW TABLE AS after",
                "delete": " REFERENCING OLD TABLE AS before",
                "truncate": "",
            }.items()
        ),
    ]


def _sums(rows: str, *, unlike: str | None = None) -> str:
    """Sums of the house's live outcomes among the rows; with ``unlike`` of those that are not the same there."""
    o, x = (", ".join(f"{alias}.{name}" for name in SUMMED) for alias in "ox")
    changed = f"""
      AND NOT EXISTS (SELECT FROM {unlike} x
        WHERE x.signal_id = o.signal_id AND x.horizon = o.horizon AND ({x}) IS NOT DISTINCT FROM ({o}))"""
    return f"""SELECT date_trunc('day', o.candle_close_at, 'UTC') AS day_at, o.source_group, o.horizon,
      count(*) AS outcomes, count(o.net_return) AS entered, count(*) FILTER (WHERE o.net_return > 0) AS wins,
      coalesce(sum(o.net_return::numeric), 0) AS net_return, coalesce(sum(o.r_multiple::numeric), 0) AS r_multiple
    FROM {rows} o
    WHERE o.origin = 'live' AND o.scope = 'default' AND o.profile = '{HOUSE}'{changed if unlike else ""}
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""


def _add(sums: str) -> str:
    added = ", ".join(f"{name} = d.{name} + excluded.{name}" for name in SUMS)
    return f"""INSERT INTO public.source_days AS d ({", ".join((*KEY, *SUMS))})
    {sums}
    ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {added};"""


def _take(sums: str) -> str:
    """The days are locked first, in order: whoever adds to them meanwhile is waited for, and then counts."""
    taken = ", ".join(f"{name} = d.{name} - g.{name}" for name in SUMS)
    of_day = " AND ".join(f"d.{name} = g.{name}" for name in KEY)
    return f"""PERFORM FROM public.source_days d JOIN ({sums}) g ON {of_day}
    ORDER BY {", ".join(f"d.{name}" for name in KEY)} FOR UPDATE OF d;
    WITH gone AS ({sums}),
    emptied AS (DELETE FROM public.source_days d USING gone g WHERE {of_day} AND d.outcomes = g.outcomes)
    UPDATE public.source_days d SET {taken} FROM gone g WHERE {of_day} AND d.outcomes > g.outcomes;"""
