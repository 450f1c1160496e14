"""Weights: their file, and the probabilities that they make."""

from dataclasses import replace

import pytest

from pipeline.domain.errors import DataContractError
from pipeline.sentiment.linear import BIAS, LinearModel, Weights, read_weights, softmax, write_weights
from pipeline.sentiment.signs import NAMES

NONE = [0.0] * len(NAMES)
SMALL = Weights(
    about={"what": "a test"},
    n_texts=10,
    signs={BIAS: (-1.0, -1.5), **dict.fromkeys(NAMES, (0.25, -0.5))},
    terms={"rise": (3, 4.0, -2.0), "fall": (5, -2.0, 4.0), "a day": (2, 0.0, 0.0)},
)


def test_weights_are_read_as_they_were_written(tmp_path):
    write_weights(SMALL, tmp_path / "weights.tsv")
    assert read_weights(tmp_path / "weights.tsv") == SMALL


def test_terms_speak_for_their_side_and_unknown_ones_not_at_all():
    model = LinearModel(SMALL)
    positive, neutral, negative = model.probabilities(["rise"], NONE)
    assert positive > neutral > negative
    assert model.probabilities(["fall"], NONE)[2] > 0.5
    assert model.probabilities(["unheard of"], NONE) == softmax(-1.0, -1.5)


def test_a_term_says_less_among_others_that_say_nothing():
    model = LinearModel(SMALL)
    assert model.probabilities(["rise", "a day"], NONE)[0] < model.probabilities(["rise"], NONE)[0]


def test_signs_are_added_by_their_weights():
    model = LinearModel(SMALL)
    assert model.probabilities([], [2.0, *NONE[1:]]) == pytest.approx(softmax(-0.5, -2.5))


def test_large_evidence_overflows_nowhere():
    assert softmax(1e6, -1e6) == (1.0, 0.0, 0.0)
    assert softmax(-1e6, -1e6) == (0.0, 1.0, 0.0)


def test_weights_for_other_signs_are_refused():
    with pytest.raises(DataContractError, match="signs must be"):
        LinearModel(replace(SMALL, signs={BIAS: (0.0, 0.0)}))


@pytest.mark.parametrize("line", ["rise", "rise\tthree\t1.0\t1.0", "sign\t1.0\tx"])
def test_a_line_that_is_no_weight_is_refused_by_its_number(tmp_path, line):
    path = tmp_path / "weights.tsv"
    path.write_text(f"# texts: 3\n{line}\n", encoding="utf-8")
    with pytest.raises(DataContractError, match=r"weights\.tsv:2 must"):
        read_weights(path)
