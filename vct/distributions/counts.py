"""Distributions of whole numbers from 0 on, for numbers of lesions and the like."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

import numpy as np
from pydantic import Field

from vct.distributions.base import Array, Distribution


class Count(Distribution):
    """A distribution of 0, 1, 2, ...; the quantile is found by bisection of the cumulative probability."""

    @abstractmethod
    def _up_to(self, k: Array) -> Array:
        """Probability of a count up to `k`, for whole `k` >= 0."""

    def cdf(self, x: Any) -> Array:
        """Probability of a count up to `x`."""
        k = np.floor(np.asarray(x, dtype=np.float64))
        return np.where(k < 0, 0.0, self._up_to(np.maximum(k, 0.0)))

    def below(self, x: Any) -> Array:
        """Probability of a count under `x`."""
        return self.cdf(np.ceil(np.asarray(x, dtype=np.float64)) - 1.0)

    def ppf(self, u: Any) -> Array:
        """Smallest count whose cumulative probability reaches `u`."""
        wanted = np.asarray(u, dtype=np.float64)
        low, high = np.full(wanted.shape, -1.0), np.full(wanted.shape, 1.0)
        while (short := self.cdf(high) < wanted).any():
            high = np.where(short, 2.0 * high, high)
        while (high - low > 1.0).any():
            middle = np.floor((low + high) / 2.0)
            reached = self.cdf(middle) >= wanted
            low, high = np.where(reached, low, middle), np.where(reached, middle, high)
        return high


class Poisson(Count):
    """Independent rare events; variance equals mean."""

    kind: Literal["poisson"] = "poisson"
    mean: float = Field(gt=0, le=1000)

    def _up_to(self, k: Array) -> Array:
        from scipy.special import gammaincc

        return np.asarray(gammaincc(k + 1.0, self.mean))


class NegativeBinomial(Count):
    """Counts that vary more than Poisson's: variance = mean + mean^2 / dispersion, a gamma mixture of Poissons."""

    kind: Literal["negative_binomial"] = "negative_binomial"
    mean: float = Field(gt=0, le=1000)
    dispersion: float = Field(ge=0.05, le=1e4, description="the smaller, the more the counts vary")

    def _up_to(self, k: Array) -> Array:
        from scipy.special import betainc

        return np.asarray(betainc(self.dispersion, k + 1.0, self.dispersion / (self.dispersion + self.mean)))
