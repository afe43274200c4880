"""Finding lesions on the image: what stands out from the uptake that its organ, its neighbours and noise explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vct.part import Part
from vct.readout.basins import basins
from vct.readout.expected import expected
from vct.readout.lungs import hilar_vessels, solid_nodules
from vct.readout.segmenter import labels_on_pet, physiological
from vct.records import Scan
from vct.shapes import FWHM_PER_SIGMA, Box, Region
from vct.structures import STRUCTURES
from vct.volume import Grid, Triple

NAMES = {number: name for name, number in STRUCTURES.items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """A place that stands out: its voxels, its hottest point, how far it stands out, and the organ it lies in."""

    region: Region
    at_mm: Triple
    excess_suv: float
    organ: str


class Finder(Part):
    """Threshold against organ uptake, then region growing. It sees the PET, organ labels and the lungs on the CT
    (`vct.readout.lungs`), never the truth.

    The image is smoothed by `smoothing_mm` and held against the healthy body (`vct.readout.expected`). A voxel stands
    out when it exceeds what is expected within the reach of misregistration by `relative` of it, by `sigmas` of the
    organ's own spread and by `least_suv`, whichever is largest, and is hotter than the blood pool, below which readers
    see no disease (Deauville 2, Barrington 2014, doi 10.1200/JCO.2013.53.5229), or lies in a nodule that the CT shows
    in the lung; brain, heart, kidneys, bladder and bowel are left out. Regions grow from there over all neighbours that
    exceed `grow` of that margin, and are cut apart at saddles lower than `saddle` of the lower summit; what is smaller
    than `least_ml` is left, by default what a sphere of 1 cm holds, from which RECIST 1.1 measures
    (Eisenhauer 2009, doi 10.1016/j.ejca.2008.10.026). Defaults were chosen on scans: `benchmarks/detection.md`.
    """

    smoothing_mm: float = Field(default=5.0, ge=0.0, le=20.0, description="FWHM, against noise")
    relative: float = Field(default=0.35, ge=0.0, le=10.0, description="excess over the expected uptake")
    sigmas: float = Field(default=5.0, ge=0.0, le=20.0, description="excess in spreads of the organ's voxels")
    least_suv: float = Field(default=0.5, ge=0.01, le=10.0, description="least excess in SUVbw")
    blood_pool: float = Field(default=1.0, ge=0.0, le=10.0, description="least uptake, over that of the aorta")
    grow: float = Field(default=0.4, gt=0.0, le=1.0, description="share of the margin down to which regions grow")
    saddle: float = Field(default=0.8, gt=0.0, le=1.0, description="share of the lower summit that joins two")
    least_ml: float = Field(default=0.5, ge=0.0, le=100.0, description="least volume of a mark: a sphere of 1 cm")
    reach_mm: Triple = Field(default=(4.0, 4.0, 8.0), description="misregistration and breathing that are expected")

    def find(self, scan: Scan) -> tuple[Found, ...]:
        """Every place that stands out on the scan, the hottest first."""
        from scipy import ndimage

        grid, labels = scan.pet.grid, labels_on_pet(scan)
        sigma = [self.smoothing_mm / FWHM_PER_SIGMA / spacing for spacing in grid.spacing_mm]
        image = ndimage.gaussian_filter(scan.pet.data, sigma, truncate=3.0)
        resolution = float(np.hypot(scan.fwhm_mm, self.smoothing_mm))
        healthy = expected(image, None if labels is None else labels.data, grid, resolution, hilar_vessels(scan))
        reach = [max(1, round(mm / spacing)) for mm, spacing in zip(self.reach_mm, grid.spacing_mm, strict=True)]
        nearby = ndimage.maximum_filter(healthy.uptake, [2 * n + 1 for n in reach])
        margin = np.maximum(np.maximum(self.relative * nearby, self.sigmas * healthy.spread), self.least_suv)
        excess = image - nearby
        low = (excess > self.grow * margin) & ~physiological(scan)
        hot = (excess > margin) & ((image > self.blood_pool * healthy.blood_pool) | solid_nodules(scan))
        numbers, _ = ndimage.label(low, np.ones((3, 3, 3)))
        boxes = ndimage.find_objects(numbers)
        keep = np.unique(numbers[hot & low])
        found: list[Found] = []
        for number in keep[keep > 0]:
            box = boxes[number - 1]
            inside = numbers[box] == number
            found += self._told_apart(scan, box, inside, excess[box], hot[box] & inside)
        return tuple(sorted(found, key=lambda item: -item.excess_suv))

    def _told_apart(
        self,
        scan: Scan,
        box: Box,
        inside: NDArray[np.bool_],
        excess: NDArray[np.float32],
        hot: NDArray[np.bool_],
    ) -> list[Found]:
        hills = basins(excess, inside, self.saddle)
        labels = labels_on_pet(scan)
        found = []
        for hill in np.unique(hills[hot]):
            mask = hills == hill
            if mask.sum() * scan.pet.grid.voxel_ml < self.least_ml:
                continue
            peak = np.unravel_index(int(np.where(mask, excess, -np.inf).argmax()), mask.shape)
            index = tuple(int(at) + piece.start for at, piece in zip(peak, box, strict=True))
            organ = "body" if labels is None else NAMES.get(int(labels.data[index]), "body")
            found.append(
                Found(
                    region=_tight(box, mask),
                    at_mm=_point(scan.pet.grid, index),
                    excess_suv=float(excess[peak]),
                    organ=organ,
                )
            )
        return found


def _tight(box: Box, mask: NDArray[np.bool_]) -> Region:
    """The region without empty borders."""
    pieces, cut = [], []
    for axis, piece in enumerate(box):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        cut.append(slice(int(there[0]), int(there[-1]) + 1))
        pieces.append(slice(piece.start + int(there[0]), piece.start + int(there[-1]) + 1))
    return Region((pieces[0], pieces[1], pieces[2]), mask[cut[0], cut[1], cut[2]].copy())


def _point(grid: Grid, index: tuple[int, ...]) -> Triple:
    x, y, z = (o + s * at for o, s, at in zip(grid.origin_mm, grid.spacing_mm, index, strict=True))
    return x, y, z
