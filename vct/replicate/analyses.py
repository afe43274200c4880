"""Analyses of many trials at once: outcomes (n, replicates) in, an estimate with interval and p a replicate out.

The usual kinds have a twin on arrays here; any other analysis is asked trial by trial. Rows are in the order of the
analysis' own: one for every later arm, or for every arm where it describes each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, singledispatch
from itertools import count

import numpy as np

from vct.records import Comparison, Outcome, Patient
from vct.replicate.crowd import Crowd
from vct.replicate.outcomes import Array, Mask, Table
from vct.stats.base import Analysis
from vct.stats.binary import RiskDifference, miettinen_nurminen
from vct.stats.covariates import GROUPS
from vct.stats.imputation import imputed
from vct.stats.missing import fill_missing
from vct.stats.regression import Ancova
from vct.stats.student import z_quantile
from vct.stats.summary import OneSample
from vct.stats.tables import FisherExact, fisher
from vct.stats.two_sample import EXACT_BELOW, MannWhitney, WelchT, exact_rank, normal_rank, null_of_u


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """What an analysis says in every trial: (replicates,), NaN where it says nothing. `n` counts both arms."""

    quantity: str
    arm: str
    estimate: Array
    low: Array
    high: Array
    p: Array
    n: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One endpoint's outcomes with who they belong to; `member` (n, replicates) says who takes part."""

    table: Table
    crowd: Crowd
    member: Mask
    arms: tuple[str, ...]

    def value(self, analysis: Analysis) -> Array:
        """Values (n, replicates) at the analysis' visit with missing ones filled in by its rule; NaN for missing."""
        visits = self.table.visits
        k = visits.index(analysis.visit) if analysis.visit else len(visits) - 1
        value = self.table.value[k]
        missing = np.isnan(value) & self.member
        if analysis.missing == "non_responder" and self.table.verdict:
            value = np.where(missing, 0.0, value)
        elif analysis.missing == "last_observation":
            for earlier in range(k):
                value = np.where(missing & ~np.isnan(self.table.value[earlier]), self.table.value[earlier], value)
        elif analysis.missing == "baseline_observation":
            value = np.where(missing, self.table.unchanged, value)
        return np.where(self.member, value, np.nan)


@singledispatch
def compare(analysis: Analysis, sheet: Sheet) -> list[Estimates]:
    """The statements of an analysis, trial by trial, by its own `compare`."""
    rows = [_asked(analysis, sheet, r) for r in range(sheet.member.shape[1])]
    first = rows[0] if rows else ()
    found = []
    for k, item in enumerate(first):
        numbers = [
            [np.nan if x is None else float(x) for x in (one.estimate, one.ci_low, one.ci_high, one.p_value)]
            + [float(one.n + one.n_reference)]
            for one in (row[k] for row in rows)
        ]
        estimate, low, high, p, n = np.array(numbers).T
        found.append(Estimates(quantity=item.quantity, arm=item.arm, estimate=estimate, low=low, high=high, p=p, n=n))
    return found


def _asked(analysis: Analysis, sheet: Sheet, r: int) -> Sequence[Comparison]:
    patients, outcomes = records(sheet, r)
    if analysis.missing == "multiple_imputation":
        return imputed(analysis, outcomes, patients, sheet.arms)
    return analysis.compare(fill_missing(outcomes, analysis.missing), patients, list(sheet.arms))


def records(sheet: Sheet, r: int) -> tuple[list[Patient], list[Outcome]]:
    """One trial's patients and outcomes as records."""
    crowd, table = sheet.crowd, sheet.table
    patients, outcomes = [], []
    numbers = count(1)
    for i in np.flatnonzero(sheet.member[:, r]):
        patient = Patient(
            id=f"P{next(numbers):04d}",
            sex="F" if crowd.female[i, r] else "M",
            age_years=float(crowd.age_years[i, r]),
            height_cm=float(crowd.height_cm[i, r]),
            weight_kg=float(crowd.weight_kg[i, r]),
            arm=sheet.arms[crowd.arm[i, r]],
            stratum=str(crowd.stratum[i, r]),
            site=str(crowd.site[i, r]),
        )
        patients.append(patient)
        for k, visit in enumerate(table.visits):
            value, baseline = table.value[k, i, r], table.baseline[i, r]
            known = not np.isnan(value)
            outcomes.append(
                Outcome(
                    patient=patient.id,
                    arm=patient.arm,
                    endpoint="",
                    visit=visit,
                    value=float(value) if known else None,
                    unit="",
                    category=("R" if value == 1.0 else "NR" if known else "NE") if table.verdict else "",
                    event=bool(table.event[i, r]) if table.event is not None and known else None,
                    time_days=float(value) if table.event is not None and known else None,
                    baseline=None if np.isnan(baseline) else float(baseline),
                    unchanged=None if np.isnan(table.unchanged[i, r]) else float(table.unchanged[i, r]),
                )
            )
    return patients, outcomes


def _moments(value: Array, chosen: Mask) -> tuple[Array, Array, Array]:
    """Number, mean and variance (n - 1) of the chosen values of every replicate."""
    kept = chosen & ~np.isnan(value)
    n = kept.sum(axis=0).astype(float)
    filled = np.where(kept, value, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = filled.sum(axis=0) / n
        variance = np.where(kept, value - mean, 0.0) ** 2
        return n, mean, variance.sum(axis=0) / (n - 1.0)


def _by_t(quantity: str, arm: str, estimate: Array, error: Array, df: Array, n: Array, confidence: float) -> Estimates:
    from scipy.special import stdtr, stdtrit

    with np.errstate(divide="ignore", invalid="ignore"):
        fine = (error > 0) & (df > 0)
        reach = np.where(fine, stdtrit(df, 0.5 + confidence / 2.0) * error, np.nan)
        p = np.where(fine, 2.0 * stdtr(df, -np.abs(estimate / error)), np.nan)
    return Estimates(
        quantity=quantity, arm=arm, estimate=estimate, low=estimate - reach, high=estimate + reach, p=p, n=n
    )


@compare.register
def _(analysis: WelchT, sheet: Sheet) -> list[Estimates]:
    value = sheet.value(analysis)
    n0, mean0, var0 = _moments(value, sheet.crowd.arm == 0)
    found = []
    for k, arm in enumerate(sheet.arms[1:], start=1):
        n1, mean1, var1 = _moments(value, sheet.crowd.arm == k)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = var1 / n1, var0 / n0
            error = np.sqrt(parts[0] + parts[1])
            df = (parts[0] + parts[1]) ** 2 / (parts[0] ** 2 / (n1 - 1) + parts[1] ** 2 / (n0 - 1))
        found.append(_by_t(analysis.quantity, arm, mean1 - mean0, error, df, n1 + n0, analysis.confidence))
    return found


@compare.register
def _(analysis: Ancova, sheet: Sheet) -> list[Estimates]:
    value, crowd = sheet.value(analysis), sheet.crowd
    kept = ~np.isnan(value)
    if "baseline" in analysis.covariates:
        kept &= ~np.isnan(sheet.table.baseline)
    columns = [np.ones(value.shape), *_columns(analysis.covariates, sheet, kept)]
    columns += [(crowd.arm == k).astype(float) for k in range(1, len(sheet.arms))]
    x = np.where(kept[..., None], np.stack(columns, axis=-1), 0.0)
    y = np.where(kept, value, 0.0)
    gram = np.einsum("nrj,nrk->rjk", x, x)
    values, vectors = np.linalg.eigh(gram)
    solid = values > 1e-9 * values[:, -1:]
    inverse = np.einsum("rij,rj,rkj->rik", vectors, np.where(solid, 1.0 / np.where(solid, values, 1.0), 0.0), vectors)
    beta = np.einsum("rjk,rk->rj", inverse, np.einsum("nrj,nr->rj", x, y))
    residual = np.where(kept, y - np.einsum("nrj,rj->nr", x, beta), 0.0)
    n = kept.sum(axis=0).astype(float)
    df = n - solid.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (residual**2).sum(axis=0) / df
    found = []
    first = len(columns) - len(sheet.arms) + 1
    for k, arm in enumerate(sheet.arms[1:]):
        place = first + k
        pair = (kept & ((crowd.arm == 0) | (crowd.arm == k + 1))).sum(axis=0).astype(float)
        error = np.sqrt(scale * inverse[:, place, place])
        found.append(_by_t(analysis.quantity, arm, beta[:, place], error, df, pair, analysis.confidence))
    return found


def _columns(names: Sequence[str], sheet: Sheet, kept: Mask) -> list[Array]:
    """Covariates (n, replicates): numbers standardised over those kept, groups as indicators of all levels but one."""
    crowd = sheet.crowd
    found: list[Array] = []
    for name in names:
        if name in GROUPS:
            level = crowd.female.astype(int) if name == "sex" else getattr(crowd, name)
            found += [(level == k).astype(float) for k in range(1, int(level.max()) + 1)]
            continue
        number = crowd.age_years if name == "age" else sheet.table.baseline
        _, mean, variance = _moments(number, kept)
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.nan_to_num((number - mean) / np.sqrt(variance)))
    return found


def _rates(value: Array, chosen: Mask) -> tuple[Array, Array]:
    kept = chosen & ~np.isnan(value)
    return np.where(kept, value, 0.0).sum(axis=0), kept.sum(axis=0).astype(float)


@compare.register
def _(analysis: RiskDifference, sheet: Sheet) -> list[Estimates]:
    from scipy.special import ndtr

    value = sheet.value(analysis)
    k0, n0 = _rates(value, sheet.crowd.arm == 0)
    found = []
    for k, arm in enumerate(sheet.arms[1:], start=1):
        k1, n1 = _rates(value, sheet.crowd.arm == k)
        with np.errstate(divide="ignore", invalid="ignore"):
            total, pooled = n1 + n0, (k1 + k0) / (n1 + n0)
            variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n0) * total / (total - 1.0)
            difference = k1 / n1 - k0 / n0
            z = np.where(variance > 1e-15, difference / np.sqrt(variance), 0.0)
        p = np.where((n1 > 0) & (n0 > 0), 2.0 * ndtr(-np.abs(z)), np.nan)
        if analysis.interval == "newcombe":
            low, high = _newcombe(k1, n1, k0, n0, z_quantile(analysis.confidence))
        else:
            low, high = _by_count(
                (k1, n1, k0, n0),
                lambda a, b, c, d: miettinen_nurminen(a, b, c, d, analysis.confidence) if b and d else None,
            )
        found.append(
            Estimates(quantity=analysis.quantity, arm=arm, estimate=difference, low=low, high=high, p=p, n=total)
        )
    return found


def _newcombe(k1: Array, n1: Array, k0: Array, n0: Array, z: float) -> tuple[Array, Array]:
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p0 = k1 / n1, k0 / n0
        (l1, u1), (l0, u0) = _wilson(p1, n1, z), _wilson(p0, n0, z)
    low = p1 - p0 - np.hypot(p1 - l1, u0 - p0)
    high = p1 - p0 + np.hypot(u1 - p1, p0 - l0)
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def _wilson(p: Array, n: Array, z: float) -> tuple[Array, Array]:
    middle, reach = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - reach) / (1 + z**2 / n), (middle + reach) / (1 + z**2 / n)


def _by_count(counts: tuple[Array, ...], of: object) -> tuple[Array, Array]:
    """Limits that depend on counts only, each set of counts asked once."""
    stacked = np.stack(counts, axis=1).astype(int)
    unique, inverse = np.unique(stacked, axis=0, return_inverse=True)
    found = [of(*map(int, row)) or (np.nan, np.nan) for row in unique]  # type: ignore[operator]
    limits = np.array(found, dtype=float)[inverse.ravel()]
    return limits[:, 0], limits[:, 1]


@compare.register
def _(analysis: FisherExact, sheet: Sheet) -> list[Estimates]:
    value = sheet.value(analysis)
    k0, n0 = _rates(value, sheet.crowd.arm == 0)
    found = []
    for k, arm in enumerate(sheet.arms[1:], start=1):
        k1, n1 = _rates(value, sheet.crowd.arm == k)
        rows = [_fisher(*map(int, row), analysis.confidence) for row in np.stack([k1, n1, k0, n0], axis=1)]
        estimate, low, high, p = np.array(rows, dtype=float).T
        found.append(
            Estimates(quantity=analysis.quantity, arm=arm, estimate=estimate, low=low, high=high, p=p, n=n1 + n0)
        )
    return found


@cache
def _fisher(k1: int, n1: int, k0: int, n0: int, confidence: float) -> tuple[float, float, float, float]:
    if not (n1 and n0):
        return (math.nan,) * 4
    result = fisher(k1, n1, k0, n0, confidence)
    low, high, p = (math.nan if x is None else x for x in (result.ci_low, result.ci_high, result.p_value))
    return (math.nan if result.estimate is None else result.estimate, low, high, p)


@compare.register
def _(analysis: MannWhitney, sheet: Sheet) -> list[Estimates]:
    value = sheet.value(analysis)
    kept = ~np.isnan(value)
    found = []
    for k, arm in enumerate(sheet.arms[1:], start=1):
        rows = []
        for r in range(value.shape[1]):
            one, two = (value[kept[:, r] & (sheet.crowd.arm[:, r] == side), r] for side in (k, 0))
            rows.append([*_shifted(one, two, analysis.confidence), one.size + two.size])
        estimate, low, high, p, n = np.array(rows, dtype=float).T
        found.append(Estimates(quantity=analysis.quantity, arm=arm, estimate=estimate, low=low, high=high, p=p, n=n))
    return found


def _shifted(one: Array, two: Array, confidence: float) -> tuple[float, float, float, float]:
    """As `mann_whitney`: shift, limits and p; without scipy's checks, which take most of its time."""
    from scipy.special import ndtr

    n, m = one.size, two.size
    if not (n and m):
        return (math.nan,) * 4
    differences = np.subtract.outer(one, two).ravel()
    _, inverse, ties = np.unique(np.concatenate([one, two]), return_inverse=True, return_counts=True)
    shift = float(np.median(differences))
    if ties.size == 1:
        return shift, math.nan, math.nan, 1.0
    ranks = (np.cumsum(ties) - 0.5 * (ties - 1.0))[inverse]
    u = float(ranks[:n].sum()) - n * (n + 1) / 2.0
    exact = ties.max() == 1 and max(n, m) < EXACT_BELOW
    if exact:
        p = 2.0 * float(null_of_u(n, m)[: round(min(u, n * m - u)) + 1].sum())
        rank = exact_rank(n, m, confidence)
    else:
        total = n + m
        spread = n * m / 12.0 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
        p = 2.0 * float(ndtr(-max(abs(u - n * m / 2.0) - 0.5, 0.0) / math.sqrt(spread)))
        rank = normal_rank(n, m, confidence, ties)
    if rank < 1:
        return shift, math.nan, math.nan, min(p, 1.0)
    limits = np.partition(differences, (rank - 1, differences.size - rank))
    return shift, float(limits[rank - 1]), float(limits[-rank]), min(p, 1.0)


@compare.register
def _(analysis: OneSample, sheet: Sheet) -> list[Estimates]:
    if analysis.null_mean is None:
        return compare.dispatch(Analysis)(analysis, sheet)
    from scipy.special import stdtr

    value = sheet.value(analysis)
    found = []
    for k, arm in enumerate(sheet.arms):
        n, mean, variance = _moments(value, sheet.crowd.arm == k)
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(variance / n)
            t = (mean - analysis.null_mean) / error
        two = _by_t("mean", arm, mean, error, n - 1.0, n, analysis.confidence)
        p = 2.0 * stdtr(n - 1.0, -np.abs(t))
        if analysis.alternative != "two_sided":
            p = stdtr(n - 1.0, -t if analysis.alternative == "greater" else t)
        found.append(Estimates(quantity="mean", arm=arm, estimate=mean, low=two.low, high=two.high, p=p, n=n))
    return found
