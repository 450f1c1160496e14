"""The state machine of signals in the database: what every caller meets, generated from `domain.status`.

A row trigger refuses changes of status that the table of transitions does not have, and executions outside a signal's
life; it fills in when a signal was executed and what that brought. A statement trigger writes one event for each
changed status, and a change for streams if the signal is live (`storage.change_triggers`); another deletes what belongs
to deleted signals: foreign keys would look up and lock the signal of each event and outcome, one by one. SQL functions
for people and bots stand on the first two. Add here what must hold whoever asks.

Who changes a signal, and why, is told by settings of the transaction: ``signals.actor``, ``signals.reason``,
``signals.effective_at``, and for many signals at once ``signals.each``, see `storage.transitions`. Whoever has no
rights on the tables but those that the functions lend (`storage.roles`) is believed the reason alone.
"""

from pipeline.domain.status import NEVER_EXECUTED, TRANSITIONS, SignalStatus
from pipeline.storage import change_triggers
from pipeline.storage.change_triggers import told

# SQLSTATEs, which `storage.transitions` turns into errors of ours. The first carries the status that stands as DETAIL.
REFUSED = "restrict_violation"  # 23001
WRONG = "check_violation"  # 23514, as the table's own constraints
UNKNOWN = "no_data_found"  # P0002
# With the rights of the tables' owner, so that a login needs none; names are looked up where nobody else may make any.
AS_OWNER = "SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
CLOCK_TOLERANCE_S = 60  # by which a caller's clock may be ahead of the database's

EXECUTED, EXPIRED, INVALIDATED = SignalStatus.EXECUTED, SignalStatus.EXPIRED, SignalStatus.INVALIDATED


def statements() -> list[str]:
    """SQL that makes functions and triggers; running it twice changes nothing."""
    parts = (change_triggers.statements(), _check(), _note(), _forget(), _functions())
    return [statement for part in parts for statement in part]


def _told(name: str) -> str:
    """A setting of the transaction, NULL where it is not set."""
    return f"nullif(current_setting('signals.{name}', true), '')"


def _allowed() -> str:
    return ", ".join(f"('{before}', '{after}')" for before in SignalStatus for after in sorted(TRANSITIONS[before]))


def _check() -> list[str]:
    allowed = _allowed()
    never = ", ".join(f"'{kind}'" for kind in sorted(NEVER_EXECUTED))
    return [
        f"""
CREATE OR REPLACE FUNCTION check_signal_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id <> OLD.id THEN
    RAISE EXCEPTION 'the id of signal % cannot be changed', OLD.id USING ERRCODE = '{WRONG}';
  END IF;
  IF NEW.status = OLD.status THEN
    IF (OLD.executed_at, OLD.execution_price) IS DISTINCT FROM (NEW.executed_at, NEW.execution_price) THEN
      RAISE EXCEPTION 'signal % is % and its execution cannot be changed', OLD.id, OLD.status
        USING ERRCODE = '{REFUSED}', DETAIL = OLD.status;
    END IF;
  ELSIF (OLD.status::text, NEW.status::text) NOT IN ({allowed}) THEN
    RAISE EXCEPTION 'signal % is %: a signal that is % cannot become %', OLD.id, OLD.status, OLD.status, NEW.status
      USING ERRCODE = '{REFUSED}', DETAIL = OLD.status;
  ELSIF NEW.status = '{EXECUTED}' THEN
    IF NEW.signal_type::text IN ({never}) THEN
      RAISE EXCEPTION 'signal % is an %: a signal of type % cannot become {EXECUTED}',
        OLD.id, NEW.signal_type, NEW.signal_type USING ERRCODE = '{REFUSED}', DETAIL = OLD.status;
    END IF;
    NEW.executed_at := coalesce(NEW.executed_at, now());
    IF NEW.execution_price IS NULL THEN
      RAISE EXCEPTION 'an execution must have a finite price above 0, had none' USING ERRCODE = '{WRONG}';
    ELSIF NEW.executed_at < NEW.created_at THEN
      RAISE EXCEPTION 'signal % began at %, so it cannot have been executed at %',
        OLD.id, NEW.created_at, NEW.executed_at USING ERRCODE = '{WRONG}';
    ELSIF NEW.executed_at >= NEW.expires_at THEN
      RAISE EXCEPTION 'signal % expired at %, so it cannot be executed at %',
        OLD.id, NEW.expires_at, NEW.executed_at USING ERRCODE = '{REFUSED}', DETAIL = '{EXPIRED}';
    ELSIF NEW.executed_at > clock_timestamp() + interval '{CLOCK_TOLERANCE_S} s' THEN
      RAISE EXCEPTION 'an execution must not be in the future, was %; the database has %',
        NEW.executed_at, clock_timestamp() USING ERRCODE = '{WRONG}';
    END IF;
  ELSIF NEW.status = '{EXPIRED}' AND NEW.expires_at > now() + interval '{CLOCK_TOLERANCE_S} s' THEN
    RAISE EXCEPTION 'signal % stands until %, so it has not expired yet; invalidate_signal takes it back',
      OLD.id, NEW.expires_at USING ERRCODE = '{WRONG}';
  ELSIF NEW.status = '{INVALIDATED}' AND coalesce({_told("reason")}, {_told("each")}) IS NULL THEN
    RAISE EXCEPTION 'an invalidation must have a reason, had none: SELECT * FROM invalidate_signal(''%'', ''why'')',
      OLD.id USING ERRCODE = '{WRONG}';
  END IF;
  IF NEW.status = '{EXECUTED}' THEN
    NEW.profit_loss := CASE NEW.signal_type
      WHEN 'BUY' THEN (NEW.execution_price - NEW.entry_price) / NEW.entry_price
      WHEN 'SELL' THEN (NEW.entry_price - NEW.execution_price) / NEW.entry_price END;
  ELSIF coalesce(NEW.executed_at::text, NEW.execution_price::text, NEW.profit_loss::text) IS NOT NULL THEN
    RAISE EXCEPTION 'only a signal that is {EXECUTED} has an execution, signal % is %', OLD.id, NEW.status
      USING ERRCODE = '{WRONG}';
  END IF;
  RETURN NEW;
END $$""",
        "COMMENT ON FUNCTION check_signal_transition() IS "
        "'Refuses what a signal''s life does not allow; sets executed_at and profit_loss'",
        f"""
CREATE OR REPLACE TRIGGER check_signal_transition BEFORE UPDATE ON trading_signals FOR EACH ROW WHEN (
  ((OLD.id, OLD.status, OLD.executed_at, OLD.execution_price, OLD.profit_loss)
    IS DISTINCT FROM (NEW.id, NEW.status, NEW.executed_at, NEW.execution_price, NEW.profit_loss)
  OR NEW.execution_price IS NOT NULL AND OLD.entry_price IS DISTINCT FROM NEW.entry_price){_unless_a_sweep()}
) EXECUTE FUNCTION check_signal_transition()""",
    ]


def _unless_a_sweep() -> str:
    """Where nothing but a due expiry happens there is nothing to ask, for a hundred thousand signals at once."""
    allowed = " OR ".join(f"OLD.status = '{before}'" for before in SignalStatus if EXPIRED in TRANSITIONS[before])
    return f"""
  AND NOT (NEW.status = '{EXPIRED}' AND ({allowed}) AND NEW.expires_at <= now() AND NEW.id = OLD.id
    AND NEW.executed_at IS NULL AND NEW.execution_price IS NULL AND NEW.profit_loss IS NULL)"""


def _note() -> list[str]:
    return [
        f"""
CREATE OR REPLACE FUNCTION note_signal_transitions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  -- A login that acts through execute_signal or invalidate_signal is named itself, whatever it says.
  is_believed boolean := pg_has_role(session_user, current_user, 'MEMBER');
  each jsonb := CASE WHEN is_believed THEN {_told("each")}::jsonb END;
  ids uuid[];
  ends public.signal_status_enum[];
BEGIN
  -- The two versions of each row are looked up once for both tables: for a hundred thousand they are on disk.
  WITH changed AS MATERIALIZED (
    SELECT n.id, o.status AS before, n.status AS after, ({told("n")}) AS is_told,
      CASE n.status
        WHEN '{EXPIRED}' THEN n.expires_at
        WHEN '{EXECUTED}' THEN n.executed_at
        ELSE coalesce(s.at, CASE WHEN is_believed THEN {_told("effective_at")}::timestamptz END, now())
      END AS at,
      coalesce(s.reason, {_told("reason")}) AS reason
    FROM before o JOIN after n ON n.id = o.id AND n.status <> o.status
    LEFT JOIN jsonb_to_recordset(each) AS s (id uuid, at timestamptz, reason text) ON s.id = n.id
  ), noted AS (
    INSERT INTO public.signal_events (signal_id, from_status, to_status, effective_at, actor, reason)
    SELECT c.id, c.before, c.after, c.at,
      coalesce(CASE WHEN is_believed THEN {_told("actor")} END, 'sql:' || session_user), c.reason
    FROM changed c
  )
  SELECT array_agg(c.id), array_agg(c.after) INTO ids, ends FROM changed c WHERE c.is_told;
  IF ids IS NOT NULL THEN
    INSERT INTO public.signal_changes (signal_id, status) SELECT * FROM unnest(ids, ends);
  END IF;
  RETURN NULL;
END $$""",
        "COMMENT ON FUNCTION note_signal_transitions() IS "
        "'Writes one row of signal_events for each changed status, and one of signal_changes if it is a live signal'",
        """
CREATE OR REPLACE TRIGGER note_signal_transitions AFTER UPDATE ON trading_signals
REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION note_signal_transitions()""",
    ]


def _forget() -> list[str]:
    belonging = ("signal_events", "signal_outcomes")
    of_all = "\n".join(f"    DELETE FROM public.{name};" for name in belonging)
    of_gone = "\n".join(f"    DELETE FROM public.{name} x USING gone g WHERE x.signal_id = g.id;" for name in belonging)
    changes = "DELETE FROM public.signal_changes"
    return [
        f"""
CREATE OR REPLACE FUNCTION forget_signals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
{of_all}
    {changes};
  ELSE
{of_gone}
    IF EXISTS (SELECT FROM gone g WHERE {told("g")}) THEN
      {changes} x USING gone g WHERE x.signal_id = g.id;
    END IF;
  END IF;
  RETURN NULL;
END $$""",
        "COMMENT ON FUNCTION forget_signals() IS 'Deletes the events, outcomes and changes of deleted signals'",
        """
CREATE OR REPLACE TRIGGER forget_signals AFTER DELETE ON trading_signals
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_signals()""",
        """
CREATE OR REPLACE TRIGGER forget_all_signals AFTER TRUNCATE ON trading_signals
FOR EACH STATEMENT EXECUTE FUNCTION forget_signals()""",
    ]


def _functions() -> list[str]:
    allowed = _allowed()
    return [
        f"""
CREATE OR REPLACE FUNCTION end_signal(id uuid, after signal_status_enum, price float8, at timestamptz)
RETURNS trading_signals LANGUAGE plpgsql AS $$
DECLARE signal public.trading_signals;
BEGIN
  IF after = '{EXECUTED}' AND NOT coalesce(price > 0 AND price < 'Infinity', false) THEN
    RAISE EXCEPTION 'an execution must have a finite price above 0, was %', price USING ERRCODE = '{WRONG}';
  END IF;
  UPDATE public.trading_signals t SET status = after, execution_price = price,
    executed_at = CASE WHEN after = '{EXECUTED}' THEN coalesce(end_signal.at, now()) END
  WHERE t.id = end_signal.id AND (t.status::text, after::text) IN ({allowed}) RETURNING t.* INTO signal;
  IF FOUND THEN
    RETURN signal;
  END IF;
  SELECT t.* INTO signal FROM public.trading_signals t WHERE t.id = end_signal.id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no signal has the id %', end_signal.id USING ERRCODE = '{UNKNOWN}';
  ELSIF after = '{EXECUTED}' AND signal.status = '{EXECUTED}' AND signal.execution_price = price
      AND coalesce(end_signal.at, signal.executed_at) = signal.executed_at THEN
    RETURN signal;
  ELSIF after = '{EXECUTED}' AND signal.status = '{EXECUTED}' THEN
    RAISE EXCEPTION 'signal % was executed at % for %: a signal that is {EXECUTED} cannot become {EXECUTED} otherwise',
      signal.id, signal.executed_at, signal.execution_price USING ERRCODE = '{REFUSED}', DETAIL = signal.status;
  END IF;
  RAISE EXCEPTION 'signal % is %: a signal that is % cannot become %', signal.id, signal.status, signal.status, after
    USING ERRCODE = '{REFUSED}', DETAIL = signal.status;
END $$""",
        "COMMENT ON FUNCTION end_signal(uuid, signal_status_enum, float8, timestamptz) IS "
        "'Ends a signal; what execute_signal and invalidate_signal stand on'",
        f"""
CREATE OR REPLACE FUNCTION execute_signal(id uuid, price float8, at timestamptz DEFAULT NULL)
RETURNS trading_signals LANGUAGE sql {AS_OWNER} AS $$
  SELECT * FROM public.end_signal(execute_signal.id, '{EXECUTED}', execute_signal.price, execute_signal.at)
$$""",
        "COMMENT ON FUNCTION execute_signal(uuid, float8, timestamptz) IS "
        "'Notes that a signal was executed, now or at an instant; the same execution again is fine'",
        f"""
CREATE OR REPLACE FUNCTION invalidate_signal(id uuid, reason text)
RETURNS trading_signals LANGUAGE plpgsql {AS_OWNER} AS $$
DECLARE
  signal public.trading_signals;
  told text := current_setting('signals.reason', true);
BEGIN
  IF btrim(coalesce(reason, '')) = '' THEN
    RAISE EXCEPTION 'an invalidation must have a reason, had none' USING ERRCODE = '{WRONG}';
  END IF;
  PERFORM set_config('signals.reason', reason, true);
  signal := public.end_signal(invalidate_signal.id, '{INVALIDATED}', NULL, NULL);
  PERFORM set_config('signals.reason', coalesce(told, ''), true);
  RETURN signal;
END $$""",
        "COMMENT ON FUNCTION invalidate_signal(uuid, text) IS 'Takes a signal back, for a reason that its event keeps'",
    ]
