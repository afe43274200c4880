"""Distributions of one number. A new one is a class with `ppf` and `cdf`, and one word in `DISTRIBUTIONS`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vct.distributions.base import Distribution, uniforms
from vct.distributions.counts import NegativeBinomial, Poisson
from vct.distributions.empirical import Discrete, Quantiles, Table
from vct.distributions.parametric import Beta, Constant, LogNormal, Normal, Uniform
from vct.distributions.truncated import PLAIN, Truncated, within
from vct.part import one_of

DISTRIBUTIONS = (*PLAIN, Truncated)

if TYPE_CHECKING:
    from vct.distributions.base import Distribution as AnyDistribution
else:
    AnyDistribution = one_of(DISTRIBUTIONS)

__all__ = [
    "DISTRIBUTIONS",
    "AnyDistribution",
    "Beta",
    "Constant",
    "Discrete",
    "Distribution",
    "LogNormal",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "Quantiles",
    "Table",
    "Truncated",
    "Uniform",
    "uniforms",
    "within",
]
