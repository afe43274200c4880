"""How a group sequential design shares its error among the looks: spending functions, boundary shapes, fixed values.

`t` is the information fraction (0 to 1], `error` the error of one side (alpha of a one-sided test, alpha / 2 of a
two-sided one, or beta for futility).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.part import Part, one_of

Array = NDArray[np.float64]


class Spending(Part):
    """An error-spending function: the error spent by information fraction t; all of it at t = 1."""

    @abstractmethod
    def spent(self, t: Array, error: float) -> Array:
        """Cumulative error at each of `t`, shape of `t`."""


class LanDeMetsOBrienFleming(Spending):
    """2 - 2 Phi(z / sqrt(t)) with z the upper error/2 quantile: close to O'Brien-Fleming (doi:10.2307/2336502)."""

    kind: Literal["lan_demets_obrien_fleming"] = "lan_demets_obrien_fleming"

    def spent(self, t: Array, error: float) -> Array:
        """Cumulative error at each of `t`."""
        from scipy.special import ndtr, ndtri

        return np.asarray(2.0 * ndtr(ndtri(error / 2.0) / np.sqrt(t)))


class LanDeMetsPocock(Spending):
    """error ln(1 + (e - 1) t): close to Pocock's constant boundary (doi:10.2307/2336502)."""

    kind: Literal["lan_demets_pocock"] = "lan_demets_pocock"

    def spent(self, t: Array, error: float) -> Array:
        """Cumulative error at each of `t`."""
        return error * np.log1p((np.e - 1.0) * np.asarray(t))


class HwangShihDeCani(Spending):
    """error (1 - exp(-gamma t)) / (1 - exp(-gamma)), error t at gamma = 0 (doi:10.1002/sim.4780091207)."""

    kind: Literal["hwang_shih_decani"] = "hwang_shih_decani"
    gamma: float = Field(ge=-40.0, le=40.0, description="-4 is close to O'Brien-Fleming, 1 to Pocock")

    def spent(self, t: Array, error: float) -> Array:
        """Cumulative error at each of `t`."""
        if abs(self.gamma) < 1e-9:
            return error * np.asarray(t)
        return np.asarray(error * np.expm1(-self.gamma * np.asarray(t)) / np.expm1(-self.gamma))


class KimDeMets(Spending):
    """The power family: error t^rho (doi:10.2307/2336498)."""

    kind: Literal["kim_demets"] = "kim_demets"
    rho: float = Field(gt=0.0, le=20.0)

    def spent(self, t: Array, error: float) -> Array:
        """Cumulative error at each of `t`."""
        return np.asarray(error * np.asarray(t) ** self.rho)


class Shape(Part):
    """A boundary whose shape is given, and whose height is found so that the whole test has the error it should."""

    @abstractmethod
    def relative(self, t: Array) -> Array:
        """The boundary on the z scale relative to its value at t = 1."""


class OBrienFleming(Shape):
    """z falls as 1 / sqrt(t): strict early, nearly the fixed-sample value at the end (doi:10.2307/2530245)."""

    kind: Literal["obrien_fleming"] = "obrien_fleming"

    def relative(self, t: Array) -> Array:
        """The boundary relative to its last value."""
        return np.asarray(1.0 / np.sqrt(t))


class Pocock(Shape):
    """The same z at every look (doi:10.1093/biomet/64.2.191)."""

    kind: Literal["pocock"] = "pocock"

    def relative(self, t: Array) -> Array:
        """The boundary relative to its last value."""
        return np.ones_like(t)


class WangTsiatis(Shape):
    """z goes as t^(delta - 1/2): O'Brien-Fleming at delta 0, Pocock at 1/2 (doi:10.2307/2531959)."""

    kind: Literal["wang_tsiatis"] = "wang_tsiatis"
    delta: float = Field(ge=-0.5, le=1.0)

    def relative(self, t: Array) -> Array:
        """The boundary relative to its last value."""
        return np.asarray(t ** (self.delta - 0.5))


class FixedBounds(Part):
    """Futility bounds written out on the z scale, one for each interim look."""

    kind: Literal["z_values"] = "z_values"
    z: tuple[Annotated[float, Field(ge=-10.0, le=10.0)], ...] = Field(
        min_length=1, max_length=19, description="one for each look but the last"
    )


SPENDINGS = (LanDeMetsOBrienFleming, LanDeMetsPocock, HwangShihDeCani, KimDeMets)
EFFICACY_RULES = (*SPENDINGS, OBrienFleming, Pocock, WangTsiatis)
FUTILITY_RULES = (*SPENDINGS, FixedBounds)

if TYPE_CHECKING:
    EfficacyRule = Spending | Shape
    FutilityRule = Spending | FixedBounds
else:
    EfficacyRule = one_of(EFFICACY_RULES)
    FutilityRule = one_of(FUTILITY_RULES)
