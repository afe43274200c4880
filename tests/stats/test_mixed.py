"""The mixed model for repeated visits."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vct.stats.mixed import MixedModel
from vct.stats.regression import Ancova
from vct.stats.reml import _derivative, _Model, fit_reml

Make = Callable[..., Any]
VISITS = ("week4", "week8", "week16")


def repeated(seed: int, n: int, missing: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (n, 3) and a design (n, 3) with an intercept, a covariate and an arm."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3))
    design = np.column_stack([np.ones(n), rng.normal(size=n), np.arange(n) % 2])
    errors = rng.multivariate_normal(np.zeros(3), root @ root.T + np.eye(3), size=n) + rng.normal(size=(n, 1))
    values = 1000.0 + design @ rng.normal(size=(3, 3)) + errors
    values[rng.uniform(size=values.shape) < missing] = np.nan
    return values, design


def test_second_implementation_mixed_model_is_ancova_at_each_visit_when_nothing_is_missing(trial: Make) -> None:
    """With complete data and every effect by visit, the unstructured model is the visit's own regression, exactly
    (Zellner 1962: equal regressors), and Satterthwaite's degrees of freedom are n minus the columns.
    """
    rng = np.random.default_rng(5)
    baselines = {arm: list(rng.normal(10, 2, 12)) for arm in "abc"}
    groups = {arm: [tuple(b + rng.normal(size=3).cumsum()) for b in baselines[arm]] for arm in "abc"}
    made = trial(groups, baselines=baselines, visits=VISITS)
    for visit in VISITS:
        ours = made.rows(MixedModel(endpoint="e", visit=visit))
        theirs = made.rows(Ancova(endpoint="e", visit=visit))
        for one, two in zip(ours, theirs, strict=True):
            assert (one.estimate, one.ci_low, one.ci_high) == pytest.approx((two.estimate, two.ci_low, two.ci_high))
            assert one.p_value == pytest.approx(two.p_value)
    assert made.rows(MixedModel(endpoint="e"))[0].visit == "week16"


def test_second_implementation_mixed_model_random_intercept_against_statsmodels() -> None:
    """Compound symmetry is MixedLM's random intercept; MixedLM's standard errors are approximate (joint Hessian)."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    values, design = repeated(1, 60, missing=0.2)
    fit = fit_reml(values, design, "compound_symmetry")
    seen = [(i, v) for i in range(60) for v in range(3) if not np.isnan(values[i, v])]
    rows = np.array([np.kron(np.eye(3)[v], design[i]) for i, v in seen])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = MixedLM(np.array([values[i, v] for i, v in seen]), rows, groups=[i for i, _ in seen]).fit(reml=True)
    assert fit.sigma[0, 1] == pytest.approx(float(other.cov_re[0, 0]), rel=1e-4)
    assert fit.sigma[0, 0] == pytest.approx(float(other.cov_re[0, 0]) + other.scale, rel=1e-4)
    assert fit.coefficients.ravel() == pytest.approx(other.params[:9], rel=1e-4)
    errors = [fit.coefficient(visit, column)[1] for visit in range(3) for column in range(3)]
    assert errors == pytest.approx(other.bse[:9], rel=5e-3)


@pytest.mark.parametrize("structure", ["unstructured", "compound_symmetry"])
def test_second_implementation_mixed_model_likelihood(structure: Any) -> None:
    """The likelihood from sufficient statistics against the multivariate normal density patient by patient."""
    from scipy.stats import multivariate_normal

    values, design = repeated(2, 15, missing=0.25)
    values -= 1000.0
    model = _Model(values, design, structure)
    rng = np.random.default_rng(3)
    found = []
    for parameters in rng.normal(scale=0.4, size=(2, model.covariance.n_parameters)):
        sigma = model.covariance.sigma(parameters)
        solved = model.solve(parameters)
        log = -np.linalg.slogdet(solved.information)[1] / 2
        for y, z in zip(values, design, strict=True):
            seen = ~np.isnan(y)
            if seen.any():
                mean = (solved.coefficients @ z)[seen]
                log += multivariate_normal.logpdf(y[seen], mean, sigma[np.ix_(seen, seen)])
        found.append((-2 * log, solved.minus_two_log))
        numeric = _derivative(lambda at: np.asarray(model.solve(at).minus_two_log), parameters)
        assert model.slope(parameters) == pytest.approx(numeric, rel=1e-6, abs=1e-6)
    assert found[0][0] - found[1][0] == pytest.approx(found[0][1] - found[1][1])


def test_the_fit_is_a_maximum() -> None:
    values, design = repeated(3, 40, missing=0.2)
    fit = fit_reml(values, design, "unstructured")
    own = np.nanmean(values, axis=0)
    scale = np.nanstd(values, axis=0)
    model = _Model((values - own) / scale, design, "unstructured")
    factor = np.linalg.cholesky(fit.sigma / np.outer(scale, scale))
    at = factor[np.tril_indices(3)]
    at[[0, 2, 5]] = np.log(at[[0, 2, 5]])
    assert np.abs(model.slope(at)).max() < 1e-3


def test_earlier_visits_help_where_the_last_one_is_missing(trial: Make) -> None:
    """Dropout that depends on the earlier visit biases the complete cases, and not the mixed model."""
    complete, mixed = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        groups = {}
        for arm, effect in (("a", 0.0), ("b", 1.0)):
            first = rng.normal(effect, 1.0, 150)
            last = first + rng.normal(0.0, 0.5, 150)
            gone = (first > 0.5) & (arm == "b") & (rng.uniform(size=150) < 0.8)
            groups[arm] = [(f, None if g else v) for f, v, g in zip(first, last, gone, strict=True)]
        made = trial(groups, visits=("week4", "week8"))
        complete.append(made.row(Ancova(endpoint="e", covariates=())).estimate)
        mixed.append(made.row(MixedModel(endpoint="e", covariates=())).estimate)
    assert np.mean(mixed) == pytest.approx(1.0, abs=0.08)
    assert np.mean(complete) < 0.6


def test_counts_are_of_patients_in_the_model(trial: Make) -> None:
    values, _ = repeated(4, 40, missing=0.3)
    values[0] = values[1] = np.nan
    cells = [tuple(None if np.isnan(v) else float(v) for v in row) for row in values]
    row = trial({"a": cells[::2], "b": cells[1::2]}, visits=VISITS).row(MixedModel(endpoint="e", covariates=()))
    empty = sum(all(v is None for v in cell) for cell in cells)
    assert (row.n + row.n_reference, row.n_missing) == (40 - empty, empty)


@pytest.mark.parametrize("covariance", ["unstructured", "compound_symmetry"])
def test_degenerate_data_give_a_note(trial: Make, covariance: Any) -> None:
    analysis = MixedModel(endpoint="e", covariates=(), covariance=covariance)
    twice = [(float(x), float(x)) for x in range(8)]
    cases = {
        "no variation": {"a": [(1.0, 1.0)] * 5, "b": [(2.0, 2.0)] * 5},
        "too few": {"a": [(1.0, 2.0)], "b": [(2.0, 1.0)]},
        "could not be estimated": {"a": twice, "b": twice},
        "no patient has a value": {"a": [(None, None)] * 4, "b": [(None, None)] * 4},
    }
    for words, groups in cases.items():
        row = trial(groups, visits=VISITS[:2]).row(analysis)
        assert row.estimate is None
        assert re.search(words, row.note), row.note
