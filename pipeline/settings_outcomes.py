"""The sections of the settings about what became of signals: how outcomes are counted, and what confidence means.

They change no signal, so that they are no part of the fingerprint; outcomes keep the rules that they were counted with.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from pipeline.outcomes.rules import BASIS_POINT, Entry, OutcomeRules
from pipeline.performance.calibration import CalibrationRules
from pipeline.settings_sections import Real, Section, Whole, split_names


class OutcomeSettings(Section):
    """How outcomes are counted."""

    entry: Entry = Entry.NEXT_OPEN
    fee_bps: Annotated[Real, Field(ge=0, le=1000)] = 10.0  # hundredths of a per cent of what is traded, at each end
    slippage_bps: Annotated[Real, Field(ge=0, le=1000)] = 2.0  # wherever one takes the market's price
    study_bars: Annotated[tuple[Annotated[Whole, Field(ge=1, le=500)], ...], BeforeValidator(split_names)] = (
        4,
        24,
    )  # horizons to study, beside the signal's own life

    @field_validator("study_bars")
    @classmethod
    def _named_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) != len(value):
            raise ValueError("must name each number of bars once")
        return tuple(sorted(value))

    @property
    def rules(self) -> OutcomeRules:
        """The settings as outcomes take them."""
        return OutcomeRules(
            entry=self.entry,
            fee=self.fee_bps * BASIS_POINT,
            slippage=self.slippage_bps * BASIS_POINT,
            study_bars=self.study_bars,
        )


class CalibrationSettings(Section):
    """How stated confidence becomes calibrated confidence, and whether signals are ranked by it."""

    min_outcomes: Annotated[Whole, Field(ge=10, le=100_000)] = 100  # of a kind of signals, before it has any
    prior_outcomes: Annotated[Real, Field(ge=0, le=10_000)] = 20.0  # by which a class leans on its kind
    window_days: Annotated[Whole, Field(ge=1, le=3650)] = 365  # outcomes that were resolved longer ago do not count
    ranks_signals: bool = False  # lists show what came true most often first, and what has no calibration last

    @property
    def rules(self) -> CalibrationRules:
        """The settings as fits take them."""
        return CalibrationRules(
            min_outcomes=self.min_outcomes,
            prior_outcomes=self.prior_outcomes,
            window=timedelta(days=self.window_days),
        )
