"""What a distribution is: a quantile function. Everything else follows from it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.part import Part

Array = NDArray[np.float64]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Weights = tuple[Annotated[float, Field(ge=0, le=1e9)], ...]


class Distribution(Part):
    """A distribution of one number, given by its quantile function: copulas and truncation work for every kind."""

    @abstractmethod
    def ppf(self, u: Any) -> Array:
        """Quantiles at probabilities `u` (any shape, inside the open interval 0 to 1); same shape as `u`."""

    @abstractmethod
    def cdf(self, x: Any) -> Array:
        """Probability of a value up to and including `x`; same shape as `x`."""

    def below(self, x: Any) -> Array:
        """Probability of a value under `x`, itself excluded; not `cdf` where single values have a probability."""
        return self.cdf(x)

    def sample(self, rng: np.random.Generator, n: int) -> Array:
        """`n` independent draws, shape (n,)."""
        return self.ppf(uniforms(rng, n))


def uniforms(rng: np.random.Generator, n: int) -> Array:
    """`n` uniform draws inside the open interval 0 to 1, as `ppf` wants them."""
    return np.maximum(rng.random(n), 2.0**-54)
