"""The measurement model: a reading, given the truth. Fitted to scans that an engine really made.

Of every readout with a known truth t > 0, with x = ln(t) and d = ln(diameter of the hottest lesion), both centred:

    ln(reading / t) = b0 + b1 x + b2 x^2 + b3 d + sd(x) (u + e),   ln sd(x) = a0 + a1 x
    P(detected) = logit^-1(c0 + c1 x)

`u` stays with the patient (partial volume, the machine, the reader's habits), `e` comes new with every scan (noise,
dose, uptake time, the reader's day). Both are normal with covariances between the readouts of one scan, taken by
moments from patients scanned more than once. A readout whose truth lesions do not tell (organs) has t = 1
and x = ln(weight).
Counts are a binomial share of the true count plus a Poisson number of false ones. What differs between scanners of
several sites is part of `u`, not modelled by site.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from vct.course.many import Array
from vct.errors import InputError
from vct.part import Part
from vct.readout.base import Readout
from vct.replicate.truth import State, counts_from_zero, is_count, truth

Kind = Literal["log", "count"]
LEAST_READINGS = 12
"""Fewer detected readings than this cannot carry the model's four means, two spreads and two covariances (assumed)."""
CLEAR = 2.0
"""A slope of the spread below so many standard errors is taken as none."""
ROUNDING = 1e-9
"""A standardised variance below this is none: counts have no such errors."""
PRIOR = 1.0
"""Weight of the penalty on the detection curve's slope: finite where every lesion is seen (assumed)."""


class Fit(Part):
    """The model of one readout, and how well it fits.

    `n` readings of `scans`; `bias_percent` and `sd_percent` at the centre; `patient_share` of the error's variance that
    stays with the patient; `r_squared` of ln(reading) given the truth; `skewness` of the standardised errors;
    `detected` share of those there was something to detect; `truth_gap_percent` between this model's truth and the
    engine's, root mean square.
    """

    readout: str
    kind: Kind
    known_truth: bool
    from_zero: bool
    centre: tuple[float, float]
    mean: tuple[float, float, float, float]
    spread: tuple[float, float]
    detection: tuple[float, float]
    n: int
    scans: int
    bias_percent: float
    sd_percent: float
    patient_share: float
    r_squared: float
    skewness: float
    detected: float
    truth_gap_percent: float | None


class MeasurementModel(Part):
    """All readouts of a protocol; `between` and `within` (k, k) are the covariances of u and e."""

    fits: tuple[Fit, ...]
    between: tuple[tuple[float, ...], ...]
    within: tuple[tuple[float, ...], ...]
    made_by: str
    patients: int

    def read(
        self, readouts: Sequence[Readout], states: Sequence[State], u: Array, e: Array, luck: Array
    ) -> dict[str, Array]:
        """Readings (visits, P) of every readout, NaN for none, from normal draws u (P, k), e (visits, P, k) and uniform
        luck (visits, P, k, 2).
        """
        between, within = (_root(np.array(cov)) for cov in (self.between, self.within))
        fits = {fit.readout: fit for fit in self.fits}
        kept = u @ between.T
        found: dict[str, list[Array]] = {readout.label: [] for readout in readouts}
        for visit, state in enumerate(states):
            errors = kept + e[visit] @ within.T
            for k, readout in enumerate(readouts):
                fit = fits[readout.label]
                value = _drawn(fit, readout, state, errors[:, k], luck[visit, :, k])
                found[readout.label].append(value)
        return {label: np.array(values) for label, values in found.items()}


def perfect(readouts: Sequence[Readout], states: Sequence[State]) -> dict[str, Array]:
    """What a perfect reader reports (visits, P); 1 where the truth is not known."""
    return {readout.label: np.array([_known(truth(readout, state), state) for state in states]) for readout in readouts}


def _known(values: Array | None, state: State) -> Array:
    return np.ones(state.size) if values is None else values


def _drawn(fit: Fit, readout: Readout, state: State, error: Array, luck: Array) -> Array:
    true = truth(readout, state) if fit.known_truth else None
    if fit.kind == "count":
        return _counted(fit, _known(true, state), luck)
    x, d, base = _covariates(true, state, fit.centre)
    b0, b1, b2, b3 = fit.mean
    with np.errstate(invalid="ignore", over="ignore"):
        value = base * np.exp(b0 + b1 * x + b2 * x**2 + b3 * d + np.exp(fit.spread[0] + fit.spread[1] * x) * error)
        seen = luck[:, 0] < 1.0 / (1.0 + np.exp(-(fit.detection[0] + fit.detection[1] * x)))
    nothing = 0.0 if fit.from_zero else np.nan
    return np.where(np.isfinite(x) & seen, value, nothing)


def _counted(fit: Fit, true: Array, luck: Array) -> Array:
    from scipy.stats import binom, poisson

    share, false = fit.mean[0], fit.mean[1]
    found = np.zeros(true.shape)
    some = true > 0
    found[some] = binom.ppf(luck[some, 0], true[some], share) if share < 1.0 else true[some]
    return found + (poisson.ppf(luck[:, 1], false) if false > 0 else 0.0)


def _covariates(true: Array | None, state: State, centre: tuple[float, float]) -> tuple[Array, Array, Array]:
    """x, d and the truth that the bias multiplies; x is NaN where there is nothing to read."""
    if true is None:
        return np.log(state.bodies.weight_kg) - centre[0], np.zeros(state.size), np.ones(state.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        x = np.where(true > 0, np.log(true), np.nan) - centre[0]
        d = np.log(state.hottest_diameter_mm) - centre[1]
    return x, np.nan_to_num(d), true


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """Scans that were made and read: `state` has one entry a scan, `patient` (S,) says whose, `visit` (S,) which.

    `readings` and `truths` (S,) by readout, NaN for none; truths as the engine planted them.
    """

    state: State
    patient: Array
    visit: Array
    readings: Mapping[str, Array]
    truths: Mapping[str, Array]
    made_by: str


def fit_model(readouts: Sequence[Readout], pilot: Pilot) -> MeasurementModel:
    """Fit every readout. Raises InputError when a readout has too few readings."""
    fits, columns = [], []
    for readout in readouts:
        fit, errors = _fitted(readout, pilot)
        fits.append(fit)
        columns.append(errors)
    between, within = _components(np.array(columns).T, pilot.patient)
    total = np.diag(between) + np.diag(within)
    shares = np.divide(np.diag(between), total, out=np.zeros(len(fits)), where=total > ROUNDING)
    return MeasurementModel(
        fits=tuple(
            fit.model_copy(update={"patient_share": float(share)}) for fit, share in zip(fits, shares, strict=True)
        ),
        between=tuple(map(tuple, between.tolist())),
        within=tuple(map(tuple, within.tolist())),
        made_by=pilot.made_by,
        patients=len(np.unique(pilot.patient)),
    )


def _fitted(readout: Readout, pilot: Pilot) -> tuple[Fit, Array]:
    """The fit of one readout and its standardised errors (S,), NaN where it was not read."""
    value, state = pilot.readings[readout.label], pilot.state
    true = truth(readout, state)
    if is_count(readout) and true is not None:
        return _fitted_count(readout, value, true, pilot)
    raw, diameter, base = _covariates(true, state, (0.0, 0.0))
    there = np.isfinite(raw)
    read = there & np.isfinite(value) & (value > 0)
    if read.sum() < LEAST_READINGS:
        raise InputError(
            f"{readout.label}: only {int(read.sum())} readings of {value.size} scans in the pilot; the measurement "
            f"model needs {LEAST_READINGS}: scan more patients (--pilot)"
        )
    centre = (float(raw[read].mean()), float(diameter[read].mean()) if true is not None else 0.0)
    x, d, _ = _covariates(true, state, centre)
    y = np.log(value[read] / base[read])
    design = np.column_stack([np.ones(read.sum()), x[read], x[read] ** 2, d[read]])
    mean, *_ = np.linalg.lstsq(design, y, rcond=1e-8)
    residual = y - design @ mean
    spread = _spread(residual, x[read], int(np.linalg.matrix_rank(design)))
    standard = residual / np.exp(spread[0] + spread[1] * x[read])
    errors = np.full(value.size, np.nan)
    errors[read] = standard
    seen = np.isfinite(value) & (value > 0)
    logs = np.log(value[read])
    fit = Fit(
        readout=readout.label,
        kind="log",
        known_truth=true is not None,
        from_zero=counts_from_zero(readout),
        centre=centre,
        mean=(float(mean[0]), float(mean[1]), float(mean[2]), float(mean[3])),
        spread=spread,
        detection=_detection(seen[there], x[there]),
        n=int(read.sum()),
        scans=value.size,
        bias_percent=float(100.0 * np.expm1(mean[0])) if true is not None else 0.0,
        sd_percent=float(100.0 * np.exp(spread[0])),
        patient_share=0.0,
        r_squared=float(1.0 - residual.var() / logs.var()) if logs.var() > 0 else 1.0,
        skewness=float(np.mean(standard**3) / max(np.mean(standard**2), 1e-12) ** 1.5),
        detected=float(seen[there].mean()),
        truth_gap_percent=None if true is None else _truth_gap(base[read], pilot.truths[readout.label][read]),
    )
    return fit, errors


def _truth_gap(true: Array, planted: Array) -> float | None:
    """Root mean square of what this model's truth is off by, in per cent of the engine's where that is above 0."""
    some = np.isfinite(planted) & (planted > 0)
    return float(100.0 * np.sqrt(np.mean((true[some] / planted[some] - 1.0) ** 2))) if some.any() else None


def _spread(residual: Array, x: Array, terms: int) -> tuple[float, float]:
    """a0 and a1 of ln sd = a0 + a1 x: slope by regression of ln(residual^2) (Harvey 1976, doi:10.2307/1913974), kept
    where it is clear; level so that the standardised residuals have variance 1, the terms of the mean allowed for.
    """
    n = residual.size
    slope = 0.0
    if np.ptp(x) > 0 and np.abs(residual).max() > 1e-9:
        y = np.log(residual**2 + 1e-6 * np.mean(residual**2))
        centred = x - x.mean()
        slope = float(centred @ y / (centred @ centred)) / 2.0
        error = float(np.sqrt(np.var(y) / (centred @ centred))) / 2.0
        slope = slope if abs(slope) > CLEAR * error else 0.0
    level = 0.5 * np.log(max(float((residual**2 / np.exp(2.0 * slope * x)).sum()) / max(n - terms, 1), 1e-18))
    return float(level), slope


def _detection(seen: Any, x: Array) -> tuple[float, float]:
    """c0 and c1 of the detection curve by penalised maximum likelihood."""
    from scipy.optimize import minimize

    if seen.all() or not seen.any():
        n = seen.size
        share = (seen.sum() + 0.5) / (n + 1.0)
        return (50.0, 0.0) if seen.all() else (float(np.log(share / (1.0 - share))), 0.0)

    def loss(c: Array) -> float:
        eta = c[0] + c[1] * x
        return float(np.logaddexp(0.0, -np.where(seen, eta, -eta)).sum() + 0.5 * PRIOR * c[1] ** 2)

    found = minimize(loss, np.zeros(2)).x
    return float(found[0]), float(found[1])


def _fitted_count(readout: Readout, value: Array, true: Array, pilot: Pilot) -> tuple[Fit, Array]:
    from scipy.optimize import nnls

    read = np.isfinite(value)
    if read.sum() < LEAST_READINGS:
        raise InputError(f"{readout.label}: only {int(read.sum())} counts in the pilot; scan more patients (--pilot)")
    design = np.column_stack([true[read], np.ones(read.sum())])
    share, false = nnls(design, value[read])[0]
    share = min(float(share), 1.0)
    false = max(float((value[read] - share * true[read]).mean()), 0.0)
    rest = value[read] - share * true[read] - false
    total = float(np.var(value[read]))
    fit = Fit(
        readout=readout.label,
        kind="count",
        known_truth=True,
        from_zero=True,
        centre=(0.0, 0.0),
        mean=(share, false, 0.0, 0.0),
        spread=(0.0, 0.0),
        detection=(50.0, 0.0),
        n=int(read.sum()),
        scans=value.size,
        bias_percent=100.0 * (share - 1.0),
        sd_percent=float(100.0 * rest.std() / max(float(value[read].mean()), 1e-9)),
        patient_share=0.0,
        r_squared=1.0 - float(rest.var()) / total if total > 0 else 1.0,
        skewness=0.0,
        detected=share,
        truth_gap_percent=_truth_gap(true[read], pilot.truths[readout.label][read]),
    )
    return fit, np.full(value.size, np.nan)


def _components(errors: Array, patient: Array) -> tuple[Array, Array]:
    """Covariances between and within patients of standardised errors (S, k), NaN for not read.

    Within: half the covariance of the difference of two scans of one patient, over all pairs; between: the rest of the
    total, with what is negative cut off.
    """
    k = errors.shape[1]
    total = _pairwise(errors)
    pairs = [
        (i, j) for one in np.unique(patient) for rows in [np.flatnonzero(patient == one)] for i, j in pairwise(rows)
    ]
    if not pairs:
        return np.zeros((k, k)), _positive(total)
    first, second = (errors[list(side)] for side in zip(*pairs, strict=True))
    within = _positive(_pairwise((first - second) / np.sqrt(2.0), centred=False))
    return _positive(total - within), within


def _pairwise(values: Array, *, centred: bool = True) -> Array:
    """Covariance matrix from the rows in which both columns are known; 0 where they never are."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    count = known.T.astype(float) @ known
    if centred:
        filled = np.where(known, values - filled.sum(axis=0) / np.maximum(known.sum(axis=0), 1), 0.0)
    return np.asarray(filled.T @ filled / np.maximum(count, 1.0))


def _positive(matrix: Array) -> Array:
    """The nearest matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def _root(matrix: Array) -> Array:
    """A square root: root @ root.T is the matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
