"""The frame template: body wall, inner tubes and arms of one adult, with every bone named.

Read from three label volumes on one 2 mm grid (`*frame*`, `*organs*`, `*arms*`; codes of `Tissue`), made from
BodyParts3D (Mitsuhashi et al. 2009, doi 10.1093/nar/gkn613). Bones are named here by position: vertebrae by the discs
between them, ribs from the top, the rest by their place about the pelvis, shoulder and breast bone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.arrays import read_arrays
from vct.engine.atlas.tissues import BONE, Tissue
from vct.errors import InputError
from vct.structures import STRUCTURES

STATURE_MM = 1726.0
SHOULDER_MM = (159.0, 77.0, 1312.0)
LAYERS = ("frame", "frame_name", "organs", "organs_name", "arms")
VERTEBRAE = ["L5", "L4", "L3", "L2", "L1", *(f"T{n}" for n in range(12, 0, -1)), "C7", "C6", "C5"]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Label volumes (X, Y, Z) uint8 on one isotropic RAS+ grid; x = 0 is the midline, z the height above the floor.

    `frame` holds tissue codes with `CAVITY` inside; `frame_name` and `organs_name` hold structure numbers.
    `shoulder_mm` is the frame's right shoulder joint; that of the arms, which hang, is `SHOULDER_MM`.
    """

    frame: Labels
    frame_name: Labels
    organs: Labels
    organs_name: Labels
    arms: Labels
    origin_mm: tuple[float, float, float]
    spacing_mm: float
    stature_mm: float = STATURE_MM
    shoulder_mm: tuple[float, float, float] = SHOULDER_MM

    def save(self, path: Path) -> None:
        """Write one compressed .npz."""
        arrays = {name: getattr(self, name) for name in LAYERS}
        meta = np.array([*self.origin_mm, self.spacing_mm, self.stature_mm, *self.shoulder_mm])
        np.savez_compressed(path, meta=meta, **arrays)

    @staticmethod
    def load(path: Path) -> Template:
        """Read what `save` wrote. Raises InputError when the file is missing or damaged."""
        held = read_arrays(path, "a template of an atlas")
        try:
            x, y, z, spacing, stature, *shoulder = (float(value) for value in held["meta"])
            arrays = {name: np.ascontiguousarray(held[name]) for name in LAYERS}
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(f"{path}: not a template of an atlas ({error})") from error
        if len(shoulder) != 3 or not all(map(math.isfinite, (x, y, z, stature, *shoulder))) or not 0 < spacing < 100:
            raise InputError(f"{path}: not a template of an atlas (its lengths make no sense)")
        if any(array.dtype != np.uint8 or array.ndim != 3 for array in arrays.values()):
            raise InputError(f"{path}: not a template of an atlas (its layers must be 3-D uint8)")
        return Template(
            **arrays,
            origin_mm=(x, y, z),
            spacing_mm=spacing,
            stature_mm=stature,
            shoulder_mm=(shoulder[0], shoulder[1], shoulder[2]),
        )

    def box(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Voxel centres along x, y, z in mm."""
        x, y, z = (
            origin + self.spacing_mm * np.arange(n) for origin, n in zip(self.origin_mm, self.frame.shape, strict=True)
        )
        return x, y, z


def read_template(folder: Path) -> Template:
    """Read the three layers in `folder`, flip them to RAS+, name their bones. Raises InputError when one is missing."""
    import nibabel as nib

    layers: dict[str, Labels] = {}
    affine = np.eye(4)
    for layer in ("frame", "organs", "arms"):
        found = sorted(folder.glob(f"*{layer}*.nii.gz"))
        if len(found) != 1:
            raise InputError(f"{folder}: needs one *{layer}*.nii.gz (found {len(found)})")
        image: Any = nib.as_closest_canonical(nib.load(found[0]))
        layers[layer] = np.asarray(image.dataobj).astype(np.uint8)
        affine = image.affine
    shapes = {layer.shape for layer in layers.values()}
    if len(shapes) != 1:
        raise InputError(f"{folder}: the three layers must have one shape (got {sorted(shapes)})")
    return name_parts(layers["frame"], layers["organs"], layers["arms"], affine)


def name_parts(frame: Labels, organs: Labels, arms: Labels, affine: NDArray[Any]) -> Template:
    """A named template from its three layers in RAS+ and their (4, 4) affine in mm."""
    spacing = float(affine[0, 0])
    inside = np.nonzero((frame == Tissue.CAVITY).any(axis=(1, 2)))[0]
    middle = affine[0, 3] + spacing * (inside[0] + inside[-1]) / 2
    frame = frame.copy()
    _grow_thyroid(frame, spacing)
    return Template(
        frame=frame,
        frame_name=_frame_names(frame, spacing),
        organs=organs,
        organs_name=_tube_names(organs, frame, spacing),
        arms=arms,
        origin_mm=(float(affine[0, 3] - middle), float(affine[1, 3]), float(affine[2, 3])),
        spacing_mm=spacing,
    )


def _relative(frame: Labels) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """Index coordinates: x from the midline, y, and z from the cavity's bottom (0) to its top (1); also that length."""
    cavity = frame == Tissue.CAVITY
    x = np.nonzero(cavity.any(axis=(1, 2)))[0]
    z = np.nonzero(cavity.any(axis=(0, 1)))[0]
    length = float(z[-1] - z[0])
    return (
        (np.arange(frame.shape[0]) - (x[0] + x[-1]) / 2)[:, None, None],
        np.arange(frame.shape[1])[None, :, None],
        ((np.arange(frame.shape[2]) - z[0]) / length)[None, None, :],
        length,
    )


def _frame_names(frame: Labels, spacing: float) -> Labels:
    """Structure numbers of the frame's voxels."""
    names = np.zeros_like(frame)
    names[frame == Tissue.FAT] = STRUCTURES["subcutaneous_fat"]
    names[(frame == Tissue.MUSCLE) | (frame == Tissue.DIAPHRAGM)] = STRUCTURES["skeletal_muscle"]
    names[frame == Tissue.SPINAL_CANAL] = STRUCTURES["spinal_cord"]
    names[frame == Tissue.AIRWAY] = STRUCTURES["trachea"]
    names[frame == Tissue.OESOPHAGUS] = STRUCTURES["esophagus"]
    names[frame == Tissue.THYROID] = STRUCTURES["thyroid_gland"]
    names[frame == Tissue.CARTILAGE] = STRUCTURES["costal_cartilages"]
    _name_limb_vessels(names, frame)
    _name_bones(names, frame, spacing)
    return names


def _name_limb_vessels(names: Labels, frame: Labels) -> None:
    x, _, z, _ = _relative(frame)
    right, low = np.broadcast_to(x > 0, frame.shape), np.broadcast_to(z < 0.4, frame.shape)
    for tissue, below, above in (
        (Tissue.ARTERY, "iliac_artery", "subclavian_artery"),
        (Tissue.VEIN, "iliac_vena", "brachiocephalic_vein"),
    ):
        mask = frame == tissue
        for side, on in (("right", right), ("left", ~right)):
            names[mask & on & low] = STRUCTURES[f"{below}_{side}"]
            names[mask & on & ~low] = STRUCTURES[f"{above}_{side}"]


def _name_bones(names: Labels, frame: Labels, spacing: float) -> None:
    from scipy import ndimage

    bone = np.isin(frame, BONE)
    x, y, z, _ = _relative(frame)
    mm_x = np.abs(x) * spacing
    canal_y = _canal_course(frame)
    right = np.broadcast_to(x > 0, frame.shape)
    front = (y - canal_y) * spacing
    spine = bone & (mm_x < 42) & (front < 46) & (z > 0.14)
    names[bone] = STRUCTURES["sternum"]
    names[bone & np.broadcast_to(z < 0.4, bone.shape)] = STRUCTURES["sacrum"]
    pelvis = bone & ~spine & (z < 0.40)
    femur = pelvis & _femur_zone(frame, x, z, spacing)
    sacrum = bone & (z < 0.285) & (mm_x < 50) & (front < 40) & (z > -0.05)
    thorax = bone & ~spine & (z >= 0.40)
    cage = ndimage.distance_transform_edt(frame != Tissue.CAVITY) * spacing
    shoulder = thorax & (z > 0.72) & (cage > 12) & (mm_x > 50) & (front < 62)
    clavicle = thorax & (z > 0.955) & (z < 1.1) & (front > 30) & (mm_x > 12) & ((mm_x > 64) | (z > 0.99))
    pieces, _ = ndimage.label(shoulder | clavicle)
    seeds = np.bincount(pieces[clavicle], minlength=pieces.max() + 1)
    clavicle = (seeds > 0.25 * np.bincount(pieces.ravel()))[pieces] & (pieces > 0)
    shoulder &= ~clavicle
    names[bone & np.broadcast_to(z > 1.12, bone.shape)] = STRUCTURES["skull"]
    ribs = thorax & ~shoulder & ~clavicle & ((mm_x > 34) | (front < 46))
    for side, on in (("right", right), ("left", ~right)):
        names[pelvis & on] = STRUCTURES[f"hip_{side}"]
        names[femur & on] = STRUCTURES[f"femur_{side}"]
        names[shoulder & on] = STRUCTURES[f"scapula_{side}"]
        names[clavicle & on] = STRUCTURES[f"clavicula_{side}"]
        _number_ribs(names, ribs & on, side)
    for number, mask in _vertebra_slabs(frame, spine):
        names[mask] = number
    names[sacrum] = STRUCTURES["sacrum"]


def _canal_course(frame: Labels) -> NDArray[Any]:
    """Row of the spinal canal at every height, shaped (1, 1, Z); extended as it stands where the canal is not drawn."""
    found = [np.nonzero(frame[:, :, k] == Tissue.SPINAL_CANAL)[1] for k in range(frame.shape[2])]
    known = [k for k, rows in enumerate(found) if rows.size]
    if not known:
        return np.full((1, 1, frame.shape[2]), frame.shape[1] * 0.3)
    course = np.interp(np.arange(frame.shape[2]), known, [float(found[k].mean()) for k in known])
    return course[None, None, :]


def _femur_zone(frame: Labels, x: NDArray[Any], z: NDArray[Any], spacing: float) -> NDArray[Any]:
    """Thigh bone: everything lateral and below a plane through the hip joint (assumed at 88 mm from the midline)."""
    shape = frame.shape
    lateral = np.abs(x) * spacing
    return np.broadcast_to((lateral > 72) & (z + (lateral - 72) * -0.0011 < 0.095), shape)


def _vertebra_slabs(frame: Labels, spine: NDArray[Any]) -> list[tuple[int, NDArray[Any]]]:
    """Vertebrae from L5 upward, cut at the discs: heights as shares of the cavity (mean adult proportions, assumed)."""
    z = _relative(frame)[2]
    low = 0.285
    heights = np.array([1.16, 1.16, 1.14, 1.12, 1.08, 1.02, 0.98, *np.linspace(0.94, 0.72, 10), 0.62, 0.56, 0.56])
    edges = low + np.concatenate([[0.0], np.cumsum(heights / heights[:17].sum() * (1.0 - low + 0.045))])
    names = [STRUCTURES[f"vertebrae_{name}"] for name in VERTEBRAE]
    return [
        (number, spine & (z >= edges[k]) & (z < edges[k + 1] if k < len(names) - 1 else z < 9.0))
        for k, number in enumerate(names)
    ]


def _number_ribs(names: Labels, ribs: NDArray[Any], side: str) -> None:
    """Number the ribs of one side from the top; splinters below 0.15 ml follow the rib nearest in height."""
    from scipy import ndimage

    pieces, _ = ndimage.label(ribs)
    sizes = np.bincount(pieces.ravel())
    boxes = ndimage.find_objects(pieces)
    big = [n for n in range(1, len(sizes)) if sizes[n] >= 250]
    big.sort(key=lambda n: -boxes[n - 1][2].stop)
    tops = np.array([boxes[n - 1][2].stop for n in big] or [0])
    lookup = np.zeros(len(sizes), np.uint8)
    for n in range(1, len(sizes)):
        rank = big.index(n) if n in big else int(np.argmin(np.abs(tops - boxes[n - 1][2].stop)))
        lookup[n] = STRUCTURES[f"rib_{side}_{min(rank + 1, 12)}"]
    names[ribs] = lookup[pieces[ribs]]


def _tube_names(organs: Labels, frame: Labels, spacing: float) -> Labels:
    """Structure numbers of the inner layer: great vessels apart from their branches, gullet, airway, glands."""
    from scipy import ndimage

    names = np.zeros_like(organs)
    x, _, z, _ = _relative(frame)
    right = np.broadcast_to(x > 0, organs.shape)
    heights = np.broadcast_to(z, organs.shape)
    simple = {
        Tissue.PANCREAS: "pancreas",
        Tissue.GALLBLADDER: "gallbladder",
        Tissue.OESOPHAGUS: "esophagus",
        Tissue.AIRWAY: "trachea",
        Tissue.DIAPHRAGM: "skeletal_muscle",
        Tissue.LIVER_VESSEL: "portal_vein_and_splenic_vein",
    }
    for tissue, name in simple.items():
        names[organs == tissue] = STRUCTURES[name]
    adrenal = organs == Tissue.ADRENAL
    names[adrenal & right] = STRUCTURES["adrenal_gland_right"]
    names[adrenal & ~right] = STRUCTURES["adrenal_gland_left"]
    ball = ndimage.generate_binary_structure(3, 1)
    reach = max(1, round(4.0 / spacing))
    for tissue, thick, high in (
        (Tissue.ARTERY, "aorta", "pulmonary_artery"),
        (Tissue.VEIN, "inferior_vena_cava", "superior_vena_cava"),
    ):
        mask = organs == tissue
        core = ndimage.binary_opening(mask, ball, iterations=reach) & np.broadcast_to(
            np.abs(x) * spacing < 48, mask.shape
        )
        trunk = mask & ndimage.binary_dilation(core, ball, iterations=2)
        low = mask & (heights < 0.345)
        side = "iliac_artery" if tissue == Tissue.ARTERY else "iliac_vena"
        names[mask & (heights > 0.5)] = STRUCTURES[high]
        names[trunk & ~low] = STRUCTURES[thick]
        if tissue == Tissue.VEIN:
            names[mask & (heights > 0.78)] = STRUCTURES[high]
        names[low & right] = STRUCTURES[f"{side}_right"]
        names[low & ~right] = STRUCTURES[f"{side}_left"]
    return names


def _grow_thyroid(frame: Labels, spacing: float) -> None:
    """Two lobes beside the trachea, at the top of the chest (10 by 12 by 36 mm each; assumed adult size)."""
    airway = np.argwhere(frame == Tissue.AIRWAY)
    high = airway[airway[:, 2] > airway[:, 2].max() - 30 / spacing] if airway.size else airway
    if not high.size:
        return
    middle, row = high[:, 0].mean(), high[:, 1].mean()
    level = np.nonzero((frame == Tissue.CAVITY).any(axis=(0, 1)))[0][-1] + 34 / spacing
    i, j, k = np.ogrid[: frame.shape[0], : frame.shape[1], : frame.shape[2]]
    for side in (-1, 1):
        lobe = (
            ((i - middle - side * 15 / spacing) * spacing / 9) ** 2
            + ((j - row - 3 / spacing) * spacing / 10) ** 2
            + ((k - level) * spacing / 21) ** 2
        ) < 1
        frame[lobe & np.isin(frame, (Tissue.MUSCLE, Tissue.FAT, Tissue.OUTSIDE, Tissue.CARTILAGE))] = Tissue.THYROID
