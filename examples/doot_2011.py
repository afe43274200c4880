"""How many patients does PET need? Doot 2011 (PMC3251737) redone: published, in closed form, simulated."""

import numpy as np

from vct.rng import stream
from vct.stats.power import percent_change_arms

TRIALS = 4000
PUBLISHED = {(10.0, 1.0): 8, (40.0, 1.0): 126, (20.0, 0.5): 126, (20.0, 1.0): 32}
"""Patients of both arms by SD of the percent change and sensitivity of the reading: results in the abstract."""

print("Two arms that differ by 20 points of percent change, 80 % power, alpha 0.05")
print("SD (points)  sensitivity  published n  closed form  simulated power (MC SE)")
for (sd, sensitivity), published in PUBLISHED.items():
    found = percent_change_arms(20.0, sd, sensitivity=sensitivity)
    rng = stream(2011, f"{sd:g}", f"{sensitivity:g}")
    shape = (TRIALS, found.control)
    difference = (rng.normal(20.0 * sensitivity, sd, shape) - rng.normal(0.0, sd, shape)).mean(axis=1)
    wins = np.abs(difference) > 1.959964 * sd * np.sqrt(2.0 / found.control)
    error = np.sqrt(wins.mean() * (1.0 - wins.mean()) / TRIALS)
    print(f"{sd:>11g}  {sensitivity:>11g}  {published:>11}  {found.total:>11}  {wins.mean():>15.3f} ({error:.3f})")
