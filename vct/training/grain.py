"""How strong texture is: what bodies vary within their tissues beyond what painted bodies do without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from vct.engine.cascade.texture import SCALES_MM, correlation

LAGS = (1, 2, 3, 4, 6, 8)
BORDER, BORDERS = 2, {"myocardium": 1}
"""Voxels next to a tissue's border that do not count; fewer where a wall has none else."""
_FEWEST_PAIRS = 200
_DRAWN_PAIRS = 4096
_LEAST_SUV = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How far a voxel may be from its tissue's mean, as a share of the mean SUV and in HU, to count as texture; what is
    farther away is another anatomy: gas, a vessel, a hot neighbour."""

    suv: float
    hu: float


MOST = Deviation(suv=0.6, hu=60.0)
SMOOTH = ("stomach", "hips", "limb_bones", "vertebrae")
"""Whose uptake differs by wall and contents, or by marrow and cortex, which is no texture; in bones it had passed for
lesions."""
MORE = {"lungs": Deviation(suv=1.5, hu=300.0), "myocardium": Deviation(suv=1.5, hu=60.0)}
"""Vessels are all over the lungs, and uptake in the myocardium is focal in many. All are assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A body's HU, SUV and tissues, all (X, Y, Z); a tissue is a place in the anatomy's list."""

    ct: torch.Tensor
    pet: torch.Tensor
    place: torch.Tensor


def grain_of(
    bodies: Sequence[Seen], painted: Sequence[Seen], tissues: Sequence[str], spacing_mm: float
) -> torch.Tensor:
    """(scales, 2, tissues + 1) standard deviations of ln SUV and of HU that `painted` bodies lack.

    The variogram (Matheron 1963, doi 10.2113/gsecongeo.58.8.1246) within a tissue at lags of 1 to 8 voxels and the
    variance, of the median body, less the median painted body's, are matched by non-negative least squares. They are
    taken two voxels inside the tissue's border, where its neighbours do not spill (one in the myocardium). Tissues
    without such an inside stay smooth, as do those of `SMOOTH` on PET.
    """
    from scipy.optimize import nnls

    by_lag = 1.0 - correlation(spacing_mm * np.array(LAGS))
    shown = _shown(painted, tissues, spacing_mm)
    grain = torch.zeros(len(SCALES_MM), 2, len(tissues) + 1)
    missing = _variograms(bodies, tissues) - _variograms(painted, tissues)
    for image, tissue in np.ndindex(2, len(tissues)):
        wanted = missing[:, image, tissue]
        known = ~np.isnan(wanted)
        if known[:2].all() and not (image == 0 and tissues[tissue] in SMOOTH):
            first = 1 - image
            design = np.vstack((by_lag, shown[tissue]))
            variance, _ = nnls(design[known, first:], wanted[known])
            grain[first:, image, tissue] = torch.from_numpy(variance).sqrt()
    return grain


def _shown(bodies: Sequence[Seen], tissues: Sequence[str], spacing_mm: float) -> NDArray[np.float64]:
    """(tissues, scales) share of a field's variance that a tissue is large enough to show; NaN for one that no body has
    so thick."""
    rng = np.random.default_rng(0)
    found = np.full((len(bodies), len(tissues), len(SCALES_MM)), np.nan)
    for row, body in enumerate(bodies):
        place = _inside(body.place, tissues).numpy()
        for tissue in range(len(tissues)):
            at = np.argwhere(place == tissue)
            if len(at) >= _FEWEST_PAIRS:
                first, second = at[rng.integers(len(at), size=(2, _DRAWN_PAIRS))]
                apart_mm = spacing_mm * np.linalg.norm(first - second, axis=1)
                found[row, tissue] = 1.0 - correlation(apart_mm).mean(axis=0)
    lacking = np.isnan(found).all(axis=0)
    return np.where(lacking, np.nan, np.nanmedian(np.where(lacking, 0.0, found), axis=0))


def _variograms(bodies: Sequence[Seen], tissues: Sequence[str]) -> NDArray[np.float64]:
    """(lags + 1, 2, tissues) the median body's, of ln SUV and of HU; NaN for a tissue that no body has so thick."""
    found = np.stack([_variogram(body, tissues) for body in bodies])
    lacking = np.isnan(found).all(axis=0)
    median = np.nanmedian(np.where(lacking, 0.0, found), axis=0)
    return np.where(lacking, np.nan, median)


def _variogram(body: Seen, tissues: Sequence[str]) -> NDArray[np.float64]:
    """(lags + 1, 2, tissues) half of the mean squared difference between voxels of a tissue so far apart along an axis,
    and the variance."""
    other, place = len(tissues), _inside(body.place, tissues)
    deviations = torch.stack(_deviations(body, place, tissues))
    total, count = np.zeros((len(LAGS) + 1, 2, other)), np.zeros((len(LAGS) + 1, 1, other))
    for (row, lag), axis in ((item, axis) for item in enumerate(LAGS) for axis in range(3)):
        size = place.shape[axis] - lag
        first, second = place.narrow(axis, 0, size), place.narrow(axis, lag, size)
        both = (first == second) & (first < other)
        apart = deviations.narrow(axis + 1, 0, size)[:, both] - deviations.narrow(axis + 1, lag, size)[:, both]
        count[row] += torch.bincount(first[both], minlength=other).numpy()
        for image in (0, 1):
            total[row, image] += torch.bincount(first[both], 0.5 * apart[image].double().square(), other).numpy()
    where = place.ravel()
    count[-1] = torch.bincount(where, minlength=other + 1)[:other].numpy()
    for image in (0, 1):
        left = deviations[image].ravel() - _mean(deviations[image], place, other)[where]
        total[-1, image] = torch.bincount(where, left.double().square(), other + 1)[:other].numpy()
    found = np.where(count >= _FEWEST_PAIRS, total / np.maximum(count, 1.0), np.nan)
    found[:, 0] = np.log1p(found[:, 0])
    return found


def _deviations(body: Seen, place: torch.Tensor, tissues: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """(X, Y, Z) SUV over its tissue's mean, and HU without it, both within what counts as texture."""
    most = [MORE.get(name, MOST) for name in (*tissues, "none")]
    suv = body.pet / _mean(body.pet, place, len(tissues)).clamp_min(_LEAST_SUV)[place] - 1.0
    hu = body.ct - _mean(body.ct, place, len(tissues))[place]
    over, dense = (torch.tensor([getattr(item, name) for item in most])[place] for name in ("suv", "hu"))
    return suv.clamp(-over, over), hu.clamp(-dense, dense)


def _mean(image: torch.Tensor, place: torch.Tensor, other: int) -> torch.Tensor:
    """(other + 1,) mean of every tissue."""
    where = place.ravel()
    many = torch.bincount(where, minlength=other + 1).clamp_min(1)
    return (torch.bincount(where, image.ravel().double(), minlength=other + 1) / many).float()


def _inside(place: torch.Tensor, tissues: Sequence[str]) -> torch.Tensor:
    """Tissues (X, Y, Z) without their borders; their number elsewhere."""
    other, inner = len(tissues), place
    found = torch.full_like(place, other)
    for depth in range(1, BORDER + 1):
        inner = peeled(inner, other)
        for number, name in enumerate(tissues):
            if BORDERS.get(name, BORDER) == depth:
                found[inner == number] = number
    return found


def peeled(place: torch.Tensor, other: int) -> torch.Tensor:
    """Tissues (X, Y, Z) where a voxel and its six neighbours are of one; `other` elsewhere."""
    same = torch.ones_like(place, dtype=torch.bool)
    for axis in range(3):
        for step in (1, -1):
            same &= place == place.roll(step, dims=axis)
    return torch.where(same, place, other)
