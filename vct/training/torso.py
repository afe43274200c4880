"""Where the torso lies in a scan, clavicles to hips: from organ labels where there are any, else from the CT itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.structures import STRUCTURES
from vct.training.demographics import Refused
from vct.volume import Volume

COARSE_MM = 4.0
BODY_HU, LUNG_HU, BONE_HU = -400.0, -500.0, 200.0
LUNG_MM2 = 800.0
"""Air in a slice above the lungs that is more than a windpipe (2 to 3 cm2)."""
LEAST_LUNG_ML = 1000.0
LEAST_ABOVE_MM = 20.0
"""Between the lungs and the upper end of the scan; less, and the apex may be cut off."""
THIGH_MM = 75.0
THIGH_RUN_MM = 24.0
CUT_SHARE = 0.2
LENGTH_MM = (400.0, 1000.0)
CLAVICLES = ("clavicula_left", "clavicula_right")
HIPS = ("hip_left", "hip_right")
LEAST_ML: dict[tuple[str, ...], float] = {CLAVICLES: 1.0, HIPS: 20.0}
"""What a segmenter must show of one of them: a tenth of an adult's or less (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Torso:
    """The torso's lower and upper end along z and its middle across, in patient mm, and how they were found; whether
    the shipped network labelled it."""

    bottom_mm: float
    top_mm: float
    center_mm: tuple[float, float]
    how: str
    by_network: bool = False

    @property
    def length_mm(self) -> float:
        """From bottom to top."""
        return self.top_mm - self.bottom_mm


def find_torso(ct: Volume, labels: Volume | None) -> Torso:
    """The torso in a CT. Raises Refused("truncated field of view") where an end of it is not in view.

    With labels: from the top of the clavicles to the bottom of the hip bones. Without: from the apex of the lungs,
    which lies within about 2 cm of the clavicles' top (assumed), to where only the two thigh bones are left below the
    pelvis. The middle is that of the body's outline, which must not be cut by the sides of the image in a fifth of the
    slices (assumed).
    """
    x, y, z = ct.grid.spacing_mm
    coarse = ct.resampled(ct.grid.resampled((max(COARSE_MM, x), max(COARSE_MM, y), max(COARSE_MM, z))))
    body = body_of(coarse.data)
    if labels is not None:
        bottom, top = _lowest(labels, HIPS), _highest(labels, CLAVICLES)
        how = "from the top of the clavicles to the bottom of the hip bones, by their labels"
    else:
        lowest, highest = _ends(coarse, body)
        step, origin = coarse.grid.spacing_mm[2], coarse.grid.origin_mm[2]
        bottom, top = origin + (lowest - 0.5) * step, origin + (highest + 0.5) * step
        how = "from the lungs' apex to the end of the pelvis, by rules on the CT"
    if not LENGTH_MM[0] <= top - bottom <= LENGTH_MM[1]:
        raise Refused("truncated field of view", f"a torso of {top - bottom:.0f} mm is not possible")
    heights = coarse.grid.axes_mm()[2].ravel()
    held = body[:, :, (heights >= bottom) & (heights <= top)]
    if not held.any():
        raise Refused("truncated field of view", "no body between clavicles and hips")
    _refuse_cut(held)
    across = [_middle(np.asarray(held.any(axis=(1 - axis, 2))), coarse, axis) for axis in (0, 1)]
    return Torso(bottom_mm=bottom, top_mm=top, center_mm=(across[0], across[1]), how=how)


def body_of(hu: NDArray[Any]) -> NDArray[np.bool_]:
    """The largest piece of what is denser than air, once thin things such as the table are gone; lungs filled.

    Raises Refused("wrong units") where there is none.
    """
    from scipy import ndimage

    dense = hu > BODY_HU
    body = ndimage.binary_dilation(_largest(ndimage.binary_opening(dense))) & dense
    for index in range(body.shape[2]):
        body[:, :, index] = ndimage.binary_fill_holes(body[:, :, index])
    return np.asarray(body)


def _largest(mask: NDArray[np.bool_], touching: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """The largest piece; `touching` (3, 3, 3) says which neighbours belong together, by default those with a face in
    common."""
    from scipy import ndimage

    numbers, count = ndimage.label(mask, touching)
    if count == 0:
        raise Refused("wrong units", "the CT shows no body: is it in HU?")
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return np.asarray(numbers == sizes.argmax())


def _ends(coarse: Volume, body: NDArray[np.bool_]) -> tuple[int, int]:
    """Indices of the lowest and the highest slice of the torso."""
    from scipy import ndimage

    x, y, z = coarse.grid.spacing_mm
    air = ndimage.binary_erosion(body, iterations=2, border_value=1) & (coarse.data < LUNG_HU)
    lungs = air.sum(axis=(0, 1)) * x * y > LUNG_MM2
    runs = _runs(lungs)
    if not runs or max(_ml(air, run, coarse) for run in runs) < LEAST_LUNG_ML:
        raise Refused("truncated field of view", "the lungs are not in view")
    low, high = max(runs, key=lambda run: _ml(air, run, coarse))
    if (body.shape[2] - 1 - high) * z < LEAST_ABOVE_MM:
        raise Refused("truncated field of view", "the lungs' apex is cut off")
    run = 0
    for index in range(low - 1, -1, -1):
        run = run + 1 if _two_thighs((coarse.data[:, :, index] > BONE_HU) & body[:, :, index], x, y) else 0
        if run * z >= THIGH_RUN_MM:
            return index + run, high
    raise Refused(
        "truncated field of view", "the end of the pelvis is not in view, or not told apart: give a segmentation"
    )


def _ml(air: NDArray[np.bool_], run: tuple[int, int], coarse: Volume) -> float:
    return float(air[:, :, run[0] : run[1] + 1].sum()) * coarse.grid.voxel_ml


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _two_thighs(bone: NDArray[np.bool_], x_mm: float, y_mm: float) -> bool:
    """Whether a slice's bone is one compact piece on the left and one on the right, and nothing else of size."""
    from scipy import ndimage

    numbers, count = ndimage.label(ndimage.binary_closing(bone, iterations=2))
    if count < 2:
        return False
    sizes = np.bincount(numbers.ravel())[1:]
    largest = np.argsort(sizes)[::-1]
    if count > 2 and sizes[largest[2]] > 0.25 * sizes[largest[1]]:
        return False
    boxes = ndimage.find_objects(numbers)
    pair = [boxes[index] for index in largest[:2]]
    wide = [(box[0].stop - box[0].start) * x_mm for box in pair] + [(box[1].stop - box[1].start) * y_mm for box in pair]
    centers = [(box[0].stop + box[0].start) / 2.0 for box in pair]
    level = abs((pair[0][1].stop + pair[0][1].start) - (pair[1][1].stop + pair[1][1].start)) / 2.0 * y_mm
    apart = abs(centers[0] - centers[1]) * x_mm
    return bool(max(wide) <= THIGH_MM and apart > THIGH_MM and level < THIGH_MM)


def _refuse_cut(held: NDArray[np.bool_]) -> None:
    sides = held[[0, -1]].any(axis=(0, 1)) | held[:, [0, -1]].any(axis=(0, 1))
    if float(sides.mean()) > CUT_SHARE:
        raise Refused(
            "truncated field of view", f"the body is cut by the CT's sides in {sides.mean():.0%} of the slices"
        )


def _middle(seen: NDArray[np.bool_], volume: Volume, axis: int) -> float:
    found = np.flatnonzero(seen)
    return volume.grid.origin_mm[axis] + volume.grid.spacing_mm[axis] * float(found[0] + found[-1]) / 2.0


def _rows(labels: Volume, names: tuple[str, ...]) -> NDArray[np.intp]:
    """Slices that show the largest piece of one of the structures: a stray voxel in the neck is no clavicle."""
    from scipy import ndimage

    least = LEAST_ML[names] / labels.grid.voxel_ml
    seen = np.zeros(labels.grid.shape[2], dtype=bool)
    for name in names:
        mask = labels.data == STRUCTURES[name]
        if mask.any():
            box = ndimage.find_objects(mask.view(np.uint8))[0]
            piece = _largest(mask[box], np.ones((3, 3, 3), dtype=bool))
            if piece.sum() >= least:
                seen[box[2]] |= piece.any(axis=(0, 1))
    found = np.flatnonzero(seen)
    if not found.size:
        raise Refused("truncated field of view", f"the labels show no {' or '.join(names)}")
    return found


def _lowest(labels: Volume, names: tuple[str, ...]) -> float:
    index = int(_rows(labels, names)[0])
    if index == 0:
        raise Refused("truncated field of view", f"{names[0]} is cut by the end of the image")
    return labels.grid.origin_mm[2] + (index - 0.5) * labels.grid.spacing_mm[2]


def _highest(labels: Volume, names: tuple[str, ...]) -> float:
    index = int(_rows(labels, names)[-1])
    if index == labels.grid.shape[2] - 1:
        raise Refused("truncated field of view", f"{names[0]} is cut by the end of the image")
    return labels.grid.origin_mm[2] + (index + 0.5) * labels.grid.spacing_mm[2]
