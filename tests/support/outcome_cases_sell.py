"""Hand-worked outcomes of a SELL at 100 with the stop at 110 and targets at 90, 80 and 70: the other way round.

A SELL that is left at P brings (100 - P) / 100 and pays fees of 1 % on 100 and on P. Those that come up again and
again: 110 is -0.10 - 0.021 = -0.121; 100 is -0.020; 90 is 0.10 - 0.019 = 0.081; 80 is 0.20 - 0.018 = 0.182; 70 is
0.30 - 0.017 = 0.283. What it is compared with is a purchase: at P that brings (P - 100) / 100 less the same fees.
"""

from tests.support.outcome_notation import A_SELL, Case, bars, brought, left, told

SELLS = [
    Case(
        "sell: neither reached, out at the close",
        A_SELL,
        bars((100, 106, 95, 96)),
        horizon_bars=1,
        # 96: 0.04 - 0.01 * 1.96 = 0.0204; the purchase: -0.04 - 0.0196 = -0.0596
        expected=told(
            left("horizon", 96, held=1, exit_at=1, resolved_at=1, mfe=0.05, mae=-0.06),
            brought(gross=0.04, net=0.0204, ladder=0.0204, long=-0.0596),
        ),
    ),
    Case(
        "sell: the high is exactly the stop",
        A_SELL,
        bars((100, 104, 97, 102), (102, 110, 95, 100)),
        horizon_bars=2,
        # best is the 97 of bar 1, not the 95 of the exit's bar
        expected=told(
            left("stop", 110, held=2, exit_at=2, resolved_at=2, mfe=0.03, mae=-0.10),
            brought(gross=-0.10, net=-0.121, ladder=-0.121, long=-0.02),
        ),
    ),
    Case(
        "sell: the low is exactly the target",
        A_SELL,
        bars((100, 103, 90, 92)),
        horizon_bars=1,
        # tp2 and tp3 at 92: 0.08 - 0.01 * 1.92 = 0.0608; the purchase: -0.08 - 0.0192 = -0.0992
        expected=told(
            left("target", 90, held=1, exit_at=1, resolved_at=1, mfe=0.10, mae=-0.03),
            brought(gross=0.10, net=0.081, ladder=(0.081 + 0.0608 + 0.0608) / 3, reached=1, long=-0.0992),
        ),
    ),
    Case(
        "sell: one target a bar",
        A_SELL,
        bars((100, 101, 88, 89), (89, 109, 79, 81), (81, 82, 69, 100)),
        horizon_bars=3,
        expected=told(
            left("target", 90, held=1, exit_at=1, resolved_at=3, mfe=0.10, mae=-0.01),
            brought(gross=0.10, net=0.081, ladder=(0.081 + 0.182 + 0.283) / 3, reached=3, long=-0.02),
        ),
    ),
    Case(
        "sell: two targets, then the stop",
        A_SELL,
        bars((100, 101, 78, 82), (82, 111, 81, 100)),
        horizon_bars=2,
        expected=told(
            left("target", 90, held=1, exit_at=1, resolved_at=2, mfe=0.10, mae=-0.01),
            brought(gross=0.10, net=0.081, ladder=(0.081 + 0.182 - 0.121) / 3, reached=2, long=-0.02),
        ),
    ),
    Case(
        "sell: a later bar opens above the stop",
        A_SELL,
        bars((100, 102, 95, 101), (115, 120, 85, 100)),
        horizon_bars=2,
        # 115: -0.15 - 0.01 * 2.15 = -0.1715
        expected=told(
            left("stop_gap", 115, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.15),
            brought(gross=-0.15, net=-0.1715, ladder=-0.1715, long=-0.02),
        ),
    ),
    Case(
        "sell: a later bar opens exactly at the stop",
        A_SELL,
        bars((100, 102, 95, 101), (110, 110, 100, 100)),
        horizon_bars=2,
        expected=told(
            left("stop_gap", 110, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.10),
            brought(gross=-0.10, net=-0.121, ladder=-0.121, long=-0.02),
        ),
    ),
    Case(
        "sell: a later bar opens below two targets",
        A_SELL,
        bars((100, 102, 95, 96), (75, 100, 75, 100)),
        horizon_bars=2,
        # 75: 0.25 - 0.01 * 1.75 = 0.2325; tp3 at the close
        expected=told(
            left("target_gap", 75, held=1, exit_at=1, resolved_at=2, mfe=0.25, mae=-0.02),
            brought(gross=0.25, net=0.2325, ladder=(0.2325 + 0.2325 - 0.02) / 3, reached=2, long=-0.02),
        ),
    ),
    Case(
        "sell: a later bar opens exactly at the target",
        A_SELL,
        bars((100, 102, 95, 96), (90, 100, 88, 100)),
        horizon_bars=2,
        expected=told(
            left("target_gap", 90, held=1, exit_at=1, resolved_at=2, mfe=0.10, mae=-0.02),
            brought(gross=0.10, net=0.081, ladder=(0.081 - 0.02 - 0.02) / 3, reached=1, long=-0.02),
        ),
    ),
    Case(
        "sell: bar 1 opens above the stop",
        A_SELL,
        bars((125, 130, 85, 100)),
        horizon_bars=1,
        # the purchase at 125: 100 / 125 = 0.8: -0.20 - 0.01 * 1.8 = -0.218
        expected=told(
            left("entry_gap", 125, entry=125, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.218),
        ),
    ),
    Case(
        "sell: bar 1 opens exactly at the stop",
        A_SELL,
        bars((110, 110, 95, 110)),
        horizon_bars=1,
        expected=told(
            left("entry_gap", 110, entry=110, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
    Case(
        "sell: bar 1 opens below all targets",
        A_SELL,
        bars((60, 115, 50, 60)),
        horizon_bars=1,
        expected=told(
            left("entry_gap", 60, entry=60, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.02, ladder=-0.02, long=-0.02),
        ),
    ),
    Case(
        "sell: both in one bar",
        A_SELL,
        bars((100, 110, 90, 100)),
        horizon_bars=1,
        expected=told(
            left("stop", 110, held=1, exit_at=1, resolved_at=1, mfe=0.0, mae=-0.10, is_ambiguous=True),
            brought(gross=-0.10, net=-0.121, ladder=(-0.121 - 0.121 - 0.121) / 3, long=-0.02),
        ),
    ),
]
