"""The page about models says what the code does: kinds, features, measures, predictors, times and settings."""

import re

import numpy as np
import pytest

from pipeline.cli.judgement import PREDICTORS, TOLD
from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.models import anomaly, direction, price_range, recipes
from pipeline.models.evaluation import Evaluation
from pipeline.models.features import FEATURES, SEQUENCE, SEQUENCE_BARS
from pipeline.models.flags import MOST_FLAGGED, WINDOW_BARS
from pipeline.models.recipes import RECIPES
from pipeline.models.splits import walk_forward
from pipeline.models.validation import ALARMING_AUC
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.strategies.registry import STRATEGIES
from pipeline.training import SERVED_AFTER
from tests.support.model_panels import START, a_panel
from tests.support.pages import ROOT

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
SAID_OF_FEATURES = PAGE.partition("## What models are told\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("kind", ModelKind)
def test_every_kind_has_a_section_and_a_line(kind):
    assert f"\n## {kind}\n" in PAGE
    assert f"| [`{kind}`](#{kind}) |" in PAGE


def test_every_feature_stands_in_order_with_its_meaning_and_whether_it_is_seen_as_a_sequence():
    stated = re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]+?) \| (yes)? ?\|$", SAID_OF_FEATURES, flags=re.MULTILINE)
    comments = {name: tables.model_features.c[name].comment for name in FEATURES}
    assert stated == [(name, comment, "yes" if name in SEQUENCE else "") for name, comment in comments.items()]
    assert f"\n{len(FEATURES)} numbers per bar" in PAGE


class Says:
    """What the base rate would say, in the numbers that the kind says."""

    def __init__(self, kind):
        self.kind = kind

    def predict(self, panel, rows):
        if self.kind is ModelKind.PRICE_RANGE:
            return np.tile(np.linspace(-0.01, 0.01, len(price_range.RANGES)), (len(rows), 1))
        return (panel.features[tuple(rows.T)][:, 0] > 1.5).astype(float)


@pytest.fixture(scope="module")
def judged() -> dict[ModelKind, Evaluation]:
    panel = a_panel()
    folds = walk_forward(
        panel.timeframe,
        START + 6 * recipes.ONE_WEEK,
        n_folds=1,
        fold_weeks=1,
        training_weeks=4,
        embargo=26 * panel.timeframe.duration,
    )
    return {kind: RECIPES[kind].judge(panel, folds, lambda panel, fold, kind=kind: Says(kind), 1) for kind in ModelKind}


@pytest.mark.parametrize("kind", ModelKind)
def test_every_metric_and_predictor_of_a_judgement_is_explained(judged, kind):
    table = judged[kind].table
    rest = {
        name for name in table["metric"] if not name.startswith("pinball_high") and not name.startswith("pinball_low")
    }
    assert {name for name in rest if f"`{name}`" not in PAGE} == set()
    assert "`pinball_high_q10` and five more" in PAGE
    assert {name for name in table["predictor"] if name != "model" and f"| `{name}` |" not in PAGE} == set()


@pytest.mark.parametrize("kind", ModelKind)
def test_what_the_commands_tell_of_a_kind_is_measured(judged, kind):
    table = judged[kind].table
    assert {measure.metric for measure in TOLD[kind]} <= set(table["metric"])
    assert set(table["predictor"]) <= set(PREDICTORS)


@pytest.mark.parametrize("status", ModelStatus)
def test_every_status_is_explained(status):
    assert f"\n| `{status}` |" in PAGE


REASONS = (
    *("no_model", "model_expired(", "feature_schema_mismatch", "library_mismatch(", "artefact_corrupt"),
    *("artefact_truncated", "artefact_missing", "artefact_format(", "switched_off"),
)


def test_every_reason_of_silence_is_explained_and_no_other():
    sources = "".join(
        (ROOT / "pipeline" / name).read_text(encoding="utf-8")
        for name in ("predicting.py", "domain/model.py", "models/artefact.py", "storage/models.py")
    )
    for reason in REASONS:
        assert f"`{reason}" in PAGE
        assert f'"{reason}' in sources
    raised = re.findall(r'ModelUnavailableError\(f?"([a-z_]+\(?)', sources)
    assert raised
    assert set(raised) <= set(REASONS)


@pytest.mark.parametrize(
    "words",
    [
        f"an LSTM of {direction.DirectionTraining().units} cells",
        f"through {direction.DirectionTraining().hidden} dense units",
        f"over the last {SEQUENCE_BARS} bars",
        f"{price_range.MAX_ITER} small trees per quantile",
        f"an isolation forest of {anomaly.N_TREES} trees",
        f"newest {anomaly.THRESHOLD_WEEKS} weeks",
        f"more than {MOST_FLAGGED} of a\nseries' last {WINDOW_BARS} bars",
        f"an embargo of {recipes.EMBARGO_BARS} bars",
        f"An AUC above {ALARMING_AUC:.2f}".replace("0.", "."),
        f"BUY above {STRATEGIES['ml_prediction'].parameters().buy_above}, SELL below",
    ],
)
def test_its_numbers_are_those_of_the_code(words):
    assert words in PAGE


def test_its_instants_follow_from_the_settings(settings_place):
    settings = load_settings()
    assert SERVED_AFTER.days == 1
    assert f"{settings.models.max_age_days} days after `trained_through`" in PAGE
    assert f"{settings.training.weeks} weeks (`training.weeks`)" in PAGE
    assert f"`training.fold_weeks`\n({settings.training.fold_weeks})" in PAGE
    assert f"`training.tolerance` ({settings.training.tolerance:.1%})".replace("%)", " %)") in PAGE
