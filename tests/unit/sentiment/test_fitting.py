"""Weights are learned from labelled texts, the same ones from the same texts."""

import json

import numpy as np
import pytest

from benchmarks.sentiment import fit as program
from benchmarks.sentiment.fitting import fit
from benchmarks.sentiment.measures import accuracy, calibration_error, confusion, macro_f1, two_classes
from benchmarks.sentiment.texts import REDDIT, TEACHERS, TWITTER, alike, read_labelled
from pipeline.domain.errors import UnreadableFileError
from pipeline.sentiment.lexicon import own_lexicon, social_lexicon
from pipeline.sentiment.linear import read_weights
from pipeline.sentiment.scoring import DefaultScorer

SAID = {
    TWITTER: {
        "positive": ["Glorbs climb on Monday", "Analysts praise glorbs", "Glorbs and plinks advance"],
        "neutral": ["Board meets on Monday", "Report due on Friday", "Company names a chairman"],
        "negative": ["Zonks climb down on Monday", "Analysts doubt zonks", "Zonks and plinks retreat"],
    },
    REDDIT: {"positive": ["i like my glorbs", "glorbs again"], "negative": ["i hate my zonks", "zonks again"]},
}


@pytest.fixture
def labelled(tmp_path):
    """A folder of labelled sets, small and made up."""
    for name, texts in SAID.items():
        lines = [json.dumps({"text": text, "label": label}) for label, some in texts.items() for text in some]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


def test_the_same_folder_gives_the_same_bytes(labelled, monkeypatch, capsys):
    written = []
    for name in ("first.tsv", "second.tsv"):
        monkeypatch.setattr("sys.argv", ["fit", "--labelled", str(labelled), "--out", str(labelled / name)])
        program.main()
        written.append((labelled / name).read_bytes())
    assert written[0] == written[1]
    assert "terms" in capsys.readouterr().out
    weights = read_weights(labelled / "first.tsv")
    assert weights.n_texts == 13
    assert weights.about[f"learned from {REDDIT}"].startswith("4 texts, sha256 ")


def test_what_was_learned_is_what_scores(labelled):
    weights = fit([read_labelled(labelled, name) for name in TEACHERS], {})
    scorer = DefaultScorer("made up", weights, own_lexicon(), social_lexicon())
    good, bad = scorer.score(["glorbs", "zonks"])
    assert good[0] > bad[0]
    assert bad[2] > good[2]


def test_rare_terms_are_left_out_and_single_words_sooner(labelled):
    terms = fit([read_labelled(labelled, name) for name in TEACHERS], {}).terms
    assert terms["glorbs"][0] == 5
    assert terms["on monday"][0] == 3
    assert {"monday", "a chairman"}.isdisjoint(terms)


def test_texts_that_tell_the_same_are_one_group():
    texts = (
        "$AAA price target cut to $40 from $41 at Some Bank https://t.co/x",
        "Fed minutes are due today",
        "$BBB price target cut to $7 from $12 at Some Bank",
        "price target raised by another house",
        "",
    )
    first, second, third, fourth, fifth = alike(texts).tolist()
    assert first == third
    assert len({first, second, fourth, fifth}) == 4


@pytest.mark.parametrize("line", ["{}", "no json", '{"text": "a", "label": "glad"}'])
def test_a_file_that_holds_something_else_is_refused(tmp_path, line):
    (tmp_path / f"{TWITTER}.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(UnreadableFileError, match="text and label"):
        read_labelled(tmp_path, TWITTER)


def test_measures_on_small_numbers():
    true, said = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    assert accuracy(true, said) == 0.5
    assert macro_f1(true, said) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert confusion(true, said).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    probabilities = np.array([[0.9, 0.0, 0.1], [0.1, 0.6, 0.3]])
    assert calibration_error(np.array([0, 0]), probabilities) == pytest.approx((0.1 + 0.6) / 2)
    assert two_classes(probabilities).tolist() == [0, 2]
