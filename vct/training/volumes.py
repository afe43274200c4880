"""Organ volumes of an anatomy from a table of more people than have scans.

A mean over 300 bodies is off by 3 % for an organ that varies as the spleen does. A table of thousands, without images,
tells how volumes follow the demographics and how they spread; the bodies still tell how they vary together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vct.engine.cascade.anatomy import VOLUME_SCALE, Anatomy
from vct.engine.cascade.codes import KNOTS, features
from vct.engine.cascade.conditioning import demographics
from vct.engine.cascade.grid import NOMINAL_Z_MM, Length
from vct.errors import InputError
from vct.records import Patient, Sex
from vct.training.organs import OrganNumber

FEWEST_PEOPLE = 100


def retold(anatomy: Anatomy, length: Length, numbers: Sequence[OrganNumber], sex: str) -> tuple[str, ...]:
    """Let the table tell regression and quantiles of every volume that it has for a sex; returns which these are.

    Raises InputError where it has no volume of an organ that is drawn, or one of fewer than 100 people.
    """
    own = [item for item in numbers if item.quantity == "volume_ml" and item.sex == sex and item.value > 0.0]
    told = tuple(organ for organ in anatomy.config.volumes if any(item.organ == organ for item in own))
    if not told:
        wanted = ", ".join(anatomy.config.volumes)
        raise InputError(f"the table of numbers has no volume_ml of sex {sex} for any of {wanted}")
    first = sum(anatomy.config.parts[:2])
    shaped = anatomy.config.code.raw - anatomy.config.code.shaped
    for organ in told:
        people = [item for item in own if item.organ == organ]
        if len(people) < FEWEST_PEOPLE:
            few = f"the {organ} of {len(people)} people of sex {sex}; {FEWEST_PEOPLE} are needed"
            raise InputError(f"the table of numbers has {few}")
        mean, quantiles = _told(people, length)
        column = first + anatomy.config.volumes.index(organ)
        anatomy.code.mean[:, column] = mean
        anatomy.code.quantiles[:, column - shaped] = quantiles
    return told


def _told(people: Sequence[OrganNumber], length: Length) -> tuple[torch.Tensor, torch.Tensor]:
    """(features,) regression and (knots,) quantiles of what it leaves, of scaled ln ml on a torso of nominal length."""
    patients = [_patient(item) for item in people]
    ml = np.array([item.value * NOMINAL_Z_MM / length.of(item.height_cm) for item in people])
    scaled = torch.from_numpy(VOLUME_SCALE * np.log(ml))
    design = features(demographics(patients)).double()
    mean = torch.linalg.lstsq(design, scaled[:, None]).solution[:, 0]
    left = scaled - design @ mean
    return mean.float(), torch.quantile(left, torch.special.ndtr(KNOTS.double())).float()


def _patient(item: OrganNumber) -> Patient:
    sex: Sex = "F" if item.sex == "F" else "M"
    return Patient(id=item.scan, sex=sex, age_years=item.age_years, height_cm=item.height_cm, weight_kg=item.weight_kg)
