"""Views of signals: what strategies advise, what risk lets pass, what stands now, and how soon it was there."""

from pipeline.aggregation import CONFIDENCE_SHARE, STRENGTH_SHARE
from pipeline.storage.views.definition import SERIES, View, comments, listed

CALIBRATED = ("calibrated_confidence", "uncalibrated_because", "calibrated_rank")
WHOSE = ("user_id", "origin", "scope", "profile")


def _part_of_candidates(name: str, source: str) -> View:
    columns = comments("candidate_signals")
    selected = ", ".join(f'"{c}"' for c in columns)
    return View(
        name,
        f"Candidates of the source {source}: what its strategies advise, before risk and aggregation",
        columns,
        f"SELECT {selected} FROM candidate_signals WHERE source = '{source}'",
    )


def _risk_filtered() -> View:
    columns = comments("candidate_signals")
    selected = listed("c", columns)
    return View(
        "risk_filtered_signals",
        "Candidates that passed every risk filter, per profile",
        columns | {"profile": "risk profile that let it pass"},
        f"""SELECT {selected}, d.profile
FROM candidate_signals c
JOIN risk_decisions d USING (series_id, candle_close_at, strategy, signal_type, origin, scope)
WHERE d.is_kept AND c.superseded_at IS NULL""",
    )


def _risk_decisions() -> View:
    # The names are taken from `series`, so that a symbol and a time are looked up by the key of the table.
    columns = comments("risk_decisions", leave_out=("series_id", *SERIES))
    return View(
        "v_risk_decisions",
        "What the risk filters decided about every candidate, and why; of every origin, scope and profile, so ask for "
        "one of each",
        SERIES | columns,
        f"""SELECT s.exchange, s.symbol, s.timeframe, {listed("t", columns)}
FROM risk_decisions t JOIN series s USING (series_id)""",
    )


def _signals() -> View:
    columns = comments("trading_signals", leave_out=("series_id",))
    return View(
        "v_signals",
        "Every stored signal and how it ended; of every origin, scope and profile, so ask for one of each",
        columns
        | {
            "ended_at": "the instant that its end is about; NULL while it is ACTIVE",
            "ended_by": "who ended it: pipeline, cli, api, api: and the key's name, sql: and the login; NULL while it "
            "is ACTIVE",
            "end_reason": "why; NULL where nobody said",
            "series_id": comments("trading_signals")["series_id"],
        },
        f"""SELECT {listed("t", columns)}, e.effective_at, e.actor, e.reason, t.series_id
FROM trading_signals t LEFT JOIN signal_events e ON e.signal_id = t.id""",
    )


def _signal_events() -> View:
    columns = comments("signal_events")
    asked = {name: meaning for name, meaning in comments("trading_signals").items() if name in WHOSE}
    return View(
        "v_signal_events",
        "Every change of a signal's status, by whom and why, with the names of its series; of every origin, scope and "
        "profile, so ask for one of each",
        SERIES | columns | asked,
        f"""SELECT t.exchange, t.symbol, t.timeframe, {listed("e", columns)}, {listed("t", asked)}
FROM signal_events e JOIN trading_signals t ON t.id = e.signal_id""",
    )


def _active() -> View:
    columns = comments("trading_signals")
    selected = ", ".join(f'"{c}"' for c in columns)
    return View(
        "v_active_signals",
        "Live signals that may be acted on now: status ACTIVE and created_at <= now() < expires_at; of every profile, "
        "so ask for one, and opposite ones of a bar may both be there (is_conflicting)",
        columns,
        f"""SELECT {selected} FROM trading_signals
WHERE status = 'ACTIVE' AND origin = 'live' AND scope = 'default' AND created_at <= now() AND now() < expires_at""",
    )


def _expired() -> View:
    columns = comments(
        "trading_signals", leave_out=("status", "executed_at", "execution_price", "profit_loss", *CALIBRATED)
    )
    calibrated = {name: meaning for name, meaning in comments("trading_signals").items() if name in CALIBRATED}
    selected, added = (", ".join(f't."{c}"' for c in part) for part in (columns, calibrated))
    return View(
        "expired_signals",
        "Signals that nobody acted on before their expiry: status EXPIRED, of every origin and scope",
        columns
        | {
            "expired_as": "past_at_insertion where it was stored so; NULL where it was ACTIVE before",
            "marked_at": "wall clock when it was marked; from expires_at on it was void in any case",
        }
        | calibrated,
        f"""SELECT {selected}, e.reason, e.recorded_at, {added}
FROM trading_signals t LEFT JOIN signal_events e ON e.signal_id = t.id AND e.to_status = 'EXPIRED'
WHERE t.status = 'EXPIRED'""",
    )


def _net_signals() -> View:
    score = f"{CONFIDENCE_SHARE} * confidence + {STRENGTH_SHARE} * strength"
    return View(
        "v_net_signals",
        "What the signals that are active now say together, per series and profile: opposite ones count against each "
        "other, ALERTs not at all",
        SERIES
        | {
            "profile": "risk profile that let them pass",
            "net_score": f"sum of {score} over BUYs, less that of SELLs; above 0 says buy",
            "buys": "active BUYs",
            "sells": "active SELLs",
            "buy_score": "sum of the BUYs alone, 0 without any",
            "sell_score": "sum of the SELLs alone, 0 without any",
            "is_conflicting": "whether BUYs and SELLs are active, of whatever bars",
            "newest_created_at": "close of the newest of them",
            "next_expires_at": "when the first of them is void",
        },
        f"""SELECT exchange, symbol, timeframe, profile, buy_score - sell_score, buys, sells, buy_score, sell_score,
  buys > 0 AND sells > 0, newest_created_at, next_expires_at
FROM (
  SELECT exchange, symbol, timeframe, profile,
    count(*) FILTER (WHERE signal_type = 'BUY') AS buys, count(*) FILTER (WHERE signal_type = 'SELL') AS sells,
    coalesce(sum({score}) FILTER (WHERE signal_type = 'BUY'), 0) AS buy_score,
    coalesce(sum({score}) FILTER (WHERE signal_type = 'SELL'), 0) AS sell_score,
    max(created_at) AS newest_created_at, min(expires_at) AS next_expires_at
  FROM v_active_signals WHERE signal_type <> 'ALERT' GROUP BY exchange, symbol, timeframe, profile
) n""",
    )


def _latency() -> View:
    return View(
        "v_signal_latency",
        "How long after its close each series was judged and stored, per live run",
        {
            "run_id": "the run of Dagster",
            **SERIES,
            "candle_close_at": "the newest close that the run processed",
            "closes": "closes that it processed, 1 unless it caught up",
            "candle_seen_at": "wall clock when the candle was stored",
            "stored_at": "wall clock when the series' signals were stored, or found to be none",
            "latency_seconds": "stored_at minus candle_close_at",
            "latency_share": "the same as a share of the timeframe",
        },
        """SELECT p.run_id, s.exchange, s.symbol, s.timeframe, p.until,
  (extract(epoch FROM p.until - p.after) / s.bar_seconds)::integer, c.first_seen_at, p.stored_at,
  round(extract(epoch FROM p.stored_at - p.until), 3)::float8,
  round(extract(epoch FROM p.stored_at - p.until) / s.bar_seconds, 4)::float8
FROM live_passes p JOIN series s USING (series_id)
LEFT JOIN candles c ON c.series_id = p.series_id AND c.open_at = p.until - make_interval(secs => s.bar_seconds)""",
    )


VIEWS = (
    _part_of_candidates("technical_signals", "technical"),
    _part_of_candidates("ml_signals", "ml_model"),
    _part_of_candidates("sentiment_signals", "sentiment"),
    _risk_filtered(),
    _risk_decisions(),
    _signals(),
    _signal_events(),
    _active(),
    _net_signals(),
    _expired(),
    _latency(),
)
