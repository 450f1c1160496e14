"""Days: the one partition of everything that happens at a close."""

import warnings

import dagster as dg

# Every asset with a backfill policy says so; pinning the release is what makes a beta parameter safe.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)

# UTC days of a row's close, today included (end_offset): the tick at 00:00 belongs to the day that begins then.
daily = dg.DailyPartitionsDefinition(start_date="2010-01-01", end_offset=1)

# A range of days is one run over one window, never a run per day.
single_run = dg.BackfillPolicy.single_run()
