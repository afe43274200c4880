"""What does our own OSEM do to a uniform liver? Bias, noise against counts, and noise against uptake.

python benchmarks/osem.py [DRAWS]
"""

from __future__ import annotations

import sys

import numpy as np
from hardware import hardware

from vct.acquisition.osem import Geometry, mu_per_mm, osem, scanned

SLICE = Geometry(size=64, pixel_mm=6.0, views=84)
PSF_MM, BACKGROUND, ITERATIONS, SUBSETS = 6.0, 0.4, 2, 21
LIVER, BODY, LUNG = 2.5, 1.0, 0.4


def main(draws: int) -> None:
    """Reconstruct a torso of water, 30 cm wide, `draws` times at each number of counts; a slice is a draw."""
    at = (np.arange(SLICE.size) - (SLICE.size - 1) / 2) * SLICE.pixel_mm
    x, y = np.meshgrid(at, at, indexing="ij")
    inside = np.hypot(x, y * 1.3) < 150.0
    places = {"liver": (55.0, 0.0, LIVER), "lung": (-75.0, 0.0, LUNG), "body": (-5.0, 70.0, BODY)}
    activity = np.where(inside, BODY, 0.0)
    for name, radius in (("liver", 55.0), ("lung", 50.0)):
        activity[np.hypot(x - places[name][0], y - places[name][1]) < radius] = places[name][2]
    cores = {name: (np.hypot(x - px, y - py) < 24.0).ravel() for name, (px, py, _) in places.items()}
    mu = mu_per_mm(np.where(inside, 0.0, -1000.0))
    flat = [np.repeat(one.reshape(-1, 1), draws, axis=1) for one in (activity, mu)]
    print(
        f"{draws} slices, {ITERATIONS} x {SUBSETS}, PSF {PSF_MM:g} mm modelled, background {BACKGROUND:g}; {hardware()}"
    )
    print("| trues a slice | liver, % of true | CoV liver | SD liver : body : lung, body 1 |\n|---|---|---|---|")
    for counts in (2e5, 8e5, 3.2e6):
        rng = np.random.default_rng(1)
        data = scanned(*flat, SLICE, counts=counts, background=BACKGROUND, psf_mm=PSF_MM, rng=rng)
        image = osem(data, SLICE, iterations=ITERATIONS, subsets=SUBSETS, psf_mm=PSF_MM)
        sd = {name: float(image[core].std(axis=1, ddof=1).mean()) for name, core in cores.items()}
        mean = float(image[cores["liver"]].mean())
        ratios = f"{sd['liver'] / sd['body']:.1f} : 1 : {sd['lung'] / sd['body']:.1f}"
        print(f"| {counts:.1e} | {100.0 * mean / LIVER:.1f} | {sd['liver'] / mean:.3f} | {ratios} |")
    print(f"\nUptake liver : body : lung is {LIVER / BODY:g} : 1 : {LUNG / BODY:g}.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
