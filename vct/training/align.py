"""Every training body on one canonical body: which one, the fields that lead to the others, and what they look like
on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from vct.engine.cascade.spline import EXTENT_MM, field
from vct.engine.cascade.tissues import STRUCTURE_NAMES, structure_masks, tissue_table
from vct.files import aside
from vct.training.data import Bodies
from vct.training.grain import peeled
from vct.training.register import LEVELS, SOFT_MM, WALL_WEIGHT, distance_maps, register
from vct.training.vessels import smoothed_within, vessels

_CANONICAL_VOTES = 2.0
"""Voices that the canonical body's own intensities have in the mean SUV pattern. Assumed."""
_OWN_RELIEF, _OWN_IN_LUNGS = 0.5, 0.7
"""Share of the canonical body's own HU in the relief, and of its lungs' vessels on PET: a mean alone has no cortex on
its bones and no vessels in its lungs. Assumed; in the lungs chosen by power spectra between 10 and 50 mm
(`benchmarks/cascade_goals.md`)."""
_SHARPENED, _SHARPENED_MM = 1.6, 3.0
"""How much of the fine detail of the lungs' own HU is added to it, since carrying it to a patient blurs it, and what
counts as fine; chosen as the above."""
_MOST_OVER_MEAN = 3.0
"""Voxels beyond this multiple of their tissue's mean are a hot neighbour's (the bladder's, in fat). Assumed."""
_LEAST_OVER_MEAN = 0.05
"""Of the lungs' mean SUV, that vessels leave between them (assumed)."""
_DEEPEST = 2
"""Voxels inside a tissue's border, beyond which nothing of its neighbours is seen."""
_FEWEST_VOXELS = 8
Say = Callable[[str], None]


def maps_of(bodies: Bodies, index: int, cache: Path) -> torch.Tensor:
    """Distance maps (structures, x, y, z) of one body at 16 mm (32 mm for a body at 16 mm); computed once."""
    path = cache / f"maps-{_recipe()}" / f"{bodies.patients[index].id}.npy"
    if not path.exists():
        maps = distance_maps(np.asarray(bodies.labels[index]), (bodies.spacing_mm,) * 3)
        factor = max(round(8.0 / bodies.spacing_mm), 1)
        _save(path, functional.avg_pool3d(maps[None], factor)[0].numpy().astype(np.float16))
    return torch.from_numpy(np.load(path).astype(np.float32))


def medoid(maps: torch.Tensor) -> int:
    """The body whose distance maps (N, S, x, y, z) differ least from all others'."""
    known = functional.avg_pool3d(maps.nan_to_num(), 2).flatten(1)
    return int(torch.cdist(known, known).sum(dim=1).argmin())


def aligned(bodies: Bodies, indices: Sequence[int], cache: Path, say: Say) -> tuple[int, torch.Tensor]:
    """The canonical body's index and coefficients (N, 3, i, j, k) that carry it to each of `indices`.

    Finished bodies are kept in `cache`, so that a broken-off call goes on where it stopped.
    """
    maps = torch.stack([maps_of(bodies, index, cache) for index in indices])
    center = medoid(maps)
    folder = cache / f"from-{bodies.patients[indices[center]].id}-{_recipe()}"
    found = []
    for number, index in enumerate(indices):
        path = folder / f"{bodies.patients[index].id}.npy"
        if not path.exists():
            _save(path, register(maps[center], maps[number][None])[0].numpy())
            say(f"registered {number + 1} of {len(indices)}")
        found.append(torch.from_numpy(np.load(path)))
    return indices[center], torch.stack(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueMeans:
    """Mean SUV and HU of every tissue of some bodies, (N, tissues); NaN where a body lacks the tissue."""

    suv: np.ndarray
    hu: np.ndarray


def tissue_means(bodies: Bodies, indices: Sequence[int]) -> TissueMeans:
    """By number of `tissue_table`; column 0, air, is NaN."""
    rows = [means_by_tissue(bodies.labels[index], bodies.pet[index], bodies.ct[index]) for index in indices]
    suv, hu = (np.stack(part) for part in zip(*rows, strict=True))
    return TissueMeans(suv=suv, hu=hu)


def means_by_tissue(labels: np.ndarray, pet: np.ndarray, ct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean SUV and HU (tissues,) of one body; NaN for air and for tissues of fewer than 8 voxels."""
    table, names = tissue_table()
    tissue = table[labels].ravel()
    count = np.bincount(tissue, minlength=len(names)).astype(float)
    count[0] = 0.0
    there = count >= _FEWEST_VOXELS
    found = []
    for image in (pet, ct):
        total = np.bincount(tissue, weights=image.ravel().astype(np.float64), minlength=len(names))
        found.append(np.where(there, total / np.maximum(count, 1.0), np.nan))
    return found[0], found[1]


def patterns(
    bodies: Bodies, indices: Sequence[int], canonical: int, coefficients: torch.Tensor, means: TissueMeans
) -> tuple[np.ndarray, np.ndarray]:
    """(SUV over its tissue's mean, HU minus its tissue's mean) on the canonical body, averaged over the bodies.

    A body's voxel counts where it lands on its own tissue, as deep inside it, so that borders stay as sharp as the
    canonical body's, whose own HU make up half of the relief. In the lungs they make up more, and its vessels are
    painted into the uptake. Air and what carries no label keep the canonical body's HU and no uptake.
    """
    table, names = tissue_table()
    own = table[bodies.labels[canonical]].ravel()
    own_depth = _depth(own.reshape(bodies.labels.shape[1:])).ravel()
    row = list(indices).index(canonical)
    ratio, own_relief = _relative(bodies, canonical, own, means, row)
    votes = np.full(own.shape, _CANONICAL_VOTES)
    ratio, relief = ratio * votes, own_relief * votes
    shape = bodies.labels.shape[1:]
    for number, index in enumerate(indices):
        if index == canonical:
            continue
        tissue = table[bodies.labels[index]].ravel()
        place = _landing(coefficients[number], shape)
        deep = _depth(tissue.reshape(shape)).ravel()
        kept = (tissue == own[place]) & (tissue > 0) & (deep == own_depth[place])
        body_ratio, body_relief = _relative(bodies, index, tissue, means, number)
        where = place[kept]
        votes += np.bincount(where, minlength=len(own))
        ratio += np.bincount(where, weights=body_ratio[kept], minlength=len(own))
        relief += np.bincount(where, weights=body_relief[kept], minlength=len(own))
    lungs = table[bodies.labels[canonical]] == names.index("lungs")
    own_relief = _sharpened(own_relief.reshape(shape), lungs, bodies.spacing_mm).ravel()
    share = np.where(lungs.ravel(), _OWN_IN_LUNGS, _OWN_RELIEF)
    ratio, relief = ratio / votes, (1.0 - share) * relief / votes + share * own_relief
    seen = ratio + _OWN_IN_LUNGS * vessels(bodies, indices, canonical).ravel()
    ratio = np.where(lungs.ravel(), np.maximum(seen, _LEAST_OVER_MEAN), ratio)
    scale = np.bincount(own, weights=ratio, minlength=len(names)) / np.maximum(
        np.bincount(own, minlength=len(names)), 1
    )
    shift = np.bincount(own, weights=relief, minlength=len(names)) / np.maximum(
        np.bincount(own, minlength=len(names)), 1
    )
    scale[0], shift[0] = 1.0, 0.0
    ratio, relief = ratio / np.maximum(scale, 1e-6)[own], relief - shift[own]
    return ratio.reshape(shape).astype(np.float32), relief.reshape(shape).astype(np.float32)


def _relative(
    bodies: Bodies, index: int, tissue: np.ndarray, means: TissueMeans, row: int
) -> tuple[np.ndarray, np.ndarray]:
    suv, hu = np.nan_to_num(means.suv[row], nan=1.0), np.nan_to_num(means.hu[row], nan=0.0)
    pet, ct = bodies.pet[index].ravel().astype(np.float64), bodies.ct[index].ravel().astype(np.float64)
    ratio = np.where(tissue > 0, np.minimum(pet / np.maximum(suv, 1e-3)[tissue], _MOST_OVER_MEAN), 0.0)
    return ratio, ct - np.where(tissue > 0, hu[tissue], 0.0)


def _depth(tissue: np.ndarray) -> np.ndarray:
    """(X, Y, Z) how many voxels a voxel lies inside its tissue: 0, 1, or 2 for any more."""
    deep, inner = np.zeros(tissue.shape, np.uint8), torch.from_numpy(tissue.astype(np.int16))
    for _ in range(_DEEPEST):
        inner = peeled(inner, -1)
        deep += (inner >= 0).numpy()
    return deep


def _sharpened(image: np.ndarray, inside: np.ndarray, spacing_mm: float) -> np.ndarray:
    """An image (X, Y, Z) with its fine detail enhanced (unsharp masking) where it is `inside`."""
    smooth = smoothed_within(image, inside, _SHARPENED_MM / spacing_mm)
    return np.where(inside, image + _SHARPENED * (image - smooth), image)


def _landing(coefficients: torch.Tensor, shape: Sequence[int]) -> np.ndarray:
    """Flat index of the canonical voxel that each voxel of a body shows."""
    moved = field(coefficients[None], shape)[0].numpy()
    axes = []
    for axis, count in enumerate(shape):
        line = np.arange(count, dtype=np.float32).reshape([-1 if axis == other else 1 for other in range(3)])
        axes.append(np.clip(np.rint(line + moved[axis] * (count / EXTENT_MM[axis])), 0, count - 1).astype(np.int64))
    return np.asarray(np.ravel_multi_index((axes[0].ravel(), axes[1].ravel(), axes[2].ravel()), tuple(shape)))


def _recipe() -> str:
    """A short name for how bodies are registered: fields made in another way are not taken up."""
    text = repr((STRUCTURE_NAMES, LEVELS, WALL_WEIGHT, SOFT_MM)).encode() + structure_masks().tobytes()
    return hashlib.blake2b(text, digest_size=4).hexdigest()


def _save(path: Path, array: np.ndarray) -> None:
    with aside(path) as written, written.open("wb") as handle:
        np.save(handle, array)
