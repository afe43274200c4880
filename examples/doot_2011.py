"""How many patients does PET need? Doot 2011 (PMC3251737), tables 1 and 2: published, closed form, simulated."""

import numpy as np

from vct.rng import stream
from vct.stats.power import percent_change_arms, two_means_power

TRIALS = 4000
SENSITIVITIES = (0.5, 0.7, 0.9, 1.0)
SIZES = {10.0: (32, 17, 10, 8), 20.0: (126, 65, 39, 32), 40.0: (503, 257, 156, 126)}
"""Table 1: patients of both arms by SD of the percent change, for each sensitivity of the reading."""
POWERS = {
    (10.0, 20): (61, 88, 98, 99),
    (10.0, 30): (78, 97, 99, 99),
    (20.0, 50): (42, 70, 89, 94),
    (20.0, 100): (71, 94, 99, 99),
    (40.0, 100): (24, 42, 61, 71),
    (40.0, 300): (58, 86, 97, 99),
}
"""Table 2: per cent of power by SD and patients of both arms; 99 stands for 99 and more."""


def simulated(sd: float, sensitivity: float, arm: int) -> tuple[float, float]:
    """Power of the z test over many trials, with its Monte Carlo standard error."""
    rng = stream(2011, f"{sd:g}", f"{sensitivity:g}")
    means = rng.normal([20.0 * sensitivity, 0.0], sd / np.sqrt(arm), (TRIALS, 2))
    power = float((np.abs(means[:, 0] - means[:, 1]) > 1.959964 * sd * np.sqrt(2.0 / arm)).mean())
    return power, float(np.sqrt(power * (1.0 - power) / TRIALS))


print("Two arms that differ by 20 points of percent change, 80 % power, alpha 0.05; patients of both arms.")
print("Doot rounds the total up, vct each arm: vct may need one patient more.")
print("SD (points)  sensitivity  published n  vct n  simulated power (MC SE)")
for sd, row in SIZES.items():
    for sensitivity, published in zip(SENSITIVITIES, row, strict=True):
        found = percent_change_arms(20.0, sd, sensitivity=sensitivity)
        power, error = simulated(sd, sensitivity, found.control)
        print(f"{sd:>11g}  {sensitivity:>11g}  {published:>11}  {found.total:>5}  {power:>15.3f} ({error:.3f})")

print("\nPower in per cent; vct by the noncentral t, which a normal approximation exceeds a little in small trials.")
print("SD (points)  patients  sensitivity  published  vct")
for (sd, patients), shares in POWERS.items():
    for sensitivity, share in zip(SENSITIVITIES, shares, strict=True):
        power = two_means_power(20.0 * sensitivity, sd, patients // 2, patients // 2)
        print(f"{sd:>11g}  {patients:>8}  {sensitivity:>11g}  {share:>9}  {100.0 * power:>3.0f}")
