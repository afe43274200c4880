"""How well does uptake repeat? From counts alone beside Lodge 2012; the whole chain beside Lodge 2017 and Weber 2015.

python benchmarks/repeatability.py [DRAWS] [PATIENTS] [RESOLUTION_MM]
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field

import numpy as np
from hardware import hardware

from vct import load, make_engine, run
from vct.acquisition.blur import smooth
from vct.acquisition.noise import add_noise
from vct.readout.heat import refined
from vct.readout.suv import sphere_peak
from vct.shapes import FWHM_PER_SIGMA, ellipsoid_box, ellipsoid_occupancy
from vct.volume import Grid

LIVER_COV, FWHM_MM, NOISE_MM = 0.11, 7.0, 3.0
COV_MINUTES = 3.0
REPEATS = 10
BIAS = {1.0: 30, 2.0: 18, 3.0: 12, 4.0: 4, 5.0: 5}
"""Minutes of Lodge's frames, which add up to his 15, and the bias of SUVmax in % in each."""


@dataclass
class Draws:
    """SUVmax and SUVpeak of every draw, and SUVmax over that of all 15 minutes, by minutes."""

    highest: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    excess: dict[float, list[float]] = field(default_factory=lambda: {minutes: [] for minutes in BIAS})


def replicates(spacing_mm: float, diameter_mm: float, draws: int) -> Draws:
    """A lesion of SUV 8 in 1 with the noise of a liver CoV of 0.11 in 3 minutes, drawn ten times at each of several
    random places on the grid: five independent frames of 1 to 5 minutes and the 15 minutes that they make up.
    """
    n = math.ceil((diameter_mm + 40.0) / spacing_mm) | 1
    grid = Grid(shape=(n, n, n), spacing_mm=(spacing_mm,) * 3, origin_mm=(-(n // 2) * spacing_mm,) * 3)
    rng, found = np.random.default_rng(1), Draws()
    for number in range(draws):
        if number % REPEATS == 0:
            x, y, z = rng.uniform(-spacing_mm / 2.0, spacing_mm / 2.0, 3)
            semi = (diameter_mm / 2.0,) * 3
            box = ellipsoid_box(grid, (x, y, z), semi)
            image = np.ones(grid.shape, dtype=np.float32)
            image[box] += 7.0 * ellipsoid_occupancy(grid, (x, y, z), semi, box)
            true = smooth(image, [max(0.0, (FWHM_MM / FWHM_PER_SIGMA / spacing_mm) ** 2 - 1.0 / 12.0)] * 3)
            inside = true > 3.0
        frames = {t: add_noise(true, LIVER_COV * math.sqrt(COV_MINUTES / t), rng, grid, NOISE_MM) for t in BIAS}
        longest = sum(t * frame for t, frame in frames.items()) / sum(BIAS)
        for t, frame in frames.items():
            found.excess[t].append(float(frame[inside].max() / longest[inside].max()) - 1.0)
        found.highest.append(float(frames[COV_MINUTES][inside].max()))
        fine, mask, spacing = refined(frames[COV_MINUTES].astype(np.float64), inside, grid.spacing_mm)
        found.peaks.append(sphere_peak(fine, mask, spacing))
    return found


def spread(values: list[float]) -> float:
    """Standard deviation in % at one place on the grid, over places."""
    groups = np.array(values).reshape(-1, REPEATS)
    return 100.0 * math.sqrt(float(((groups.std(axis=1, ddof=1) / groups.mean(axis=1)) ** 2).mean()))


def counts_alone(draws: int) -> None:
    """Print noise and bias beside Lodge 2012."""
    print("| voxel, mm | lesion, mm | SUVmax SD, % | SUVpeak SD, % | bias of SUVmax in 1, 2, 3, 4, 5 minutes, % |")
    print("|---|---|---|---|---|")
    print(f"| Lodge 2012 | | 5.6 ± 0.9 | 2.5 ± 0.4 | {', '.join(str(bias) for bias in BIAS.values())} |")
    for spacing, diameter in ((2.73, 15.0), (2.73, 20.0), (2.73, 25.0), (2.73, 35.0), (4.0, 20.0)):
        found = replicates(spacing, diameter, draws)
        biases = ", ".join(f"{100.0 * np.mean(values):.0f}" for values in found.excess.values())
        print(f"| {spacing:g} | {diameter:g} | {spread(found.highest):.1f} | {spread(found.peaks):.1f} | {biases} |")


def whole_chain(patients: int, resolution_mm: float) -> None:
    """Print the repeatability that the shipped test-retest trial finds, and that of the planted uptake."""
    protocol = load("test_retest").model_copy(update={"sample_size": patients})
    engine = make_engine("phantom", resolution_mm)
    result = run(protocol, engine)
    print(f"\n{engine.name}, {patients} patients of test_retest, seed {protocol.seed}")
    print(
        "| readout | within-patient CV, % (95 % CI) | of the planted uptake | fall, % | rise, % |\n|---|---|---|---|---|"
    )
    print("| Lodge 2017, SUV | about 10 | | | |\n| Weber 2015, SUVpeak, ACRIN 6678 | 12 | | -28 | 39 |")
    for endpoint in ("SUVpeak", "SUVmax", "liver"):
        at = {(c.quantity, c.source): c for c in result.comparisons if c.endpoint == endpoint}
        cv, planted = (at["within-patient CV", source] for source in ("measured", "truth"))
        fall, rise = (at[f"repeatability limit, {way}", "measured"].estimate for way in ("fall", "rise"))
        interval = f"{cv.ci_low:.1f} to {cv.ci_high:.1f}"
        print(f"| {endpoint} | {cv.estimate:.1f} ({interval}) | {planted.estimate:.1f} | {fall:.0f} | {rise:.0f} |")


if __name__ == "__main__":
    given = sys.argv[1:]
    print(hardware())
    counts_alone(int(given[0]) if given else 60)
    whole_chain(int(given[1]) if len(given) > 1 else 34, float(given[2]) if len(given) > 2 else 8.0)
