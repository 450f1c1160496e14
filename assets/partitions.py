"""Days: the one partition of everything that happens at a close."""

import dagster as dg

# UTC days of a row's close, today included (end_offset): the tick at 00:00 belongs to the day that begins then.
daily = dg.DailyPartitionsDefinition(start_date="2010-01-01", end_offset=1)

# A range of days is one run over one window, never a run per day.
single_run = dg.BackfillPolicy.single_run()
