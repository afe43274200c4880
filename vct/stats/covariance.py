"""Shapes that the covariance between a patient's visits may have, each with free parameters of order one."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vct.stats.sample import Floats

Structure = Literal["unstructured", "compound_symmetry"]


class Unstructured:
    """Any covariance of `n_visits` visits, by its Cholesky factor with logarithms on the diagonal."""

    def __init__(self, n_visits: int) -> None:
        self._places = np.tril_indices(n_visits)
        self._n_visits = n_visits
        self.n_parameters = len(self._places[0])

    def sigma(self, parameters: Floats) -> Floats:
        """The covariance (V, V)."""
        factor = self._factor(parameters)
        return np.asarray(factor @ factor.T)

    def chain(self, parameters: Floats, by_sigma: Floats) -> Floats:
        """Derivative by the parameters of a function whose derivative by Sigma is `by_sigma`, symmetric."""
        factor = self._factor(parameters)
        by_factor = 2.0 * by_sigma @ factor
        np.fill_diagonal(by_factor, np.diag(by_factor) * np.diag(factor))
        return np.asarray(by_factor[self._places])

    def _factor(self, parameters: Floats) -> Floats:
        factor = np.zeros((self._n_visits, self._n_visits))
        factor[self._places] = parameters
        np.fill_diagonal(factor, np.exp(np.diag(factor)))
        return factor


class CompoundSymmetry:
    """One variance and one correlation, by the logarithm of the SD and the logit of the correlation's place between its
    lowest possible value and 1.
    """

    def __init__(self, n_visits: int) -> None:
        self._same = np.eye(n_visits)
        self._lowest = -1.0 / max(n_visits - 1, 1)
        self.n_parameters = min(n_visits, 2)

    def sigma(self, parameters: Floats) -> Floats:
        """The covariance (V, V)."""
        correlation = self._lowest + (1.0 - self._lowest) * self._place(parameters)
        return np.asarray(np.exp(2.0 * parameters[0]) * (self._same + correlation * (1.0 - self._same)))

    def chain(self, parameters: Floats, by_sigma: Floats) -> Floats:
        """Derivative by the parameters of a function whose derivative by Sigma is `by_sigma`, symmetric."""
        place = self._place(parameters)
        by_place = np.exp(2.0 * parameters[0]) * (1.0 - self._lowest) * float((by_sigma * (1.0 - self._same)).sum())
        slopes = [2.0 * float((by_sigma * self.sigma(parameters)).sum()), by_place * place * (1.0 - place)]
        return np.array(slopes[: self.n_parameters])

    def _place(self, parameters: Floats) -> float:
        return float(1.0 / (1.0 + np.exp(-parameters[-1])))


COVARIANCES: dict[Structure, type[Unstructured | CompoundSymmetry]] = {
    "unstructured": Unstructured,
    "compound_symmetry": CompoundSymmetry,
}
