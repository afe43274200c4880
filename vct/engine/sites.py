"""Where a lesion may sit: the voxels of each of `vct.structures.LESION_SITES`, found from a label map alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.errors import PatientError
from vct.structures import GROUPS, STRUCTURES, labels_of
from vct.volume import Grid, Volume

Mask = NDArray[np.bool_]

_FAT = ("torso_fat", "subcutaneous_fat")
_MUSCLES = tuple(
    name for name in STRUCTURES if name.startswith(("skeletal_muscle", "gluteus", "autochthon", "iliopsoas"))
)
_ORGANS: dict[str, tuple[str, ...]] = {
    "lung": GROUPS["lungs"],
    "liver": ("liver",),
    "spleen": ("spleen",),
    "adrenal": ("adrenal_gland_right", "adrenal_gland_left"),
    "bone": tuple(name for name in GROUPS["bone"] if not name.startswith("humerus")),
    "soft_tissue": _MUSCLES,
    "subcutaneous": ("subcutaneous_fat",),
}
_NOT_SOFT = (*GROUPS["bone"], *GROUPS["lungs"], *GROUPS["heart_blood_pool"], "trachea", "skull", "spinal_cord")
_GREAT_VESSELS = ("trachea", "pulmonary_artery", "superior_vena_cava", "brachiocephalic_trunk", "aorta", "esophagus")
_ILIAC = ("iliac_artery_left", "iliac_artery_right", "iliac_vena_left", "iliac_vena_right")


@dataclass(frozen=True, slots=True, eq=False)
class _Map:
    """A label map with the coordinates of its voxels, and questions about it."""

    data: NDArray[np.uint8]
    grid: Grid

    def of(self, *names: str) -> Mask:
        """Voxels of these structures."""
        wanted = np.zeros(256, dtype=np.bool_)
        wanted[[number for name in names for number in labels_of(name)]] = True
        return wanted[self.data]

    def extent(self, *names: str) -> NDArray[Any]:
        """(3, 2) lowest and highest voxel centre of these structures along x, y, z. Raises LookupError without any."""
        places = np.nonzero(self.of(*names))
        if not places[0].size:
            raise LookupError(f"no {' or '.join(names)} in the field of view")
        axes = [axis.ravel() for axis in self.grid.axes_mm()]
        return np.asarray([(axis[i.min()], axis[i.max()]) for axis, i in zip(axes, places, strict=True)])

    def within(self, low: NDArray[Any], high: NDArray[Any]) -> Mask:
        """Voxels whose centres lie in a box."""
        x, y, z = ((axis >= a) & (axis <= b) for axis, a, b in zip(self.grid.axes_mm(), low, high, strict=True))
        return np.asarray(x & y & z)

    def near(self, reach_mm: float, *names: str) -> Mask:
        """Voxels no farther than `reach_mm` from these structures."""
        from scipy import ndimage

        box = self.extent(*names)
        near = self.within(box[:, 0] - reach_mm, box[:, 1] + reach_mm)
        i, j, k = (slice(int(places.min()), int(places.max()) + 1) for places in np.nonzero(near))
        away = ndimage.distance_transform_edt(~self.of(*names)[i, j, k], sampling=self.grid.spacing_mm)
        near[i, j, k] = away <= reach_mm
        return near


def site_mask(labels: Volume, site: str, rng: np.random.Generator) -> Mask:
    """Voxels of `site`; a paired node station is taken on a side that `rng` draws.

    Node stations lie in fat near their landmarks, or in any soft tissue there when that fat does not show. Raises
    PatientError when the labels do not show the site at all.
    """
    known = _Map(np.asarray(labels.data, dtype=np.uint8), labels.grid)
    right = bool(rng.integers(2))
    if site in _ORGANS:
        region = known.of(*_ORGANS[site])
    else:
        try:
            station = _STATIONS[site](known, "right" if right else "left")
        except LookupError as error:
            raise PatientError(f"no place for a lesion of site {site!r}: {error}") from error
        fat = station & known.of(*_FAT)
        region = fat if fat.any() else station & (known.data > 0) & ~known.of(*_NOT_SOFT)
    if not region.any():
        raise PatientError(f"no place for a lesion of site {site!r}: it is not in the field of view")
    return region


def _mediastinum(known: _Map, _: str) -> Mask:
    chest = known.extent("lungs")
    low = known.extent("pulmonary_artery", "trachea")[2, 0] - 35.0
    return known.near(22.0, *_GREAT_VESSELS) & known.within(
        np.array([-60.0, -np.inf, low]), np.array([60.0, np.inf, chest[2, 1]])
    )


def _retroperitoneum(known: _Map, _: str) -> Mask:
    spine = known.extent(*(f"vertebrae_L{number}" for number in range(1, 5)))
    level = known.within(np.array([-np.inf, -np.inf, spine[2, 0]]), np.array([np.inf, np.inf, spine[2, 1]]))
    return known.near(24.0, "aorta", "inferior_vena_cava") & level


def _pelvis(known: _Map, side: str) -> Mask:
    sacrum = known.extent("sacrum")
    sign = 1.0 if side == "right" else -1.0
    x = (0.0, np.inf) if sign > 0 else (-np.inf, 0.0)
    half = known.within(np.array([x[0], -np.inf, sacrum[2, 0]]), np.array([x[1], np.inf, sacrum[2, 1]]))
    return known.near(22.0, *_ILIAC) & half


def _axilla(known: _Map, side: str) -> Mask:
    ribs, head = known.extent(*(f"rib_{side}_{number}" for number in (3, 4, 5))), known.extent(f"humerus_{side}")
    inner = ribs[0, 1] if side == "right" else -ribs[0, 0]
    x = (inner, inner + 40.0) if side == "right" else (-inner - 40.0, -inner)
    middle, top = float(ribs[1].mean()), float(head[2, 0])
    return known.within(np.array([x[0], middle - 30.0, top - 60.0]), np.array([x[1], middle + 30.0, top + 12.0]))


def _supraclavicular(known: _Map, side: str) -> Mask:
    bone = known.extent(f"clavicula_{side}")
    span = bone[0, 1] - bone[0, 0]
    x = (bone[0, 0], bone[0, 0] + 0.65 * span) if side == "right" else (bone[0, 1] - 0.65 * span, bone[0, 1])
    low, high = np.array([x[0], bone[1, 0] - 5.0, bone[2, 0] + 12.0]), np.array([x[1], bone[1, 1], bone[2, 1] + 10.0])
    return known.within(low, high)


_STATIONS: dict[str, Callable[[_Map, str], Mask]] = {
    "mediastinum": _mediastinum,
    "retroperitoneum": _retroperitoneum,
    "pelvis_node": _pelvis,
    "axilla": _axilla,
    "supraclavicular": _supraclavicular,
}
