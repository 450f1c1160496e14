"""The optional scorer: its names and labels anywhere, a model of random weights where the extra is installed."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

from pipeline.domain.errors import ConfigurationError
from pipeline.sentiment.scorers import load_scorer, scorer_name
from pipeline.sentiment.scoring import UNDECIDED
from pipeline.sentiment.transformer import label_columns

has_extra = find_spec("torch") is not None and find_spec("transformers") is not None
needs_extra = pytest.mark.skipif(not has_extra, reason="needs the extra: pip install 'trading-signals[transformers]'")
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*MARKS, "coin", "shares", "up", "down", "moon", "crash", "the", "a", "is", "to", "of"]
FINBERT, CRYPTOBERT = ("positive", "negative", "neutral"), ("Bearish", "Neutral", "Bullish")
TEXTS = ("the coin is up", "the coin is down to the moon of the shares " * 5, "", "crash", "a " * 40)


def a_model(folder, labels=FINBERT, seed=0):
    """A tiny BERT with random weights, saved as any trained one."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder.mkdir()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS), encoding="utf-8")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=1.0,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(vocab={word: place for place, word in enumerate(WORDS)}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (FINBERT, [0, 2, 1]),
        (CRYPTOBERT, [2, 1, 0]),
        (("NEGATIVE", "POSITIVE"), [2, 0]),
    ],
)
def test_labels_of_known_models_are_understood(labels, columns):
    assert label_columns("any", dict(enumerate(labels))) == columns


@pytest.mark.parametrize(
    "labels",
    [("LABEL_0", "LABEL_1", "LABEL_2"), ("joy", "positive", "negative"), ("bullish", "positive"), ("neutral",)],
)
def test_labels_that_say_nothing_of_sentiment_are_refused(labels):
    with pytest.raises(ConfigurationError, match="must have the labels"):
        label_columns("any", dict(enumerate(labels)))


def test_a_model_is_named_by_its_name_and_a_folder_by_what_is_in_it(tmp_path):
    assert scorer_name("transformers:some/model") == "transformers:some/model"
    (tmp_path / "model").mkdir()
    weights = tmp_path / "model" / "weights"
    names = []
    for content in (b"one", b"two", b"one"):
        weights.write_bytes(content)
        names.append(scorer_name(f"transformers:{tmp_path / 'model'}"))
    assert names[0] == names[2] != names[1]
    assert names[0].startswith("transformers:model-")


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match="or a folder that holds one"):
        scorer_name("transformers:./nowhere")


@pytest.mark.skipif(has_extra, reason="the extra is installed")
def test_without_the_extra_the_error_says_what_to_install(tmp_path):
    with pytest.raises(ConfigurationError, match=r"pip install 'trading-signals\[transformers\]'"):
        load_scorer(f"transformers:{tmp_path}")


@needs_extra
def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be had"):
        load_scorer(f"transformers:{tmp_path}")


@needs_extra
def test_a_model_gives_probabilities_in_our_order(tmp_path):
    rows = {}
    for name, labels in (("one", FINBERT), ("other", CRYPTOBERT)):
        scorer = load_scorer(f"transformers:{a_model(tmp_path / name, labels)}")
        rows[name] = scorer.score(TEXTS)
        assert scorer.name == scorer_name(f"transformers:{tmp_path / name}")
    assert rows["one"].shape == (len(TEXTS), 3)
    assert rows["one"].sum(axis=1) == pytest.approx(np.ones(len(TEXTS)))
    assert rows["one"].dtype == np.float64
    # The same weights under other names: outputs 0 1 2 are positive negative neutral, or negative neutral positive.
    said = [place for place, text in enumerate(TEXTS) if text]
    assert np.allclose(rows["one"][said][:, [0, 2, 1]], rows["other"][said][:, [2, 1, 0]])
    assert len({tuple(row) for row in rows["one"].tolist()}) > 2
    assert tuple(rows["one"][2]) == UNDECIDED


@needs_extra
def test_a_model_gives_the_same_bits_whatever_is_scored_beside_a_text(tmp_path):
    scorer = load_scorer(f"transformers:{a_model(tmp_path / 'model')}")
    texts = [" ".join([word] * n) for n in (1, 7, 40, 90) for word in WORDS[len(MARKS) :]]
    together = scorer.score(texts)
    assert (scorer.score(texts[::-1])[::-1] == together).all()
    assert (np.concatenate([scorer.score([text]) for text in texts]) == together).all()


@needs_extra
def test_a_model_without_such_labels_is_not_loaded(tmp_path):
    folder = a_model(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["id2label"] = {str(n): f"LABEL_{n}" for n in range(3)}
    config["label2id"] = {f"LABEL_{n}": n for n in range(3)}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="were LABEL_0, LABEL_1, LABEL_2"):
        load_scorer(f"transformers:{folder}")
