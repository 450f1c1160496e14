"""`python -m benchmarks.sentiment.accuracy --labelled DIR`: the tables of docs/sentiment-scoring.md.

No text is ever scored by weights that learned from it, nor from a text that tells nearly the same: texts that are alike
stand in one fold. VADER and the majority class learn nothing of the kind; the plain model learns from the same folds.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.sentiment.fitting import fit
from benchmarks.sentiment.measures import Counts, Numbers, accuracy, calibration_error, confusion, macro_f1, two_classes
from benchmarks.sentiment.texts import PHRASEBANK, REDDIT, TEACHERS, TWITTER, Labelled, alike, read_labelled
from pipeline.sentiment.lexicon import own_lexicon, social_lexicon
from pipeline.sentiment.scorers import DEFAULT, load_scorer
from pipeline.sentiment.scoring import LABELS, DefaultScorer, Scorer

SEED = 0
FOLDS = 5
THRESHOLD = 0.05  # of VADER's compound, from which its authors call a text positive or negative
Learn = Callable[[Sequence[Labelled]], Callable[[Labelled, bool], Numbers]]


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks.sentiment.accuracy", description=__doc__)
    parser.add_argument("--labelled", type=Path, required=True, help="folder of the labelled sets")
    folder = parser.parse_args().labelled
    sets = {name: read_labelled(folder, name) for name in TEACHERS}
    judge = read_labelled(folder, PHRASEBANK)
    for line in _report(sets, judge):
        print(line, flush=True)


def _report(sets: Mapping[str, Labelled], judge: Labelled) -> Iterator[str]:
    groups = {name: alike(each.texts) for name, each in sets.items()}
    yield "| set | scorer | accuracy | macro-F1 | calibration error |\n|---|---|--:|--:|--:|"
    ours: dict[str, Numbers] = {}
    for each in sets.values():
        yield from _unlearned(each)
    for how, folds in (("alike texts together", groups), ("alike texts anywhere", None)):
        for title, learn in LEARNERS.items():
            for has_source in (True, False) if title == OURS else (False,):
                for name, found in cross_validated(sets, folds, learn, has_source).items():
                    said = f"{title}, source {'given' if has_source else 'unknown'}" if title == OURS else title
                    yield from _rows(sets[name], f"{said}; {how}", found)
                    if folds is not None and has_source:
                        ours[name] = found
    for name, found in ours.items():
        yield f"\n{name}, ours, source given: rows are what people said\n{_confusion(sets[name], found)}"
    yield "\n| learned from | judged on | scorer | accuracy | macro-F1 | calibration error |\n|---|---|---|--:|--:|--:|"
    for teachers, pupil in (([TWITTER], REDDIT), ([REDDIT], TWITTER), ([TWITTER, REDDIT], PHRASEBANK)):
        judged = {**sets, PHRASEBANK: judge}[pupil]
        for title, learn in LEARNERS.items():
            found = learn([sets[name] for name in teachers])(judged, False)
            for row in _rows(judged, title, found):
                yield f"| {' and '.join(teachers)} {row}"
    for row in _unlearned(judge):
        yield f"| - {row}"
    yield f"\n{PHRASEBANK}, ours\n{_confusion(judge, load_scorer(DEFAULT).score(judge.texts))}"
    yield f"\n{_speed(sets[TWITTER])}"


def cross_validated(
    sets: Mapping[str, Labelled], groups: Mapping[str, Counts] | None, learn: Learn, has_source: bool
) -> dict[str, Numbers]:
    """Probabilities of every text by a model that learned from the other folds of all sets."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(FOLDS, shuffle=True, random_state=SEED)
    splits = {
        name: list(splitter.split(each.labels, each.labels, *([] if groups is None else [groups[name]])))
        for name, each in sets.items()
    }
    found = {name: np.zeros((len(each.texts), len(LABELS))) for name, each in sets.items()}
    for fold in range(FOLDS):
        score = learn([each.some(splits[name][fold][0]) for name, each in sets.items()])
        for name, each in sets.items():
            held_out = splits[name][fold][1]
            found[name][held_out] = score(each.some(held_out), has_source)
    return found


def _ours(sets: Sequence[Labelled]) -> Callable[[Labelled, bool], Numbers]:
    scorer = DefaultScorer("held out", fit(sets, {}), own_lexicon(), social_lexicon())
    return lambda judged, has_source: _scored(scorer, judged, has_source)


def _scored(scorer: Scorer, judged: Labelled, has_source: bool) -> Numbers:
    return scorer.score(judged.texts, [TEACHERS[judged.name]] * len(judged.texts) if has_source else None)


def _plain(is_weighted: bool) -> Learn:
    """Plain bags of words and a logistic model, as libraries have them, learned from the judged set's own kind."""

    def learn(sets: Sequence[Labelled]) -> Callable[[Labelled, bool], Numbers]:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        def learned(some: Sequence[Labelled]) -> Callable[[Sequence[str]], Numbers]:
            model = make_pipeline(
                TfidfVectorizer() if is_weighted else CountVectorizer(), LogisticRegression(max_iter=1000)
            )
            model.fit([t for each in some for t in each.texts], np.concatenate([each.labels for each in some]))

            def score(texts: Sequence[str]) -> Numbers:
                found = np.zeros((len(texts), len(LABELS)))
                found[:, model.classes_] = model.predict_proba(texts)
                return found

            return score

        own = {each.name: learned([each]) for each in sets}
        together = learned(sets)
        return lambda judged, _: own.get(judged.name, together)(judged.texts)

    return learn


OURS = "ours"
LEARNERS: Mapping[str, Learn] = {
    "bag of words, counts": _plain(is_weighted=False),
    "bag of words, tf-idf": _plain(is_weighted=True),
    OURS: _ours,
}


def _unlearned(judged: Labelled) -> Iterator[str]:
    most = np.bincount(judged.labels, minlength=len(LABELS)).argmax()
    yield from _rows(judged, "majority class", np.eye(len(LABELS))[np.full(len(judged.texts), most)])
    yield from _rows(judged, "VADER", vader(judged))


def vader(judged: Labelled) -> Numbers:
    """VADER's labels as certainties: beyond .05 either way; on a set of two classes from 0 on positive."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    analyzer = SentimentIntensityAnalyzer()
    compound = np.array([analyzer.polarity_scores(text)["compound"] for text in judged.texts])
    least = THRESHOLD if len(np.unique(judged.labels)) == len(LABELS) else 0.0
    places = np.where(compound >= least, 0, np.where(compound <= -least, 2, 1))
    return np.eye(len(LABELS))[places]


def _rows(judged: Labelled, title: str, found: Numbers) -> Iterator[str]:
    """The measures; for a set of two classes first by positive against negative, then with neutral as wrong."""
    labels, said = judged.labels, found.argmax(axis=1)
    sure = f"{calibration_error(labels, found):.3f}"
    if len(np.unique(labels)) < len(LABELS):
        two = two_classes(found)
        yield f"| {judged.name}, two classes | {title} | {accuracy(labels, two):.3f} | {macro_f1(labels, two):.3f} | |"
    yield f"| {judged.name} | {title} | {accuracy(labels, said):.3f} | {macro_f1(labels, said):.3f} | {sure} |"


def _confusion(judged: Labelled, found: Numbers) -> str:
    rows = confusion(judged.labels, found.argmax(axis=1))
    body = (f"| {label} | {' | '.join(map(str, row))} |" for label, row in zip(LABELS, rows.tolist(), strict=True))
    return "\n".join([f"| | {' | '.join(LABELS)} |", "|---|--:|--:|--:|", *body])


def _speed(texts: Labelled) -> str:
    scorer = load_scorer(DEFAULT)
    scorer.score(texts.texts[:100])
    started = time.process_time()
    scorer.score(texts.texts)
    return f"{len(texts.texts) / (time.process_time() - started):,.0f} texts of {texts.name} a second on one core"


if __name__ == "__main__":
    main()
