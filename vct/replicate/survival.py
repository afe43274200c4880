"""Log-rank and Cox of many trials at once, as `vct.replicate.analyses` has the other kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vct.replicate.analyses import Estimates, Sheet, compare
from vct.replicate.outcomes import Array, Mask
from vct.stats.base import Analysis
from vct.stats.student import z_quantile
from vct.stats.survival import NOT_SETTLED, Cox, LogRank

NEWTON_STEPS = 12
"""Enough for the partial likelihood of one indicator: steps are cut to 1, and converge quadratically."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Times of two arms in order, (n, replicates): at every place whether it is an event and of the treated, and who is
    at risk at its time (`all_`, `treated`); `deaths`, `deaths_treated` and the rank (from 0) among events of that time.
    """

    event: Mask
    of_treated: Mask
    all_: Array
    treated: Array
    deaths: Array
    deaths_treated: Array
    rank: Array


def _risk(time: Array, event: Mask, treated: Mask, kept: Mask) -> Risk:
    order = np.argsort(np.where(kept, time, np.inf), axis=0, kind="stable")
    t = np.take_along_axis(time, order, axis=0)
    masks = (event & kept, treated & kept, kept)
    e, x, k = (np.asarray(np.take_along_axis(item, order, axis=0), dtype=bool) for item in masks)
    rows = np.arange(t.shape[0])[:, None]
    fresh = np.ones(t.shape, dtype=bool)
    fresh[1:] = t[1:] != t[:-1]
    first = np.maximum.accumulate(np.where(fresh, rows, 0), axis=0)
    ends = np.ones(t.shape, dtype=bool)
    ends[:-1] = fresh[1:]
    last = np.minimum.accumulate(np.where(ends, rows, t.shape[0])[::-1], axis=0)[::-1]

    def before(item: Mask) -> tuple[Array, Array]:
        """Sum of those before each place, and over its whole time."""
        total = np.cumsum(item, axis=0, dtype=float)
        start = np.take_along_axis(total, first, axis=0) - np.take_along_axis(item.astype(float), first, axis=0)
        return start, np.take_along_axis(total, last, axis=0) - start

    gone, _ = before(k)
    gone_treated, _ = before(x)
    past, deaths = before(e)
    _, deaths_treated = before(e & x)
    return Risk(
        event=e,
        of_treated=x,
        all_=k.sum(axis=0) - gone,
        treated=x.sum(axis=0) - gone_treated,
        deaths=deaths,
        deaths_treated=deaths_treated,
        rank=np.cumsum(e, axis=0) - 1.0 - past,
    )


def _pairs(analysis: Analysis, sheet: Sheet) -> list[tuple[str, Risk, Array]]:
    time, event = sheet.value(analysis), sheet.table.event
    if event is None:
        event = np.zeros(time.shape, dtype=bool)
    found = []
    for k, arm in enumerate(sheet.arms[1:], start=1):
        kept = ~np.isnan(time) & ((sheet.crowd.arm == k) | (sheet.crowd.arm == 0))
        found.append((arm, _risk(time, event, sheet.crowd.arm == k, kept), kept.sum(axis=0).astype(float)))
    return found


def _ratio(quantity: str, arm: str, log: Array, error: Array, z: Array, n: Array, confidence: float) -> Estimates:
    from scipy.special import ndtr

    reach = z_quantile(confidence) * error
    low, middle, high = (np.exp(log + shift) for shift in (-reach, 0.0, reach))
    p = 2.0 * ndtr(-np.abs(z))
    return Estimates(quantity=quantity, arm=arm, estimate=middle, low=low, high=high, p=p, n=n)


@compare.register
def _(analysis: LogRank, sheet: Sheet) -> list[Estimates]:
    if analysis.stratify_by or sheet.table.event is None:
        return compare.dispatch(Analysis)(analysis, sheet)
    found = []
    for arm, risk, n in _pairs(analysis, sheet):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(risk.event, risk.treated / risk.all_, 0.0)
            spare = (risk.all_ - risk.deaths) / np.maximum(risk.all_ - 1.0, 1.0)
            excess = (risk.event & risk.of_treated).sum(axis=0) - share.sum(axis=0)
            variance = np.where(risk.event, share * (1.0 - share) * spare, 0.0).sum(axis=0)
            variance = np.where(variance > 0, variance, np.nan)
            z = excess / np.sqrt(variance)
            log, error = excess / variance, 1.0 / np.sqrt(variance)
        found.append(_ratio(analysis.quantity, arm, log, error, z, n, analysis.confidence))
    return found


@compare.register
def _(analysis: Cox, sheet: Sheet) -> list[Estimates]:
    if analysis.stratify_by or analysis.covariates or sheet.table.event is None:
        return compare.dispatch(Analysis)(analysis, sheet)
    found = []
    for arm, risk, n in _pairs(analysis, sheet):
        log, error = _partial_likelihood(risk)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = log / error
        found.append(_ratio(analysis.quantity, arm, log, error, z, n, analysis.confidence))
    return found


def _partial_likelihood(risk: Risk) -> tuple[Array, Array]:
    """Log hazard ratio of one indicator and its standard error, ties by Efron; NaN where there is no maximum."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(risk.event, risk.rank / risk.deaths, 0.0)
    treated = risk.treated - part * risk.deaths_treated
    others = (risk.all_ - risk.treated) - part * (risk.deaths - risk.deaths_treated)
    observed = (risk.event & risk.of_treated).sum(axis=0).astype(float)
    up = (risk.event & risk.of_treated & (risk.all_ > risk.treated)).any(axis=0)
    down = (risk.event & ~risk.of_treated & (risk.treated > 0)).any(axis=0)
    beta = np.zeros(observed.shape)
    information = np.ones(observed.shape)
    for _ in range(NEWTON_STEPS):
        weight = np.exp(np.clip(beta, -NOT_SETTLED, NOT_SETTLED))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(risk.event, treated * weight / (treated * weight + others), 0.0)
        information = (share * (1.0 - share)).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = (observed - share.sum(axis=0)) / information
        beta = beta + np.clip(np.nan_to_num(step), -1.0, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = 1.0 / np.sqrt(information)
    settled = up & down & (np.abs(beta) < NOT_SETTLED) & (error < NOT_SETTLED)
    return np.where(settled, beta, np.nan), np.where(settled, error, np.nan)
