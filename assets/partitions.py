"""Days, the one partition of everything that happens at a close, and the weeks that models are trained on."""

import warnings

import dagster as dg

# Every asset with a backfill policy says so; pinning the release is what makes a beta parameter safe.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

# UTC days of a row's close, today included (end_offset): the tick at 00:00 belongs to the day that begins then.
daily = dg.DailyPartitionsDefinition(start_date="2010-01-01", end_offset=1)

# UTC weeks from Monday to Monday, those that have ended: a model of a week learns from closes up to its end. The first
# lies before the first day's.
weekly = dg.WeeklyPartitionsDefinition(start_date="2009-12-21", day_offset=1)

# A day is predicted by the model of an earlier week; the newest is effective a day after its week's end. Offsets are
# counted in days: eight days before a Monday lies the week before the last.
earlier_week = dg.TimeWindowPartitionMapping(start_offset=-8, end_offset=-8)

# A range of days is one run over one window, never a run per day.
single_run = dg.BackfillPolicy.single_run()
