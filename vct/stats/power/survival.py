"""Sample size and power of the log-rank test: events, then patients, under accrual, follow-up and dropout.

Times share one unit (months, say); hazards are per that unit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vct.errors import InputError
from vct.stats.power.sizing import check, quantiles, up

Array = NDArray[np.float64]
Method = Literal["schoenfeld", "freedman", "lakatos"]
NODES = 40
"""Gauss-Legendre nodes on each stretch of constant hazard: the integrals are exact to about 1e-12."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard that is constant between `breaks` (times after randomisation): rates[0] up to breaks[0], and so on."""

    rates: tuple[float, ...]
    breaks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError unless rates are positive and breaks grow."""
        if len(self.rates) != len(self.breaks) + 1:
            raise InputError(f"{len(self.breaks)} breaks need {len(self.breaks) + 1} rates (got {len(self.rates)})")
        if any(not rate > 0 for rate in self.rates):
            raise InputError(f"hazards must be positive (got {self.rates})")
        if any(b <= a for a, b in zip((0.0, *self.breaks), self.breaks, strict=False)):
            raise InputError(f"breaks must be positive and grow (got {self.breaks})")

    @classmethod
    def of_median(cls, median: float) -> Hazard:
        """The constant hazard with this median survival."""
        return cls((math.log(2.0) / median,))

    def times(self, ratio: float) -> Hazard:
        """This hazard multiplied by a hazard ratio."""
        return replace(self, rates=tuple(rate * ratio for rate in self.rates))

    def at(self, u: Array) -> Array:
        """The hazard at times `u`, shape of `u`."""
        return np.asarray(self.rates)[np.searchsorted(self.breaks, u, side="right")]

    def survival(self, u: Array) -> Array:
        """Probability of no event by times `u`, shape of `u`."""
        edges = np.array([0.0, *self.breaks, np.inf])
        spent = np.clip(u[..., None] - edges[:-1], 0.0, np.diff(edges))
        return np.asarray(np.exp(-(spent @ np.asarray(self.rates))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """Uniform `accrual` over so long, then `follow_up` of the last patient; `dropout` hazard of each arm; `ratio` of
    patients, test over control.
    """

    accrual: float
    follow_up: float
    dropout: float = 0.0
    ratio: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError for times or hazards that cannot be."""
        if self.accrual < 0 or self.follow_up < 0 or self.accrual + self.follow_up <= 0:
            raise InputError(
                f"accrual and follow_up must be 0 or more, one of them more ({self.accrual}, {self.follow_up})"
            )
        if self.dropout < 0:
            raise InputError(f"dropout must not be negative (got {self.dropout:g})")

    def followed(self, u: Array, at: float) -> Array:
        """Share of all patients who at calendar time `at` entered at least `u` ago and did not drop out by `u`."""
        entered = np.clip((at - u) / self.accrual, 0.0, 1.0) if self.accrual > 0 else (u <= at).astype(float)
        return np.asarray(entered * np.exp(-self.dropout * u))


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalSizing:
    """Events, patients of each arm, and the share of patients with an event by the end (both arms together)."""

    events: int
    control: int
    test: int
    event_share: float
    duration: float
    power: float

    @property
    def total(self) -> int:
        """Patients in both arms."""
        return self.control + self.test


def logrank_events(
    hazard_ratio: float,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
    ratio: float = 1.0,
    method: Literal["schoenfeld", "freedman"] = "schoenfeld",
    null_ratio: float = 1.0,
) -> float:
    """Events needed, not rounded.

    Schoenfeld (doi:10.1093/biomet/68.1.316): z^2 (1 + r)^2 / (r log(HR / HR0)^2). Freedman
    (doi:10.1002/sim.4780010204): z^2 (1 + r HR)^2 / (r (1 - HR)^2). Non-inferiority: a `null_ratio` HR0 above 1 with
    sides=1, Schoenfeld only.
    """
    check(alpha, power, sides, ratio)
    if hazard_ratio <= 0 or null_ratio <= 0:
        raise InputError("hazard ratios must be positive")
    if hazard_ratio == null_ratio or (null_ratio > 1 and hazard_ratio > null_ratio):
        raise InputError("the true hazard ratio lies at or beyond the null hypothesis; no number of events helps")
    z = quantiles(alpha, power, sides)
    if method == "freedman":
        if null_ratio != 1.0:
            raise InputError("Freedman's formula has the null hazard ratio 1; use schoenfeld")
        return z**2 * (1.0 + ratio * hazard_ratio) ** 2 / (ratio * (1.0 - hazard_ratio) ** 2)
    return z**2 * (1.0 + ratio) ** 2 / (ratio * math.log(hazard_ratio / null_ratio) ** 2)


def event_share(control: Hazard, test: Hazard, conduct: Conduct, at: float | None = None) -> float:
    """Expected events at calendar time `at` (the end when left out) over all patients of both arms."""
    at = conduct.accrual + conduct.follow_up if at is None else at
    return _integral(lambda u: _events(control, test, conduct, at, u), control, test, conduct, at)


def time_of_events(events: float, patients: int, control: Hazard, test: Hazard, conduct: Conduct) -> float:
    """Calendar time at which so many events are expected; follow-up is taken as open-ended. Raises InputError when
    they never come.
    """
    from vct.stats.design.boundaries import root

    if events > patients:
        raise InputError(f"{events:g} events cannot come from {patients} patients")

    def missing(at: float) -> float:
        return patients * event_share(control, test, conduct, at) - events

    latest = conduct.accrual + 200.0 / min(*control.rates, *test.rates)
    if missing(latest) < 0:
        raise InputError(f"{events:g} events never come from {patients} patients: too many drop out")
    return root(missing, 1e-9, latest)


def survival(
    control: Hazard,
    test: Hazard,
    conduct: Conduct,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
    method: Method = "schoenfeld",
) -> SurvivalSizing:
    """Events and patients for a log-rank test with these hazards and this conduct; power in the right direction.

    `schoenfeld` and `freedman` take one hazard ratio throughout; `lakatos` (doi:10.2307/2531910) takes any hazards: the
    expected log-rank statistic is integrated over time with the numbers at risk. Raises InputError when the hazards
    leave nothing to detect.
    """
    check(alpha, power, sides, conduct.ratio)
    needed = quantiles(alpha, power, sides) ** 2 / _information(control, test, conduct, method)
    in_control = needed / (1.0 + conduct.ratio)
    arms = up(in_control), up(in_control * conduct.ratio)
    share = event_share(control, test, conduct)
    return SurvivalSizing(
        events=up(needed * share),
        control=arms[0],
        test=arms[1],
        event_share=share,
        duration=conduct.accrual + conduct.follow_up,
        power=survival_power(control, test, conduct, sum(arms), alpha=alpha, sides=sides, method=method),
    )


def survival_power(
    control: Hazard,
    test: Hazard,
    conduct: Conduct,
    patients: int,
    *,
    alpha: float = 0.05,
    sides: int = 2,
    method: Method = "schoenfeld",
) -> float:
    """Power of the log-rank test with so many patients in both arms together."""
    from scipy.special import ndtr

    drift = math.sqrt(_information(control, test, conduct, method) * patients)
    return float(ndtr(drift - quantiles(alpha, 0.5, sides)))


def _information(control: Hazard, test: Hazard, conduct: Conduct, method: Method) -> float:
    """Squared expectation of the log-rank z for each patient randomised."""
    if method == "lakatos":
        return _lakatos(control, test, conduct)
    ratios = {round(t / c, 12) for c, t in zip(control.rates, test.rates, strict=False)}
    if control.breaks != test.breaks or len(ratios) != 1:
        raise InputError(f"{method} needs one hazard ratio at all times; use lakatos")
    ratio = ratios.pop()
    unit = logrank_events(ratio, alpha=0.05, power=0.9, sides=1, ratio=conduct.ratio, method=method)
    return event_share(control, test, conduct) * quantiles(0.05, 0.9, 1) ** 2 / unit


def _lakatos(control: Hazard, test: Hazard, conduct: Conduct) -> float:
    at = conduct.accrual + conduct.follow_up

    def score(u: Array) -> Array:
        events, risk, theta = _at_risk(control, test, conduct, at, u)
        return events * (risk * theta / (1.0 + risk * theta) - risk / (1.0 + risk))

    def variance(u: Array) -> Array:
        events, risk, _ = _at_risk(control, test, conduct, at, u)
        return events * risk / (1.0 + risk) ** 2

    drift = _integral(score, control, test, conduct, at)
    if abs(drift) < 1e-12:
        raise InputError("these hazards give an expected log-rank statistic of 0; no size helps")
    return drift**2 / _integral(variance, control, test, conduct, at)


def _at_risk(control: Hazard, test: Hazard, conduct: Conduct, at: float, u: Array) -> tuple[Array, Array, Array]:
    """Events a patient and unit time, test over control at risk, and the hazard ratio, each with the shape of `u`."""
    events = _events(control, test, conduct, at, u)
    risk = conduct.ratio * test.survival(u) / control.survival(u)
    return events, risk, test.at(u) / control.at(u)


def _events(control: Hazard, test: Hazard, conduct: Conduct, at: float, u: Array) -> Array:
    """Events a patient (of both arms) and unit time, time `u` after randomisation; shape of `u`."""
    arms = control.at(u) * control.survival(u) + conduct.ratio * test.at(u) * test.survival(u)
    return np.asarray(conduct.followed(u, at) * arms / (1.0 + conduct.ratio))


def _integral(f: Callable[[Array], Array], control: Hazard, test: Hazard, conduct: Conduct, at: float) -> float:
    """Integral of f over time since randomisation, cut wherever a hazard or the follow-up bends."""
    bends = {0.0, at, max(0.0, at - conduct.accrual), *control.breaks, *test.breaks}
    edges = np.array(sorted(b for b in bends if 0.0 <= b <= at))
    longest = 2.0 / max(*control.rates, *test.rates, conduct.dropout)
    x, w = np.polynomial.legendre.leggauss(NODES)
    total = 0.0
    for a, b in itertools.pairwise(edges.tolist()):
        parts = min(200, max(1, math.ceil((b - a) / longest)))
        half = 0.5 * (b - a) / parts
        u = a + half * (2.0 * np.arange(parts)[:, None] + 1.0 + x)
        total += half * float((f(u) @ w).sum())
    return float(total)
