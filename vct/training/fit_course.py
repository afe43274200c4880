"""A course of disease fitted to the lesions of real scans, as a YAML fragment for a protocol."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.course import Metastatic
from vct.course.limits import COUNT, DIAMETER_MM, SUV
from vct.distributions import NegativeBinomial
from vct.errors import InputError
from vct.structures import LESION_SITES
from vct.training.lesions import SeenLesion

LEAST_LESIONS, LEAST_SCANS = 20, 5
"""Below these a fit says nothing (assumed)."""
MOST_RANK_CORRELATION = 0.95
MOST_AXIS_SD = 0.3
LEAST_GEOMETRIC_SD = 1.01


def fit_course(lesions: Sequence[SeenLesion], scans: int, fwhm_mm: float, source: str) -> Metastatic:
    """The disease that most likely gave these lesions, in those who have any; nothing about growth or treatment.

    Counts: zero-truncated negative binomial by maximum likelihood. Diameters and uptakes: log-normal, within the
    course's limits; uptakes are corrected for a blur of `fwhm_mm` (`SeenLesion.true_suv`). Correlations: Spearman's of
    size and uptake, and that of two lesions of one patient from the intraclass correlation of normal scores (size and
    uptake averaged). Raises InputError for fewer than 20 lesions or 5 scans with lesions.
    """
    counts = np.array(list(Counter(lesion.scan for lesion in lesions).values()), dtype=float)
    if len(lesions) < LEAST_LESIONS or counts.size < LEAST_SCANS:
        raise InputError(
            f"{len(lesions)} lesions in {counts.size} scans are too few to fit a course; at least {LEAST_LESIONS} in "
            f"{LEAST_SCANS} are needed"
        )
    diameters = np.array([lesion.diameter_mm for lesion in lesions])
    suvs = np.array([lesion.true_suv(fwhm_mm) for lesion in lesions])
    patients = [lesion.patient for lesion in lesions]
    sites = Counter(lesion.site for lesion in lesions)
    told = (
        f"{source}: fitted to {len(lesions)} lesions in {counts.size} of {scans} scans; uptake corrected for "
        f"{fwhm_mm:g} mm of blur"
    )
    disease: dict[str, Any] = {
        "count": _count(counts),
        "sites": {site: float(sites[site]) for site in LESION_SITES if sites[site]},
        "diameter_mm": _lognormal(diameters, DIAMETER_MM),
        "suv": _lognormal(suvs, SUV),
        "size_uptake_correlation": _kept(_spearman(diameters, suvs)),
        "between_lesion_correlation": _kept(np.mean([_within(values, patients) for values in (diameters, suvs)])),
        "axis_ratio_sd": _axis_sd(lesions),
    }
    return Metastatic.model_validate({"kind": "metastatic", "source": told, "disease": disease})


def as_yaml(course: Metastatic) -> str:
    """The course as `course:` of a protocol."""
    import yaml

    data = course.model_dump(mode="json", exclude_unset=True)
    return yaml.safe_dump({"course": data}, sort_keys=False, allow_unicode=True, width=120)


def _count(counts: NDArray[np.float64]) -> dict[str, Any]:
    from scipy import optimize
    from scipy.special import gammaln

    def loss(logs: NDArray[np.float64]) -> float:
        mean, k = np.exp(logs)
        log_p = gammaln(counts + k) - gammaln(k) - gammaln(counts + 1) + k * np.log(k / (k + mean))
        log_p += counts * np.log(mean / (k + mean))
        return float(-(log_p - math.log(-math.expm1(k * math.log(k / (k + mean))))).sum())

    limits = [(math.log(0.05), math.log(500.0)), (math.log(0.05), math.log(1e4))]
    start = np.log([max(0.1, counts.mean() - 0.5), 1.0])
    mean, dispersion = np.exp(optimize.minimize(loss, start, bounds=limits, method="L-BFGS-B").x)
    fitted = NegativeBinomial(mean=_short(mean), dispersion=_short(dispersion))
    return {"kind": "truncated", "low": 1.0, "high": COUNT[1], "of": fitted.model_dump()}


def _lognormal(values: NDArray[np.float64], limits: tuple[float, float]) -> dict[str, Any]:
    logs = np.log(np.clip(values, *limits))
    spread = max(LEAST_GEOMETRIC_SD, math.exp(float(logs.std(ddof=1))))
    of = {"kind": "lognormal", "median": _short(math.exp(float(logs.mean()))), "geometric_sd": _short(spread)}
    return {"kind": "truncated", "low": limits[0], "high": limits[1], "of": of}


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    from scipy import stats

    return float(stats.spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def _within(values: NDArray[np.float64], patients: Sequence[str]) -> float:
    """Spearman correlation of two lesions of one patient: the one-way intraclass correlation of normal scores."""
    from scipy import stats

    scores = stats.norm.ppf((stats.rankdata(values) - 0.5) / values.size)
    groups: dict[str, list[float]] = {}
    for patient, score in zip(patients, scores, strict=True):
        groups.setdefault(patient, []).append(float(score))
    sizes = np.array([len(group) for group in groups.values()], dtype=float)
    if sizes.size < 2 or sizes.max() < 2.0:
        return 0.0
    means = np.array([np.mean(group) for group in groups.values()])
    total = sizes.sum()
    between = float((sizes * (means - scores.mean()) ** 2).sum()) / (sizes.size - 1)
    within = float(sum(np.sum((np.array(g) - m) ** 2) for g, m in zip(groups.values(), means, strict=True)))
    within /= max(total - sizes.size, 1.0)
    typical = (total - (sizes**2).sum() / total) / (sizes.size - 1)
    r = (between - within) / (between + (typical - 1.0) * within)
    return 6.0 / math.pi * math.asin(max(-1.0, min(1.0, r)) / 2.0)


def _axis_sd(lesions: Sequence[SeenLesion]) -> float:
    """Standard deviation of log axis ratios before they are centred, which takes a third of their variance."""
    ratios = np.array([lesion.log_axis_ratios for lesion in lesions])
    return _short(min(MOST_AXIS_SD, math.sqrt(1.5 * float((ratios**2).mean()))))


def _kept(correlation: float | np.floating[Any]) -> float:
    return _short(min(MOST_RANK_CORRELATION, max(0.0, float(correlation))))


def _short(value: float) -> float:
    return float(f"{value:.4g}")
