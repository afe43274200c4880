"""Continuous distributions with a formula. Quantiles and probabilities come from `scipy.special`."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from vct.distributions.base import Array, Distribution, Number


class Constant(Distribution):
    """Always the same value."""

    kind: Literal["constant"] = "constant"
    value: Number

    def ppf(self, u: Any) -> Array:
        """The value, whatever `u`."""
        return np.full(np.shape(u), self.value)

    def cdf(self, x: Any) -> Array:
        """A step from 0 to 1 at the value."""
        return np.asarray(np.asarray(x) >= self.value, dtype=np.float64)

    def below(self, x: Any) -> Array:
        """A step from 0 to 1 just after the value."""
        return np.asarray(np.asarray(x) > self.value, dtype=np.float64)


class Uniform(Distribution):
    """Every value between `low` and `high` alike."""

    kind: Literal["uniform"] = "uniform"
    low: Number
    high: Number

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _refuse_disorder(self.low, self.high)
        return self

    def ppf(self, u: Any) -> Array:
        """Linear between `low` and `high`."""
        return self.low + np.asarray(u, dtype=np.float64) * (self.high - self.low)

    def cdf(self, x: Any) -> Array:
        """Linear between `low` and `high`, 0 and 1 outside."""
        return np.clip((np.asarray(x, dtype=np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)


class Normal(Distribution):
    """Gaussian with a mean and a standard deviation."""

    kind: Literal["normal"] = "normal"
    mean: Number
    sd: float = Field(gt=0, le=1e9)

    def ppf(self, u: Any) -> Array:
        """Mean plus normal score times standard deviation."""
        from scipy.special import ndtri

        return np.asarray(self.mean + self.sd * ndtri(u))

    def cdf(self, x: Any) -> Array:
        """Normal probability."""
        from scipy.special import ndtr

        return np.asarray(ndtr((np.asarray(x, dtype=np.float64) - self.mean) / self.sd))


class LogNormal(Distribution):
    """Gaussian logarithm: two thirds of the values lie between median / geometric_sd and median * geometric_sd.

    `geometric_sd` is exp of the logarithm's standard deviation. From an arithmetic mean m and coefficient of variation
    c: geometric_sd = exp(sqrt(ln(1 + c^2))), median = m / sqrt(1 + c^2).
    """

    kind: Literal["lognormal"] = "lognormal"
    median: float = Field(gt=0, le=1e9)
    geometric_sd: float = Field(gt=1, le=100)

    def ppf(self, u: Any) -> Array:
        """Median times geometric standard deviation to the power of the normal score."""
        from scipy.special import ndtri

        return np.asarray(self.median * np.exp(np.log(self.geometric_sd) * ndtri(u)))

    def cdf(self, x: Any) -> Array:
        """Normal probability of the logarithm; 0 up to 0."""
        from scipy.special import ndtr

        ratio = np.maximum(np.asarray(x, dtype=np.float64), 1e-300) / self.median
        return np.asarray(ndtr(np.log(ratio) / np.log(self.geometric_sd)))


class Beta(Distribution):
    """Beta distribution, stretched from 0-1 to `low`-`high`."""

    kind: Literal["beta"] = "beta"
    alpha: float = Field(ge=0.05, le=1e4)
    beta: float = Field(ge=0.05, le=1e4)
    low: Number = 0.0
    high: Number = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        _refuse_disorder(self.low, self.high)
        return self

    def ppf(self, u: Any) -> Array:
        """Inverse of the regularised incomplete beta function, stretched."""
        from scipy.special import betaincinv

        return np.asarray(self.low + (self.high - self.low) * betaincinv(self.alpha, self.beta, u))

    def cdf(self, x: Any) -> Array:
        """Regularised incomplete beta function."""
        from scipy.special import betainc

        share = np.clip((np.asarray(x, dtype=np.float64) - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.asarray(betainc(self.alpha, self.beta, share))


def _refuse_disorder(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"'low' ({low:g}) must be under 'high' ({high:g})")
