"""Mixed model for repeated visits (MMRM): the arms at one visit, using what was measured at the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from vct.records import Comparison, Outcome, Patient
from vct.stats.base import Analysis, Checked
from vct.stats.covariance import Structure
from vct.stats.covariates import CONFOUNDED, Covariate, design, known
from vct.stats.reml import fit_reml
from vct.stats.result import Result
from vct.stats.sample import Floats, Sample, last_visit, samples, visits_of
from vct.stats.shape import against, lonely, refusal
from vct.stats.student import t_result


class MixedModel(Analysis):
    """Adjusted mean difference at one visit by restricted maximum likelihood over all visits of the endpoint.

    Visit, arm by visit and covariate by visit are fixed effects; the covariance between a patient's visits is
    unstructured, or of compound symmetry, which is what a random intercept for each patient implies. Degrees of freedom
    are Satterthwaite's. Missing values are taken as missing at random given the others, so leave `missing` at
    complete_cases; a patient counts as missing only when no visit has a value, or without a baseline covariate.
    """

    kind: Literal["mixed_model"] = "mixed_model"
    covariates: tuple[Covariate, ...] = Field(default=("baseline",), max_length=5)
    covariance: Structure = "unstructured"

    checked: ClassVar[Checked] = "second implementation"
    by_t: ClassVar[bool] = True
    quantity: ClassVar[str] = "adjusted mean difference"

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """Each later arm against the first at `visit`, from one fit."""
        visit = last_visit(outcomes) if self.visit is None else self.visit
        seen = known(seen_at_any_visit(outcomes, patients, arms), self.covariates)
        reference, *later = seen
        if not later:
            return (lonely(self, self.quantity, reference, visit),)
        pairs = zip(self._fit(seen, outcomes, visit), later, strict=True)
        return tuple(against(self, result, treated, reference, visit) for result, treated in pairs)

    def _fit(self, arms: Sequence[Sample], outcomes: Sequence[Outcome], visit: str) -> list[Result]:
        matrix, places = design(arms, self.covariates)
        visits, table = visit_table(arms, outcomes)
        wrong = refusal("numbers", *arms)
        if not wrong and visit not in visits:
            wrong = f"no patient has a value at {visit}" if visit else "no patient has a value"
        if wrong:
            return [Result(quantity=self.quantity, note=wrong)] * len(places)
        try:
            fit = fit_reml(table, matrix, self.covariance)
            return [
                Result(quantity=self.quantity, note=CONFOUNDED)
                if place is None
                else t_result(self.quantity, *fit.coefficient(visits.index(visit), place), self.confidence)
                for place in places
            ]
        except ValueError as error:
            return [Result(quantity=self.quantity, note=str(error))] * len(places)


def seen_at_any_visit(
    outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
) -> tuple[Sample, ...]:
    """Each arm's patients with a value at any visit, which is renamed ""; the outcomes stand for the patient only."""
    first: dict[tuple[str, str], Outcome] = {}
    for item in outcomes:
        if item.value is not None:
            first.setdefault((item.patient, item.arm), replace(item, visit=""))
    return samples(list(first.values()), patients, arms, "")


def visit_table(arms: Sequence[Sample], outcomes: Sequence[Outcome]) -> tuple[list[str], Floats]:
    """The visits at which somebody has a value, and the values (n, V) of all members, arm after arm; nan is missing."""
    found = {(item.patient, item.arm, item.visit): item.value for item in outcomes}
    keys = [(patient.id, patient.arm) for sample in arms for patient in sample.patients]
    visits = visits_of(outcomes)
    table = np.array([[found.get((*key, visit)) for visit in visits] for key in keys], dtype=float)
    table = table.reshape(len(keys), len(visits))
    used = [index for index in range(len(visits)) if not np.isnan(table[:, index]).all()]
    return [visits[index] for index in used], table[:, used]
