"""p-values, estimates and conditional power that know of the looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from vct.errors import InputError
from vct.stats.design import GroupSequential
from vct.stats.design.inference import conditional_power, p_value, predictive_power, stopped


def design(**changed):
    return GroupSequential.model_validate(
        {"information": (0.4, 0.7, 1.0), "efficacy": {"kind": "lan_demets_pocock"}} | changed
    )


def test_the_last_boundary_has_p_alpha():
    for found in (design(), design(sides=2, alpha=0.05), design(efficacy={"kind": "obrien_fleming"})):
        assert p_value(found, 3, found.bounds().upper[-1]) == pytest.approx(found.alpha, abs=1e-9)


def test_binding_futility_counts_and_non_binding_does_not():
    rule = {"kind": "z_values", "z": (0.0, 0.5)}
    binding, free = (design(futility={"rule": rule, "binding": b}) for b in (True, False))
    assert p_value(binding, 3, binding.bounds().upper[-1]) == pytest.approx(0.025, abs=1e-9)
    assert p_value(free, 3, 2.2) == pytest.approx(p_value(design(), 3, 2.2))


def test_stopping_at_the_first_look_is_a_fixed_test():
    found = stopped(design(), 1, 2.8, maximum=50.0)
    error = 1 / np.sqrt(0.4 * 50.0)
    assert found.p_value == pytest.approx(norm.sf(2.8), rel=1e-10)
    assert found.estimate == pytest.approx(2.8 * error, abs=1e-9)
    assert (found.ci_low, found.ci_high) == pytest.approx(
        (2.8 * error - 1.959964 * error, 2.8 * error + 1.959964 * error), abs=1e-6
    )


def test_later_stops_pull_the_estimate_in():
    found = stopped(design(), 2, 2.9, maximum=50.0)
    assert found.ci_low < found.estimate < 2.9 / np.sqrt(0.7 * 50.0)


@settings(deadline=None, max_examples=15)
@given(st.floats(-1, 5), st.floats(-1, 5))
def test_p_value_falls_as_z_grows(a, b):
    low, high = sorted((a, b))
    assert p_value(design(), 3, high) <= p_value(design(), 3, low) + 1e-12


def test_observed_information():
    found = design()
    planned = p_value(found, 2, 2.5)
    assert p_value(found, 2, 2.5, observed=(0.4, 0.7)) == pytest.approx(planned, abs=1e-12)
    assert p_value(found, 2, 2.5, observed=(0.3, 0.7)) != pytest.approx(planned, abs=1e-4)
    with pytest.raises(InputError, match="2 looks"):
        p_value(found, 2, 2.5, observed=(0.4,))
    with pytest.raises(InputError, match="must grow"):
        p_value(found, 2, 2.5, observed=(0.4, 0.3))


def test_conditional_power_before_one_last_look_has_a_closed_form():
    found = design(information=(0.6, 1.0))
    z, drift, bound = 1.3, 2.5, found.bounds().upper[-1]
    closed = norm.sf((bound - z * np.sqrt(0.6) - drift * 0.4) / np.sqrt(0.4))
    assert conditional_power(found, 1, z, drift) == pytest.approx(closed, rel=1e-11)


def test_predictive_power_before_one_last_look_has_a_closed_form():
    """Flat prior: the final z is normal around z / sqrt(t) with variance (1 - t) / t."""
    found = design(information=(0.6, 1.0))
    bound = found.bounds().upper[-1]
    closed = norm.sf((bound - 1.3 / np.sqrt(0.6)) / np.sqrt(0.4 / 0.6))
    assert predictive_power(found, 1, 1.3) == pytest.approx(closed, abs=1e-8)


def test_a_sharp_prior_is_conditional_power():
    found = design()
    sharp = predictive_power(found, 1, 1.0, prior_mean=2.5, prior_sd=1e-6)
    assert sharp == pytest.approx(conditional_power(found, 1, 1.0, 2.5), abs=1e-6)


def test_conditional_power_averages_to_power():
    """Averaged over the interim z of trials that go on, plus early rejection, it is the power."""
    found = design()
    bounds, drift = found.bounds(), found.drift()
    x, w = np.polynomial.legendre.leggauss(60)
    high, low = bounds.upper[0], drift * np.sqrt(0.4) - 9
    z = low + 0.5 * (high - low) * (x + 1)
    later = [conditional_power(found, 1, float(u), drift) for u in z]
    density = norm.pdf(z - drift * np.sqrt(0.4)) * 0.5 * (high - low) * w
    assert norm.sf(high - drift * np.sqrt(0.4)) + density @ later == pytest.approx(0.9, abs=1e-9)


@pytest.mark.parametrize("look", [0, 3, 4])
def test_there_is_no_such_interim_look(look):
    with pytest.raises(InputError):
        conditional_power(design(), look, 1.0, 2.0)
    with pytest.raises(InputError):
        predictive_power(design(), look, 1.0)


def test_refusals():
    binding = design(sides=2, futility={"rule": {"kind": "lan_demets_pocock"}, "binding": True})
    with pytest.raises(InputError, match="not defined for two-sided"):
        p_value(binding, 2, 2.8)
    with pytest.raises(InputError, match="positive"):
        stopped(design(), 1, 2.8, maximum=0.0)
    with pytest.raises(InputError, match="look must be"):
        p_value(design(), 9, 2.8)
    with pytest.raises(InputError, match="prior_sd"):
        predictive_power(design(), 1, 1.0, prior_sd=0.0)


@pytest.mark.slow
def test_second_implementation_median_and_coverage_by_simulation():
    found = design()
    rng = np.random.default_rng(5)
    t = np.array(found.information)
    gaps = np.diff(t, prepend=0.0)
    n, drift = 1000, 2.0
    below = covered = 0
    for z in np.cumsum(rng.normal(drift * gaps, np.sqrt(gaps), (n, 3)), axis=1) / np.sqrt(t):
        look = next((k + 1 for k in range(3) if found.verdict(k + 1, z[k]) != "continue"), 3)
        said = stopped(found, look, float(z[look - 1]), maximum=1.0)
        below += said.estimate < drift
        covered += said.ci_low <= drift <= said.ci_high
    assert abs(below / n - 0.5) < 4 * np.sqrt(0.25 / n)
    assert abs(covered / n - 0.95) < 4 * np.sqrt(0.95 * 0.05 / n)


@pytest.mark.parametrize("z", [-40.0, 0.0, 40.0])
@pytest.mark.parametrize("look", [1, 2, 3])
def test_extreme_results_have_an_estimate_too(z, look):
    found = stopped(design(), look, z, maximum=1.0)
    assert found.ci_low < found.estimate < found.ci_high
    assert 0.0 <= found.p_value <= 1.0
    with pytest.raises(InputError, match="finite"):
        stopped(design(), look, float("nan"), maximum=1.0)


def test_conditional_power_at_information_that_was_not_planned():
    """Looks planned at 0.3, 0.7, 1 and held at 0.5: the next is at 0.7, with the boundary that is left to spend."""
    rule = GroupSequential(information=(0.3, 0.7, 1.0), efficacy={"kind": "lan_demets_obrien_fleming"})
    planned = conditional_power(rule, 1, 1.0, 3.0)
    assert conditional_power(rule, 1, 1.0, 3.0, observed=(0.3,)) == pytest.approx(planned, abs=1e-9)
    late = conditional_power(rule, 1, 1.0, 3.0, observed=(0.5,))
    upper = rule.at((0.5, 0.7, 1.0), final=True)[1:]
    rng = np.random.default_rng(2)
    steps = rng.normal(3.0 * np.array([0.2, 0.3]), np.sqrt([0.2, 0.3]), (200_000, 2))
    score = np.sqrt(0.5) + np.cumsum(steps, axis=1)
    simulated = (score / np.sqrt([0.7, 1.0]) >= np.array(upper)).any(axis=1).mean()
    assert late == pytest.approx(simulated, abs=4 * 0.5 / np.sqrt(200_000))
    assert predictive_power(rule, 1, 1.0, observed=(0.5,)) < late
    with pytest.raises(InputError, match="leaves nothing to come"):
        conditional_power(rule, 1, 1.0, 3.0, observed=(1.0,))
