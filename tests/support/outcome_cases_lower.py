"""Hand-worked outcomes of bars that reach both barriers, beside candles of shorter timeframes that may know better.

The headline's target is 110 for a BUY and 90 for a SELL; tp2 and tp3 are asked the same question of their own.
"""

from tests.support.outcome_notation import A_BUY, A_SELL, MISSING, Case, Filled, bars, brought, left, minutes, told

BOTH = (100, 115, 85, 100)  # reaches the stop and the first target of either side, and no second one

STOPPED_BY_PESSIMISM = told(
    left("stop", 90, held=1, exit_at=1, resolved_at=1, mfe=0.0, mae=-0.10, is_ambiguous=True),
    brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
)

LOWER = [
    Case(
        "lower: the target came first",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 115, 97, 112), (112, 112, 85, 100))],
        # left in the first half hour, whose low of 97 counts; the 85 of the second comes after the exit
        expected=told(
            left("target", 110, held=1, exit_at=0.5, resolved_at=1, mfe=0.10, mae=-0.03),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: the stop came first",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 106, 85, 95), (95, 115, 95, 100))],
        expected=told(
            left("stop", 90, held=1, exit_at=0.5, resolved_at=1, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "lower: candles before the exit's count in full",
        A_BUY,
        bars((100, 101, 99, 100), BOTH),
        horizon_bars=2,
        lower=[minutes(15, (100, 107, 98, 100), (100, 103, 92, 100), (100, 108, 85, 95), (95, 115, 95, 100), bar=2)],
        # best is the 107 of the first quarter, not the 108 of the exit's
        expected=told(
            left("stop", 90, held=2, exit_at=1.75, resolved_at=2, mfe=0.07, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "lower: for a SELL the target came first",
        A_SELL,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 104, 85, 90.5), (90.5, 115, 90.5, 100))],
        # tp2 and tp3 are stopped at 110: -0.121
        expected=told(
            left("target", 90, held=1, exit_at=0.5, resolved_at=1, mfe=0.10, mae=-0.04),
            brought(gross=0.10, net=0.081, ladder=(0.081 - 0.121 - 0.121) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: for a SELL the stop came first",
        A_SELL,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 115, 98, 100), (100, 100, 85, 100))],
        expected=told(
            left("stop", 110, held=1, exit_at=0.5, resolved_at=1, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-0.121, ladder=-0.121, long=-0.02),
        ),
    ),
    Case(
        "lower: a half hour is missing, so nobody knows",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 115, 97, 112), MISSING)],
        expected=STOPPED_BY_PESSIMISM,
    ),
    Case(
        "lower: the candles of another bar say nothing about this one",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 115, 97, 112), (112, 112, 85, 100), bar=2)],
        expected=STOPPED_BY_PESSIMISM,
    ),
    Case(
        "lower: both in one half hour",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (100, 104, 95, 100), (100, 115, 85, 100))],
        # best is the 104 of the first half hour
        expected=told(
            left("stop", 90, held=1, exit_at=1, resolved_at=1, mfe=0.04, mae=-0.10, is_ambiguous=True),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "lower: quarters are asked before half hours",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[
            minutes(30, (100, 106, 85, 95), (95, 115, 95, 100)),
            minutes(15, (100, 101, 96, 100), (100, 101, 97, 100), (100, 115, 95, 112), (112, 112, 85, 100)),
        ],
        # the two contradict each other; the quarters have the target in the third one
        expected=told(
            left("target", 110, held=1, exit_at=0.75, resolved_at=1, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: half hours are asked where a quarter is missing",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[
            minutes(15, (100, 101, 85, 100), MISSING, (100, 115, 95, 112), (112, 112, 85, 100)),
            minutes(30, (100, 115, 97, 112), (112, 112, 85, 100)),
        ],
        expected=told(
            left("target", 110, held=1, exit_at=0.5, resolved_at=1, mfe=0.10, mae=-0.03),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: each target is asked for by itself",
        A_BUY,
        bars((100, 125, 85, 100)),
        horizon_bars=1,
        lower=[minutes(30, (100, 121, 97, 112), (112, 125, 85, 100))],
        # tp1 and tp2 in the first half hour; tp3 is not reached, the bar stops it
        expected=told(
            left("target", 110, held=1, exit_at=0.5, resolved_at=1, mfe=0.10, mae=-0.03),
            brought(gross=0.10, net=0.079, ladder=(0.079 + 0.178 - 0.119) / 3, reached=2, long=-0.02),
        ),
    ),
    Case(
        "lower: candles that are as long as the bar, or do not fill it evenly, cannot stand in its place",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[
            minutes(60, (100, 115, 97, 112)),
            minutes(40, (100, 115, 97, 112), (112, 112, 85, 100)),
        ],
        expected=STOPPED_BY_PESSIMISM,
    ),
    Case(
        "lower: a quarter opens below the stop",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(15, (100, 105, 95, 96), (88, 89, 85, 88), (88, 115, 88, 110), (110, 110, 100, 100))],
        # 88: -0.12 - 0.01 * 1.88 = -0.1388; at the open of the second quarter, in the midst of bar 1
        expected=told(
            left("stop_gap", 88, held=1, exit_at=0.25, resolved_at=1, mfe=0.05, mae=-0.12),
            brought(gross=-0.12, net=-0.1388, ladder=(-0.1388 - 0.119 - 0.119) / 3, long=-0.02),
        ),
    ),
    Case(
        "lower: a quarter opens above the target",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(15, (100, 105, 95, 104), (112, 115, 111, 112), (112, 112, 85, 88), (88, 100, 88, 100))],
        # 112: 0.12 - 0.01 * 2.12 = 0.0988
        expected=told(
            left("target_gap", 112, held=1, exit_at=0.25, resolved_at=1, mfe=0.12, mae=-0.05),
            brought(gross=0.12, net=0.0988, ladder=(0.0988 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: the open of the first candle is the bar's own, whatever it says",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (112, 115, 95, 112), (112, 112, 85, 100))],
        # not 112
        expected=told(
            left("target", 110, held=1, exit_at=0.5, resolved_at=1, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: the open of the first candle is not below the stop if the bar's is not",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(30, (88, 100, 85, 95), (95, 115, 95, 100))],
        # not 88
        expected=told(
            left("stop", 90, held=1, exit_at=0.5, resolved_at=1, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.02),
        ),
    ),
    Case(
        "lower: a quarter in which nobody traded is passed over, but it is stored",
        A_BUY,
        bars(BOTH),
        horizon_bars=1,
        lower=[minutes(15, (100, 105, 95, 104), Filled(80), (104, 115, 99, 112), (112, 112, 85, 100))],
        expected=told(
            left("target", 110, held=1, exit_at=0.75, resolved_at=1, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.119 - 0.119) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: candles that contradict a bar of one barrier are not asked",
        A_BUY,
        bars((100, 115, 95, 100)),
        horizon_bars=1,
        lower=[minutes(30, (100, 100, 85, 100), (100, 115, 100, 100))],
        # tp2 and tp3 at the close: -0.02
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=1, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=0.079, ladder=(0.079 - 0.02 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "lower: candles that reach neither contradict the bar and decide nothing",
        A_BUY,
        bars(BOTH, (100, 103, 98, 102)),
        horizon_bars=2,
        lower=[minutes(30, (100, 104, 95, 100), (100, 106, 94, 100))],
        # 90: -0.10 - 0.01 * 1.90 = -0.119, of all three; 102: 0.02 - 0.01 * 2.02 = -0.0002
        expected=told(
            left("stop", 90, held=1, exit_at=1, resolved_at=2, mfe=0.0, mae=-0.10, is_ambiguous=True),
            brought(gross=-0.10, net=-0.119, ladder=-0.119, long=-0.0002),
        ),
    ),
]
