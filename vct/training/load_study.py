"""A study's images as upright volumes, whatever its layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vct.formats.bids_read import bids_suv_factor, read_sidecar
from vct.formats.nifti import read
from vct.formats.series import SEGMENTATION, find_series, read_series
from vct.formats.suv import suv_rule
from vct.formats.tags import text
from vct.training.choose import choose_ct, choose_pet
from vct.training.demographics import Person, Refused, person_of
from vct.training.masks import lesion_mask
from vct.training.studies import Study
from vct.volume import Volume

MOST_SUV, MOST_MEDIAN_SUV = 2000.0, 20.0
LEAST_BODY_HU, MOST_BODY_HU = -150.0, 150.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """CT (HU), PET (SUVbw), and where there are any the lesion mask and labels; each on its own grid.

    `notes` say what was chosen and why, without a word from the files.
    """

    ct: Volume
    pet: Volume
    lesions: Volume | None
    labels: Volume | None
    person: Person
    notes: tuple[str, ...] = ()


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
    ct = read(study.images["ct"], "HU")
    return Loaded(ct=ct, pet=pet, lesions=masks["lesions"], labels=masks["labels"], person=known)


def _from_dicom(study: Study, known: Person) -> Loaded:
    series = find_series(study.dicom_files())
    chosen = choose_pet(series, known.weight_kg)
    source = chosen.series
    ct = choose_ct(series, source)
    person = known.over(person_of(source.path, source.header))
    rule = suv_rule(source.files, known.weight_kg)
    pet = read_series(source, rule.factor).upright("SUVbw")
    segmentations = [path for item in series if item.sop_class == SEGMENTATION for path, _ in item.files]
    lesions, joined = lesion_mask(segmentations, text(source.header, "FrameOfReferenceUID"), pet.grid)
    return Loaded(
        ct=read_series(ct.series).upright("HU"),
        pet=pet,
        lesions=lesions,
        labels=None,
        person=person,
        notes=tuple(note for note in (f"SUV: {rule.how}", chosen.why, ct.why, joined) if note),
    )


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
