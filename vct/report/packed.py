"""A scan packed small enough for a page: volumes as compressed NIfTI, the planted lesions and what is seen of them."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.forms import filling
from vct.readout.detection import detection
from vct.readout.heat import lesion_max
from vct.readout.truth import lesions_in_view
from vct.records import Patient, Scan
from vct.structures import STRUCTURES
from vct.volume import Grid, Volume

SUV_STEP = 0.01
HU_STEP, HU_FLOOR = 8.0, -1024.0
MOST_VOXELS, MOST_BYTES = 2_600_000, 2_400_000
"""Of a volume, and of a packed scan: three scans and the viewer's own code stay under 10 MB."""
CONTOUR_SHARE = 0.41
"""The reader's contour as share of a lesion's SUVmax (EANM 2.0, Boellaard 2015, doi 10.1007/s00259-014-2961-x)."""
COARSER = 1.15


def packed(scan: Scan) -> bytes:
    """The scan as JSON, the same bytes for the same scan, at most `MOST_BYTES` long.

    PET in steps of 0.01 SUVbw, CT of 8 HU, organ labels, and two masks that number the lesions: as planted, and
    voxels at or above 41 % of a lesion's SUVmax in its marked region. Where the scan is too large all are
    averaged to larger voxels, and `spacing_mm` says to which; `lesions` are always read on the scan itself.
    """
    lesions = _lesions(scan)
    truth, contour = lesion_masks(scan)
    spacing = scan.pet.grid.spacing_mm
    grown = max(1.0, (scan.pet.data.size / MOST_VOXELS) ** (1 / 3))
    while True:
        grid = scan.pet.grid
        if grown > 1.0:
            grid = grid.resampled((spacing[0] * grown, spacing[1] * grown, spacing[2] * grown))
        content = {
            "patient": scan.snapshot.patient.id,
            "arm": scan.snapshot.patient.arm,
            "visit": scan.snapshot.visit.name,
            "day": scan.snapshot.visit.day,
            "engine": scan.made_by,
            "scan_spacing_mm": list(spacing),
            "spacing_mm": list(grid.spacing_mm),
            "organs": _organs(scan),
            "lesions": lesions,
            "pet": _nifti(scan.pet.resampled(grid).data / SUV_STEP, grid, np.int16, SUV_STEP, 0.0),
            "ct": _nifti((scan.ct.resampled(grid).data - HU_FLOOR) / HU_STEP, grid, np.uint8, HU_STEP, HU_FLOOR),
            "labels": None if scan.labels is None else _labels(scan.labels, grid),
            "truth": _labels(truth, grid),
            "contour": _labels(contour, grid),
        }
        found = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
        if len(found) <= MOST_BYTES:
            return found
        grown *= COARSER


def packed_in(folder: Path, patients: Iterable[Patient]) -> list[dict[str, Any]]:
    """The packed scans that a run left in its folder, in the order of `patients` and of their days."""
    order = {(patient.id, patient.arm): rank for rank, patient in enumerate(patients)}
    found = [json.loads(path.read_bytes()) for path in sorted((folder / "pictures").glob("*.json"))]
    known = [item for item in found if (item["patient"], item["arm"]) in order]
    return sorted(known, key=lambda item: (order[item["patient"], item["arm"]], item["day"]))


def _lesions(scan: Scan) -> list[dict[str, Any]]:
    """Each lesion in view: what was planted, and its SUVmax as the finder sees it, None where it was missed."""
    found = {lesion.id: mark for lesion, mark in detection(scan).hits}
    return [
        {
            "id": lesion.id,
            "organ": lesion.organ,
            "is_new": lesion.is_new,
            "center_mm": [round(value, 2) for value in lesion.center_mm or ()],
            "diameter_mm": lesion.diameter_mm,
            "planted_suv": lesion.suv,
            "suv_max": lesion_max(scan, found[lesion.id]) if lesion.id in found else None,
        }
        for lesion in lesions_in_view(scan)
    ]


def lesion_masks(scan: Scan) -> tuple[Volume, Volume]:
    """Planted lesions and 41 % contours of those found, numbered by the lesion's place in the list, from 1."""
    found = {lesion.id: mark for lesion, mark in detection(scan).hits}
    grid = scan.pet.grid
    truth, contour = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    for number, lesion in enumerate(lesions_in_view(scan)[:255], start=1):
        filled = filling(grid, lesion)
        if filled is not None:
            truth[filled.box][filled.whole >= 0.5] = number
        mark = found.get(lesion.id)
        if mark is None:
            continue
        region = mark.region
        seen = region.mask & (scan.pet.data[region.box] >= CONTOUR_SHARE * lesion_max(scan, mark))
        contour[region.box][seen & (contour[region.box] == 0)] = number
    return Volume(data=truth, grid=grid, unit="label"), Volume(data=contour, grid=grid, unit="label")


def _organs(scan: Scan) -> Mapping[str, str]:
    """Names of the labels that the scan holds, by number."""
    if scan.labels is None:
        return {}
    there = set(np.unique(scan.labels.data).tolist())
    return {str(number): name for name, number in STRUCTURES.items() if number in there}


def _labels(volume: Volume, grid: Grid) -> str:
    return _nifti(volume.resampled(grid).data, grid, np.uint8, 1.0, 0.0)


def _nifti(data: NDArray[Any], grid: Grid, dtype: Any, slope: float, offset: float) -> str:
    """Base64 of a gzipped NIfTI-1 file whose voxels mean `slope` x stored + `offset`; values are clipped to `dtype`."""
    import nibabel as nib

    limits = np.iinfo(dtype)
    stored = data if data.dtype == dtype else np.rint(data).clip(limits.min, limits.max).astype(dtype)
    image = nib.Nifti1Image(stored, grid.affine)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = b"SYNTHETIC"
    file = bytearray(image.to_bytes())
    struct.pack_into("<2f", file, 112, slope, offset)  # scl_slope, scl_inter: nibabel writes its own for integers
    return base64.b64encode(gzip.compress(bytes(file), 6, mtime=0)).decode()
