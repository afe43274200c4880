"""How well does uptake repeat? From counts alone beside Lodge 2012; the whole chain beside Lodge 2017 and Weber 2015.

python benchmarks/repeatability.py [DRAWS] [PATIENTS] [RESOLUTION_MM]

The whole chain runs on small blocks, or on phantom bodies of RESOLUTION_MM where that is given.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, replace

import numpy as np
from hardware import hardware

from vct import load, make_engine
from vct.acquisition.blur import smooth
from vct.acquisition.noise import add_noise
from vct.decompose import decompose
from vct.engine.base import Engine
from vct.engine.lesions import plant
from vct.readout.heat import refined, refined_mask
from vct.readout.suv import sphere_peak
from vct.records import Scan, Snapshot
from vct.shapes import FWHM_PER_SIGMA, ellipsoid_box, ellipsoid_occupancy
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

LIVER_COV, FWHM_MM, NOISE_MM = 0.11, 7.0, 3.0
COV_MINUTES = 3.0
REPEATS = 10
BODY_SUV = 0.8
ENDPOINT = "SUVpeak log ratio"
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
        fine, spacing = refined(frames[COV_MINUTES].astype(np.float64), grid.spacing_mm)
        found.peaks.append(sphere_peak(fine, refined_mask(inside, grid.spacing_mm), spacing))
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


@dataclass(frozen=True)
class Block:
    """An engine of milliseconds: flesh with a liver on one side and a patient's three hottest lesions, cut at 45 mm, in
    lung on the other. No anatomy, but all that the acquisition does to a torso is done to it.
    """

    name: str = "block 4 mm"

    def generate(self, snapshot: Snapshot, seed: int) -> Scan:  # noqa: ARG002
        """The scan before the scanner."""
        grid = Grid(shape=(50, 50, 34), spacing_mm=(4.0,) * 3, origin_mm=(-98.0, -98.0, -66.0))
        x, y, z = grid.axes_mm()
        labels = np.full(grid.shape, STRUCTURES["body"], np.uint8)
        labels[(x > 10) & (x < 90) & (abs(y) < 85) & (abs(z) < 60)] = STRUCTURES["liver"]
        labels[(x < -10) & (x > -90) & (abs(y) < 92) & (abs(z) < 60)] = STRUCTURES["lung_lower_lobe_left"]
        uptake = np.full(256, BODY_SUV, np.float32)
        uptake[STRUCTURES["liver"]], uptake[STRUCTURES["lung_lower_lobe_left"]] = 2.2, 0.5
        hottest = sorted(snapshot.lesions, key=lambda lesion: -lesion.suv)[:3]
        lesions = tuple(
            replace(lesion, center_mm=(-50.0, place, 0.0), diameter_mm=min(45.0, lesion.diameter_mm))
            for lesion, place in zip(sorted(hottest, key=lambda lesion: lesion.id), (-62.0, 0.0, 62.0), strict=False)
        )
        ct = Volume(data=np.zeros(grid.shape, np.float32), grid=grid, unit="HU")
        pet = Volume(data=uptake[labels], grid=grid, unit="SUVbw")
        ct, pet, around = plant(ct, pet, lesions)
        return Scan(
            snapshot=replace(snapshot, lesions=lesions),
            ct=ct,
            pet=pet,
            labels=Volume(data=labels, grid=grid, unit="label"),
            made_by=self.name,
            background_suv=around,
        )


def whole_chain(engine: Engine, patients: int) -> None:
    """Print the repeatability of SUVpeak in the shipped test-retest trial, and what of it is whose."""
    protocol = load("test_retest")
    read = tuple(readout for readout in protocol.readouts if readout.label == "suv_peak")
    parts = decompose(protocol.model_copy(update={"readouts": read}), engine, ENDPOINT, patients=patients)
    print(f"\n{ENDPOINT} of test_retest, {engine.name}, {patients} patients, seed {protocol.seed}\n")
    print("| source | within-patient CV, % | its Monte Carlo SE |\n|---|---|---|")
    print("| Lodge 2017, careful protocols | about 10 | |\n| Weber 2015, ACRIN 6678 | 12 | |")
    for part in parts:
        within = math.sqrt(max(0.0, part.variance) / 2.0)
        error = part.mc_se / (4.0 * within) if within else 0.0
        print(f"| {part.source} | {100.0 * within:.1f} | {100.0 * error:.1f} |")
    reach = 1.96 * math.sqrt(parts[-1].variance)
    fall, rise = (100.0 * (math.exp(way * reach) - 1.0) for way in (-1.0, 1.0))
    print(f"\nlimits {fall:.0f} % and +{rise:.0f} %; Weber 2015: -28 % and +39 %")


if __name__ == "__main__":
    given = sys.argv[1:]
    print(hardware())
    counts_alone(int(given[0]) if given else 60)
    engine = make_engine("phantom", float(given[2])) if len(given) > 2 else Block()
    whole_chain(engine, int(given[1]) if len(given) > 1 else 60)
