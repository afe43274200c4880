"""Lesions out of DICOM segmentations: of one or several, and of those that hold organs too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vct.errors import InputError
from vct.formats.placed import LPS_TO_RAS, Placed
from vct.formats.tags import complain, number, read_whole, text
from vct.niftifile import MAX_VOXELS
from vct.volume import Grid, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

ANATOMY = {"123037004", "T-D000A"}
"""Anatomical Structure in SNOMED CT and in its older codes."""
LESIONS = {"52988006", "M-01000", "108369006", "M-80000", "4147007", "M-03000", "27925004", "M-03010", "363346000"}
"""Lesion, neoplasm, mass, nodule, malignant neoplastic disease: what some put under Anatomical Structure."""


def lesion_mask(paths: Sequence[Path], frame: str, grid: Grid) -> tuple[Volume | None, str]:
    """The lesions of a study's segmentations, and how many were joined ("" for one or none).

    Segments about anatomy, and segmentations in another frame of reference, are left out. Of several segmentations the
    voxels are joined, on the PET's `grid`. Raises InputError for a file that is damaged or too large.
    """
    found: list[Volume] = []
    for path in paths:
        header = read_whole(path)
        wanted = _lesion_segments(header)
        if wanted and text(header, "FrameOfReferenceUID") == frame:
            found.append(_mask(path, header, wanted).upright("label"))
    if len(found) < 2:
        return (found[0] if found else None), ""
    joined = np.maximum.reduce([mask.resampled(grid).data for mask in found])
    return Volume(data=joined, grid=grid, unit="label"), f"lesions: {len(found)} segmentations joined"


def _lesion_segments(header: Dataset) -> list[int]:
    segments: Any = header.get("SegmentSequence") or ()
    return [
        int(item.SegmentNumber)
        for item in segments
        if not _codes(item, "SegmentedPropertyCategoryCodeSequence") & ANATOMY
        or _codes(item, "SegmentedPropertyTypeCodeSequence") & LESIONS
    ]


def _codes(segment: Dataset, keyword: str) -> set[str]:
    return {text(item, "CodeValue") for item in segment.get(keyword) or ()}


def _mask(path: Path, header: Dataset, segments: Sequence[int]) -> Placed:
    """Some segments of a DICOM SEG as one mask."""
    import highdicom as hd

    size = [number(path, header, name) for name in ("Rows", "Columns", "NumberOfFrames")]
    if np.prod(size) > MAX_VOXELS:
        raise complain(path, "NumberOfFrames", f"times rows and columns is more than {MAX_VOXELS} voxels", size[2])
    try:
        seg = hd.seg.Segmentation.from_dataset(header, copy=False)
        found: Any = seg.get_volume(
            segment_numbers=list(segments), combine_segments=True, relabel=True, skip_overlap_checks=True
        )
    except Exception as error:  # a damaged SEG makes highdicom raise anything at all
        raise InputError(f"{path}: is no readable segmentation ({type(error).__name__}: {str(error)[:120]})") from None
    mask = (np.asarray(found.array) > 0).astype(np.uint8)
    return Placed(data=mask, affine=LPS_TO_RAS @ np.asarray(found.affine, dtype=np.float64), source=str(path))
