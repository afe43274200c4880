"""Lesions out of DICOM segmentations: of one or several, and of those that hold organs too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vct.errors import InputError
from vct.formats.codes import names_structure
from vct.formats.placed import LPS_TO_RAS, Placed
from vct.formats.suv import Slice
from vct.formats.tags import complain, number, read_whole, text
from vct.niftifile import MAX_VOXELS
from vct.volume import Grid, Volume

if TYPE_CHECKING:
    from pydicom import Dataset

ANATOMY = {"123037004", "T-D000A"}
"""Anatomical Structure in SNOMED CT and in its older codes."""
LESIONS = {"52988006", "M-01000", "108369006", "M-80000", "4147007", "M-03000", "27925004", "M-03010", "363346000"}
"""Lesion, neoplasm, mass, nodule, malignant neoplastic disease: what some put under Anatomical Structure."""
LESION_WORDS = re.compile(r"lesion|tumou?r|neoplas|cancer|carcinoma|lymphoma|melanoma|metasta|malignan", re.IGNORECASE)


def lesion_mask(files: Sequence[Slice], frame: str, grid: Grid) -> tuple[Volume | None, str]:
    """The lesions of a study's segmentations (paths and headers), and what was taken as them ("" without any file).

    Segments of anatomy are left out, and segmentations in another frame of reference. Where nothing else is left, the
    only segment of a study's only segmentation is taken as lesions unless its type names an organ: some programs code
    every segment as anatomy. Of several segmentations the voxels are joined, on the PET's `grid`. Raises InputError for
    a file that is damaged or too large.
    """
    here = [item for item in files if text(item[1], "FrameOfReferenceUID") == frame]
    segments = [(path, segment) for path, header in here for segment in header.get("SegmentSequence") or ()]
    chosen = [item for item in segments if _is_lesion(item[1])]
    said = f"lesions: {len(chosen) or 'no'} of {len(segments)} segments"
    if not chosen and len(files) == len(segments) == 1 and not _is_organ(segments[0][1]):
        chosen, said = segments, "lesions: the only segment, coded as anatomy but as no organ"
    numbers: dict[Path, list[int]] = {}
    for path, segment in chosen:
        numbers.setdefault(path, []).append(int(number(path, segment, "SegmentNumber")))
    masks = [_mask(path, wanted).upright("label") for path, wanted in numbers.items()]
    if len(masks) > 1:
        said += f", {len(masks)} segmentations joined"
        joined = np.maximum.reduce([mask.resampled(grid).data for mask in masks])
        masks = [Volume(data=joined, grid=grid, unit="label")]
    if len(here) < len(files):
        said += f"; {len(files) - len(here)} segmentations in another frame of reference left out"
    return (masks[0] if masks else None), said if files else ""


def _is_lesion(segment: Dataset) -> bool:
    """Whether a segment is coded as something else than anatomy, or as a lesion under it."""
    category, kind = (_codes(segment, f"SegmentedProperty{what}CodeSequence") for what in ("Category", "Type"))
    return not category.keys() & ANATOMY or bool(kind.keys() & LESIONS)


def _is_organ(segment: Dataset) -> bool:
    """Whether the type is a structure of the body, and neither label nor type speaks of a lesion in it."""
    kinds = _codes(segment, "SegmentedPropertyTypeCodeSequence")
    if LESION_WORDS.search(" ".join((text(segment, "SegmentLabel"), *kinds.values()))):
        return False
    return any(names_structure(*item) for item in kinds.items())


def _codes(segment: Dataset, keyword: str) -> dict[str, str]:
    """Code values and their meanings."""
    return {text(item, "CodeValue"): text(item, "CodeMeaning") for item in segment.get(keyword) or ()}


def _mask(path: Path, segments: Sequence[int]) -> Placed:
    """Some segments of a DICOM SEG as one mask."""
    import highdicom as hd

    header = read_whole(path)
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
