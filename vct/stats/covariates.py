"""Columns of a design matrix: arms and covariates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from vct.records import Outcome, Patient
from vct.stats.sample import Floats, Sample
from vct.stats.student import no_variation

Covariate = Literal["baseline", "age", "sex", "stratum", "site"]

GROUPS = ("sex", "stratum", "site")


CONFOUNDED = "the arms cannot be told apart in these patients"


def known(arms: Sequence[Sample], covariates: Sequence[Covariate]) -> list[Sample]:
    """The members whose covariates are known; the others count as missing."""
    if "baseline" not in covariates:
        return list(arms)
    return [sample.keep([outcome.baseline is not None for outcome in sample.outcomes]) for sample in arms]


def design(arms: Sequence[Sample], covariates: Sequence[Covariate]) -> tuple[Floats, list[int | None]]:
    """Design matrix (n, k) of all members, arm after arm, and the column of each later arm.

    Columns are an intercept, the covariates, and an indicator of each later arm; one that repeats those before it is
    left out. An arm whose own column would be left out has None.
    """
    patients = [patient for sample in arms for patient in sample.patients]
    outcomes = [outcome for sample in arms for outcome in sample.outcomes]
    members = np.repeat(np.arange(len(arms)), [len(sample) for sample in arms])
    effects = [(members == number).astype(float) for number in range(1, len(arms))]
    kept: list[Floats] = []
    places: list[int | None] = []
    for column in (np.ones(len(patients)), *covariate_columns(patients, outcomes, covariates), *effects):
        stacked = np.column_stack([*kept, column])
        new = bool(np.linalg.matrix_rank(stacked) > len(kept)) if len(patients) else False
        places.append(len(kept) if new else None)
        if new:
            kept.append(column)
    matrix = np.column_stack(kept) if kept else np.empty((len(patients), 0))
    return matrix, places[len(places) - len(effects) :]


def covariate_columns(
    patients: Sequence[Patient], outcomes: Sequence[Outcome], covariates: Sequence[Covariate]
) -> list[Floats]:
    """Covariates as columns (n,): numbers standardised, groups as indicators of every level but the first.

    `outcomes[i]` belongs to `patients[i]`; every baseline must be known if it is asked for.
    """
    found: list[Floats] = []
    for name in covariates:
        if name in GROUPS:
            labels = [str(getattr(patient, name)) for patient in patients]
            found += [np.array([float(label == level) for label in labels]) for level in sorted(set(labels))[1:]]
        elif name == "age":
            found.append(_standardised([patient.age_years for patient in patients]))
        else:
            found.append(_standardised([outcome.baseline for outcome in outcomes]))
    return found


def _standardised(numbers: Sequence[float | None]) -> Floats:
    values = np.array(numbers, dtype=float)
    spread = float(values.std()) if values.size else 0.0
    return np.zeros_like(values) if no_variation(spread, values) else (values - values.mean()) / spread
