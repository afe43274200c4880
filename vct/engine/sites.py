"""Where a lesion may sit: the voxels of each of `vct.structures.LESION_SITES`, found from a label map alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vct.errors import PatientError
from vct.structures import GROUPS, STRUCTURES, voxels_of
from vct.volume import Grid, Volume

Mask = NDArray[np.bool_]
Side = Literal["right", "left"]

_FAT = ("torso_fat", "subcutaneous_fat")
_MUSCLES = tuple(
    name for name in STRUCTURES if name.startswith(("skeletal_muscle", "gluteus", "autochthon", "iliopsoas"))
)
_ORGANS: dict[str, tuple[str, ...]] = {
    "lung": GROUPS["lungs"],
    "liver": ("liver",),
    "spleen": ("spleen",),
    "bone": tuple(name for name in GROUPS["bone"] if not name.startswith("humerus")),
    "soft_tissue": _MUSCLES,
    "subcutaneous": ("subcutaneous_fat",),
}
_NOT_SOFT = (*GROUPS["bone"], *GROUPS["lungs"], *GROUPS["heart_blood_pool"], "trachea", "skull", "spinal_cord")
_GREAT_VESSELS = ("trachea", "pulmonary_artery", "superior_vena_cava", "brachiocephalic_trunk", "aorta", "esophagus")
_ANY = float("inf")
_ILIAC = ("iliac_artery_left", "iliac_artery_right", "iliac_vena_left", "iliac_vena_right")


class SiteMap:
    """A label map and where in it lesions may sit; masks are found once each."""

    def __init__(self, labels: Volume) -> None:
        self.grid: Grid = labels.grid
        self.data: NDArray[np.uint8] = np.asarray(labels.data, dtype=np.uint8)
        self.solid: Mask = (self.data > 0) & ~self.of("lungs", "trachea")
        self._found: dict[tuple[str, str], Mask] = {}

    def mask(self, site: str, side: Side) -> Mask:
        """Voxels of `site`, for a paired node station those of one side.

        Node stations lie in fat near their landmarks, or in any soft tissue there when that fat does not show. Raises
        PatientError when the labels do not show the site at all.
        """
        if (site, side) not in self._found:
            self._found[site, side] = self._find(site, side)
        return self._found[site, side]

    def _find(self, site: str, side: Side) -> Mask:
        if site in _ORGANS:
            region = self.of(*_ORGANS[site])
        else:
            try:
                station = _STATIONS[site](self, side)
            except LookupError as error:
                raise PatientError(f"no place for a lesion of site {site!r}: {error}") from error
            wanted = station & self.of(*_FAT, "adrenal_gland_right", "adrenal_gland_left")
            region = wanted if wanted.any() else station & self.solid & ~self.of(*_NOT_SOFT)
        if not region.any():
            raise PatientError(f"no place for a lesion of site {site!r}: it is not in the field of view")
        return region

    def of(self, *names: str) -> Mask:
        """Voxels of these structures."""
        return voxels_of(self.data, *names)

    def extent(self, *names: str) -> NDArray[Any]:
        """(3, 2) lowest and highest voxel centre of these structures along x, y, z. Raises LookupError without any."""
        shadows = self._shadows(self.of(*names), *names)
        axes = (axis.ravel() for axis in self.grid.axes_mm())
        return np.asarray([(axis[seen[0]], axis[seen[-1]]) for axis, seen in zip(axes, shadows, strict=True)])

    def within(self, low: Sequence[float], high: Sequence[float]) -> Mask:
        """Voxels whose centres lie in a box."""
        x, y, z = ((axis >= a) & (axis <= b) for axis, a, b in zip(self.grid.axes_mm(), low, high, strict=True))
        return np.asarray(x & y & z)

    def near(self, reach_mm: float, *names: str) -> Mask:
        """Voxels that are no farther than `reach_mm` from these structures along any axis."""
        from scipy import ndimage

        landmarks = self.of(*names)
        reach = [round(reach_mm / step) for step in self.grid.spacing_mm]
        i, j, k = (
            slice(max(seen[0] - more, 0), seen[-1] + more + 1)
            for seen, more in zip(self._shadows(landmarks, *names), reach, strict=True)
        )
        grown = landmarks[i, j, k].view(np.uint8)
        for axis, more in enumerate(reach):
            grown = ndimage.maximum_filter1d(grown, 2 * more + 1, axis=axis, mode="constant")
        landmarks[i, j, k] = grown.view(np.bool_)
        return landmarks

    @staticmethod
    def _shadows(inside: Mask, *names: str) -> list[NDArray[np.intp]]:
        """Along each axis, the indices where `inside` has any voxel. Raises LookupError when it has none."""
        shadows = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        if not shadows[0].size:
            raise LookupError(f"no {' or '.join(names)} in the field of view")
        return shadows


def _mediastinum(known: SiteMap, _: Side) -> Mask:
    floor = known.extent("pulmonary_artery", "trachea")[2, 0] - 35.0
    ceiling = known.extent("lungs")[2, 1]
    return known.near(18.0, *_GREAT_VESSELS) & known.within((-60.0, -_ANY, floor), (60.0, _ANY, ceiling))


def _retroperitoneum(known: SiteMap, _: Side) -> Mask:
    spine = known.extent(*(f"vertebrae_L{number}" for number in range(1, 5)))
    level = known.within((-_ANY, -_ANY, spine[2, 0]), (_ANY, _ANY, spine[2, 1]))
    return known.near(18.0, "aorta", "inferior_vena_cava") & level


def _pelvis(known: SiteMap, side: Side) -> Mask:
    sacrum = known.extent("sacrum")
    floor = 0.65 * sacrum[2, 0] + 0.35 * sacrum[2, 1]
    x = (0.0, _ANY) if side == "right" else (-_ANY, 0.0)
    return known.near(18.0, *_ILIAC) & known.within((x[0], -_ANY, floor), (x[1], _ANY, sacrum[2, 1]))


def _adrenal(known: SiteMap, side: Side) -> Mask:
    """The gland, or where it should be when it is too small to show: on the inner upper pole of the kidney."""
    gland = known.of(f"adrenal_gland_{side}")
    if gland.any():
        return gland
    (x0, x1), (y0, y1), (_, top) = known.extent(f"kidney_{side}")
    middle = (x0 + x1) / 2.0
    x = (x0 - 6.0, middle) if side == "right" else (middle, x1 + 6.0)
    return known.within((x[0], y0, top - 6.0), (x[1], y1, top + 18.0))


def _axilla(known: SiteMap, side: Side) -> Mask:
    ribs, arm = known.extent(*(f"rib_{side}_{number}" for number in (3, 4, 5))), known.extent(f"humerus_{side}")
    x = (ribs[0, 1], ribs[0, 1] + 40.0) if side == "right" else (ribs[0, 0] - 40.0, ribs[0, 0])
    middle, top = float(ribs[1].mean()), float(arm[2, 0])
    return known.within((x[0], middle - 30.0, top - 60.0), (x[1], middle + 30.0, top + 12.0))


def _supraclavicular(known: SiteMap, side: Side) -> Mask:
    bone = known.extent(f"clavicula_{side}")
    shares = (0.15, 0.65) if side == "right" else (0.35, 0.85)
    x = [bone[0, 0] + share * (bone[0, 1] - bone[0, 0]) for share in shares]
    return known.within((x[0], bone[1, 0], bone[2, 0] + 20.0), (x[1], float(bone[1].mean()), bone[2, 1]))


_STATIONS: dict[str, Callable[[SiteMap, Side], Mask]] = {
    "adrenal": _adrenal,
    "mediastinum": _mediastinum,
    "retroperitoneum": _retroperitoneum,
    "pelvis_node": _pelvis,
    "axilla": _axilla,
    "supraclavicular": _supraclavicular,
}
