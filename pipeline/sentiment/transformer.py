"""The optional scorer: a transformer that was trained to tell sentiment, such as FinBERT or CryptoBERT.

It needs the extra `transformers`. It is far slower than the default scorer, tens of texts a second without a graphics
card, and knows more of the world.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.domain.document import TextSource
from pipeline.domain.errors import ConfigurationError
from pipeline.sentiment.scoring import LABELS, UNDECIDED, Probabilities, with_sources

EXTRA = "pip install 'trading-signals[transformers]'"
MEANINGS = {  # of the labels that models give, in lower case
    "positive": "positive",
    "pos": "positive",
    "bullish": "positive",
    "neutral": "neutral",
    "neu": "neutral",
    "negative": "negative",
    "neg": "negative",
    "bearish": "negative",
}
LONGEST_TOKENS = 512  # of a text that are read, or as many as the model can take
READ_CHARACTERS = 10_000  # of a text that are looked at
BATCH = 16
STEP = 32  # lengths are filled up to a multiple of it
DECIMALS = 4  # of logits: what batches add up in another order lies below
SAMPLE = 1 << 20  # bytes of each end of a file that its digest reads
DIGITS = 12


def transformer_name(model: str) -> str:
    """What distinguishes a model from others: its name, or its folder's with a digest of what is in it.

    Raises
    ------
    ConfigurationError
        The model is given as a folder that is not there.
    """
    folder = folder_of(model)
    if folder is None:
        return model
    digest = sha256()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(SAMPLE))
            file.seek(max(0, path.stat().st_size - SAMPLE))
            digest.update(file.read(SAMPLE))
    return f"{folder.name}-{digest.hexdigest()[:DIGITS]}"


def folder_of(model: str) -> Path | None:
    """The folder that a model is given as; None for a model's name."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if model.startswith((".", "/", "~")):
        raise ConfigurationError(f"sentiment.scorer must name a model or a folder that holds one, was {model!r}")
    return None


class TransformerScorer:
    """A sequence classifier with the labels of `MEANINGS`, in evaluation mode."""

    def __init__(self, name: str, model: str) -> None:
        """Load the model.

        Raises
        ------
        ConfigurationError
            The extra is not installed, the model cannot be had, or its labels say nothing about sentiment.
        """
        self.name = name
        self._tokenizer, self._model = _loaded(model)
        self._columns = label_columns(model, self._model.config.id2label)
        limits = (self._tokenizer.model_max_length, getattr(self._model.config, "max_position_embeddings", None))
        self._longest = min(LONGEST_TOKENS, *(limit - _reserved(self._model) for limit in limits if limit))

    def score(self, texts: Sequence[str], sources: Sequence[TextSource | None] | None = None) -> Probabilities:
        """See `Scorer.score`; the sources are not used.

        A text is filled up to a length that depends on itself alone, and batches are filled up too, so that what is
        scored beside it changes nothing.
        """
        shorter = [text[:READ_CHARACTERS] for text, _ in with_sources(texts, sources)]
        rows = np.tile(np.array(UNDECIDED), (len(shorter), 1))
        for places, length in self._batches(shorter):
            some = [shorter[place] for place in places] + [""] * (BATCH - len(places))
            logits = self._logits(some, length)[: len(places)]
            parts = np.exp(logits - logits.max(axis=1, keepdims=True))
            parts /= parts.sum(axis=1, keepdims=True)
            found = np.zeros((len(places), len(LABELS)))
            found[:, self._columns] = parts
            rows[places] = found
        return rows

    def _batches(self, texts: Sequence[str]) -> Iterator[tuple[list[int], int]]:
        """Places of texts that are filled up to the same length, with that length; texts that say nothing are left."""
        by_length: dict[int, list[int]] = {}
        said = [place for place, text in enumerate(texts) if text.strip()]
        if not said:
            return
        coded = self._tokenizer([texts[place] for place in said], truncation=True, max_length=self._longest)
        for place, codes in zip(said, coded["input_ids"], strict=True):
            by_length.setdefault(min(-(-len(codes) // STEP) * STEP, self._longest), []).append(place)
        for length, places in sorted(by_length.items()):
            for begin in range(0, len(places), BATCH):
                yield places[begin : begin + BATCH], length

    def _logits(self, texts: Sequence[str], length: int) -> Probabilities:
        import torch

        coded = self._tokenizer(
            list(texts), truncation=True, max_length=length, padding="max_length", return_tensors="pt"
        )
        with torch.inference_mode():
            logits = self._model(**coded).logits
        rounded: Probabilities = np.round(logits.to(torch.float64).numpy(), DECIMALS)
        return rounded


def label_columns(model: str, labels: Mapping[int, str]) -> list[int]:
    """For each of a model's outputs its place in `LABELS`.

    Raises
    ------
    ConfigurationError
        A label means nothing to us, two mean the same, or positive or negative is not among them.
    """
    said = [str(labels[place]) for place in sorted(labels)]
    meant = [MEANINGS.get(label.lower(), "") for label in said]
    if "" in meant or len(set(meant)) < len(meant) or not {"positive", "negative"} <= set(meant):
        raise ConfigurationError(
            f"{model} must have the labels positive, neutral, negative or bullish, neutral, bearish, "
            f"were {', '.join(said)}; choose another sentiment.scorer"
        )
    return [LABELS.index(label) for label in meant]


def _loaded(model: str) -> tuple[Any, Any]:
    try:
        import torch  # noqa: F401  # transformers loads without it, and then fails with a riddle
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError as error:
        raise ConfigurationError(
            f"sentiment.scorer transformers:{model} needs an extra that is not installed ({error}); {EXTRA}"
        ) from error
    folder = folder_of(model)
    place, is_local = (model, False) if folder is None else (str(folder), True)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=is_local)
        classifier = AutoModelForSequenceClassification.from_pretrained(place, local_files_only=is_local)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"the model {model} cannot be had: {str(error).splitlines()[0]}; "
            "give the folder of a downloaded one, or a name that the hub knows"
        ) from error
    return tokenizer, classifier.eval()


def _reserved(model: Any) -> int:
    """Positions that a model keeps for itself: RoBERTa and its kin count from behind the padding's number."""
    is_roberta = "roberta" in str(model.config.model_type)
    return int(model.config.pad_token_id) + 1 if is_roberta else 0
