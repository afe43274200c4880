"""The analysis of several readers of one study: how well their own results agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from vct.records import Comparison, Outcome, Patient
from vct.stats.base import Analysis, Checked
from vct.stats.readers import all_agree, fleiss, icc, mean_weighted_kappa
from vct.stats.result import Result, row
from vct.stats.sample import last_visit

Table = list[list[Outcome]]


class ReaderAgreement(Analysis):
    """Agreement of the readers of `reading:` on an endpoint, over patients whom every reader could judge, in each arm.

    Categories: Fleiss' kappa, share of cases on which all agree, and with `order` the mean quadratic-weighted kappa of
    pairs. Numbers: ICC(2,1), and with the within-case SD between readers the repeatability coefficient 1.96 sqrt(2) SD;
    with two readers, Bland and Altman's bias and limits too (their 1986 paper, doi 10.1016/S0140-6736(86)90837-8).
    """

    kind: Literal["reader_agreement"] = "reader_agreement"
    order: tuple[str, ...] = Field(default=(), max_length=20, description="the categories, for a weighted kappa")

    checked: ClassVar[Checked] = "golden"
    of_readers: ClassVar[bool] = True
    tests: ClassVar[bool] = False

    def compare(
        self, outcomes: Sequence[Outcome], patients: Sequence[Patient], arms: Sequence[str]
    ) -> tuple[Comparison, ...]:
        """One row a statistic and arm; n counts cases."""
        visit = last_visit(outcomes) if self.visit is None else self.visit
        readers = sorted({item.reader for item in outcomes if item.reader})
        rows: list[Comparison] = []
        for arm in arms:
            cases = self._cases(outcomes, arm, visit, readers)
            total = sum(patient.arm == arm for patient in patients)
            unit = next((item.unit for item in outcomes), "1")
            rows += (
                row(self, result, unit=unit, visit=visit, arm=arm, n=len(cases), n_missing=total - len(cases))
                for result in self._results(cases, len(readers))
            )
        return tuple(rows)

    def _cases(self, outcomes: Sequence[Outcome], arm: str, visit: str, readers: Sequence[str]) -> Table:
        own: dict[str, dict[str, Outcome]] = {}
        for item in outcomes:
            if item.arm == arm and item.visit == visit and item.reader and item.value is not None:
                own.setdefault(item.patient, {})[item.reader] = item
        return [[found[name] for name in readers] for found in own.values() if len(found) == len(readers)]

    def _results(self, cases: Table, n_readers: int) -> tuple[Result, ...]:
        categorical = bool(cases) and all(item.category for case in cases for item in case)
        if n_readers < 2 or len(cases) < 2:
            note = "needs two readers" if n_readers < 2 else "needs two patients whom every reader judged"
            return (Result(quantity="agreement", note=note),)
        if categorical:
            table = [[item.category for item in case] for case in cases]
            results = [
                Result(quantity="Fleiss kappa", unit="1", estimate=_number(fleiss(table))),
                Result(quantity="all readers agree", unit="1", estimate=all_agree(table)),
            ]
            if self.order and {name for case in table for name in case} <= set(self.order):
                kappa = _number(mean_weighted_kappa(table, self.order))
                results.append(Result(quantity="weighted kappa", unit="1", estimate=kappa))
            return tuple(results)
        values = np.array([[item.value for item in case] for case in cases], dtype=np.float64)
        within = math.sqrt(float(values.var(axis=1, ddof=1).mean()))
        results = [
            Result(quantity="ICC(2,1)", unit="1", estimate=_number(icc(values)["ICC2"])),
            Result(quantity="SD between readers", estimate=within),
            Result(quantity="repeatability coefficient", estimate=1.96 * math.sqrt(2.0) * within),
        ]
        if n_readers == 2:
            difference = values[:, 1] - values[:, 0]
            mean, sd = float(difference.mean()), float(difference.std(ddof=1))
            results += [
                Result(quantity="bias", estimate=mean),
                Result(quantity="lower limit of agreement", estimate=mean - 1.96 * sd),
                Result(quantity="upper limit of agreement", estimate=mean + 1.96 * sd),
            ]
        return tuple(results)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
