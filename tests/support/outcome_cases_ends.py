"""Hand-worked outcomes of series that ended, and of candles that are not there yet.

The advice are those of the modules beside this one: a BUY with 90 and 110, a SELL with 110 and 90.
"""

from tests.support.outcome_notation import (
    A_BUY,
    A_SELL,
    MISSING,
    SLIPPAGE,
    Case,
    Filled,
    at,
    bars,
    brought,
    left,
    minutes,
    no_entry,
    told,
)

QUIET = (100, 105, 95, 104)  # 104 brings a BUY 0.04 - 0.01 * 2.04 = 0.0196

DELISTED = [
    Case(
        "delisted: what is held goes out at the last traded close",
        A_BUY,
        bars((100, 103, 97, 100), QUIET),
        horizon_bars=4,
        delisted_at=at(2.5),
        as_of=at(2.5),
        expected=told(
            left("delisted", 104, held=2, exit_at=2, resolved_at=2.5, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "delisted: a SELL is bought back at the last traded close, before a filled bar",
        A_SELL,
        bars((100, 105, 95, 96), Filled(96)),
        horizon_bars=4,
        delisted_at=at(3),
        # 96: 0.0204; the purchase: -0.0596
        expected=told(
            left("delisted", 96, held=1, exit_at=1, resolved_at=3, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0204, ladder=0.0204, long=-0.0596),
        ),
    ),
    Case(
        "delisted: out without a buyer slips",
        A_BUY,
        bars((100, 105, 95, 100)),
        horizon_bars=2,
        delisted_at=at(3),
        costs=SLIPPAGE,
        expected=told(
            left("delisted", 100, held=1, exit_at=1, resolved_at=3, mfe=0.05, mae=-0.05),
            brought(gross=0.0, net=-0.40, ladder=-0.40, long=-0.40),
        ),
    ),
    Case(
        "delisted: noticed before the newest candle closed",
        A_BUY,
        bars((100, 103, 97, 100), QUIET),
        horizon_bars=4,
        delisted_at=at(0.5),
        expected=told(
            left("delisted", 104, held=2, exit_at=2, resolved_at=2, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "delisted: what had left before has left as it did, the other thirds go out with the last trade",
        A_BUY,
        bars((100, 111, 95, 104)),
        horizon_bars=4,
        delisted_at=at(2),
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=2, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.0196 + 0.0196) / 3, reached=1, long=0.0196),
        ),
    ),
    Case(
        "delisted: there is no bar 1",
        A_BUY,
        bars(),
        no_entry(2),
        horizon_bars=4,
        delisted_at=at(2),
    ),
    Case(
        "delisted: in at the signal's close, and never out but at the same price",
        A_BUY,
        bars(),
        horizon_bars=4,
        entry="signal_close",
        delisted_at=at(2),
        expected=told(
            left("delisted", 100, held=0, exit_at=0, resolved_at=2, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
    Case(
        "delisted: the newest candle is the last bar, so that nothing was cut short",
        A_BUY,
        bars((100, 103, 97, 100), QUIET),
        horizon_bars=2,
        delisted_at=at(5),
        expected=told(
            left("horizon", 104, held=2, exit_at=2, resolved_at=2, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "delisted: later than a bar that tells that nobody traded in the last one",
        A_BUY,
        bars(QUIET, MISSING, (104, 104, 104, 104)),
        horizon_bars=2,
        delisted_at=at(5),
        expected=told(
            left("no_trade", 104, held=1, exit_at=1, resolved_at=3, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "delisted: not noticed yet",
        A_BUY,
        bars((100, 103, 97, 100), QUIET),
        None,
        horizon_bars=4,
        delisted_at=at(5),
        as_of=at(4.9),
    ),
]

A_STOP_THAT_IS_KNOWN_AT_2 = told(
    left("stop", 90, held=1, exit_at=1, resolved_at=2, mfe=0.0, mae=-0.10),
    brought(gross=-0.10, net=-0.119, ladder=-0.119, long=0.0196),
)

WAITING = [
    Case("waits: for bar 1", A_BUY, bars(), None, horizon_bars=1),
    Case("waits: the last bar has not closed", A_BUY, bars(QUIET), None, horizon_bars=1, as_of=at(0.99)),
    Case(
        "waits no longer: the last bar closes now",
        A_BUY,
        bars(QUIET, (80, 80, 80, 80)),
        horizon_bars=1,
        as_of=at(1),
        expected=told(
            left("horizon", 104, held=1, exit_at=1, resolved_at=1, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "waits: stopped in bar 1, but the horizon is not over",
        A_BUY,
        bars((100, 100, 90, 95), QUIET),
        None,
        horizon_bars=2,
        as_of=at(1.99),
    ),
    Case(
        "waits no longer: stopped in bar 1, and the horizon is over",
        A_BUY,
        bars((100, 100, 90, 95), QUIET),
        A_STOP_THAT_IS_KNOWN_AT_2,
        horizon_bars=2,
        as_of=at(2),
    ),
    Case("waits: nobody could enter, but the horizon is not over", A_BUY, bars(MISSING, QUIET), None, horizon_bars=3),
    Case("waits: the last bar may still come", A_BUY, bars(QUIET, MISSING), None, horizon_bars=2),
    Case(
        "waits: the bar after the last one, which is missing, has not closed",
        A_BUY,
        bars(QUIET, MISSING, QUIET),
        None,
        horizon_bars=2,
        as_of=at(2.99),
    ),
    Case(
        "waits no longer: the bar after the last one tells that it is missing",
        A_BUY,
        bars(QUIET, MISSING, QUIET),
        horizon_bars=2,
        as_of=at(3),
        expected=told(
            left("no_trade", 104, held=1, exit_at=1, resolved_at=3, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "waits no longer: candles of a shorter timeframe are not waited for",
        A_BUY,
        bars((100, 115, 85, 104)),
        horizon_bars=1,
        as_of=at(1),
        lower=[minutes(30, (100, 115, 97, 112))],
        expected=told(
            left("stop", 90, held=1, exit_at=1, resolved_at=1, mfe=0.0, mae=-0.10, is_ambiguous=True),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=0.0196),
        ),
    ),
]
