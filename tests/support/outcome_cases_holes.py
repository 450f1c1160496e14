"""Hand-worked outcomes where nobody traded, because candles are missing or made up, and with an entry at once.

The advice are those of the modules beside this one: a BUY with 90 and 110, a SELL with 110 and 90.
"""

from tests.support.outcome_notation import (
    A_BUY,
    A_SELL,
    MISSING,
    SLIPPAGE,
    Case,
    Filled,
    bars,
    brought,
    left,
    no_entry,
    told,
)

QUIET = (100, 105, 95, 104)  # 104 brings a BUY 0.04 - 0.01 * 2.04 = 0.0196

NOT_TRADED = [
    Case("holes: bar 1 is filled up", A_BUY, bars(Filled(100), QUIET), no_entry(2), horizon_bars=2),
    Case("holes: bar 1 is missing", A_BUY, bars(MISSING, QUIET), no_entry(2), horizon_bars=2),
    Case("holes: bar 1 is missing for a SELL", A_SELL, bars(MISSING, QUIET), no_entry(2), horizon_bars=2),
    Case(
        "holes: the only bar is missing, which the next stored one tells",
        A_BUY,
        bars(MISSING, MISSING, QUIET, QUIET),
        no_entry(3),
        horizon_bars=1,
    ),
    Case(
        "holes: bars that are missing or filled up are passed over, and count as held",
        A_BUY,
        bars(QUIET, MISSING, Filled(120), (104, 111, 93, 104)),
        horizon_bars=4,
        # nothing was sold at 120; tp2 and tp3 at 104
        expected=told(
            left("target", 110, held=4, exit_at=4, resolved_at=4, mfe=0.10, mae=-0.07),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.0196 + 0.0196) / 3, reached=1, long=0.0196),
        ),
    ),
    Case(
        "holes: a filled bar below the stop sells nothing, the next trade does",
        A_BUY,
        bars(QUIET, Filled(80), (85, 104, 85, 104)),
        horizon_bars=3,
        # 85: -0.15 - 0.01 * 1.85 = -0.1685
        expected=told(
            left("stop_gap", 85, held=2, exit_at=2, resolved_at=3, mfe=0.05, mae=-0.15),
            brought(gross=-0.15, net=-0.1685, ladder=-0.1685, long=0.0196),
        ),
    ),
    Case(
        "holes: the first bar after missing ones opens below a SELL's target",
        A_SELL,
        bars((100, 105, 95, 100), MISSING, MISSING, (85, 100, 85, 100)),
        horizon_bars=4,
        # 85: 0.15 - 0.01 * 1.85 = 0.1315; tp2 and tp3 at the close: -0.02
        expected=told(
            left("target_gap", 85, held=3, exit_at=3, resolved_at=4, mfe=0.15, mae=-0.05),
            brought(gross=0.15, net=0.1315, ladder=(0.1315 - 0.02 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "holes: the last bar is filled up",
        A_BUY,
        bars(QUIET, Filled(104)),
        horizon_bars=2,
        expected=told(
            left("no_trade", 104, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "holes: the last bars are missing, which a later one tells",
        A_BUY,
        bars((100, 103, 97, 100), QUIET, MISSING, MISSING, MISSING, (80, 130, 80, 80)),
        horizon_bars=4,
        expected=told(
            left("no_trade", 104, held=2, exit_at=2, resolved_at=6, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "holes: nobody trades in a SELL's last bar",
        A_SELL,
        bars((100, 105, 95, 96), Filled(96)),
        horizon_bars=2,
        # 96: 0.04 - 0.01 * 1.96 = 0.0204; the purchase: -0.04 - 0.0196 = -0.0596
        expected=told(
            left("no_trade", 96, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0204, ladder=0.0204, long=-0.0596),
        ),
    ),
    Case(
        "holes: out before the last bar, in which nobody traded; the thirds and the purchase end with the last trade",
        A_BUY,
        bars((100, 111, 95, 104), MISSING, QUIET),
        horizon_bars=2,
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=3, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.0196 + 0.0196) / 3, reached=1, long=0.0196),
        ),
    ),
    Case(
        "holes: out without a trade slips",
        A_BUY,
        bars((100, 105, 95, 100), Filled(100)),
        horizon_bars=2,
        costs=SLIPPAGE,
        # 75 / 125 = 0.6
        expected=told(
            left("no_trade", 100, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.05),
            brought(gross=0.0, net=-0.40, ladder=-0.40, long=-0.40),
        ),
    ),
]

AT_SIGNAL_CLOSE = [
    Case(
        "signal close: in at the signal's price, whatever bar 1 opens at",
        A_BUY,
        bars((102, 105, 95, 104)),
        horizon_bars=1,
        entry="signal_close",
        expected=told(
            left("horizon", 104, held=1, exit_at=1, resolved_at=1, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "signal close: bar 1 opens below the stop",
        A_BUY,
        bars((85, 104, 85, 104)),
        horizon_bars=1,
        entry="signal_close",
        # 85: -0.1685
        expected=told(
            left("stop_gap", 85, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=-0.15),
            brought(gross=-0.15, net=-0.1685, ladder=-0.1685, long=0.0196),
        ),
    ),
    Case(
        "signal close: bar 1 opens above the target",
        A_BUY,
        bars((115, 116, 100, 104)),
        horizon_bars=1,
        entry="signal_close",
        # 115: 0.15 - 0.01 * 2.15 = 0.1285
        expected=told(
            left("target_gap", 115, held=0, exit_at=0, resolved_at=1, mfe=0.15, mae=0.0),
            brought(gross=0.15, net=0.1285, ladder=(0.1285 + 0.0196 + 0.0196) / 3, reached=1, long=0.0196),
        ),
    ),
    Case(
        "signal close: bar 1 opens above a SELL's stop",
        A_SELL,
        bars((115, 116, 100, 100)),
        horizon_bars=1,
        entry="signal_close",
        # 115: -0.15 - 0.01 * 2.15 = -0.1715
        expected=told(
            left("stop_gap", 115, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=-0.15),
            brought(gross=-0.15, net=-0.1715, ladder=-0.1715, long=-0.02),
        ),
    ),
    Case(
        "signal close: bar 1 opens exactly at a SELL's target",
        A_SELL,
        bars((90, 100, 85, 100)),
        horizon_bars=1,
        entry="signal_close",
        expected=told(
            left("target_gap", 90, held=0, exit_at=0, resolved_at=1, mfe=0.10, mae=0.0),
            brought(gross=0.10, net=0.081, ladder=(0.081 - 0.02 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "signal close: bar 1 is missing, bar 2 is walked through",
        A_BUY,
        bars(MISSING, (101, 106, 90, 100)),
        horizon_bars=2,
        entry="signal_close",
        expected=told(
            left("stop", 90, held=2, exit_at=2, resolved_at=2, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "signal close: nobody trades at all, out at the entry",
        A_BUY,
        bars(Filled(80), Filled(120)),
        horizon_bars=2,
        entry="signal_close",
        expected=told(
            left("no_trade", 100, held=0, exit_at=0, resolved_at=2, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
]
