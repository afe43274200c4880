"""Multiple imputation of missing values under missing at random, pooled by Rubin's rules.

Within each arm and visit by visit, a missing value is drawn from the Bayesian regression of the observed ones on
baseline and the earlier visits: a normal draw for numbers (Rubin 1987, Multiple Imputation for Nonresponse in Surveys,
section 5.3), one of the DONORS nearest observed patients for verdicts (predictive mean matching, van Buuren 2018,
Flexible Imputation of Missing Data, section 3.4). Times to an event are not imputed: they are censored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vct.records import Comparison, Outcome, Patient
from vct.rng import stream
from vct.stats.base import Analysis
from vct.stats.result import joined
from vct.stats.sample import Floats, visits_of
from vct.stats.student import t_p_value, t_quantile, z_quantile

IMPUTATIONS = 20
"""Completed data sets (White, Royston and Wood 2011, doi:10.1002/sim.4067: at least the per cent that are missing)."""
DONORS = 5


def imputed(
    analysis: Analysis, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
) -> tuple[Comparison, ...]:
    """What an analysis says of its outcomes, missing values imputed IMPUTATIONS times and the answers pooled.

    Draws depend on the endpoint's name and the data only. Without a missing value it is the analysis itself.
    """
    missing = [item for item in outcomes if item.value is None and item.event is None]
    if not missing or any(item.event is not None for item in outcomes):
        return analysis.compare(outcomes, patients, arms)
    found = [analysis.compare(_completed(analysis.endpoint, outcomes, k), patients, arms) for k in range(IMPUTATIONS)]
    plain = analysis.compare(outcomes, patients, arms)
    return tuple(
        _pooled(analysis, rows, before.n + before.n_reference) for before, *rows in zip(plain, *found, strict=True)
    )


def _completed(endpoint: str, outcomes: Sequence[Outcome], number: int) -> list[Outcome]:
    """One completed copy of the outcomes, in their order."""
    table = {(item.patient, item.arm, item.visit): item for item in outcomes}
    visits = visits_of(outcomes)
    for arm in dict.fromkeys(item.arm for item in outcomes):
        ids = sorted({item.patient for item in outcomes if item.arm == arm})
        rng = stream(number, "imputation", endpoint)
        first = [table.get((one, arm, visits[0])) for one in ids]
        columns = [_filled([None if item is None else item.baseline for item in first])]
        for visit in visits:
            own = [table.get((one, arm, visit)) for one in ids]
            values = np.array([np.nan if item is None or item.value is None else item.value for item in own])
            verdict = any(item is not None and item.category for item in own)
            full = _drawn(values, columns, rng, verdict=verdict)
            columns.append(full)
            for item, value in zip(own, full, strict=True):
                if item is not None and item.value is None and math.isfinite(value):
                    category = ("R" if value == 1.0 else "NR") if verdict else ""
                    rule = f"{item.rule}; imputed"
                    table[item.patient, arm, visit] = replace(item, value=float(value), category=category, rule=rule)
    return list(table.values())


def _filled(values: Sequence[float | None]) -> Floats:
    """A covariate with its own mean where it is missing; 0 when it is never known."""
    column = np.array([np.nan if value is None else value for value in values], dtype=float)
    return np.where(np.isnan(column), np.nanmean(column) if np.isfinite(column).any() else 0.0, column)


def _drawn(values: Floats, columns: Sequence[Floats], rng: np.random.Generator, *, verdict: bool) -> Floats:
    """`values` (n,) with draws in place of NaN; unchanged where too few are known."""
    known = ~np.isnan(values)
    n = int(known.sum())
    if n == values.size or n < 3:
        return values
    usable = [column for column in columns if np.isfinite(column).all() and np.ptp(column[known]) > 0]
    usable = usable[-max(0, (n - 2) // 3) :] if n >= 5 else []
    design = np.column_stack([np.ones(values.size), *usable])
    x, y = design[known], values[known]
    inverse = np.linalg.pinv(x.T @ x)
    mean = inverse @ x.T @ y
    df = max(n - int(np.linalg.matrix_rank(x)), 1)
    scale = math.sqrt(float(((y - x @ mean) ** 2).sum()) / float(rng.chisquare(df)))
    u, s, _ = np.linalg.svd(inverse, hermitian=True)
    beta = mean + scale * (u * np.sqrt(s)) @ rng.standard_normal(s.size)
    full = values.copy()
    wanted = design[~known] @ beta
    if not verdict:
        full[~known] = wanted + scale * rng.standard_normal(wanted.size)
        return full
    distance = np.abs(wanted[:, None] - (x @ mean)[None, :])
    nearest = np.argsort(distance + 1e-9 * rng.random(distance.shape), axis=1)[:, : min(DONORS, n)]
    pick = rng.integers(nearest.shape[1], size=wanted.size)
    full[~known] = y[nearest[np.arange(wanted.size), pick]]
    return full


def _pooled(analysis: Analysis, rows: Sequence[Comparison], n_observed: int) -> Comparison:
    """Rubin's rules, degrees of freedom by Barnard and Rubin (doi:10.1093/biomet/86.4.948); ratios as logarithms.

    The standard error of a completed data set is its interval's half-width over the quantile that the analysis uses.
    """
    first = rows[0]
    note = joined(first.note, f"{len(rows)} imputations")
    whole = [row for row in rows if None not in (row.estimate, row.ci_low, row.ci_high)]
    if len(whole) < len(rows):
        return replace(first, note=note)
    log = "ratio" in first.quantity

    def scaled(name: str) -> Floats:
        values = np.array([getattr(row, name) for row in rows], dtype=float)
        return np.log(values) if log else values

    complete = max(first.n + first.n_reference - (2 if first.n_reference else 1), 1)
    reach = t_quantile(first.confidence, complete) if analysis.by_t else z_quantile(first.confidence)
    errors = (scaled("ci_high") - scaled("ci_low")) / (2.0 * reach)
    pool = pooled(scaled("estimate"), errors, complete)
    if pool is None:
        return replace(first, note=note)
    reach = t_quantile(first.confidence, pool.df) * pool.error
    low, middle, high = (
        math.exp(x) if log else x for x in (pool.estimate - reach, pool.estimate, pool.estimate + reach)
    )
    statistic = (pool.estimate - analysis.null) / pool.error
    tests = first.p_value is not None
    return replace(
        first,
        estimate=middle,
        ci_low=low,
        ci_high=high,
        statistic=statistic if tests else None,
        p_value=_p_value(statistic, pool.df, getattr(analysis, "alternative", "two_sided")) if tests else None,
        note=joined(note, f"{n_observed} observed, {100.0 * pool.missing:.0f} % of the variance from what is missing"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One answer from several, with its degrees of freedom; `missing` is the share of variance from missing data."""

    estimate: float
    error: float
    df: float
    missing: float


def pooled(estimates: Floats, errors: Floats, complete: float) -> Pool | None:
    """Rubin's rules for m estimates with their standard errors; None without variance.

    `complete` are the degrees of freedom that complete data would have.
    """
    m = estimates.size
    within, between = float((errors**2).mean()), float(estimates.var(ddof=1))
    total = within + (1.0 + 1.0 / m) * between
    if not total > 0:
        return None
    share = (1.0 + 1.0 / m) * between / total
    observed = (complete + 1.0) / (complete + 3.0) * complete * (1.0 - share)
    df = 1.0 / (share**2 / (m - 1.0) + 1.0 / max(observed, 1e-9))
    return Pool(estimate=float(estimates.mean()), error=math.sqrt(total), df=df, missing=share)


def _p_value(statistic: float, df: float, alternative: str) -> float:
    two = t_p_value(statistic, df)
    if alternative == "two_sided":
        return two
    return two / 2.0 if (statistic > 0) == (alternative == "greater") else 1.0 - two / 2.0
