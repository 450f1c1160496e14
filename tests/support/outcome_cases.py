"""Every hand-worked outcome, for whichever implementation is to be asked."""

from tests.support.outcome_cases_buy import BUYS
from tests.support.outcome_cases_ends import DELISTED, WAITING
from tests.support.outcome_cases_holes import AT_SIGNAL_CLOSE, NOT_TRADED
from tests.support.outcome_cases_lower import LOWER
from tests.support.outcome_cases_sell import SELLS
from tests.support.outcome_cases_slippage import SLIPPING

CASES = [*BUYS, *SELLS, *SLIPPING, *LOWER, *NOT_TRADED, *AT_SIGNAL_CLOSE, *DELISTED, *WAITING]
