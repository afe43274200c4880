"""What counts alone do to SUVmax and SUVpeak of a lesion: within-patient SD and bias of SUVmax, beside Lodge 2012.

python benchmarks/repeatability.py [DRAWS]
"""

from __future__ import annotations

import math
import sys

import numpy as np
from hardware import hardware

from vct.acquisition.blur import smooth
from vct.acquisition.noise import add_noise
from vct.readout.heat import refined
from vct.readout.suv import sphere_peak
from vct.shapes import FWHM_PER_SIGMA, ellipsoid_box, ellipsoid_occupancy
from vct.volume import Grid

LIVER_COV, FWHM_MM, NOISE_MM = 0.11, 7.0, 3.0
REPEATS = 10


def repeated(spacing_mm: float, diameter_mm: float, draws: int, *, minutes: float = 3.0) -> tuple[float, float, float]:
    """SD of SUVmax and of SUVpeak in % and bias of SUVmax in %, of a lesion of SUV 8 in 1 with the counts of `minutes`
    (liver CoV 0.11 at 3), by `draws` noise draws, ten at each of several random places on the grid.
    """
    n = math.ceil((diameter_mm + 40.0) / spacing_mm) | 1
    grid = Grid(shape=(n, n, n), spacing_mm=(spacing_mm,) * 3, origin_mm=(-(n // 2) * spacing_mm,) * 3)
    rng, highest, peaks = np.random.default_rng(1), [], []
    for number in range(draws):
        if number % REPEATS == 0:
            x, y, z = rng.uniform(-spacing_mm / 2.0, spacing_mm / 2.0, 3)
            semi = (diameter_mm / 2.0,) * 3
            box = ellipsoid_box(grid, (x, y, z), semi)
            image = np.ones(grid.shape, dtype=np.float32)
            image[box] += 7.0 * ellipsoid_occupancy(grid, (x, y, z), semi, box)
            true = smooth(image, [max(0.0, (FWHM_MM / FWHM_PER_SIGMA / spacing_mm) ** 2 - 1.0 / 12.0)] * 3)
        seen = add_noise(true, LIVER_COV * math.sqrt(3.0 / minutes), rng, grid, NOISE_MM)
        inside = true > 3.0
        highest.append(float(seen[inside].max() / true.max()))
        fine, mask, spacing = refined(seen.astype(np.float64), inside, grid.spacing_mm)
        peaks.append(sphere_peak(fine, mask, spacing))

    def spread(values: list[float]) -> float:
        groups = np.array(values).reshape(-1, REPEATS)
        return 100.0 * math.sqrt(float(((groups.std(axis=1, ddof=1) / groups.mean(axis=1)) ** 2).mean()))

    return spread(highest), spread(peaks), 100.0 * (float(np.mean(highest)) - 1.0)


if __name__ == "__main__":
    n_draws = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(hardware())
    print("| voxel, mm | lesion, mm | SUVmax SD, % | SUVpeak SD, % |\n|---|---|---|---|")
    print("| Lodge 2012 | | 5.6 ± 0.9 | 2.5 ± 0.4 |")
    for voxel in (2.73, 4.0):
        for lesion in (20.0, 35.0):
            top, peak, _ = repeated(voxel, lesion, n_draws)
            print(f"| {voxel:g} | {lesion:g} | {top:.1f} | {peak:.1f} |")
    print("\n| minutes | bias of SUVmax over that at 15 minutes, % | Lodge 2012 |\n|---|---|---|")
    longest = repeated(2.73, 35.0, n_draws, minutes=15.0)[2]
    for frame, published in ((1.0, 30), (2.0, 18), (3.0, 12), (4.0, 4), (5.0, 5)):
        bias = 100.0 * ((1.0 + repeated(2.73, 35.0, n_draws, minutes=frame)[2] / 100.0) / (1.0 + longest / 100.0) - 1.0)
        print(f"| {frame:g} | {bias:.0f} | {published} |")
