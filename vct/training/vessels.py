"""Vessels of the lungs on PET: the canonical body's own, as strong as the median body's.

A mean of many bodies has none, and noise in their stead looks like noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vct.structures import voxels_of
from vct.training.data import Bodies

COARSE_MM, FINE_MM = 10.0, 4.0
"""Detail is what an image has beyond its means over these Gaussian distances, the sum of both: carrying it to a patient
blurs the fine part. Chosen by power spectra between 10 and 50 mm of 20 training bodies of each sex."""
_BORDER = 2
"""Voxels from the border of the lungs within which neighbours spill."""
_MOST_OVER_MEAN = 2.5
"""Of the lungs' mean SUV: what is hotter is a neighbour's (assumed)."""
_COMPARED = 32


def vessels(bodies: Bodies, indices: Sequence[int], canonical: int) -> NDArray[np.float64]:
    """(X, Y, Z) SUV over the lungs' mean about what surrounds it; 0 outside and fading towards the border."""
    lungs, ratio = _lungs_of(bodies, canonical)
    fade = np.where(lungs, ndimage.gaussian_filter(_inner(lungs).astype(float), 1.0), 0.0)
    some = indices[:: -(-len(indices) // _COMPARED)]
    usual = float(np.median([_spread(*_lungs_of(bodies, index), bodies.spacing_mm) for index in some]))
    own = max(_spread(lungs, ratio, bodies.spacing_mm), 1e-6)
    return fade * _detail(lungs, ratio, bodies.spacing_mm) * (usual / own)


def smoothed_within(image: NDArray[np.float64], inside: NDArray[np.bool_], sd: float) -> NDArray[np.float64]:
    """(X, Y, Z) Gaussian mean, over `sd` voxels, of what is `inside`."""
    weight = np.maximum(ndimage.gaussian_filter(inside.astype(np.float64), sd), 1e-6)
    found: NDArray[np.float64] = ndimage.gaussian_filter(np.where(inside, image, 0.0), sd) / weight
    return found


def _lungs_of(bodies: Bodies, index: int) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """(X, Y, Z) where the lungs are, and SUV over their mean."""
    lungs = voxels_of(np.asarray(bodies.labels[index]), "lungs")
    pet = np.asarray(bodies.pet[index], np.float64)
    mean = float(pet[lungs].mean()) if lungs.any() else 1.0
    return lungs, np.minimum(pet / max(mean, 1e-3), _MOST_OVER_MEAN)


def _spread(lungs: NDArray[np.bool_], ratio: NDArray[np.float64], spacing_mm: float) -> float:
    """Standard deviation of the detail inside the border; 0 where there is no inside."""
    inner = _inner(lungs)
    return float(_detail(inner, ratio, spacing_mm)[inner].std()) if inner.any() else 0.0


def _detail(inside: NDArray[np.bool_], image: NDArray[np.float64], spacing_mm: float) -> NDArray[np.float64]:
    found = np.zeros_like(image)
    for distance_mm in (COARSE_MM, FINE_MM):
        found += image - smoothed_within(image, inside, distance_mm / spacing_mm)
    return np.where(inside, found, 0.0)


def _inner(lungs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ndimage.binary_erosion(lungs, iterations=_BORDER)
    return found
