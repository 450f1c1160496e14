"""Hand-worked outcomes with slippage of a quarter and no fee: who takes the market's price pays, a target does not.

A BUY at 100 pays 125, and what is sold at the market's P brings 0.75 * P. A SELL at 100 brings 75, and what is bought
back at the market's P costs 1.25 * P. The purchase to compare with slips at both ends: at 100 it is 75 / 125, -0.40.
"""

from tests.support.outcome_notation import A_BUY, A_SELL, SLIPPAGE, Case, bars, brought, left, told

SLIPPING = [
    Case(
        "buy: the horizon's exit slips",
        A_BUY,
        bars((100, 105, 95, 100)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 75 / 125 = 0.6
        expected=told(
            left("horizon", 100, held=1, exit_at=1, resolved_at=1, mfe=0.05, mae=-0.05),
            brought(gross=0.0, net=-0.40, ladder=-0.40, long=-0.40),
        ),
    ),
    Case(
        "buy: the stop slips",
        A_BUY,
        bars((100, 105, 90, 100)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 67.5 / 125 = 0.54
        expected=told(
            left("stop", 90, held=1, exit_at=1, resolved_at=1, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-0.46, ladder=-0.46, long=-0.40),
        ),
    ),
    Case(
        "buy: an open below the stop slips",
        A_BUY,
        bars((100, 105, 95, 100), (80, 100, 80, 100)),
        horizon_bars=2,
        costs=SLIPPAGE,
        # 60 / 125 = 0.48
        expected=told(
            left("stop_gap", 80, held=1, exit_at=1, resolved_at=2, mfe=0.05, mae=-0.20),
            brought(gross=-0.20, net=-0.52, ladder=-0.52, long=-0.40),
        ),
    ),
    Case(
        "buy: a target does not slip, the purchase to compare with does",
        A_BUY,
        bars((100, 110, 95, 100)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 110 / 125 = 0.88; tp2 and tp3 at the close: -0.40
        expected=told(
            left("target", 110, held=1, exit_at=1, resolved_at=1, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=-0.12, ladder=(-0.12 - 0.40 - 0.40) / 3, reached=1, long=-0.40),
        ),
    ),
    Case(
        "buy: an open above the target does not slip",
        A_BUY,
        bars((100, 105, 95, 100), (115, 115, 100, 100)),
        horizon_bars=2,
        costs=SLIPPAGE,
        # 115 / 125 = 0.92
        expected=told(
            left("target_gap", 115, held=1, exit_at=1, resolved_at=2, mfe=0.15, mae=-0.05),
            brought(gross=0.15, net=-0.08, ladder=(-0.08 - 0.40 - 0.40) / 3, reached=1, long=-0.40),
        ),
    ),
    Case(
        "buy: out at the open that one came in at slips twice, above the targets as well",
        A_BUY,
        bars((140, 150, 140, 140)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 105 / 175 = 0.6
        expected=told(
            left("entry_gap", 140, entry=140, held=0, exit_at=0, resolved_at=1, mfe=0.0, mae=0.0),
            brought(gross=0.0, net=-0.40, ladder=-0.40, long=-0.40),
        ),
    ),
    Case(
        "sell: the horizon's exit slips upwards",
        A_SELL,
        bars((100, 105, 96, 96)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 120 / 75 = 1.6; the purchase: 0.75 * 96 / 125 = 72 / 125 = 0.576
        expected=told(
            left("horizon", 96, held=1, exit_at=1, resolved_at=1, mfe=0.04, mae=-0.05),
            brought(gross=0.04, net=-0.60, ladder=-0.60, long=-0.424),
        ),
    ),
    Case(
        "sell: the stop slips upwards",
        A_SELL,
        bars((100, 114, 96, 100)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 137.5 / 75 = 11 / 6
        expected=told(
            left("stop", 110, held=1, exit_at=1, resolved_at=1, mfe=0.0, mae=-0.10),
            brought(gross=-0.10, net=-5 / 6, ladder=-5 / 6, long=-0.40),
        ),
    ),
    Case(
        "sell: a target does not slip",
        A_SELL,
        bars((100, 105, 66, 100)),
        horizon_bars=1,
        costs=SLIPPAGE,
        # 90 / 75 = 1.2; 80 / 75 = 16 / 15; 70 / 75 = 14 / 15
        expected=told(
            left("target", 90, held=1, exit_at=1, resolved_at=1, mfe=0.10, mae=-0.05),
            brought(gross=0.10, net=-0.20, ladder=(-3 / 15 - 1 / 15 + 1 / 15) / 3, reached=3, long=-0.40),
        ),
    ),
    Case(
        "sell: an open below the target does not slip",
        A_SELL,
        bars((100, 105, 95, 100), (60, 100, 60, 100)),
        horizon_bars=2,
        costs=SLIPPAGE,
        # 60 / 75 = 0.8
        expected=told(
            left("target_gap", 60, held=1, exit_at=1, resolved_at=2, mfe=0.40, mae=-0.05),
            brought(gross=0.40, net=0.20, ladder=0.20, reached=3, long=-0.40),
        ),
    ),
]
