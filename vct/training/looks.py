"""Looks at a training: what the weights make by now, held organ by organ against the bodies that they learn from.

They tell whether a training is on its way, not how good its weights are: the bodies are those of the training.
`vct fidelity` judges weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from vct.engine.atlas.gallery import strip
from vct.engine.cascade.anatomy import Anatomy
from vct.engine.cascade.blueprints import AnatomyBlueprint, Body
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.day import DayToDay
from vct.engine.cascade.grid import grid_for
from vct.engine.cascade.intensity import decode
from vct.engine.cascade.sampler import DEFAULT, QUICK, volume_noise
from vct.engine.cascade.superres import FACTOR
from vct.records import Patient, Scan, Snapshot, Visit
from vct.structures import labels_of
from vct.training.data import Bodies
from vct.training.journal import Look, OrganLook
from vct.training.organs import measure
from vct.volume import Volume

ORGANS = ("liver", "spleen", "kidneys", "heart", "lungs", "urinary_bladder")
_SEED = 0
_VISIT = Visit(name="look", day=0.0)
_MAPPED = 40
"""Bodies of a sex that an organ's map is averaged over."""


class LowresLook:
    """Stage 1: eight samples with the demographics of eight bodies.

    Voxel samples have no labels. An organ is therefore read where the bodies of that sex have it, by the share of them
    that do, in the sample and in the body alike.
    """

    def __init__(self, bodies: Bodies, samples: int = 8) -> None:
        self.bodies, self.rows = bodies, _spread(bodies, samples)
        self._maps = {sex: _organ_maps(bodies, sex) for sex in ("F", "M") if bodies.of_sex(sex)}

    def __call__(self, model: nn.Module) -> Look:
        """Samples of a `Lowres`; the picture shows two of them, each above the body whose demographics it has."""
        lowres: Any = model
        device = next(model.parameters()).device
        patients = [self.bodies.patients[row] for row in self.rows]
        shape = lowres.shape
        noise = torch.stack([volume_noise((2, *shape), (0, 0, 0), shape, _SEED, p.id, "look") for p in patients])
        encoded = lowres.draw(demographics(patients).to(device), noise.to(device), DEFAULT)
        ct, pet = (part.cpu() for part in decode(encoded))
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for place, row in enumerate(self.rows):
            true_ct, true_pet = self.bodies.images([row])
            for organ, share in self._maps[patients[place].sex].items():
                for quantity, mine, other in (
                    ("suv_mean", pet[place], true_pet[0]),
                    ("hu_mean", ct[place], true_ct[0]),
                ):
                    pair = (float((mine * share).sum()), float((other * share).sum()))
                    found.setdefault((organ, quantity), []).append(pair)
        strips = []
        for place, row in list(enumerate(self.rows))[:: max(len(self.rows) // 2, 1)][:2]:
            true = tuple(part[0] for part in self.bodies.images([row]))
            strips.append(_strip(self.bodies, row, (ct[place], pet[place]), f"{patients[place].id} sample"))
            strips.append(_strip(self.bodies, row, true, "body"))
        return Look(picture=np.concatenate(strips), organs=_organs(found))


class SuperresLook:
    """Stage 2: bodies averaged to twice the spacing and refined again; the labels are the bodies' own.

    Means are kept by construction, so that SUVmax and the spread within an organ tell whether detail comes back.
    """

    def __init__(self, bodies: Bodies, samples: int = 2) -> None:
        self.bodies, self.rows = bodies, _spread(bodies, samples)

    def __call__(self, model: nn.Module) -> Look:
        """Refined bodies of a `Superres`; the picture shows one: coarse, refined, true."""
        superres: Any = model
        device = next(model.parameters()).device
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        strips: list[NDArray[np.uint8]] = []
        for row in self.rows:
            patient = self.bodies.patients[row]
            true_ct, true_pet = (part[0] for part in self.bodies.images([row]))
            coarse = [functional.avg_pool3d(part[None], FACTOR)[0].to(device) for part in (true_ct, true_pet)]
            condition = demographics([patient])[0].to(device)
            fine = superres.refine(*coarse, condition, self.bodies.spacing_mm, QUICK, _SEED, patient.id, "look")
            ct, pet = (part.cpu() for part in fine)
            labels = np.asarray(self.bodies.labels[row])
            for organ in ORGANS:
                inside = torch.from_numpy(np.isin(labels, labels_of(organ)))
                if int(inside.sum()) < 8:
                    continue
                for quantity, mine, other, of in (
                    ("suv_max", pet, true_pet, torch.amax), ("suv_sd", pet, true_pet, torch.std),
                    ("hu_sd", ct, true_ct, torch.std),
                ):  # fmt: skip
                    pair = (float(of(mine[inside], dim=0)), float(of(other[inside], dim=0)))
                    found.setdefault((organ, quantity), []).append(pair)
            if not strips:
                wide = tuple(
                    functional.interpolate(part.cpu()[None, None], scale_factor=FACTOR)[0, 0] for part in coarse
                )
                strips = [
                    _strip(self.bodies, row, images, f"{patient.id} {name}")
                    for name, images in (("coarse", wide), ("refined", (ct, pet)), ("true", (true_ct, true_pet)))
                ]
        return Look(picture=np.concatenate(strips), organs=_organs(found))


def look_at_anatomy(models: Mapping[str, Anatomy], bodies: Bodies, samples: int = 16) -> Look:
    """Drawn bodies with the demographics of training bodies, both measured in their own labels."""
    blueprint = AnatomyBlueprint(models=models, length=bodies.length(), hash="")
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    strips: list[NDArray[np.uint8]] = []
    rows = [row for row in _spread(bodies, samples) if bodies.patients[row].sex in models]
    for place, row in enumerate(rows):
        patient, mm = bodies.patients[row], bodies.spacing_mm
        with torch.inference_mode():
            (drawn,) = blueprint.draw([Snapshot(patient=patient, visit=_VISIT)], _SEED, mm, DEFAULT, mm, DayToDay())
        ct, pet = (part[0] for part in bodies.images([row]))
        true = Body(ct=ct, pet=pet, labels=torch.from_numpy(np.array(bodies.labels[row])))
        mine, other = (_measured(bodies, row, body) for body in (drawn, true))
        for key in mine.keys() & other.keys():
            found.setdefault(key, []).append((mine[key], other[key]))
        if place % max(len(rows) // 2, 1) == 0 and len(strips) < 4:
            strips.append(_strip(bodies, row, (drawn.ct, drawn.pet), f"{patient.id} drawn", drawn.labels))
            strips.append(_strip(bodies, row, (ct, pet), "body"))
    return Look(picture=np.concatenate(strips), organs=_organs(found))


def _spread(bodies: Bodies, samples: int) -> list[int]:
    """Rows of about `samples` bodies, evenly over the women and over the men."""
    rows: list[int] = []
    for sex in ("F", "M"):
        own = bodies.of_sex(sex)
        rows += own[:: -(-len(own) // max(samples // 2, 1))] if own else []
    return rows


def _organ_maps(bodies: Bodies, sex: str) -> dict[str, torch.Tensor]:
    """By organ the share (X, Y, Z) of bodies that have it there, summing up to one."""
    rows = bodies.of_sex(sex)
    rows = rows[:: -(-len(rows) // _MAPPED)]
    maps = {}
    for organ in ORGANS:
        share = np.zeros(bodies.labels.shape[1:], np.float32)
        for row in rows:
            share += np.isin(bodies.labels[row], labels_of(organ))
        if share.any():
            maps[organ] = torch.from_numpy(share / share.sum())
    return maps


def _organs(found: Mapping[tuple[str, str], Sequence[tuple[float, float]]]) -> tuple[OrganLook, ...]:
    return tuple(
        OrganLook(
            organ=organ,
            quantity=quantity,
            mean=float(np.mean([mine for mine, _ in pairs])),
            reference=float(np.mean([other for _, other in pairs])),
            n=len(pairs),
        )
        for (organ, quantity), pairs in sorted(found.items())
        if np.mean([other for _, other in pairs]) != 0.0
    )


def _measured(bodies: Bodies, row: int, body: Body) -> dict[tuple[str, str], float]:
    scan = _scan(bodies, row, (body.ct, body.pet), body.labels)
    numbers = measure(scan.snapshot.patient.id, scan.snapshot.patient, scan.pet, _named(scan))
    return {(n.organ, n.quantity): n.value for n in numbers if n.organ in ORGANS and n.quantity != "suv_max"}


def _named(scan: Scan) -> Volume:
    if scan.labels is None:
        raise ValueError("a scan without labels cannot be measured")
    return scan.labels


def _strip(
    bodies: Bodies, row: int, images: tuple[torch.Tensor, ...], title: str, labels: torch.Tensor | None = None
) -> NDArray[np.uint8]:
    """A row of slices; without labels of its own it is cut where the body has its heart and kidneys."""
    own = torch.from_numpy(np.array(bodies.labels[row])) if labels is None else labels
    return strip(_scan(bodies, row, images, own), title)


def _scan(bodies: Bodies, row: int, images: tuple[torch.Tensor, ...], labels: torch.Tensor | None) -> Scan:
    patient: Patient = bodies.patients[row]
    grid = grid_for(bodies.length().of(patient.height_cm), bodies.spacing_mm)

    def volume(data: torch.Tensor, unit: Any) -> Volume:
        return Volume(
            data=np.ascontiguousarray(data.float().numpy() if unit != "label" else data.numpy()), grid=grid, unit=unit
        )

    return Scan(
        snapshot=Snapshot(patient=patient, visit=Visit(name="look", day=0.0)),
        ct=volume(images[0], "HU"),
        pet=volume(images[1], "SUVbw"),
        labels=None if labels is None else volume(labels, "label"),
        made_by="training",
    )
