"""Which change is real, and how many patients show it? Weber 2015 (doi 10.2967/jnumed.114.147728): published, ours."""

import math

import numpy as np
from scipy import stats

from vct.rng import stream
from vct.stats.agreement import log_repeatability
from vct.stats.power import log_sd, mean_change, measured_response, repeatability_limits

TRIALS = 4000
STUDIES = {
    "ACRIN 6678": (34, {"fall": (-28, -35, -23), "rise": (39, 31, 54)}),
    "Merck MK-0646-008": (40, {"fall": (-35, -42, -29), "rise": (53, None, None)}),
}
"""Patients scanned twice; repeatability limits of SUVpeak in per cent with their 95 % intervals, as in the abstract (of
the last interval our copy had no more)."""


def shown(values: tuple[float | None, ...]) -> str:
    """A limit with its interval."""
    limit, low, high = ("?" if value is None else f"{value:+.0f}" for value in values)
    return f"{limit:>4} ({low} to {high})"


def simulated(change: float, wcv: float, n: int) -> tuple[float, float]:
    """Power of the paired t test of log readings over many trials, with its Monte Carlo standard error."""
    rng = stream(2015, f"{change:g}", f"{wcv:g}")
    readings = rng.normal(0.0, log_sd(wcv), (2, TRIALS, n))
    found = stats.ttest_1samp(readings[1] - readings[0] + math.log1p(change), 0.0, axis=1)
    power = float((found.pvalue <= 0.05).mean())
    return power, math.sqrt(power * (1.0 - power) / TRIALS)


print("95 % repeatability limits (per cent) from as many patients, all scanned twice; wCV from the published rise.")
print(f"{'study':<18} n   limit  {'published':<18} vct")
wcvs = {}
for study, (n, limits) in STUDIES.items():
    deviation = math.log1p(limits["rise"][0] / 100.0) / (stats.norm.isf(0.025) * math.sqrt(2.0))
    wcvs[study] = math.sqrt(math.expm1(deviation**2))
    scores = stats.norm.ppf((np.arange(n) + 0.5) / n)
    pairs = scores * deviation * math.sqrt(2.0 / float((scores**2).mean()))
    for row in log_repeatability(pairs, 0.95)[1:]:
        name = row.quantity.split(", ")[1]
        ours = shown((row.estimate, row.ci_low, row.ci_high))
        print(f"{study:<18} {n}  {name:<5}  {shown(limits[name]):<18} {ours}")

print("\nPatients that show a mean change, paired t test, 80 % power; share of unchanged lesions that seem to respond.")
print(f"{'study':<18} wCV %  limits %    true change  patients  simulated power  PERCIST's -30 % by chance")
for study, wcv in wcvs.items():
    low, high = (100.0 * limit for limit in repeatability_limits(wcv))
    for change in (-0.1, -0.2, -0.3):
        n = mean_change(change, wcv, power=0.8).control
        power, error = simulated(change, wcv, n)
        start = f"{study:<18} {100.0 * wcv:>4.1f}   {low:+.0f} to {high:+.0f}  {100.0 * change:>9.0f} %  {n:>8}"
        print(f"{start}  {power:>7.3f} ({error:.3f})  {measured_response(0.0, wcv):.3f}")
