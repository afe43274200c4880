"""Sample size from the repeatability of a PET reading: changes within patients, between arms, clustered lesions."""

from __future__ import annotations

import math

from vct.errors import InputError
from vct.stats.power.means import paired_means
from vct.stats.power.sizing import Sizing, check, quantiles, up


def log_sd(wcv: float) -> float:
    """Standard deviation of the log of one reading, sqrt(ln(1 + wCV^2)), from the within-patient CV (0.1 is 10 %)."""
    if not 0.0 < wcv < 2.0:
        raise InputError(f"wcv is a fraction between 0 and 2, 0.1 for 10 % (got {wcv:g})")
    return math.sqrt(math.log1p(wcv**2))


def repeatability_limits(wcv: float, confidence: float = 0.95) -> tuple[float, float]:
    """Change (fractions) that two readings of an unchanged lesion stay within: exp(+-z sqrt 2 sd) - 1."""
    from scipy.special import ndtri

    reach = float(ndtri(0.5 + 0.5 * confidence)) * math.sqrt(2.0) * log_sd(wcv)
    return math.expm1(-reach), math.expm1(reach)


def measured_response(change: float, wcv: float, threshold: float = -0.3) -> float:
    """Probability that a true `change` (fraction) reads as a fall at least as deep as `threshold` (-0.3: PERCIST's)."""
    from scipy.special import ndtr

    for name, value in (("change", change), ("threshold", threshold)):
        if not -1.0 < value < 10.0:
            raise InputError(f"{name} is a fraction above -1, -0.3 for a fall of 30 % (got {value:g})")
    return float(ndtr((math.log1p(threshold) - math.log1p(change)) / (math.sqrt(2.0) * log_sd(wcv))))


def mean_change(
    change: float,
    wcv: float,
    *,
    between: float = 0.0,
    alpha: float = 0.05,
    power: float = 0.9,
    sides: int = 2,
) -> Sizing:
    """Patients scanned twice, to see a mean `change` (fraction, geometric) by a paired t test of log readings.

    The log change varies with 2 log_sd(wcv)^2 from measurement and `between`^2 from true changes that differ between
    patients (log scale).
    """
    if not -1.0 < change < 10.0 or change == 0:
        raise InputError(f"change is a fraction above -1 and not 0, -0.2 for a fall of 20 % (got {change:g})")
    if between < 0:
        raise InputError(f"between must not be negative (got {between:g})")
    spread = math.sqrt(2.0 * log_sd(wcv) ** 2 + between**2)
    return paired_means(math.log1p(change), spread, correlation=0.5, alpha=alpha, power=power, sides=sides)


def percent_change_arms(
    difference: float, sd: float, *, sensitivity: float = 1.0, alpha: float = 0.05, power: float = 0.8, sides: int = 2
) -> Sizing:
    """Two equal arms compared on percent change, normal approximation (Doot et al. 2011, PMC3251737).

    n an arm = 2 z^2 (sd / (sensitivity difference))^2, with `difference` and `sd` in percentage points; `sensitivity`
    is the share of the true change that the reading shows, so 0.5 quadruples n.
    """
    from scipy.special import ndtr

    check(alpha, power, sides)
    if not 0.0 < sensitivity <= 1.0:
        raise InputError(f"sensitivity must lie between 0 and 1 (got {sensitivity:g})")
    if difference == 0 or sd <= 0:
        raise InputError("difference must not be 0 and sd must be positive")
    effect = abs(sensitivity * difference) / sd
    n = up(2.0 * (quantiles(alpha, power, sides) / effect) ** 2)
    reached = float(ndtr(effect * math.sqrt(n / 2.0) - quantiles(alpha, 0.5, sides)))
    return Sizing(control=n, test=n, power=reached)


def design_effect(lesions_per_patient: float, icc: float, cv: float = 0.0) -> float:
    """Variance inflation of lesions clustered in patients: 1 + ((1 + cv^2) m - 1) ICC.

    `cv` is the coefficient of variation of the number of lesions (Eldridge, Ashby and Kerry, doi:10.1093/ije/dyl129).
    """
    if lesions_per_patient < 1:
        raise InputError(f"lesions_per_patient must be at least 1 (got {lesions_per_patient:g})")
    if not 0.0 <= icc <= 1.0:
        raise InputError(f"icc must lie between 0 and 1 (got {icc:g})")
    if cv < 0:
        raise InputError(f"cv must not be negative (got {cv:g})")
    return 1.0 + ((1.0 + cv**2) * lesions_per_patient - 1.0) * icc


def patients_for_lesions(lesions: int, lesions_per_patient: float, icc: float, cv: float = 0.0) -> int:
    """Patients that hold as much information as so many independent lesions."""
    if lesions < 1:
        raise InputError(f"lesions must be at least 1 (got {lesions})")
    return up(lesions * design_effect(lesions_per_patient, icc, cv) / lesions_per_patient)
