"""Predictions of rows that a model has not learned from: the walk over folds that every judgement starts with.

Nothing here knows how a model learns or what it predicts. A fit is given the panel as it was when its training ended
(`splits.known_by`), so that no later bar is there to be seen, and every predictor answers for the same rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.domain.errors import DataContractError
from pipeline.models.panel import Flags, Numbers, Panel, Rows
from pipeline.models.splits import Fold, check_disjoint, check_no_overlap, known_by


class Predictor(Protocol):
    """Whatever says something of rows."""

    def predict(self, panel: Panel, rows: Rows) -> Numbers:
        """Shape (n_rows,) or (n_rows, n_numbers), NaN where it has no answer. Looks at no bar after a row's own."""
        ...


Fit = Callable[[Panel, Fold], Predictor]  # learns from `panel.rows(*fold.train)`, or a part of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One fold's rows, those that every predictor answered, and what each said of them."""

    fold: Fold
    rows: Rows
    said: Mapping[str, Numbers]
    n_asked: int  # rows of the fold, before those without an answer from somebody were left out
    n_answered: Mapping[str, int]  # of them, by predictor


def predict_out_of_sample(panel: Panel, folds: Sequence[Fold], fits: Mapping[str, Fit]) -> tuple[Judged, ...]:
    """Fit every predictor on every fold's training period and ask it about the test period; folds oldest first.

    A row that one predictor leaves unanswered is left out for all, or each would choose what it is judged on.

    Raises
    ------
    DataContractError
        If a training period comes too near to its test period, answers are not one per row or infinite, or a test
        period has no row that all answered.
    """
    judged = []
    for fold in folds:
        check_no_overlap(panel.timeframe, fold.train, fold.test)
        past, rows = known_by(panel, fold.train_until), panel.rows(*fold.test)
        check_disjoint(panel, past.rows(*fold.train), rows)
        said = {}
        for name, fit in fits.items():
            said[name] = fit(past, fold).predict(panel, rows)
            _check_answers(name, said[name], len(rows))
        judged.append(_in_common(fold, rows, said))
    return tuple(judged)


def _in_common(fold: Fold, rows: Rows, said: Mapping[str, Numbers]) -> Judged:
    known = {name: _is_known(values) for name, values in said.items()}
    common = np.logical_and.reduce(list(known.values()))
    n_answered = {name: int(flags.sum()) for name, flags in known.items()}
    if not common.any():
        raise DataContractError(
            f"rows that every predictor answers must be 1 or more from {fold.test_after} to {fold.test_until}, "
            f"was 0 of {len(rows)} (answers: {n_answered})"
        )
    return Judged(
        fold=fold,
        rows=rows[common],
        said={name: values[common] for name, values in said.items()},
        n_asked=len(rows),
        n_answered=n_answered,
    )


def _is_known(values: Numbers) -> Flags:
    is_known: Flags = np.logical_and.reduce(~np.isnan(values.reshape(len(values), -1)), axis=1)
    return is_known


def _check_answers(name: str, said: Numbers, n_rows: int) -> None:
    if len(said) != n_rows or np.isinf(said).any():
        raise DataContractError(
            f"answers must be one per row, finite or NaN, was {len(said)} of {n_rows} with {np.isinf(said).sum()} "
            f"infinite ({name})"
        )
