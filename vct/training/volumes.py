"""Organ volumes and uptake of an anatomy from a table of more people than have scans.

A mean over 300 bodies is off by 3 % for an organ that varies as the spleen does. A table of thousands, without images,
tells how volumes and uptake follow the demographics, how they spread, and how the spread follows; the bodies still tell
how they vary together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from vct.engine.cascade.anatomy import VOLUME_SCALE, Anatomy
from vct.engine.cascade.codes import FEATURES, KNOTS, features
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.day import COMMON_SD, OWN_SD, OWN_SDS
from vct.engine.cascade.grid import NOMINAL_Z_MM, Length
from vct.engine.cascade.sampler import THOROUGH, code_noise
from vct.errors import InputError
from vct.records import Patient, Sex
from vct.structures import labels_of
from vct.training.organs import OrganNumber

FEWEST_PEOPLE, CHUNK = 100, 500
LINEAR = 4
"""The features that are no squares: a width that grows with those explodes beyond the table."""


def retold(anatomy: Anatomy, length: Length, numbers: Sequence[OrganNumber], sex: str) -> tuple[str, ...]:
    """Let the table tell regression and distribution of every volume that it has for a sex, and of these organs'
    uptake, but of an organ that is made of several tissues the regression alone; returns the organs.

    Raises InputError where it has no volume of an organ that is drawn, or a number of fewer than 100 people.
    """
    own = [item for item in numbers if item.sex == sex and item.value > 0.0]
    code, volumes, tissues = anatomy.code, anatomy.config.volumes, anatomy.config.tissues
    first = sum(anatomy.config.parts[:2])
    shaped, uptake = code.config.raw - code.config.shaped, first + anatomy.config.parts[2]
    told = []
    for organ, people in _by_organ(own, "volume_ml", volumes, sex):
        column = first + volumes.index(organ)
        code.mean[:, column], (code.quantiles[:, column - shaped], code.widths[:, column - shaped]) = _told(
            [VOLUME_SCALE * math.log(item.value * NOMINAL_Z_MM / length.of(item.height_cm)) for item in people], people
        )
        told.append(organ)
    if not told:
        raise InputError(f"the table of numbers has no volume_ml of sex {sex} for any of {', '.join(volumes)}")
    for organ, people in _by_organ(own, "suv_mean", told, sex):
        values = [item.value for item in people]
        if organ in tissues:
            column = uptake + tissues.index(organ)
            code.mean[:, column], (code.quantiles[:, column - shaped], code.widths[:, column - shaped]) = _told(
                [math.log(value) for value in values], people
            )
        else:
            parts, drawn = _drawn_suv(anatomy, organ, people)
            code.mean[:, uptake + parts] += _correction(torch.tensor(values), drawn, people)[:, None]
    return tuple(told)


@torch.no_grad()
def _drawn_suv(anatomy: Anatomy, organ: str, people: Sequence[OrganNumber]) -> tuple[torch.Tensor, torch.Tensor]:
    """The places of the tissues that an organ of the canonical body is made of, and its mean SUV in such people (N,) as
    the anatomy draws them, in the mean over days."""
    names = anatomy.config.tissues
    inside = torch.isin(anatomy.labels, torch.tensor(labels_of(organ), dtype=torch.uint8))
    counts = torch.bincount(anatomy.tissue_map(anatomy.labels, len(names))[inside], minlength=len(names) + 1)[:-1]
    parts = counts.nonzero()[:, 0]
    day = [math.exp((COMMON_SD**2 + OWN_SDS.get(names[place], OWN_SD) ** 2) / 2.0) for place in parts.tolist()]
    share = counts[parts] / counts.sum().clamp_min(1) * torch.tensor(day)
    drawn = []
    for start in range(0, len(people), CHUNK):
        some = [_patient(item) for item in people[start : start + CHUNK]]
        noise = torch.stack([code_noise(anatomy.config.code.modes, 0, item.id, "told") for item in some])
        raw = anatomy.code.draw(demographics(some), noise, THOROUGH)
        drawn.append(raw[:, sum(anatomy.config.parts[:3]) + parts].exp() @ share)
    return parts, torch.cat(drawn)


def _correction(values: torch.Tensor, drawn: torch.Tensor, people: Sequence[OrganNumber]) -> torch.Tensor:
    """(features,) regression of ln values less that of ln `drawn` (N,), so that the means of both become the same."""
    design = _design(people)
    apart = (values / drawn).double().log()[:, None]
    found: torch.Tensor = torch.linalg.lstsq(design, apart).solution[:, 0]
    found[0] += math.log(float(values.mean()) / float((drawn * (design @ found).exp()).mean()))
    return found.float()


def _by_organ(
    numbers: Sequence[OrganNumber], quantity: str, organs: Sequence[str], sex: str
) -> Iterator[tuple[str, list[OrganNumber]]]:
    """What the table has of each of the organs that it knows. Raises InputError for too few people."""
    for organ in organs:
        people = [item for item in numbers if item.organ == organ and item.quantity == quantity]
        if 0 < len(people) < FEWEST_PEOPLE:
            few = f"the {quantity} of the {organ} of {len(people)} people of sex {sex}; {FEWEST_PEOPLE} are needed"
            raise InputError(f"the table of numbers has {few}")
        if people:
            yield organ, people


def _told(
    values: Sequence[float], people: Sequence[OrganNumber]
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
    """(features,) regression of values, and of what it leaves (knots,) quantiles and (features,) regression of the log
    of its width, on age, height and weight, by which it is divided before."""
    design = _design(people)
    known = torch.tensor(values, dtype=torch.float64)[:, None]
    mean = torch.linalg.lstsq(design, known).solution
    left = (known - design @ mean)[:, 0]
    least = 1e-3 * left.abs().mean()
    width = torch.zeros(FEATURES, dtype=torch.float64)
    linear = design[:, :LINEAR]
    width[:LINEAR] = torch.linalg.lstsq(linear, left.abs().clamp_min(least).log()[:, None]).solution[:, 0]
    width[0] -= (linear @ width[:LINEAR]).mean()
    quantiles = torch.quantile(left / (design @ width).exp(), torch.special.ndtr(KNOTS.double()))
    return mean[:, 0].float(), (quantiles.float(), width.float())


def _design(people: Sequence[OrganNumber]) -> torch.Tensor:
    known: torch.Tensor = features(demographics([_patient(item) for item in people]))
    return known.double()


def _patient(item: OrganNumber) -> Patient:
    sex: Sex = "F" if item.sex == "F" else "M"
    return Patient(id=item.scan, sex=sex, age_years=item.age_years, height_cm=item.height_cm, weight_kg=item.weight_kg)
