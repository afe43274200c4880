"""Two arms, a verdict a patient, as 2 x 2 tables: Fisher's exact test; Cochran-Mantel-Haenszel over strata."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from vct.stats.base import Checked, Subgroup
from vct.stats.binary import EMPTY_ARM, counts
from vct.stats.result import Result, joined
from vct.stats.sample import Floats, Sample
from vct.stats.shape import Contrast, Needs
from vct.stats.student import ratio_result, z_quantile


class FisherExact(Contrast):
    """Fisher's exact test, two-sided by adding up the tables that are no more likely than the observed one; odds ratio
    by conditional maximum likelihood with its exact interval (Fisher 1935, The Design of Experiments), as R's
    `fisher.test`. The test and the interval may disagree at the margin.
    """

    kind: Literal["fisher_exact"] = "fisher_exact"

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "odds ratio"
    needs: ClassVar[Needs] = "verdicts"

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """The odds of the treated over those of the reference."""
        if not (len(treated) and len(reference)):
            return (Result(quantity=self.quantity, unit="1", note=EMPTY_ARM),)
        return (fisher(*counts(treated), *counts(reference), self.confidence),)


def fisher(k1: int, n1: int, k0: int, n0: int, confidence: float) -> Result:
    """Odds ratio, exact interval and p of k1 / n1 against k0 / n0."""
    from scipy.stats import fisher_exact
    from scipy.stats.contingency import odds_ratio

    result = Result(quantity=FisherExact.quantity, unit="1", p_value=1.0)
    if k1 + k0 in (0, n1 + n0):
        which = "nobody" if k1 + k0 == 0 else "everybody"
        return replace(result, note=f"{which} responded: no odds ratio")
    table = np.array([[k1, n1 - k1], [k0, n0 - k0]])
    found = odds_ratio(table, kind="conditional")
    limits = found.confidence_interval(confidence)
    p = min(float(fisher_exact(table).pvalue), 1.0)
    result = replace(result, ci_low=float(limits.low), ci_high=float(limits.high), p_value=p)
    if math.isinf(found.statistic):
        return replace(result, note="the odds ratio is infinite")
    return replace(result, estimate=float(found.statistic))


class Cmh(Contrast):
    """Cochran-Mantel-Haenszel: the arms compared within strata, as a common odds ratio and a common risk difference.

    Test without correction for continuity (Mantel and Haenszel 1959, doi 10.1093/jnci/22.4.719); the odds ratio's
    interval by Robins, Breslow and Greenland 1986, doi 10.2307/2531052; the risk difference's by Sato 1989, Biometrics
    45:1323, which holds for few large and for many small strata.
    """

    kind: Literal["cmh"] = "cmh"
    by: Subgroup = "stratum"

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "common odds ratio"
    needs: ClassVar[Needs] = "verdicts"

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """Both quantities; the p-value of the one test stands on both."""
        cells = stratified(treated, reference, self.by)
        note = f"{len(cells)} strata by {self.by}"
        if not len(cells):
            empty = f"needs a stratum by {self.by} with patients on both arms"
            return tuple(
                Result(quantity=name, unit="1", note=empty) for name in (self.quantity, "common risk difference")
            )
        chi2, p = cmh_test(cells)
        found = (common_odds_ratio(cells, self.confidence), common_risk_difference(cells, self.confidence))
        return tuple(
            replace(result, unit="1", statistic=chi2, p_value=p, note=joined(note, result.note)) for result in found
        )


def stratified(treated: Sample, reference: Sample, by: Subgroup) -> Floats:
    """Cells (strata, 4): responders and others of the treated, responders and others of the reference. Strata with one
    arm only say nothing of the arms and are left out.
    """
    found: dict[str, list[int]] = {}
    for offset, sample in ((0, treated), (2, reference)):
        for patient, outcome in zip(sample.patients, sample.outcomes, strict=True):
            cells = found.setdefault(getattr(patient, by), [0, 0, 0, 0])
            cells[offset + (outcome.value != 1.0)] += 1
    kept = [cells for _, cells in sorted(found.items()) if cells[0] + cells[1] and cells[2] + cells[3]]
    return np.array(kept, dtype=float).reshape(len(kept), 4)


def cmh_test(cells: Floats) -> tuple[float | None, float]:
    """Chi-squared (1 degree of freedom) and p; 1 when no stratum has both responders and others."""
    from scipy.special import chdtrc

    a, _, n1, n0, total = _margins(cells)
    responders = a + cells[:, 2]
    variance = n1 * n0 * responders * (total - responders) / (total**2 * (total - 1.0))
    if variance.sum() <= 0:
        return None, 1.0
    chi2 = float((a - n1 * responders / total).sum() ** 2 / variance.sum())
    return chi2, float(chdtrc(1, chi2))


def common_odds_ratio(cells: Floats, confidence: float) -> Result:
    """Mantel and Haenszel's odds ratio with the interval of Robins, Breslow and Greenland on the log scale."""
    a, b, c, d = cells.T
    total = cells.sum(axis=1)
    r, s = a * d / total, b * c / total
    result = Result(quantity=Cmh.quantity)
    if r.sum() <= 0 and s.sum() <= 0:
        return replace(result, note="no stratum has both responders and others on the two arms")
    if s.sum() <= 0:
        return replace(result, note="the odds ratio is infinite")
    if r.sum() <= 0:
        return replace(result, estimate=0.0, note="no interval for an odds ratio of 0")
    p, q = (a + d) / total, (b + c) / total
    variance = (
        (p * r).sum() / (2.0 * r.sum() ** 2)
        + (p * s + q * r).sum() / (2.0 * r.sum() * s.sum())
        + (q * s).sum() / (2.0 * s.sum() ** 2)
    )
    return ratio_result(Cmh.quantity, math.log(r.sum() / s.sum()), math.sqrt(variance), confidence)


def common_risk_difference(cells: Floats, confidence: float) -> Result:
    """Risk difference weighted by Mantel and Haenszel's n1 n0 / N, with Sato's variance."""
    a, b, n1, n0, total = _margins(cells)
    c, d = cells[:, 2], cells[:, 3]
    weight = n1 * n0 / total
    difference = float(((a * n0 - c * n1) / total).sum() / weight.sum())
    p = (n1**2 * c - n0**2 * a + n1 * n0 * (n0 - n1) / 2.0) / total**2
    q = (a * d + c * b) / (2.0 * total)
    variance = float((difference * p.sum() + q.sum()) / weight.sum() ** 2)
    result = Result(quantity="common risk difference", estimate=difference)
    if variance <= 0:
        return replace(result, note="no variation within strata: no interval")
    reach = z_quantile(confidence) * math.sqrt(variance)
    return replace(result, ci_low=max(difference - reach, -1.0), ci_high=min(difference + reach, 1.0))


def _margins(cells: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Responders and others of the treated, patients of either arm and of both, each (strata,)."""
    a, b, c, d = cells.T
    return a, b, a + b, c + d, cells.sum(axis=1)
