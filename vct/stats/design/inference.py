"""After stopping and at an interim look: p-value, estimate and interval that know of the looks; conditional power.

Outcomes are ordered by stage (Fairbanks and Madsen, doi:10.1093/biomet/69.1.69; Jennison and Turnbull, Group Sequential
Methods, section 8.4): rejecting earlier is more extreme; at the same look a larger z is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vct.errors import InputError
from vct.stats.design.boundaries import NEVER, Walk, crossing, root
from vct.stats.design.group_sequential import MIN_GAP, Boundaries, GroupSequential

QUADRATURE = 40
"""Gauss-Hermite nodes of the predictive power: exact to 1e-8 for smooth conditional power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What a stopped trial says. `estimate`, `ci_low`, `ci_high` are in units of the effect per square root of
    information: divide z by the square root of its information for the naive one.
    """

    p_value: float
    estimate: float
    ci_low: float
    ci_high: float


def p_value(design: GroupSequential, look: int, z: float, *, observed: Sequence[float] | None = None) -> float:
    """Stage-wise ordered p-value of stopping at `look` (from 1) with `z`: one-sided, or doubled for two sides.

    `observed` holds the information of each look so far over the planned maximum, when it is not as planned; the last
    one is taken as final. A rule that cannot adapt keeps its planned boundary at the looks before. Binding futility
    counts; non-binding futility is ignored, which is conservative.
    """
    information, lower, upper = _path(design, look, z, observed)
    above = _above(information, lower, upper, z, 0.0)
    return above if design.sides == 1 else min(1.0, 2.0 * min(above, 1.0 - above))


def stopped(
    design: GroupSequential,
    look: int,
    z: float,
    *,
    maximum: float,
    confidence: float = 0.95,
    observed: Sequence[float] | None = None,
) -> Stopped:
    """p-value, median-unbiased estimate and two-sided confidence interval of the effect.

    `maximum` is the planned maximum information (1 / variance of the effect estimate at the end). Raises InputError
    when it is not positive or the look does not exist.
    """
    if maximum <= 0:
        raise InputError(f"maximum information must be positive (got {maximum:g})")
    information, lower, upper = _path(design, look, z, observed)
    reach = abs(z) / np.sqrt(information[-1]) + 12.0 / np.sqrt(information[0])

    def effect(probability: float) -> float:
        drift = root(lambda d: _above(information, lower, upper, z, d) - probability, -reach, reach)
        return drift / float(np.sqrt(maximum))

    tail = 0.5 * (1.0 - confidence)
    return Stopped(
        p_value=p_value(design, look, z, observed=observed),
        estimate=effect(0.5),
        ci_low=effect(tail),
        ci_high=effect(1.0 - tail),
    )


def conditional_power(
    design: GroupSequential, look: int, z: float, drift: float, *, observed: Sequence[float] | None = None
) -> float:
    """Probability of rejecting in the planned direction at a later look, given `z` at `look` (from 1).

    `drift` is the expected z at full information: `design.drift()` for the planned effect, z / sqrt(information) for
    the trend so far. Binding and non-binding futility are both obeyed. `observed` holds the information of each look so
    far over the planned maximum when it is not as planned; the later looks are then taken where they were planned.
    """
    information, bounds = _ahead(design, look, observed)
    walk = Walk(information, drift, np.array([z]), np.ones(1), information[look - 1], look)
    total = 0.0
    for low, high, hole in zip(bounds.lower, bounds.upper, bounds.inner, strict=True):
        total += walk.above(high)
        walk = walk.go_on(low, high, hole)
    return total


def predictive_power(
    design: GroupSequential,
    look: int,
    z: float,
    *,
    prior_mean: float = 0.0,
    prior_sd: float = np.inf,
    observed: Sequence[float] | None = None,
) -> float:
    """Conditional power averaged over what is believed of the drift after `look`; a flat prior when prior_sd is inf.

    The prior is normal, on the drift (the expected z at full information); Spiegelhalter, Freedman and Blackburn
    (doi:10.1016/0197-2456(86)90003-6). `observed` as for `conditional_power`.
    """
    if prior_sd <= 0:
        raise InputError(f"prior_sd must be positive (got {prior_sd:g})")
    here = _ahead(design, look, observed)[0][look - 1]
    precision = here + prior_sd**-2
    mean = (z * np.sqrt(here) + prior_mean * prior_sd**-2) / precision
    x, w = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    powers = [conditional_power(design, look, z, float(mean + u / np.sqrt(precision)), observed=observed) for u in x]
    return float(w @ np.array(powers) / w.sum())


def _ahead(
    design: GroupSequential, look: int, observed: Sequence[float] | None
) -> tuple[tuple[float, ...], Boundaries]:
    """Information of the looks so far and of those still to come, and the boundaries of the latter."""
    bounds = design.bounds()
    so_far = design.information[:look] if observed is None else tuple(observed)
    if len(so_far) != look or not 0 < look < len(design.information):
        raise InputError(f"an interim look must be 1 to {len(design.information) - 1} (got {look})")
    later = tuple(t for t in design.information[look:] if t - so_far[-1] >= MIN_GAP)
    if not later:
        raise InputError(f"information of {so_far[-1]:g} leaves nothing to come")
    path, left = (*so_far, *later), len(later)
    upper = bounds.upper[-left:] if observed is None or not design.adapts else design.at(path, final=True)[look:]
    two = design.sides == 2
    lower = tuple(-z for z in upper) if two else (*bounds.lower[-left:-1], upper[-1])
    return path, Boundaries(upper, lower, (*bounds.inner[-left:-1], upper[-1] if two else 0.0), bounds.drift)


def _path(
    design: GroupSequential, look: int, z: float, observed: Sequence[float] | None
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Information up to this look, and the boundaries of the looks before it."""
    if not np.isfinite(z):
        raise InputError(f"z must be a finite number (got {z})")
    if not 0 < look <= len(design.information):
        raise InputError(f"look must be 1 to {len(design.information)} (got {look})")
    if observed is None:
        information, upper = design.information[:look], design.bounds().upper[: look - 1]
    else:
        if len(observed) != look:
            raise InputError(f"observed must hold the information of {look} looks (got {len(observed)})")
        information = tuple(observed)
        upper = (design.at(observed, final=True) if design.adapts else design.bounds().upper)[: look - 1]
    if design.sides == 2:
        if design.futility is not None and design.futility.binding:
            raise InputError("stage-wise inference is not defined for two-sided designs with binding futility")
        lower = tuple(-bound for bound in upper)
    elif design.futility is not None and design.futility.binding:
        lower = design.bounds().lower[: look - 1]
    else:
        lower = (-NEVER,) * (look - 1)
    return information, lower, upper


def _above(
    information: tuple[float, ...], lower: tuple[float, ...], upper: tuple[float, ...], z: float, drift: float
) -> float:
    """Probability of an outcome at least as large in the stage-wise order."""
    return min(1.0, crossing((*lower, -NEVER), (*upper, z), information, drift).total)
