"""Blinded re-estimation of the sample size."""

import numpy as np
import pytest
from pydantic import ValidationError

from vct.errors import InputError
from vct.stats.design.reestimation import BlindedReestimation
from vct.stats.power import two_means


def plan(**changed):
    given = {"difference": 5.0, "planned_per_arm": 50, "maximum_per_arm": 400}
    return BlindedReestimation.model_validate(given | changed)


def blinded(sd, difference, per_arm):
    """Values whose pooled, within-arm variance is exactly sd^2."""
    base = np.linspace(-1, 1, per_arm)
    base *= sd / base.std(ddof=0)
    return np.concatenate([base, base + difference])


def test_the_planned_difference_is_taken_out_of_the_variance():
    found = plan().revise(blinded(12.0, 5.0, 40))
    n = 80
    assert found.sd == pytest.approx(12.0 * np.sqrt(n / (n - 1)), rel=1e-12)
    assert found.per_arm == two_means(5.0, found.sd).control


def test_unadjusted_keeps_it_in():
    values = blinded(12.0, 5.0, 40)
    assert plan(adjusted=False).revise(values).sd == pytest.approx(values.std(ddof=1))


def test_restricted_never_shrinks_and_the_cap_holds():
    few = blinded(2.0, 0.0, 30)
    assert plan(adjusted=False).revise(few).per_arm == 50
    assert plan(adjusted=False, restricted=False).revise(few).per_arm == 30
    many = plan().revise(blinded(80.0, 5.0, 40))
    assert (many.per_arm, many.capped) == (400, True)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"difference": 0.0}, "not be 0"),
        ({"maximum_per_arm": 10}, "at least planned_per_arm"),
        ({"power": 0.04}, "above alpha"),
    ],
)
def test_impossible_plans_are_refused(changed, reason):
    with pytest.raises(ValidationError, match=reason):
        plan(**changed)


def test_data_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="at least 4"):
        plan().revise([1.0, 2.0])
    with pytest.raises(InputError, match="more than the maximum"):
        plan().revise(np.arange(900.0))
    with pytest.raises(InputError, match="below what the planned difference"):
        plan().revise([1.0, 1.1, 0.9, 1.0, 1.05])


@pytest.mark.slow
def test_second_implementation_type_one_error_stays_at_alpha():
    """Kieser and Friede: with the one-sample variance the t test keeps its level."""
    from scipy.stats import ttest_ind

    rule = plan(difference=0.8, planned_per_arm=20, maximum_per_arm=80, adjusted=False, power=0.8)
    rng = np.random.default_rng(3)
    rejected, n = 0, 8000
    for _ in range(n):
        pool = rng.normal(0, 1.2, 160)
        per_arm = rule.revise(pool[:20]).per_arm
        rejected += ttest_ind(pool[0 : 2 * per_arm : 2], pool[1 : 2 * per_arm : 2]).pvalue <= 0.05
    assert abs(rejected / n - 0.05) < 4 * np.sqrt(0.05 * 0.95 / n)
