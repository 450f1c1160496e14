"""Triggers that number the changes of live signals, so that a reader can tell which numbers are decided.

`storage.changes` reads what they write, and says why it is enough. Whoever writes to `signal_changes`, by whatever
way, is met by `announce_signal_changes`.
"""

from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.status import SignalStatus

CHANNEL = "signal_changes"
SEQUENCE = "signal_changes_change_id_seq"
LAST_NUMBER = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.{SEQUENCE}"

# A writer's lock is one number of 64 bits: who we are in the upper 24, the last number before its own in the others.
LOCK = 0x737472  # "str"
NUMBER_BITS = 40


def statements() -> list[str]:
    """SQL that makes functions and triggers; running it twice changes nothing."""
    return [
        f"""
CREATE OR REPLACE FUNCTION announce_signal_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('signals.announced', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    PERFORM pg_advisory_xact_lock_shared({LOCK << NUMBER_BITS} + ({LAST_NUMBER}));
    PERFORM set_config('signals.announced', pg_current_xact_id()::text, true);
  END IF;
  PERFORM pg_notify('{CHANNEL}', '');
  RETURN NULL;
END $$""",
        "COMMENT ON FUNCTION announce_signal_changes() IS "
        "'Before a transaction takes its first number, says by a lock which was the last; wakes readers at its commit'",
        """
CREATE OR REPLACE TRIGGER announce_signal_changes BEFORE INSERT ON signal_changes
FOR EACH STATEMENT EXECUTE FUNCTION announce_signal_changes()""",
        """
CREATE OR REPLACE FUNCTION note_new_signal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.signal_changes (signal_id, status) VALUES (NEW.id, NEW.status);
  RETURN NULL;
END $$""",
        "COMMENT ON FUNCTION note_new_signal() IS 'Writes a row of signal_changes for a live signal that is new'",
        f"""
CREATE OR REPLACE TRIGGER note_new_signal AFTER INSERT ON trading_signals
FOR EACH ROW WHEN ({told("NEW")} AND NEW.status = '{SignalStatus.ACTIVE}') EXECUTE FUNCTION note_new_signal()""",
    ]


def told(row: str) -> str:
    """Whether streams tell of a row of `trading_signals`."""
    return f"{row}.origin = '{Origin.LIVE}' AND {row}.scope = '{DEFAULT_SCOPE}'"
