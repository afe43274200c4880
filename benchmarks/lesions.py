"""What is read of planted lesions of 8 to 60 mm, against a sphere under the stated blur; and what planting costs.

python benchmarks/lesions.py [SPACING_MM] [FWHM_MM]
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator

import numpy as np
from hardware import hardware

from vct.acquisition.blur import blurred
from vct.engine.lesions import plant
from vct.forms import contains, reach_mm
from vct.readout.heat import refined
from vct.readout.suv import PEAK_RADIUS_MM, sphere_peak
from vct.records import Lesion
from vct.shapes import FWHM_PER_SIGMA
from vct.volume import Grid, Volume

SUV, AROUND = 8.0, 1.5
DIAMETERS_MM = (8.0, 10.0, 13.0, 17.0, 22.0, 28.0, 37.0, 47.0, 60.0)
PLACES = 6


def grid_of(spacing_mm: float, half_mm: float) -> Grid:
    """A cube about the origin."""
    n = math.ceil(half_mm / spacing_mm)
    return Grid(shape=(2 * n + 1,) * 3, spacing_mm=(spacing_mm,) * 3, origin_mm=(-n * spacing_mm,) * 3)


def planted(lesion: Lesion, spacing_mm: float, fwhm_mm: float, carried_mm: float) -> tuple[Volume, float]:
    """The lesion in a PET of blur `fwhm_mm` and an even background, and activity added over that planted, in %.

    The engine's image carries `carried_mm`; a scanner adds the rest.
    """
    grid = grid_of(spacing_mm, lesion.diameter_mm + 3.0 * fwhm_mm + 10.0)
    flat = Volume(data=np.full(grid.shape, AROUND, dtype=np.float32), grid=grid, unit="SUVbw")
    _, pet, _ = plant(Volume(data=0.0 * flat.data, grid=grid, unit="HU"), flat, [lesion], carried_mm)
    pet, _ = blurred(pet, carried_mm, fwhm_mm)
    added = float((pet.data.astype(np.float64) - AROUND).sum()) * grid.voxel_ml
    return pet, 100.0 * (added / ((lesion.mean_suv - AROUND) * lesion.volume_ml) - 1.0)


def profile(radius_mm: float, fwhm_mm: float, away_mm: np.ndarray) -> np.ndarray:
    """A unit ball under a Gaussian blur, `away_mm` from its centre: the closed form of the radial convolution."""
    from scipy.special import erf

    sigma = fwhm_mm / FWHM_PER_SIGMA
    r = np.maximum(away_mm, 1e-6)
    low, high = (radius_mm - r) / (math.sqrt(2.0) * sigma), (radius_mm + r) / (math.sqrt(2.0) * sigma)
    tails = sigma / (r * math.sqrt(2.0 * math.pi)) * (np.exp(-(low**2)) - np.exp(-(high**2)))
    return np.asarray((erf(low) + erf(high)) / 2.0 - tails)


def ball_mean(radius_mm: float, fwhm_mm: float, of_mm: float) -> float:
    """Mean over the concentric ball of radius `of_mm`."""
    edges = np.linspace(0.0, of_mm, 2001)
    middle = (edges[1:] + edges[:-1]) / 2.0
    return float(np.average(profile(radius_mm, fwhm_mm, middle), weights=middle**2))


def recovered(lesion: Lesion, pet: Volume) -> tuple[float, float, float]:
    """Recovery of SUVmean over the planted body, interpolated between voxels, of SUVpeak, and of SUVmax."""
    from scipy import ndimage

    reach = math.ceil(reach_mm(lesion))
    step = max(reach / 24.0, 0.5)
    axis = np.arange(-reach, reach + step, step)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    points = points[contains(lesion, points)] + np.asarray(lesion.center_mm)
    at = (points - np.asarray(pet.grid.origin_mm)) / np.asarray(pet.grid.spacing_mm)
    mean = float(ndimage.map_coordinates(pet.data, at.T, order=3, mode="nearest").mean())
    fine, spacing = refined(pet.data.astype(np.float64), pet.grid.spacing_mm)
    peak = sphere_peak(fine, np.ones(fine.shape, dtype=np.bool_), spacing)
    scale = SUV - AROUND
    return (mean - AROUND) / scale, (peak - AROUND) / scale, (float(pet.data.max()) - AROUND) / scale


def lesions(diameter_mm: float, **look: float) -> Iterator[Lesion]:
    """The lesion at several random places on the grid, another form each time."""
    rng = np.random.default_rng(round(diameter_mm))
    for number in range(PLACES):
        x, y, z = rng.uniform(-4.0, 4.0, 3).tolist()
        yield Lesion(
            id=f"L{number}", organ="liver", diameter_mm=diameter_mm, suv=SUV, room_mm=diameter_mm, form=number,
            center_mm=(x, y, z), **look,
        )  # fmt: skip


def curve(spacing_mm: float, fwhm_mm: float, carried_mm: float, **look: float) -> None:
    """Print a table of recoveries."""
    print("| diameter, mm | SUVmean | curve | off, % | SUVpeak | curve | off, % | SUVmax | activity off, %, worst |")
    print("|---|---|---|---|---|---|---|---|---|")
    for diameter in DIAMETERS_MM:
        read, errors = [], []
        for lesion in lesions(diameter, **look):
            pet, error = planted(lesion, spacing_mm, fwhm_mm, carried_mm)
            read.append(recovered(lesion, pet))
            errors.append(error)
        mean, peak, highest = np.array(read).mean(axis=0)
        curves = ball_mean(diameter / 2.0, fwhm_mm, diameter / 2.0), ball_mean(diameter / 2.0, fwhm_mm, PEAK_RADIUS_MM)
        cells = [
            f"{value:.3f} | {known:.3f} | {100.0 * (value / known - 1.0):+.1f}"
            for value, known in zip((mean, peak), curves, strict=True)
        ]
        print(f"| {diameter:g} | {' | '.join(cells)} | {highest:.3f} | {max(errors, key=abs):+.2f} |")


def cost(spacing_mm: float) -> None:
    """Print the CPU seconds of planting five lesions in a torso."""
    grid = Grid(shape=(112, 112, 192), spacing_mm=(spacing_mm,) * 3, origin_mm=(-222.0,) * 3)
    ct = Volume(data=np.zeros(grid.shape, np.float32), grid=grid, unit="HU")
    pet = Volume(data=np.ones(grid.shape, np.float32), grid=grid, unit="SUVbw")
    for name, look in (("ellipsoids", {}), ("irregular, with cores", {"irregularity": 0.15, "core_share": 0.2})):
        five = [
            Lesion(
                id="L", organ="liver", diameter_mm=size, suv=SUV, room_mm=size, form=number,
                center_mm=(70.0 * number - 150.3, 1.7, 2.2), core_uptake=0.2, **look,
            )
            for number, size in enumerate((12.0, 20.0, 30.0, 45.0, 60.0))
        ]  # fmt: skip
        for fwhm in (0.0, 7.0):
            plant(ct, pet, five, fwhm)
            begin = time.process_time()
            for _ in range(20):
                plant(ct, pet, five, fwhm)
            print(f"five lesions, {name}, blur {fwhm:g} mm: {50.0 * (time.process_time() - begin):.0f} ms")


if __name__ == "__main__":
    given = [float(item) for item in sys.argv[1:]]
    spacing, fwhm = given[0] if given else 4.0, given[1] if len(given) > 1 else 7.0
    print(f"{hardware()}; voxels of {spacing:g} mm, blur {fwhm:g} mm, SUV {SUV:g} in {AROUND:g}, {PLACES} places\n")
    print("Spheres, blurred by the scanner:\n")
    curve(spacing, fwhm, 0.0)
    print(f"\nSpheres, in an engine's image that carries {fwhm:g} mm:\n")
    curve(spacing, fwhm, fwhm)
    print("\nIrregular (0.2), blurred by the scanner, against the sphere's curve:\n")
    curve(spacing, fwhm, 0.0, irregularity=0.2)
    print("\nIrregular (0.2), 20 % dead core:\n")
    curve(spacing, fwhm, 0.0, irregularity=0.2, core_share=0.2, core_uptake=0.2)
    print()
    cost(spacing)
