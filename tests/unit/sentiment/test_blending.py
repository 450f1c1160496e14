"""Blending says what a slow loop over texts says, sees no later than the close, and leaves out who says nothing."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.document import TextSource
from pipeline.sentiment.blending import TEXTS, BlendRules, blend
from pipeline.sentiment.movers import movers, weights_used
from tests.support.texts import HOUR, NOON, Said, random_texts, texts_of

RULES = BlendRules()
MINUTE = timedelta(minutes=1)


def closes(n: int = 1, step: timedelta = HOUR) -> pd.DatetimeIndex:
    """So many closes, the last at `NOON`."""
    return pd.DatetimeIndex([NOON - k * step for k in range(n)][::-1])


def blended(said, at=None, n_assets=1, rules=RULES, activity=None):
    at = closes() if at is None else at
    activity = np.full((len(at), n_assets), np.nan) if activity is None else activity
    return blend(texts_of(said), activity, at, [f"A{n}" for n in range(n_assets)], rules)


def by_loop(said, close, n_assets, rules):
    """Score of each source, overall and number of texts, text by text."""
    found = []
    for asset in range(n_assets):
        scores, counts = {}, {}
        for source in TEXTS:
            counted = []
            by_author, by_words = defaultdict(int), defaultdict(int)
            for _, each in sorted(enumerate(said), key=lambda row: (row[1].age, -row[0])):  # newest first
                published = NOON - each.age
                known = NOON - (each.age if each.known_age is None else each.known_age)
                gone = None if each.gone_age is None else NOON - each.gone_age
                if each.asset != asset or each.source is not source or max(published, known) > close:
                    continue
                if close - published >= rules.window or (gone is not None and gone <= close):
                    continue
                by_author[each.author] += 1
                by_words[each.words] += 1
                is_heard = each.author < 0 or by_author[each.author] <= rules.author_cap[source]
                if is_heard and (each.words is None or by_words[each.words] <= rules.words_cap):
                    counted.append((0.5 ** ((close - published) / rules.half_life), each.compound))
            positive = sum(weight * max(score, 0.0) for weight, score in counted)
            negative = sum(weight * max(-score, 0.0) for weight, score in counted)
            if counted:
                scores[source] = (positive - negative) / (positive + negative + rules.prior)
            counts[source] = len(counted)
        weight = sum(rules.weights[source] for source in scores)
        overall = sum(rules.weights[s] * scores[s] for s in scores) / weight if scores else np.nan
        found.append((scores, counts, overall, weight))
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60))
def test_scores_are_those_of_a_slow_loop(seed, n):
    said = random_texts(seed, n, 2, 40)
    at = closes(3, timedelta(hours=5))

    found = blended(said, at, 2)

    for row, close in enumerate(at):
        for asset, (scores, counts, overall, weight) in enumerate(by_loop(said, close, 2, RULES)):
            for place, source in enumerate(TEXTS):
                assert found.counted[row, asset, place] == counts[source]
                assert found.scores[row, asset, place] == pytest.approx(scores.get(source, np.nan), nan_ok=True)
            assert found.overall[row, asset] == pytest.approx(overall, nan_ok=True)
            assert found.coverage[row, asset] == pytest.approx(weight)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_close_alone_has_the_bits_that_it_has_among_others(seed):
    said = random_texts(seed, 60, 3, 60)
    at = closes(20, HOUR)
    together = blended(said, at, 3)

    for row in (0, 7, 19):
        alone = blended(said, at[[row]], 3)
        for name in ("scores", "overall", "social", "coverage", "counted", "capped"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[row])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(0, 30))
def test_texts_published_or_known_after_a_close_change_nothing(seed, cut):
    said = random_texts(seed, 60, 2, 48)
    close = closes(1)[0] - cut * HOUR
    at = pd.DatetimeIndex([close])

    def is_known(each):
        return NOON - (each.age if each.known_age is None else min(each.age, each.known_age)) <= close

    then = blended([each for each in said if is_known(each)], at, 2)
    now = blended(said, at, 2)

    np.testing.assert_array_equal(then.scores, now.scores)
    np.testing.assert_array_equal(then.counted, now.counted)


def test_the_planted_fault_of_counting_by_publication_alone_would_be_seen():
    late = Said(0.9, age=2 * HOUR, known_age=-HOUR)

    assert blended([late]).counted.sum() == 0
    assert blended([late._replace(known_age=None)]).counted.sum() == 1


@pytest.mark.parametrize(
    ("age", "counts"), [(timedelta(0), 1), (timedelta(hours=24) - MINUTE, 1), (timedelta(hours=24), 0), (-MINUTE, 0)]
)
def test_a_text_counts_for_a_day_from_the_close_of_its_publication_on(age, counts):
    assert blended([Said(0.5, age=age)]).counted.sum() == counts


def test_a_text_loses_half_its_weight_in_six_hours():
    young, old = (blended([Said(1.0, age=age)]).evidence[0, 0, 0] for age in (timedelta(0), timedelta(hours=6)))

    assert (young, old) == (1.0, 0.5)


def test_ten_enthusiasts_are_told_from_one():
    one, ten = (blended([Said(1.0)] * n).news[0, 0] for n in (1, 10))

    assert one == pytest.approx(1 / 6)
    assert ten == pytest.approx(10 / 15)


def test_neutral_texts_neither_move_a_score_nor_make_it_weaker():
    with_them = blended([Said(1.0)] * 4 + [Said(0.0)] * 50)

    assert with_them.news[0, 0] == blended([Said(1.0)] * 4).news[0, 0]
    assert with_them.counted[0, 0, 0] == 54


def test_f23_five_hundred_posts_by_one_author_weigh_as_much_as_three():
    posts = [Said(1.0, age=n * MINUTE / 10, source=TextSource.REDDIT, author=7) for n in range(500)]

    flood, few = blended(posts), blended(posts[:3])

    assert flood.scores[0, 0, 2] == few.scores[0, 0, 2]
    assert (flood.counted[0, 0, 2], flood.capped[0, 0, 2]) == (3, 497)


def test_texts_of_unnamed_authors_are_not_taken_for_one_authors():
    assert blended([Said(1.0, source=TextSource.TWITTER)] * 9).counted[0, 0, 1] == 9


def test_f21_the_weights_of_the_sources_that_are_there_count_for_more():
    said = [Said(1.0)] * 5 + [Said(-1.0, source=TextSource.REDDIT)] * 5

    found = blended(said)

    assert found.coverage[0, 0] == pytest.approx(0.6)
    assert found.overall[0, 0] == pytest.approx((0.4 * 0.5 - 0.2 * 0.5) / 0.6)
    assert weights_used(found, 0, 0) == {"news": pytest.approx(2 / 3), "reddit": pytest.approx(1 / 3)}


def test_development_counts_and_is_no_talk():
    found = blended([Said(1.0, source=TextSource.TWITTER)] * 5, activity=np.array([[1.0]]))

    assert found.overall[0, 0] == pytest.approx((0.3 * 0.5 + 0.1 * 1.0) / 0.4)
    assert found.social[0, 0] == pytest.approx(0.5)


def test_a_silent_asset_has_no_score_and_no_coverage():
    found = blended([])

    assert np.isnan(found.overall[0, 0])
    assert np.isnan(found.social[0, 0])
    assert found.coverage[0, 0] == 0.0
    assert not found.is_covered[0, 0]


@pytest.mark.parametrize(
    ("said", "is_covered"),
    [
        ([Said(0.1)] * 10, True),
        ([Said(0.1)] * 9, False),
        ([Said(0.1, source=TextSource.TWITTER)] * 99, False),
        ([Said(0.1, source=TextSource.TWITTER)] * 9 + [Said(0.1, source=TextSource.REDDIT)], True),
    ],
)
def test_advice_needs_ten_texts_and_four_tenths_of_the_weight(said, is_covered):
    assert blended(said).is_covered[0, 0] == is_covered


def test_three_tenths_and_one_tenth_are_four_tenths():
    said = [Said(0.1, source=TextSource.TWITTER)] * 10

    assert blended(said, activity=np.array([[0.0]])).is_covered[0, 0]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 80))
def test_scores_stay_within_one_and_turn_with_their_texts(seed, n):
    said = random_texts(seed, n, 1, 24)

    found = blended(said)
    turned = blended([each._replace(compound=-each.compound) for each in said])

    assert np.nanmax(np.abs(found.scores), initial=0.0) <= 1.0
    np.testing.assert_allclose(found.overall, -turned.overall)


def test_what_moved_a_score_adds_up_to_it_and_the_strongest_come_first():
    said = [Said(0.9, age=HOUR), Said(-0.4), Said(0.0), Said(0.6, source=TextSource.REDDIT)]
    found = blended(said)

    moved = movers(found, texts_of(said), np.array([0]))

    assert moved["part"].sum() == pytest.approx(found.overall[0, 0])
    assert moved["document_id"].tolist() == ["text-000", "text-001", "text-003"]
    assert (moved["part"].abs().diff().dropna() <= 0).all()


def test_only_the_five_that_moved_it_most_are_named():
    said = [Said(n / 10) for n in range(1, 9)]

    moved = movers(blended(said), texts_of(said), np.array([0]))

    assert moved["document_id"].tolist() == [f"text-{n:03}" for n in (7, 6, 5, 4, 3)]


def test_the_weights_of_the_settings_count():
    rules = replace(RULES, weights={**RULES.weights, TextSource.REDDIT: 0.0})
    said = [Said(1.0)] * 5 + [Said(-1.0, source=TextSource.REDDIT)] * 5

    assert blended(said, rules=rules).overall[0, 0] == pytest.approx(0.5)


def test_the_same_words_by_sixty_people_are_the_opinion_of_three():
    crowd = [Said(0.9, n * MINUTE, TextSource.TWITTER, author=n, words=7) for n in range(60)]
    others = [Said(0.9, n * MINUTE, TextSource.REDDIT, author=n, words=7) for n in range(2)]

    found = blended([*crowd, *others])

    assert list(found.counted[0, 0]) == [0, 3, 2]
    assert list(found.capped[0, 0]) == [0, 57, 0]


def test_the_same_words_about_another_coin_are_counted_apart():
    said = [Said(0.9, n * MINUTE, asset=n % 2, author=n, words=7) for n in range(8)]

    assert blended(said, n_assets=2).counted[0, :, 0].tolist() == [3, 3]
