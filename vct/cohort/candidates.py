"""Candidates: people drawn from a population, before anyone has asked whether they are eligible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from vct.distributions.base import Array
from vct.part import Refers

DEMOGRAPHICS = ("age_years", "height_cm", "weight_kg", "bmi_kg_m2")
VariableName = Annotated[str, Refers("variables")]


@dataclass(frozen=True, slots=True)
class Candidates:
    """A block of candidates, column by column.

    `ids` ("C0001", ...) and `seed` name their random streams, `female` is boolean (n,), `columns` holds the
    demographics and the population's biomarkers, each (n,), by name.
    """

    seed: int
    ids: tuple[str, ...]
    female: NDArray[np.bool_]
    columns: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.ids)
