"""Restricted maximum likelihood for repeated visits: one mean model a visit, a covariance between the visits.

The model of patient i with visits a = 1 .. V is y_ia = z_i' beta_a + e_ia with cov(e_i) = Sigma (V, V): every covariate
has its own coefficient at each visit. Patients add up to sufficient statistics by which visits they have, so the
likelihood costs the same for ten patients as for ten thousand.

Likelihood: Patterson and Thompson 1971, doi 10.1093/biomet/58.3.545. Degrees of freedom: Satterthwaite's, by the delta
method (Giesbrecht and Burns 1985, doi 10.2307/2530872).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vct.stats.covariance import COVARIANCES, Structure
from vct.stats.sample import Floats
from vct.stats.student import no_variation

STEP = 1e-4
"""Step of the central differences, on parameters that are of order one (assumed)."""
SETTLED = 1e-8
"""A step this small in every parameter ends the search; so much, relatively, the likelihood may fall by rounding."""
FLAT = 1e-4
"""Curvature below which the data say nothing of a parameter (assumed; it is of the order of the patients' number)."""
BOUND = 12.0
"""How far the search may go, in logarithms on the scale of unit variances; beyond lies a singular covariance."""
MAX_STEPS, MAX_HALVINGS = 50, 30
NO_COVARIANCE = "the covariance of the visits could not be estimated"


@dataclass(frozen=True, slots=True)
class _Pattern:
    """The patients who have the same visits: sums of z z' (q, q), y z' (V, q) and y y' (V, V), zero where not seen."""

    seen: NDArray[np.bool_]
    n: int
    zz: Floats
    yz: Floats
    yy: Floats

    def precision(self, sigma: Floats) -> tuple[Floats, float]:
        """Inverse of the seen part of `sigma`, zero elsewhere, and the logarithm of that part's determinant."""
        part = sigma[np.ix_(self.seen, self.seen)]
        inverse = np.zeros_like(sigma)
        inverse[np.ix_(self.seen, self.seen)] = np.linalg.inv(part)
        return inverse, float(np.linalg.slogdet(part)[1])


@dataclass(frozen=True, slots=True)
class Solution:
    """Coefficients (V, q) under one covariance, their information (Vq, Vq), and minus twice the log-likelihood."""

    coefficients: Floats
    information: Floats
    precisions: list[Floats]
    minus_two_log: float


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients (V, q), their covariance as a function of the parameters, and the parameters' own covariance."""

    coefficients: Floats
    covariance_at: Callable[[Floats], Floats]
    parameters: Floats
    parameter_covariance: Floats
    sigma: Floats

    def coefficient(self, visit: int, column: int) -> tuple[float, float, float]:
        """Estimate, standard error and Satterthwaite degrees of freedom of one coefficient."""
        place = visit * self.coefficients.shape[1] + column

        def variance(parameters: Floats) -> Floats:
            return np.asarray(self.covariance_at(parameters)[place, place])

        found = float(variance(self.parameters))
        slope = _derivative(variance, self.parameters)
        df = 2.0 * found**2 / float(slope @ self.parameter_covariance @ slope)
        return float(self.coefficients[visit, column]), float(np.sqrt(found)), df


def fit_reml(values: Floats, design: Floats, structure: Structure) -> Fit:
    """Fit `values` (n, V; nan is missing) on `design` (n, q). Raises ValueError, with a reason, when it cannot be done.

    Every visit must have been seen with more patients than `design` has columns.
    """
    own, residuals, scale = _visit_fits(values, design)
    if structure == "compound_symmetry":
        scale = np.full_like(scale, np.sqrt((scale**2).mean()))
    model = _Model(residuals / scale, design, structure)
    found, hessian = _maximise(model)
    outer = np.diag(scale)
    spread = np.kron(outer, np.eye(design.shape[1]))
    return Fit(
        coefficients=own + scale[:, None] * model.solve(found).coefficients,
        covariance_at=lambda parameters: spread @ np.linalg.inv(model.solve(parameters).information) @ spread,
        parameters=found,
        parameter_covariance=_solve(hessian, 2.0 * np.eye(len(found))),
        sigma=outer @ model.covariance.sigma(found) @ outer,
    )


def _maximise(model: _Model) -> tuple[Floats, Floats]:
    """The parameters of the greatest likelihood and the second derivative of minus twice its logarithm there.

    Newton's method from unit variances and independent visits; steps are shortened until the likelihood does not fall,
    and turn round where it curves the wrong way.
    """
    at = np.zeros(model.covariance.n_parameters)
    try:
        value, slope = model.value_and_slope(at)
        for _ in range(MAX_STEPS):
            hessian = _derivative(model.slope, at)
            sizes, axes = np.linalg.eigh((hessian + hessian.T) / 2.0)
            step = axes @ ((axes.T @ slope) / np.maximum(np.abs(sizes), FLAT))
            if np.abs(step).max() < SETTLED and sizes.min() > FLAT:
                return at, hessian
            step /= max(1.0, float(np.abs(step).max()))
            at, value, slope = _downhill(model, at, value, step)
    except np.linalg.LinAlgError:
        raise ValueError(NO_COVARIANCE) from None
    raise ValueError(NO_COVARIANCE)


def _downhill(model: _Model, at: Floats, value: float, step: Floats) -> tuple[Floats, float, Floats]:
    """Where a step, halved as often as needed, does not raise `value`. Raises ValueError when it leads nowhere."""
    for _ in range(MAX_HALVINGS):
        there = at - step
        if np.abs(there).max() < BOUND:
            new, slope = model.value_and_slope(there)
            if new <= value + SETTLED * abs(value):
                return there, new, slope
        step = step / 2.0
    raise ValueError(NO_COVARIANCE)


class _Model:
    """The restricted likelihood of one data set as a function of the covariance's parameters."""

    def __init__(self, values: Floats, design: Floats, structure: Structure) -> None:
        self.n_visits, self.n_columns = values.shape[1], design.shape[1]
        self.covariance = COVARIANCES[structure](self.n_visits)
        seen, which = np.unique(~np.isnan(values), axis=0, return_inverse=True)
        filled = np.nan_to_num(values)
        self.patterns = []
        for index, row in enumerate(seen):
            if row.any():
                y, z = filled[which.ravel() == index], design[which.ravel() == index]
                self.patterns.append(_Pattern(row, len(y), z.T @ z, y.T @ z, y.T @ y))

    def solve(self, parameters: Floats) -> Solution:
        """Generalised least squares under the covariance of these parameters."""
        sigma = self.covariance.sigma(parameters)
        size = self.n_visits * self.n_columns
        information, right = np.zeros((size, size)), np.zeros((self.n_visits, self.n_columns))
        precisions = []
        squares = log_det = 0.0
        for pattern in self.patterns:
            precision, log_size = pattern.precision(sigma)
            information += np.kron(precision, pattern.zz)
            right += precision @ pattern.yz
            squares += float((precision * pattern.yy).sum())
            log_det += pattern.n * log_size
            precisions.append(precision)
        coefficients = _solve(information, right.ravel())
        left = squares - float(coefficients @ right.ravel())
        log_det += float(np.linalg.slogdet(information)[1])
        return Solution(coefficients.reshape(right.shape), information, precisions, left + log_det)

    def slope(self, parameters: Floats) -> Floats:
        """Derivative of minus twice the log-likelihood by each parameter."""
        return self.value_and_slope(parameters)[1]

    def value_and_slope(self, parameters: Floats) -> tuple[float, Floats]:
        """Minus twice the restricted log-likelihood without its constant, and its derivative by each parameter."""
        found = self.solve(parameters)
        coefficients = found.coefficients
        spread = np.linalg.inv(found.information).reshape(*coefficients.shape, *coefficients.shape)
        by_sigma = np.zeros((self.n_visits, self.n_visits))
        for pattern, precision in zip(self.patterns, found.precisions, strict=True):
            cross = pattern.yz @ coefficients.T
            left = pattern.yy - cross - cross.T + coefficients @ pattern.zz @ coefficients.T
            left += np.einsum("aubv,uv->ab", spread, pattern.zz)
            by_sigma += pattern.n * precision - precision @ left @ precision
        return found.minus_two_log, self.covariance.chain(parameters, by_sigma)


def _visit_fits(values: Floats, design: Floats) -> tuple[Floats, Floats, Floats]:
    """A least-squares fit at each visit alone: coefficients (V, q), residuals (n, V) and their SD (V,).

    Raises ValueError when a visit has too few patients or no spread. The likelihood is fitted to the residuals, which
    only shifts its coefficients and spares it the digits that a large mean would cost.
    """
    n_visits, n_columns = values.shape[1], design.shape[1]
    own, residuals, scale = np.empty((n_visits, n_columns)), np.full_like(values, np.nan), np.empty(n_visits)
    for visit in range(n_visits):
        seen = ~np.isnan(values[:, visit])
        rows, right = design[seen], values[seen, visit]
        df = len(rows) - n_columns
        if df < 1 or np.linalg.matrix_rank(rows) < n_columns:
            raise ValueError("too few patients at a visit for this model")
        own[visit] = np.linalg.lstsq(rows, right, rcond=None)[0]
        residuals[seen, visit] = right - rows @ own[visit]
        scale[visit] = np.sqrt((residuals[seen, visit] ** 2).sum() / df)
        if no_variation(float(scale[visit]), right):
            raise ValueError("no variation between patients at a visit")
    return own, residuals, scale


def _solve(matrix: Floats, right: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrix, right), dtype=float)


def _derivative(function: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Central differences of an array-valued function, one parameter after the other along the first axis."""
    steps = STEP * np.eye(len(at))
    return np.array([(function(at + step) - function(at - step)) / (2.0 * STEP) for step in steps])
