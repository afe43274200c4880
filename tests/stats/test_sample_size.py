"""Sample size and power against statsmodels, enumeration, simulation and published numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact
from statsmodels.stats.power import TTestIndPower, TTestPower

from vct.errors import InputError
from vct.stats.power import (
    Conduct,
    Hazard,
    ancova,
    design_effect,
    event_share,
    fisher,
    fisher_power,
    log_sd,
    logrank_events,
    mean_change,
    measured_response,
    paired_means,
    patients_for_lesions,
    percent_change_arms,
    repeatability_limits,
    survival,
    survival_power,
    time_of_events,
    two_means,
    two_means_power,
    two_proportions,
    two_proportions_power,
)

powers = st.floats(0.5, 0.99)
alphas = st.sampled_from([0.01, 0.05, 0.1])


@settings(deadline=None, max_examples=40)
@given(st.floats(0.15, 2.0), alphas, powers, st.sampled_from([0.5, 1.0, 2.0]))
def test_second_implementation_statsmodels_two_means(effect, alpha, power, ratio):
    found = two_means(effect, 1.0, alpha=alpha, power=power, sides=1, ratio=ratio)
    other = TTestIndPower()
    there = other.power(effect, found.control, alpha, ratio=found.test / found.control, alternative="larger")
    assert found.power == pytest.approx(there, abs=1e-6)
    assert found.power >= power
    smaller = two_means_power(
        effect, 1.0, found.control - 1, math.ceil(ratio * (found.control - 1)), alpha=alpha, sides=1
    )
    assert smaller < power or found.control == 2


@settings(deadline=None, max_examples=20)
@given(st.floats(0.2, 2.0), st.floats(-0.5, 0.95), powers)
def test_second_implementation_statsmodels_paired(change, correlation, power):
    found = paired_means(change, 1.0, correlation=correlation, power=power, sides=1)
    effect = change / math.sqrt(2 * (1 - correlation))
    assert found.power == pytest.approx(TTestPower().power(effect, found.control, 0.05, alternative="larger"), abs=1e-6)
    assert found.power >= power


def test_golden_power_t_test():
    """R 4.2.2: power.t.test(delta = 1, sd = 1, power = .90) gives 22.02110 an arm; (.5, power = .8) gives 63.77."""
    assert two_means(1.0, 1.0).control == 23
    assert two_means(0.5, 1.0, power=0.8).control == 64


def test_a_covariate_saves_patients():
    without = two_means(0.4, 1.0).total
    with_it = ancova(0.4, 1.0, correlation=0.6).total
    assert with_it / without == pytest.approx(1 - 0.6**2, abs=0.02)
    assert ancova(0.4, 1.0, correlation=0.0).total >= without


def test_non_inferiority_looks_in_the_right_direction():
    equal = two_means(0.0, 1.0, margin=0.3, sides=1, alpha=0.025)
    better = two_means(0.1, 1.0, margin=0.3, sides=1, alpha=0.025)
    assert better.control < equal.control
    assert two_means_power(-0.5, 1.0, 80, 80, sides=1, margin=0.3) < 0.05
    assert two_proportions_power(0.5, 0.3, 80, 80, sides=1, margin=0.1, variance="unpooled") < 0.05
    with pytest.raises(InputError, match="beyond the null"):
        two_means(-0.4, 1.0, margin=0.3, sides=1)
    with pytest.raises(InputError, match="one-sided"):
        two_means(0.0, 1.0, margin=0.3)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.05, 0.9), st.floats(0.1, 0.9), alphas, powers, st.sampled_from(["pooled", "unpooled"]))
def test_proportions_reach_their_power(control_rate, test_rate, alpha, power, variance):
    if abs(control_rate - test_rate) < 0.05:
        return
    found = two_proportions(control_rate, test_rate, alpha=alpha, power=power, variance=variance)
    assert found.power >= power - 1e-9
    fewer = (
        two_proportions_power(
            control_rate, test_rate, found.control - 1, found.test - 1, alpha=alpha, variance=variance
        )
        if found.control > 2
        else 0.0
    )
    assert fewer < power


def test_golden_two_proportions():
    """rpact 3.3.4, getSampleSizeRates(pi1 = .4, pi2 = .2, sided = 2, alpha = .05, beta = .2): 162.4485 patients."""
    assert two_proportions(0.2, 0.4, power=0.8).control == math.ceil(162.4485 / 2)


def test_second_implementation_fisher_by_scipy():
    total = 0.0
    for x in range(9):
        for y in range(8):
            if fisher_exact([[y, 7 - y], [x, 8 - x]])[1] <= 0.05:
                total += math.comb(8, x) * 0.2**x * 0.8 ** (8 - x) * math.comb(7, y) * 0.9**y * 0.1 ** (7 - y)
    assert fisher_power(0.2, 0.9, 8, 7) == pytest.approx(total, rel=1e-10)


def test_fisher_keeps_its_level_and_asks_for_more():
    exact = fisher(0.2, 0.5, power=0.8)
    assert exact.control > two_proportions(0.2, 0.5, power=0.8).control
    assert exact.power >= 0.8
    for rate in (0.1, 0.5, 0.8):
        assert fisher_power(rate, rate, 20, 25) <= 0.05
    with pytest.raises(InputError, match="use two_proportions"):
        fisher(0.2, 0.21, largest=100)


CONTROL = Hazard((0.08, 0.03), (6.0,))
CONDUCT = Conduct(accrual=18.0, follow_up=12.0, dropout=0.01, ratio=1.5)


def draw_times(hazard, n, rng):
    """Event times by inverting the cumulative hazard."""
    target, start, times = rng.exponential(size=n), 0.0, np.full(n, np.nan)
    for rate, end in zip(hazard.rates, (*hazard.breaks, np.inf), strict=True):
        inside = np.isnan(times) & (target <= rate * (end - start))
        times[inside] = start + target[inside] / rate
        target = np.where(np.isnan(times), target - rate * (end - start), target) if np.isfinite(end) else target
        start = end
    return times


def draw_trial(control, test, conduct, n, rng):
    """Follow-up times, events and arm (1 is test) at the end."""
    arm = (np.arange(n) % 5 < 3).astype(int) if conduct.ratio == 1.5 else np.arange(n) % 2
    times = np.where(arm == 1, draw_times(test, n, rng), draw_times(control, n, rng))
    left = conduct.accrual + conduct.follow_up - rng.uniform(0, conduct.accrual, n)
    dropout = rng.exponential(1 / conduct.dropout, n) if conduct.dropout else np.full(n, np.inf)
    seen = np.minimum(left, dropout)
    return np.minimum(times, seen), times <= seen, arm


def test_survival_function_of_a_piecewise_hazard():
    u = np.array([0.0, 3.0, 6.0, 10.0])
    assert CONTROL.survival(u) == pytest.approx(np.exp([0, -0.24, -0.48, -0.60]))
    assert CONTROL.at(np.array([5.9, 6.1])).tolist() == [0.08, 0.03]
    assert Hazard.of_median(10.0).survival(np.array([10.0]))[0] == pytest.approx(0.5)


def test_second_implementation_event_share_by_simulation():
    rng = np.random.default_rng(1)
    _, event, _ = draw_trial(CONTROL, CONTROL.times(0.6), CONDUCT, 200_000, rng)
    share = event_share(CONTROL, CONTROL.times(0.6), CONDUCT)
    assert abs(event.mean() - share) < 4 * math.sqrt(share * (1 - share) / 200_000)


def test_events_by_calendar_time_round_trip():
    test = CONTROL.times(0.6)
    at = time_of_events(60, 200, CONTROL, test, CONDUCT)
    assert 200 * event_share(CONTROL, test, CONDUCT, at) == pytest.approx(60, abs=1e-6)
    assert event_share(CONTROL, test, CONDUCT, 0.0) == 0.0
    assert event_share(CONTROL, test, CONDUCT, 10.0) < event_share(CONTROL, test, CONDUCT, 20.0)


def test_more_events_than_patients_are_refused():
    with pytest.raises(InputError, match="300 events cannot come from 200 patients"):
        time_of_events(300, 200, CONTROL, CONTROL, CONDUCT)
    with pytest.raises(InputError, match="too many drop out"):
        time_of_events(190, 200, CONTROL, CONTROL, CONDUCT)


def test_lakatos_is_freedman_while_arms_stay_balanced():
    """With few events the numbers at risk keep their ratio, which is what Freedman assumes."""
    rare = Hazard((1e-5,))
    conduct = Conduct(accrual=10.0, follow_up=10.0)
    one = survival(rare, rare.times(0.5), conduct, method="lakatos")
    two = survival(rare, rare.times(0.5), conduct, method="freedman")
    assert one.total == pytest.approx(two.total, rel=1e-4)


def test_a_delayed_effect_costs_patients():
    constant = survival(Hazard((0.05,)), Hazard((0.03,)), CONDUCT, method="lakatos")
    delayed = survival(Hazard((0.05,)), Hazard((0.05, 0.03), (6.0,)), CONDUCT, method="lakatos")
    assert delayed.total > 1.3 * constant.total
    assert constant.power >= 0.9


def test_one_hazard_ratio_or_lakatos():
    with pytest.raises(InputError, match="use lakatos"):
        survival(Hazard((0.05,)), Hazard((0.05, 0.03), (6.0,)), CONDUCT)
    with pytest.raises(InputError, match="expected log-rank statistic of 0"):
        survival(Hazard((0.05,)), Hazard((0.05,)), CONDUCT, method="lakatos")


def test_golden_events():
    """Schoenfeld 87.4793 (SAS, in gsDesign's unit tests); Freedman has ((1 + HR) / (1 - HR))^2 in its place."""
    given = {"alpha": 0.025, "power": 0.9, "sides": 1}
    assert logrank_events(0.5, **given) == pytest.approx(87.4793, abs=1e-4)
    z = 1.9599640 + 1.2815516
    assert logrank_events(0.5, method="freedman", **given) == pytest.approx(9 * z**2, rel=1e-6)
    assert logrank_events(1.0, null_ratio=1.3, **given) == pytest.approx(4 * z**2 / math.log(1.3) ** 2, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("test", [CONTROL.times(0.65), Hazard((0.08, 0.015), (6.0,))])
def test_second_implementation_lakatos_by_simulated_logrank(test):
    from scipy.stats import CensoredData, logrank

    rng = np.random.default_rng(4)
    patients, trials = 300, 2000
    power = survival_power(CONTROL, test, CONDUCT, patients, alpha=0.025, sides=1, method="lakatos")
    rejected = 0
    for _ in range(trials):
        time, event, arm = draw_trial(CONTROL, test, CONDUCT, patients, rng)
        groups = [CensoredData(uncensored=time[(arm == a) & event], right=time[(arm == a) & ~event]) for a in (0, 1)]
        rejected += logrank(x=groups[1], y=groups[0], alternative="less").pvalue <= 0.025
    assert abs(rejected / trials - power) < 0.01 + 4 * math.sqrt(power * (1 - power) / trials)


def test_golden_doot_2011():
    """PMC3251737, abstract: 8 to 126 patients as precision goes from 10 to 40 %; 32 or 126 by sensitivity at 20 %."""
    assert [percent_change_arms(20.0, sd).total for sd in (10.0, 20.0, 40.0)] == [8, 32, 126]
    assert percent_change_arms(20.0, 20.0, sensitivity=0.5).total == 126


def test_repeatability_by_simulation():
    rng = np.random.default_rng(7)
    readings = np.exp(rng.normal(0.0, log_sd(0.12), (400_000, 2)))
    assert readings.std() / readings.mean() == pytest.approx(0.12, rel=0.01)
    change = readings[:, 1] / readings[:, 0] - 1
    low, high = repeatability_limits(0.12)
    assert np.mean((change > low) & (change < high)) == pytest.approx(0.95, abs=0.002)
    assert np.mean(change <= -0.3) == pytest.approx(measured_response(0.0, 0.12), abs=0.001)
    assert measured_response(-0.3, 0.12) == pytest.approx(0.5)


def test_better_repeatability_needs_fewer_patients():
    sizes = [mean_change(-0.15, wcv).control for wcv in (0.05, 0.1, 0.2)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]
    assert mean_change(-0.15, 0.1, between=0.3).control > mean_change(-0.15, 0.1).control


def test_lesions_of_one_patient_count_for_less():
    assert design_effect(1.0, 0.7) == 1.0
    assert patients_for_lesions(90, 3.0, 0.0) == 30
    assert patients_for_lesions(90, 3.0, 1.0) == 90
    assert design_effect(3.0, 0.5, cv=0.8) > design_effect(3.0, 0.5)


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (lambda: two_means(0.5, 1.0, alpha=0.05, power=0.04), "power must lie between alpha"),
        (lambda: two_means(0.5, -1.0), "standard deviation"),
        (lambda: two_means(0.0, 1.0), "no size helps"),
        (lambda: two_means(1e-6, 1.0), "no size below"),
        (lambda: two_means(0.5, 1.0, sides=3), "sides"),
        (lambda: two_means(0.5, 1.0, ratio=0.0), "ratio"),
        (lambda: paired_means(0.5, 1.0, correlation=1.0), "correlation"),
        (lambda: two_proportions(0.3, 0.3), "no size helps"),
        (lambda: two_proportions(0.0, 0.3), "between 0 and 1"),
        (lambda: two_proportions(0.3, 0.3, margin=0.1, sides=1), "unpooled"),
        (lambda: logrank_events(1.0), "no number of events"),
        (lambda: logrank_events(1.4, null_ratio=1.3, sides=1), "beyond the null"),
        (lambda: Hazard((0.1, 0.2), ()), "rates"),
        (lambda: Hazard((0.1, 0.2, 0.3), (5.0, 4.0)), "grow"),
        (lambda: Hazard((0.0,)), "positive"),
        (lambda: Conduct(accrual=0.0, follow_up=0.0), "accrual"),
        (lambda: Conduct(accrual=1.0, follow_up=1.0, dropout=-0.1), "dropout"),
        (lambda: mean_change(0.0, 0.1), "change"),
        (lambda: mean_change(-0.2, 10.0), "wcv"),
        (lambda: percent_change_arms(20.0, 10.0, sensitivity=0.0), "sensitivity"),
        (lambda: patients_for_lesions(10, 0.5, 0.1), "lesions_per_patient"),
        (lambda: design_effect(3.0, 1.2), "icc"),
    ],
)
def test_impossible_questions_are_refused_with_the_reason(ask, reason):
    with pytest.raises(InputError, match=reason):
        ask()
