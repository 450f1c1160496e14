"""One way to hold a frame to its contract: all breaches at once, as an error of ours."""

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from pipeline.domain.errors import DataContractError

SHOWN = 5  # breaches that the message spells out


def hold_to(contract: type[pa.DataFrameModel], frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` itself, if it keeps its contract.

    Raises
    ------
    DataContractError
        Naming the first breaches: column, rule and value.
    """
    if frame.empty:
        return frame
    try:
        contract.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        shown = "; ".join(
            f"{row.column} must be {row.check}, was {row.failure_case}" for row in cases.head(SHOWN).itertuples()
        )
        more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
        raise DataContractError(f"{contract.__name__}: {shown}{more}") from error
    return frame
