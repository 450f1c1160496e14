"""Hand-worked outcomes of a BUY at 100 with the stop at 90 and targets at 110, 120 and 130, one exit after the other.

A BUY that is left at P brings (P - 100) / 100 and pays fees of 1 % on 100 and on P: 0.01 * (1 + P / 100). Those that
come up again and again: 90 is -0.10 - 0.019 = -0.119; 100 is -0.020; 110 is 0.10 - 0.021 = 0.079; 120 is
0.20 - 0.022 = 0.178; 130 is 0.30 - 0.023 = 0.277.
"""

from dataclasses import replace

from tests.support.outcome_notation import A_BUY, Case, bars, brought, left, told

BUYS = [
    Case(
        "buy: neither reached in the only bar, out at its close",
        A_BUY,
        bars((100, 105, 95, 104)),
        horizon_bars=1,
        # 104: 0.04 - 0.01 * 2.04 = 0.0196
        expected=told(
            left("horizon", 104, held=1, exit_at=1, resolved_at=1, mfe=0.05, mae=-0.05),
            brought(gross=0.04, net=0.0196, ladder=0.0196, long=0.0196),
        ),
    ),
    Case(
        "buy: the bar after the horizon is not looked at",
        A_BUY,
        bars((100, 105, 98, 104), (104, 106, 94, 95), (95, 140, 80, 100)),
        horizon_bars=2,
        # 95: -0.05 - 0.01 * 1.95 = -0.0695; best 106 in bar 2, worst 94 in bar 2
        expected=told(
            left("horizon", 95, held=2, exit_at=2, resolved_at=2, mfe=0.06, mae=-0.06),
            brought(gross=-0.05, net=-0.0695, ladder=-0.0695, long=-0.0695),
        ),
    ),
    Case(
        "buy: the low comes within a hair of the stop and the high of the target",
        A_BUY,
        bars((100, 109.5, 90.5, 100)),
        horizon_bars=1,
        expected=told(
            left("horizon", 100, held=1, exit_at=1, resolved_at=1, mfe=0.095, mae=-0.095),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
    Case(
        "buy: the low of the first bar is exactly the stop",
        A_BUY,
        bars((100, 108, 90, 95), (95, 130, 95, 100)),
        horizon_bars=2,
        # the 108 of the exit's bar do not count, and what comes after the exit does not either
        expected=told(
            left("stop", 90, held=1, exit_at=1, resolved_at=2, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "buy: the stop is passed in the last bar",
        A_BUY,
        bars((100, 106, 97, 102), (102, 107, 85, 95)),
        horizon_bars=2,
        # out at 90, not at 85; best is the 106 of bar 1, not the 107 of the exit's bar; 95: -0.0695
        expected=told(
            left("stop", 90, held=2, exit_at=2, resolved_at=2, mfe=0.06, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.0695),
        ),
    ),
    Case(
        "buy: the high of the first bar is exactly the target",
        A_BUY,
        bars((100, 110, 97, 108)),
        horizon_bars=1,
        # tp2 and tp3 are left at 108: 0.08 - 0.01 * 2.08 = 0.0592
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=1, mfe=0.10, mae=-0.03),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.0592 + 0.0592) / 3, reached=1, long=0.0592),
        ),
    ),
    Case(
        "buy: the target is passed in the last bar, whose high does not count beyond it",
        A_BUY,
        bars((100, 104, 96, 103), (103, 115, 95, 100)),
        horizon_bars=2,
        expected=told(
            left("target", 110, held=2, exit_at=2, resolved_at=2, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.02 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "buy: one target a bar, and the fall after the first is none of the headline's",
        A_BUY,
        bars((100, 112, 99, 111), (111, 121, 91, 119), (119, 131, 118, 100)),
        horizon_bars=3,
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=3, mfe=0.10, mae=-0.01),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.178 + 0.277) / 3, reached=3, long=-0.02),
        ),
    ),
    Case(
        "buy: all three targets in one bar",
        A_BUY,
        bars((100, 130, 98, 125)),
        horizon_bars=1,
        # 125: 0.25 - 0.01 * 2.25 = 0.2275
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=1, mfe=0.10, mae=-0.02),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.178 + 0.277) / 3, reached=3, long=0.2275),
        ),
    ),
    Case(
        "buy: two targets, then the stop, which has not been moved",
        A_BUY,
        bars((100, 122, 99, 118), (118, 119, 91, 92), (92, 93, 89, 91)),
        horizon_bars=3,
        # 91: -0.09 - 0.01 * 1.91 = -0.1091
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=3, mfe=0.10, mae=-0.01),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.178 - 0.119) / 3, reached=2, long=-0.1091),
        ),
    ),
    Case(
        "buy: the target before a bar of the stop and tp2: two thirds are stopped by pessimism, the headline is clear",
        A_BUY,
        bars((100, 111, 99, 110), (110, 121, 89, 100)),
        horizon_bars=2,
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=2, mfe=0.10, mae=-0.01),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "buy: a later bar opens below the stop",
        A_BUY,
        bars((100, 105, 98, 99), (85, 115, 80, 100)),
        horizon_bars=2,
        # 85: -0.15 - 0.01 * 1.85 = -0.1685; neither the 115 nor the 80 of the exit's bar count
        expected=told(
            left("stop_gap", 85, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.15),
            brought(gross=-0.15, net=-0.1685, ladder=-0.1685, long=-0.02),
        ),
    ),
    Case(
        "buy: a later bar opens exactly at the stop",
        A_BUY,
        bars((100, 105, 98, 99), (99, 99, 98, 98), (90, 95, 90, 95)),
        horizon_bars=3,
        expected=told(
            left("stop_gap", 90, held=2, exit_at=2, resolved_at=3, mfe=0.05, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.0695),
        ),
    ),
    Case(
        "buy: a later bar opens above the target, and its low does not matter",
        A_BUY,
        bars((100, 105, 98, 104), (115, 116, 85, 100)),
        horizon_bars=2,
        # 115: 0.15 - 0.01 * 2.15 = 0.1285; tp2 and tp3 are stopped in the same bar
        expected=told(
            left("target_gap", 115, held=1, exit_at=1, resolved_at=2, mfe=0.15, mae=-0.02),
            brought(gross=0.15, net=0.1285, ladder=(0.1285 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "buy: a later bar opens exactly at the target",
        A_BUY,
        bars((100, 105, 98, 104), (110, 112, 100, 100)),
        horizon_bars=2,
        expected=told(
            left("target_gap", 110, held=1, exit_at=1, resolved_at=2, mfe=0.10, mae=-0.02),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.02 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "buy: a later bar opens above two targets and reaches the third",
        A_BUY,
        bars((100, 105, 98, 104), (125, 130, 124, 125)),
        horizon_bars=2,
        # 125: 0.2275
        expected=told(
            left("target_gap", 125, held=1, exit_at=1, resolved_at=2, mfe=0.25, mae=-0.02),
            brought(gross=0.25, net=0.2275, ladder=(0.2275 + 0.2275 + 0.277) / 3, reached=3, long=0.2275),
        ),
    ),
    Case(
        "buy: bar 1 opens below the stop",
        A_BUY,
        bars((80, 115, 75, 100)),
        horizon_bars=1,
        # in and out at 80: two fees; held on, 100 / 80 = 1.25: 0.25 - 0.01 * 2.25 = 0.2275
        expected=told(
            left("entry_gap", 80, entry=80, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=0.2275),
        ),
    ),
    Case(
        "buy: bar 1 opens exactly at the stop",
        A_BUY,
        bars((90, 100, 90, 90)),
        horizon_bars=1,
        expected=told(
            left("entry_gap", 90, entry=90, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
    Case(
        "buy: bar 1 opens exactly at the target; the thirds for tp2 and tp3 are held on",
        A_BUY,
        bars((110, 121, 100, 110)),
        horizon_bars=1,
        # tp2: 120 / 110 = 12 / 11: 1 / 11 - 0.01 * 23 / 11 = 0.77 / 11 = 0.07; tp3 leaves at the close of 110
        expected=told(
            left("entry_gap", 110, entry=110, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=(-0.02 + 0.07 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "buy: bar 1 opens above all targets",
        A_BUY,
        bars((140, 150, 85, 140)),
        horizon_bars=1,
        expected=told(
            left("entry_gap", 140, entry=140, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
    Case(
        "buy: both in the first bar, nobody knows which came first",
        A_BUY,
        bars((100, 125, 85, 100)),
        horizon_bars=1,
        expected=told(
            left("stop", 90, held=1, exit_at=1, resolved_at=1, mfe=0.0, mae=-0.10, is_ambiguous=True),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "buy: both in a later bar",
        A_BUY,
        bars((100, 104, 97, 100), (100, 110, 90, 100)),
        horizon_bars=2,
        expected=told(
            left("stop", 90, held=2, exit_at=2, resolved_at=2, mfe=0.04, mae=-0.10, is_ambiguous=True),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "buy: the risk in R is that of the signal's price, not of the entry",
        A_BUY,
        bars((96, 108, 95, 108)),
        horizon_bars=1,
        # 108 / 96 = 1.125: 0.125 - 0.01 * 2.125 = 0.10375, by (100 - 90) / 100 = 0.1; best 12 of 96, worst 1 of 96
        expected=told(
            left("horizon", 108, entry=96, held=1, exit_at=1, resolved_at=1, mfe=0.125, mae=-1 / 96),
            brought(gross=0.125, net=0.10375, r=1.0375, ladder=0.10375, long=0.10375),
        ),
    ),
    Case(
        "buy: R of a signal whose risk is 20 of 80",
        replace(A_BUY, entry_price=80.0, stop=60.0),
        bars((100, 105, 95, 100)),
        horizon_bars=1,
        # -0.02 by 20 / 80 = 0.25
        expected=told(
            left("horizon", 100, held=1, exit_at=1, resolved_at=1, mfe=0.05, mae=-0.05),
            brought(gross=0.0, net=-0.02, r=-0.08, ladder=-0.02, long=-0.02),
        ),
    ),
]
