"""Analysis of covariance: the difference of the arms at one visit, adjusted for baseline and other covariates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from vct.records import Comparison, Outcome, Patient
from vct.stats.base import Analysis, Checked
from vct.stats.covariates import CONFOUNDED, Covariate, design, known
from vct.stats.result import Result
from vct.stats.sample import Sample, last_visit, samples
from vct.stats.shape import against, lonely, refusal
from vct.stats.student import no_variation, t_result


class Ancova(Analysis):
    """Adjusted mean difference by ordinary least squares, all arms in one model with one residual variance.

    A covariate that is constant or repeats another is left out; patients without a baseline count as missing when it is
    a covariate.
    """

    kind: Literal["ancova"] = "ancova"
    covariates: tuple[Covariate, ...] = Field(default=("baseline",), max_length=5)

    checked: ClassVar[Checked] = "golden"
    by_t: ClassVar[bool] = True
    quantity: ClassVar[str] = "adjusted mean difference"

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """Each later arm against the first, from one fit."""
        visit = last_visit(outcomes) if self.visit is None else self.visit
        found = known(samples(outcomes, patients, arms, visit), self.covariates)
        reference, *later = found
        if not later:
            return (lonely(self, self.quantity, reference, visit),)
        pairs = zip(self._fit(found), later, strict=True)
        return tuple(against(self, result, treated, reference, visit) for result, treated in pairs)

    def _fit(self, arms: Sequence[Sample]) -> list[Result]:
        from statsmodels.regression.linear_model import OLS

        matrix, places = design(arms, self.covariates)
        values = np.concatenate([sample.values for sample in arms])
        wrong = refusal("numbers", *arms)
        df = len(values) - matrix.shape[1]
        if not wrong and df < 1:
            wrong = "too few patients for this model"
        if wrong:
            return [Result(quantity=self.quantity, note=wrong)] * len(places)
        fit = OLS(values, matrix).fit()
        flat = no_variation(float(np.sqrt((fit.resid**2).sum() / df)), values)
        found = []
        for place in places:
            if place is None:
                found.append(Result(quantity=self.quantity, note=CONFOUNDED))
            elif flat:
                note = "no residual variation: no interval, no test"
                found.append(Result(quantity=self.quantity, estimate=float(fit.params[place]), note=note))
            else:
                estimate, error = float(fit.params[place]), float(fit.bse[place])
                found.append(t_result(self.quantity, estimate, error, df, self.confidence))
        return found
