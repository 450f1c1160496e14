"""Exposure against a reference that looks at everything anew for each group, and folding in parts."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.timeframe import Timeframe
from pipeline.risk.exposure import Pending, Position, fold
from pipeline.risk.profile import RiskProfile
from tests.support.signals import CLOSE_AT, a_group, a_series

HOUR = timedelta(hours=1)
SYMBOLS = st.sampled_from(["BTC/USDT", "BTC/EUR", "ETH/USDT", "SOL/USDT"])
TIMEFRAMES = st.sampled_from([Timeframe.H1, Timeframe.H4, Timeframe.D1])
WEIGHTS = st.sampled_from([0.0, 0.0325, 0.035, 0.05, 0.1])
HOURS = st.integers(-6, 12)


@st.composite
def groups(draw):
    """Distinct series and closes, as the pipeline makes them."""
    places = draw(st.lists(st.tuples(SYMBOLS, TIMEFRAMES, st.integers(0, 8)), max_size=30, unique=True))
    return [
        a_group(
            symbol=symbol,
            timeframe=timeframe,
            hours=hours,
            bars=draw(st.integers(1, 4)),
            weight=draw(WEIGHTS),
            rank_score=draw(st.sampled_from([0.3, 0.6, 0.9])),
        )
        for symbol, timeframe, hours in places
    ]


@st.composite
def pending(draw):
    close_at = CLOSE_AT + draw(HOURS) * HOUR
    return Pending(
        symbol=draw(SYMBOLS),
        timeframe=draw(TIMEFRAMES),
        close_at=close_at,
        weight=draw(WEIGHTS),
        expires_at=close_at + draw(st.integers(1, 9)) * HOUR,
        ended_at=draw(st.none() | st.integers(0, 12).map(lambda hours: close_at + hours * HOUR)),
    )


@st.composite
def positions(draw):
    valid_from = CLOSE_AT + draw(HOURS) * HOUR
    return Position(
        symbol=draw(SYMBOLS),
        weight=draw(WEIGHTS),
        valid_from=valid_from,
        valid_to=draw(st.none() | st.integers(1, 9).map(lambda hours: valid_from + hours * HOUR)),
    )


PROFILES = st.sampled_from(
    [
        RiskProfile(),
        RiskProfile(max_asset_exposure=0.1, max_total_exposure=0.2),
        RiskProfile(max_asset_exposure=0.05, max_total_exposure=1.0),
        RiskProfile(max_asset_exposure=0.0, max_total_exposure=0.0),
    ]
)


def obvious_fold(groups, profile, pending, positions):
    """For each group in turn, add up all that is tied up at its close."""
    kept, verdicts = [], []
    ordered = sorted(
        groups,
        key=lambda g: (
            g.close_at,
            -g.series.timeframe.seconds,
            -g.rank_score,
            g.series.symbol,
            g.series.exchange,
        ),
    )
    for group in ordered:
        now = group.close_at
        held = [(g.series.symbol, g.weight) for g in kept if g.close_at == now or g.close_at < now < g.expires_at]
        held += [
            (p.symbol, p.weight)
            for p in pending
            if p.close_at < now < p.expires_at and (p.ended_at is None or p.ended_at > now)
        ]
        held += [
            (p.symbol, p.weight) for p in positions if p.valid_from <= now and (p.valid_to is None or now < p.valid_to)
        ]
        base = group.series.symbol.split("/")[0]
        in_asset = sum(weight for symbol, weight in held if symbol.split("/")[0] == base)
        in_total = sum(weight for _, weight in held)
        reasons = []
        if in_asset + group.weight > profile.max_asset_exposure + 1e-12:
            reasons.append("asset_exposure")
        if in_total + group.weight > profile.max_total_exposure + 1e-12:
            reasons.append("total_exposure")
        if not reasons:
            kept.append(group)
        verdicts.append((group, tuple(reasons)))
    return verdicts


@given(groups(), PROFILES, st.lists(pending(), max_size=8), st.lists(positions(), max_size=5))
def test_the_fold_equals_the_obvious_reference(groups, profile, pending, positions):
    verdicts = fold(groups, profile, pending, positions)
    assert [(v.group, v.reasons) for v in verdicts] == obvious_fold(groups, profile, pending, positions)
    assert all(v.is_kept == (not v.reasons) for v in verdicts)


@given(groups(), PROFILES, st.lists(pending(), max_size=8), st.lists(positions(), max_size=5), st.integers(0, 9))
def test_folding_a_range_in_two_equals_folding_it_at_once(groups, profile, pending, positions, hours):
    cut = CLOSE_AT + hours * HOUR
    first = fold([g for g in groups if g.close_at < cut], profile, pending, positions)
    carried = [
        Pending(
            symbol=v.group.series.symbol,
            timeframe=v.group.series.timeframe,
            close_at=v.group.close_at,
            weight=v.group.weight,
            expires_at=v.group.expires_at,
        )
        for v in first
        if v.is_kept
    ]
    second = fold([g for g in groups if g.close_at >= cut], profile, [*carried, *pending], positions)
    assert first + second == fold(groups, profile, pending, positions)


@given(groups(), PROFILES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(groups, profile, random):
    shuffled = random.sample(groups, len(groups))
    assert fold(shuffled, profile) == fold(groups, profile)


@given(groups(), PROFILES, st.lists(pending(), max_size=8), st.lists(positions(), max_size=5))
def test_what_is_kept_fits_and_what_is_dropped_would_not(groups, profile, pending, positions):
    for v in fold(groups, profile, pending, positions):
        fits_asset = v.asset_exposure + v.group.weight <= profile.max_asset_exposure + 1e-9
        fits_total = v.total_exposure + v.group.weight <= profile.max_total_exposure + 1e-9
        assert v.is_kept == (fits_asset and fits_total)


def test_a_hundred_thousand_groups_leave_nothing_behind_in_the_sums():
    timeframe = Timeframe.H1
    series = [a_series(symbol=f"C{i:03d}/USDT", timeframe=timeframe) for i in range(100)]
    many = [a_group(symbol=s.symbol, hours=h, weight=0.05 * 0.611) for h in range(1_000) for s in series]
    many.append(a_group(hours=2_000))
    last = fold(many, RiskProfile())[-1]
    assert (last.asset_exposure, last.total_exposure, last.is_kept) == (0.0, 0.0, True)
