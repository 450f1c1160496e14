"""Own indicators: found by their files, refused where a declaration cannot work; the one of the guide works as told."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.indicators.extra import ta_catalogue
from pipeline.indicators.extra.definition import OwnIndicator, OwnParameters, indicator
from pipeline.indicators.extra.registry import own_indicators
from pipeline.indicators.extra.ta_rules import TA
from tests.support.extra_indicators import VARIANTS, an_extra
from tests.support.lookahead import first_rewrite
from tests.support.market import random_walk
from tests.support.pages import ROOT

PAGE = (ROOT / "docs" / "indicators.md").read_text(encoding="utf-8")
PACKAGE = "made_by_the_page"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An importable package to put files of one's own in."""
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    own_indicators.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def guide() -> str:
    return PAGE.split("```python\n", 1)[1].split("```", 1)[0]


@pytest.fixture
def guided(folder: Path) -> Mapping[str, OwnIndicator]:
    (folder / "close_location.py").write_text(guide(), encoding="utf-8")
    return own_indicators(PACKAGE)


def test_the_file_of_the_page_is_found_and_computes_without_a_look_ahead(guided):
    own = guided["close_location"]
    extra = own.in_section("place", own.parameters(window=5))
    candles = random_walk(1, n_candles=40)
    values = extra.compute(candles)["place"]
    assert (extra.columns, extra.warm_up) == (("place",), 4)
    assert values.iloc[4:].stack().between(0, 1).all()
    assert values.iloc[:4].isna().all(axis=None)
    assert first_rewrite(extra.compute, candles) is None


def test_two_files_with_one_key_are_refused(folder):
    for name in ("one", "two"):
        (folder / f"{name}.py").write_text(guide(), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"must be unique, was 'close_location' in .*one and .*two"):
        own_indicators(PACKAGE)


def test_a_file_that_does_not_import_is_named(folder):
    (folder / "broken.py").write_text("import nothing_of_the_kind\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"broken must import without an error, raised ModuleNotFoundError"):
        own_indicators(PACKAGE)


class Needy(OwnParameters):
    window: int


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "Close__Location"}, "indicator key must read like"),
        ({"inputs": ("clsoe",)}, "inputs of an indicator must be of open, high, low, close, volume"),
        ({"inputs": ()}, "inputs of an indicator must be of"),
        ({"outputs": ("Upper",)}, "outputs of an indicator must read like"),
        ({"warm_up": -1}, "warm_up must be 0 to 20000 bars, was -1"),
        ({"parameters": Needy}, "each parameter must have a default, had none for window"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(changes, message):
    def formula(candles, parameters):
        """The close."""
        return candles["close"]

    with pytest.raises(ConfigurationError, match=message):
        indicator(**({"key": "x", "inputs": ("close",), "warm_up": 0} | changes))(formula)


def test_an_indicator_without_a_formula_in_words_is_refused():
    with pytest.raises(ConfigurationError, match="must have a docstring"):
        indicator(key="x", inputs=("close",), warm_up=0)(lambda candles, parameters: candles["close"])


def test_an_answer_in_another_shape_is_refused():
    @indicator(key="x", inputs=("close",), warm_up=0, outputs=("one", "two"))
    def formula(candles, parameters):
        """Half of what it promises."""
        return candles["close"]

    with pytest.raises(DataContractError, match=r"indicator y must give 2 frames of shape \(9, 2\), were \(9, 2\)"):
        formula.in_section("y", OwnParameters()).compute(random_walk(1, n_candles=9))


def test_the_know_sure_thing_equals_that_of_ta_where_ta_is_right():
    candles = random_walk(2, n_candles=300, symbols=["A/USDT"])
    found = an_extra(own="know_sure_thing").compute(candles)
    theirs = ta_catalogue.classes()["KSTIndicator"](candles["close"]["A/USDT"])
    for column, values in (("x_line", theirs.kst()), ("x_signal", theirs.kst_sig())):
        expected = pd.Series(values.to_numpy(), index=candles["close"].index).iloc[60:]
        np.testing.assert_allclose(found[column]["A/USDT"].iloc[60:], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", TA)
def test_the_first_known_row_of_each_column_of_ta_is_the_declared_one(name):
    for parameters in VARIANTS.get(name, ({},)):
        extra = an_extra(ta=name, **parameters)
        given = ta_catalogue.parameters_of(name).model_validate(parameters).model_dump()
        candles = random_walk(3, n_candles=200, symbols=["A/USDT"])
        for column, first in zip(extra.columns, TA[name].first.values(), strict=True):
            known = extra.compute(candles)[column].iloc[:, 0].notna().to_numpy()
            late = known[first(given) :].argmax() if name == "PSARIndicator" else 0  # each side waits for its trend
            assert known.argmax() == first(given) + late, (name, column)
