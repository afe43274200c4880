"""Any distribution, cut to a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from pydantic import model_validator

from vct.distributions.base import Array, Distribution, Number
from vct.distributions.counts import NegativeBinomial, Poisson
from vct.distributions.empirical import Discrete, Quantiles, Table
from vct.distributions.parametric import Beta, Constant, LogNormal, Normal, Uniform
from vct.part import one_of, plugins

PLAIN = (
    Constant,
    Uniform,
    Normal,
    LogNormal,
    Beta,
    Discrete,
    Poisson,
    NegativeBinomial,
    Quantiles,
    Table,
    *plugins("distributions"),
)
MIN_MASS = 1e-9

if TYPE_CHECKING:
    PlainDistribution = Distribution
else:
    PlainDistribution = one_of(PLAIN)


class Truncated(Distribution):
    """The distribution `of`, given that the value lies from `low` to `high`, both included."""

    kind: Literal["truncated"] = "truncated"
    of: PlainDistribution
    low: Number | None = None
    high: Number | None = None

    @model_validator(mode="after")
    def _has_mass(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("a truncated distribution needs 'low' or 'high'")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"'low' ({self.low:g}) must not be over 'high' ({self.high:g})")
        start, end = self._window
        if end - start < MIN_MASS:
            raise ValueError("no value of the distribution lies between 'low' and 'high'")
        return self

    @property
    def _window(self) -> tuple[float, float]:
        """Probabilities under `low` and up to `high`."""
        start = 0.0 if self.low is None else float(self.of.below(self.low))
        end = 1.0 if self.high is None else float(self.of.cdf(self.high))
        return start, end

    def ppf(self, u: Any) -> Array:
        """Quantiles of `of` at probabilities squeezed into the window."""
        start, end = self._window
        squeezed = start + np.asarray(u, dtype=np.float64) * (end - start)
        inside = np.clip(squeezed, np.nextafter(start, 1.0), np.nextafter(1.0, 0.0))
        return np.clip(self.of.ppf(inside), self.low, self.high)

    def cdf(self, x: Any) -> Array:
        """Share of the window's probability up to `x`."""
        start, end = self._window
        return np.clip((self.of.cdf(x) - start) / (end - start), 0.0, 1.0)

    def below(self, x: Any) -> Array:
        """Share of the window's probability under `x`."""
        start, end = self._window
        return np.clip((self.of.below(x) - start) / (end - start), 0.0, 1.0)


def within(distribution: Distribution, low: float, high: float) -> Truncated:
    """`distribution`, cut to the window, or cut further to it. Raises ValueError when nothing is left."""
    if isinstance(distribution, Truncated):
        low = low if distribution.low is None else max(low, distribution.low)
        high = high if distribution.high is None else min(high, distribution.high)
        distribution = distribution.of
    return Truncated(of=distribution, low=low, high=high)
