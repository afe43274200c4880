"""A study's images as upright volumes, whatever its layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vct.errors import InputError
from vct.formats.bids_read import bids_suv_factor, read_sidecar
from vct.formats.nifti import read
from vct.formats.placed import LPS_TO_RAS, Placed
from vct.formats.series import CT_IMAGE, PET_IMAGE, SEGMENTATION, Series, find_series, read_series
from vct.formats.suv import suv_rule
from vct.formats.tags import numbers, read_whole, text
from vct.training.demographics import Person, Refused, person_of
from vct.training.studies import Study
from vct.volume import Volume

ANATOMY = "123037004"
MOST_SUV, MOST_MEDIAN_SUV = 2000.0, 20.0
LEAST_BODY_HU, MOST_BODY_HU = -150.0, 150.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """CT (HU), PET (SUVbw), and where there are any the lesion mask and labels; each on its own grid."""

    ct: Volume
    pet: Volume
    lesions: Volume | None
    labels: Volume | None
    person: Person


def load_study(study: Study, known: Person) -> Loaded:
    """Read a study; `known` (from a table) goes before what its headers say.

    Raises InputError, which names file and tag, or Refused.
    """
    loaded = _from_dicom(study, known) if study.layout == "dicom" else _from_nifti(study, known)
    _right_units(loaded)
    return loaded


def _from_nifti(study: Study, known: Person) -> Loaded:
    for name in ("ct", "pet"):
        if name not in study.images or not study.images[name].is_file():
            raise Refused(f"no {name.upper()}")
    pet = read(study.images["pet"], "SUVbw")
    if study.layout == "bids":
        if known.weight_kg is None:
            raise Refused("missing weight")
        factor = bids_suv_factor(study.images["pet"], read_sidecar(study.images["pet"]), known.weight_kg)
        pet = Volume(data=pet.data * np.float32(factor), grid=pet.grid, unit="SUVbw")
    masks = {
        name: read(study.images[name], "label") if name in study.images else None for name in ("lesions", "labels")
    }
    return Loaded(ct=read(study.images["ct"], "HU"), pet=pet, person=known, **masks)


def _from_dicom(study: Study, known: Person) -> Loaded:
    files = (path for folder in study.folders for path in _files(folder))
    series = find_series(files)
    if len({item.study for item in series}) > 1:
        raise Refused("several studies", "a folder mixes studies; keep each in a folder of its own")
    pet = _chosen([item for item in series if item.sop_class == PET_IMAGE], "PET")
    frame = text(pet.header, "FrameOfReferenceUID")
    images = [item for item in series if item.sop_class == CT_IMAGE and _usable(item)]
    ct = _chosen([item for item in images if text(item.header, "FrameOfReferenceUID") == frame], "CT")
    person = known.over(person_of(pet.path, pet.header))
    rule = suv_rule(pet.files, known.weight_kg)
    masks = [path for item in series if item.sop_class == SEGMENTATION for path, _ in item.files]
    return Loaded(
        ct=read_series(ct).upright("HU"),
        pet=read_series(pet, rule.factor).upright("SUVbw"),
        lesions=_lesions(masks),
        labels=None,
        person=person,
    )


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file())


def _usable(series: Series) -> bool:
    kinds = {str(item).upper() for item in series.header.get("ImageType") or ()}
    return len(series.files) > 1 and not kinds & {"LOCALIZER", "MIP", "SECONDARY"}


def _chosen(found: list[Series], what: str) -> Series:
    """The series with the longest reach, of equals that with most slices; PET without attenuation correction last."""
    if not found:
        raise Refused(f"no {what}", "no series of that kind, or none in the PET's frame of reference")

    def rank(series: Series) -> tuple[bool, float, int, str]:
        corrected = {str(item).upper() for item in series.header.get("CorrectedImage") or ()}
        return what == "CT" or "ATTN" in corrected, _reach_mm(series), len(series.files), series.uid

    return max(found, key=rank)


def _reach_mm(series: Series) -> float:
    places = np.array([numbers(path, header, "ImagePositionPatient", 3) for path, header in series.files])
    return round(float(np.linalg.norm(np.ptp(places, axis=0))), 0)


def _lesions(paths: list[Path]) -> Volume | None:
    """The mask of a study's only SEG; of several, the first that is not about anatomy (SCT 123037004)."""
    if len(paths) > 1:
        paths = [path for path in paths if ANATOMY not in _categories(path)]
    return _segmentation(paths[0]).upright("label") if paths else None


def _categories(path: Path) -> set[str]:
    segments: Any = read_whole(path).get("SegmentSequence") or ()
    return {text(item, "CodeValue") for segment in segments for item in segment.SegmentedPropertyCategoryCodeSequence}


def _segmentation(path: Path) -> Placed:
    """All segments of a DICOM SEG as one mask."""
    import highdicom as hd

    try:
        found: Any = hd.seg.segread(path).get_volume(combine_segments=True, relabel=True, skip_overlap_checks=True)
    except Exception as error:  # a damaged SEG makes highdicom raise anything at all
        raise InputError(f"{path}: is no readable segmentation ({type(error).__name__}: {str(error)[:120]})") from None
    mask = (np.asarray(found.array) > 0).astype(np.uint8)
    return Placed(data=mask, affine=LPS_TO_RAS @ np.asarray(found.affine, dtype=np.float64), source=str(path))


def _right_units(loaded: Loaded) -> None:
    """Refuse what cannot be SUVbw, or a CT that is not in HU. The limits are assumed."""
    pet, ct = loaded.pet.data, loaded.ct.data
    inside = pet[pet > 0.1]
    if not inside.size:
        raise Refused("wrong units", "no PET voxel is above SUV 0.1: is it SUVbw?")
    top, middle = float(pet.max()), float(np.median(inside[:: max(1, inside.size // 1_000_000)]))
    if top > MOST_SUV or middle > MOST_MEDIAN_SUV:
        raise Refused("wrong units", f"PET values up to {top:.0f}, median {middle:.0f}: this is no SUVbw")
    body = ct[(ct > -400.0) & (ct < 1000.0)]
    if not body.size or float(ct.min()) > -500.0:
        raise Refused("wrong units", f"the CT's lowest value is {ct.min():.0f}: this is not HU")
    typical = float(np.median(body[:: max(1, body.size // 1_000_000)]))
    if not LEAST_BODY_HU < typical < MOST_BODY_HU:
        raise Refused("wrong units", f"the CT's tissue has a median of {typical:.0f}: this is not HU")
