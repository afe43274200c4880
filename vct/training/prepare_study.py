"""One study in, one training body out: read, screened, cropped to the torso, on the model's grid."""

from __future__ import annotations

import hmac
import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from vct.engine.cascade.grid import grid_for
from vct.errors import InputError
from vct.files import write_aside
from vct.formats.nifti import read
from vct.formats.tags import TagError
from vct.segmenter.command import checked
from vct.training.demographics import Person, Refused, Row, complete, person_in
from vct.training.flesh import with_flesh
from vct.training.load_study import Loaded, load_study
from vct.training.segment import NETWORK, given, segment
from vct.training.studies import Study
from vct.training.torso import Torso, find_torso
from vct.volume import Volume

PLACEHOLDER_HU = -1024.0
BY_NETWORK = "by the shipped network, which was trained on virtual patients only (docs/segmenter.md)"
RECORD = "study.json"
UNSEEN_MM = 2.0
"""How much of the torso, at an end, the PET may leave out: less than a slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to do with every study: `people` is the table, `key` what new identifiers are made with."""

    source: Path
    out: Path
    key: bytes
    people: dict[str, list[Row]]
    segmentations: Path | None
    segmenter: str | None
    spacing_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a study; `reason` is "" where it was prepared. `said` may name files and is never written out."""

    id: str
    reason: str = ""
    said: str = ""


def new_id(key: bytes, *names: str) -> str:
    """An identifier that tells nothing without the key (HMAC-SHA-256, 40 bits)."""
    return hmac.new(key, "\0".join(names).encode(), "sha256").hexdigest()[:10].upper()


def prepare_study(order: Order, study: Study) -> Outcome:
    """Prepare one study unless that is done already. Everything that is wrong with it becomes an outcome."""
    name = "S" + new_id(order.key, study.patient, study.study)
    folder = order.out / name
    if (folder / RECORD).is_file():
        return Outcome(id=name)
    scratch = order.out / f".tmp-{name}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        _prepare(order, study, scratch)
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rename(folder)
    except Refused as refused:
        return Outcome(id=name, reason=refused.reason, said=f"{study.place}: {refused}")
    except TagError as error:
        return Outcome(id=name, reason=error.reason, said=str(error))
    except InputError as error:
        return Outcome(id=name, reason="damaged or unreadable file", said=str(error))
    except MemoryError:
        return Outcome(id=name, reason="too large", said=f"{study.place}: not enough memory")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Outcome(id=name)


def _prepare(order: Order, study: Study, scratch: Path) -> None:
    person = person_in(order.people, study.patient, study.study)
    if study.layout != "dicom":
        complete(person)
    loaded = load_study(study, person)
    person = complete(loaded.person)
    labels, torso = _torso(order, study, loaded, scratch)
    _covered(loaded.pet, torso.bottom_mm, torso.top_mm)
    grid = grid_for(torso.length_mm, order.spacing_mm, torso.bottom_mm, torso.center_mm)
    ct = loaded.ct.resampled(grid)
    ct = Volume(data=np.maximum(ct.data, PLACEHOLDER_HU), grid=grid, unit="HU")
    ct.save(scratch / "ct.nii.gz", note="")
    loaded.pet.resampled(grid).save(scratch / "pet.nii.gz", note="")
    if loaded.lesions is not None:
        loaded.lesions.resampled(grid).save(scratch / "lesions.nii.gz", note="")
    notes = [*loaded.notes, f"torso: {torso.how}", *([f"organs: {BY_NETWORK}"] if torso.by_network else [])]
    if labels is not None:
        with_flesh(ct, labels.resampled(grid)).save(scratch / "labels.nii.gz", note="")
    patient = "P" + new_id(order.key, study.patient)
    record = {"patient": patient, "notes": notes, **asdict(person)}
    write_aside(scratch / RECORD, json.dumps(record).encode())


def _torso(order: Order, study: Study, loaded: Loaded, scratch: Path) -> tuple[Volume | None, Torso]:
    """Organ labels, where anybody knows them, and the torso by them.

    Where the shipped network, which has seen neither heads nor legs, does not find both ends, rules on the CT do.
    """
    labels = _labels(order, study, loaded, scratch)
    if labels is not None or order.segmenter != NETWORK:
        return labels, find_torso(loaded.ct, labels)
    labels = segment(NETWORK, loaded.ct, loaded.pet, scratch)
    try:
        torso = find_torso(loaded.ct, labels)
    except Refused:
        torso = find_torso(loaded.ct, None)
    return labels, replace(torso, by_network=True)


def _labels(order: Order, study: Study, loaded: Loaded, scratch: Path) -> Volume | None:
    """Of the whole scan, but for the shipped network's."""
    own = given(order.segmentations, study) if order.segmentations else None
    if own:
        return checked(read(own, "label"))
    if loaded.labels is not None or order.segmenter is None or order.segmenter == NETWORK:
        return loaded.labels
    apart = scratch / "segmenter"
    apart.mkdir()
    try:
        return segment(order.segmenter, loaded.ct, loaded.pet, apart)
    finally:
        shutil.rmtree(apart, ignore_errors=True)


def _covered(pet: Volume, bottom_mm: float, top_mm: float) -> None:
    low = pet.grid.origin_mm[2] - pet.grid.spacing_mm[2] / 2.0
    high = low + pet.grid.shape[2] * pet.grid.spacing_mm[2]
    if low > bottom_mm + UNSEEN_MM or high < top_mm - UNSEEN_MM:
        raise Refused("truncated field of view", "the PET does not cover the torso")


def read_record(folder: Path) -> tuple[str, Person]:
    """The new identifier of a prepared study's patient, and the person. Raises InputError where it is damaged."""
    try:
        found = json.loads((folder / RECORD).read_text())
        return found["patient"], Person(**{name: found[name] for name in Person.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / RECORD}: is missing or damaged ({error})") from None
