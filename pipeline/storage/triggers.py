"""The trigger that refuses a change of status which `domain.status` does not allow, whoever asks."""

from pipeline.domain.status import TRANSITIONS, SignalStatus

REFUSED = "restrict_violation"  # SQLSTATE 23001, which `storage.transitions` turns into IllegalTransitionError


def statements() -> list[str]:
    """SQL that makes the function and its trigger; running it twice changes nothing."""
    allowed = ", ".join(f"('{before}', '{after}')" for before in SignalStatus for after in sorted(TRANSITIONS[before]))
    return [
        f"""
CREATE OR REPLACE FUNCTION check_signal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.status::text, NEW.status::text) NOT IN ({allowed}) THEN
    RAISE EXCEPTION 'a signal that is % cannot become %', OLD.status, NEW.status USING ERRCODE = '{REFUSED}';
  END IF;
  RETURN NEW;
END $$""",
        "COMMENT ON FUNCTION check_signal_transition() IS 'Refuses changes of status outside the allowed table'",
        """
CREATE OR REPLACE TRIGGER check_signal_transition BEFORE UPDATE OF status ON trading_signals
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION check_signal_transition()""",
    ]
