"""Recursive integration against other ways to the same probabilities."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from vct.stats.design import boundaries
from vct.stats.design.boundaries import NEVER, Walk, crossing, lower_bound, upper_bound

looks = st.lists(st.floats(0.05, 1.0), min_size=1, max_size=5).map(lambda gaps: tuple(np.cumsum(gaps) / sum(gaps)))


def covariance(t):
    return np.array([[np.sqrt(min(a, b) / max(a, b)) for b in t] for a in t])


def test_second_implementation_multivariate_normal():
    t, upper, lower, drift = (0.3, 0.5, 1.0), (2.2, 2.1, 1.9), (-0.4, 0.3, 1.9), 1.7
    found = crossing(lower, upper, t, drift)
    mean = drift * np.sqrt(t)
    go_on = [
        multivariate_normal(mean[:k], covariance(t[:k]), abseps=1e-9, releps=1e-9, maxpts=2_000_000).cdf(
            upper[:k], lower_limit=lower[:k], rng=np.random.default_rng(1)
        )
        for k in (1, 2)
    ]
    stopped = np.cumsum(found.upper + found.lower)
    assert 1 - stopped[:2] == pytest.approx(go_on, abs=2e-8)
    assert stopped[2] == pytest.approx(1.0, abs=1e-12)


def test_golden_first_look_is_the_normal_tail():
    found = crossing([-1.0], [2.0], [0.4], 1.5)
    mean = 1.5 * np.sqrt(0.4)
    assert found.upper[0] == pytest.approx(norm.sf(2.0 - mean), rel=1e-13)
    assert found.lower[0] == pytest.approx(norm.cdf(-1.0 - mean), rel=1e-13)


@settings(deadline=None, max_examples=40)
@given(looks, st.floats(-4, 4), st.floats(-1.5, 3), st.floats(0.1, 3))
def test_probabilities_sum_to_one_and_mirror(t, drift, upper, width):
    lower = upper - width
    there = crossing([lower] * len(t), [upper] * len(t), t, drift)
    back = crossing([-upper] * len(t), [-lower] * len(t), t, -drift)
    walk = Walk.start(t, drift)
    for _ in t:
        walk = walk.go_on(lower, upper)
    assert there.upper.sum() + there.lower.sum() + walk.mass.sum() == pytest.approx(1.0, abs=1e-11)
    assert there.upper == pytest.approx(back.lower, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(looks, st.floats(-4, 6), st.floats(0.5, 3))
def test_drift_only_tilts_the_density(t, drift, bound):
    """Likelihood ratio identity: the drift multiplies the density of Z_k by exp(drift sqrt(t) z - drift^2 t / 2)."""
    plain, tilted = Walk.start(t), Walk.start(t, drift)
    for k, now in enumerate(t):
        plain, tilted = plain.go_on(-8.0, bound), tilted.go_on(-8.0, bound)
        weight = np.exp(drift * np.sqrt(now) * plain.nodes - 0.5 * drift**2 * now)
        if drift > 0:
            assert plain.mass @ weight == pytest.approx(tilted.mass.sum(), abs=1e-10), k


def test_finer_panels_change_nothing(monkeypatch):
    t = tuple(np.arange(1, 9) / 8)
    coarse = crossing([-1.0] * 8, [2.5] * 8, t, 2.0)
    monkeypatch.setattr(boundaries, "PANEL_SD", 0.6)
    fine = crossing([-1.0] * 8, [2.5] * 8, t, 2.0)
    assert coarse.upper == pytest.approx(fine.upper, abs=1e-13)


def test_looks_close_together_are_integrated_well():
    close = crossing([-NEVER] * 3, [2.0] * 3, (0.5, 0.505, 1.0), 0.0)
    t = (0.5, 0.505, 1.0)
    whole = 1 - multivariate_normal(np.zeros(3), covariance(t), abseps=1e-9, releps=1e-9, maxpts=500_000).cdf(
        [2.0] * 3, rng=np.random.default_rng(2)
    )
    assert close.total == pytest.approx(whole, abs=5e-6)


@settings(deadline=None, max_examples=40)
@given(looks, st.floats(1e-8, 0.05))
def test_bounds_invert_the_probabilities(t, error):
    walk = Walk.start(t)
    for _ in t:
        high, low = upper_bound(walk, error), lower_bound(walk, error)
        assert walk.above(high) == pytest.approx(error, rel=1e-8)
        assert low == pytest.approx(-high, abs=1e-8)
        walk = walk.go_on(low, high)


def test_no_error_to_spend_means_no_boundary():
    walk = Walk.start((0.1, 1.0))
    assert upper_bound(walk, 0.0) == NEVER
    assert lower_bound(walk, 1e-16) == -NEVER


def test_a_closed_gap_lets_nobody_on():
    walk = Walk.start((0.5, 1.0)).go_on(2.0, 1.0)
    assert walk.above(-NEVER) == 0.0


def test_second_implementation_monte_carlo_of_a_walk():
    rng = np.random.default_rng(20261122)
    t = np.array([0.2, 0.6, 1.0])
    gaps = np.diff(t, prepend=0.0)
    z = np.cumsum(rng.normal(1.5 * gaps, np.sqrt(gaps), (200_000, 3)), axis=1) / np.sqrt(t)
    first = np.full(len(z), 3)
    for k in reversed(range(3)):
        first[z[:, k] >= (2.5, 2.2, 2.0)[k]] = k
    found = crossing([-NEVER] * 3, [2.5, 2.2, 2.0], t, 1.5)
    for k, p in zip(range(3), found.upper, strict=True):
        assert abs((first == k).mean() - p) < 4 * np.sqrt(p * (1 - p) / len(z))
    assert list(itertools.accumulate(found.upper))[-1] == pytest.approx(found.total)
