"""Two arms, a verdict a patient: the difference of their response rates, with score intervals."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from vct.stats.base import Checked
from vct.stats.result import Result
from vct.stats.sample import Sample
from vct.stats.shape import Contrast, Needs
from vct.stats.student import z_p_value, z_quantile

DifferenceInterval = Literal["newcombe", "miettinen_nurminen"]
EMPTY_ARM = "needs a patient on either arm"
CERTAIN = 1e6
"""The z of a difference that the observed counts exclude outright."""


class RiskDifference(Contrast):
    """Difference of response rates with a score interval; p from the score test of no difference.

    `newcombe`: hybrid of two Wilson intervals, method 10 of Newcombe 1998, doi
    10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I. `miettinen_nurminen`: inverted score test
    (Miettinen and Nurminen 1985, doi 10.1002/sim.4780040211), which agrees with the p-value at its limits. The test is
    Pearson's chi-squared with N - 1 in place of N, in both cases.
    """

    kind: Literal["risk_difference"] = "risk_difference"
    interval: DifferenceInterval = "newcombe"

    checked: ClassVar[Checked] = "golden"
    quantity: ClassVar[str] = "risk difference"
    needs: ClassVar[Needs] = "verdicts"

    def contrast(self, treated: Sample, reference: Sample) -> tuple[Result, ...]:
        """The rate of the treated minus that of the reference."""
        if not (len(treated) and len(reference)):
            return (Result(quantity=self.quantity, unit="1", note=EMPTY_ARM),)
        table = (*counts(treated), *counts(reference))
        limits = newcombe if self.interval == "newcombe" else miettinen_nurminen
        low, high = limits(*table, self.confidence)
        z = score(*table, 0.0)
        difference = table[0] / table[1] - table[2] / table[3]
        return (
            Result(
                quantity=self.quantity,
                unit="1",
                estimate=difference,
                ci_low=low,
                ci_high=high,
                statistic=z,
                p_value=z_p_value(z),
                note=f"{table[0]} of {table[1]} against {table[2]} of {table[3]}",
            ),
        )


def counts(sample: Sample) -> tuple[int, int]:
    """Responders and patients."""
    return int(sample.values.sum()), len(sample)


def newcombe(k1: int, n1: int, k0: int, n0: int, confidence: float) -> tuple[float, float]:
    """Limits of k1 / n1 - k0 / n0 from the two Wilson intervals."""
    from scipy.stats import binomtest

    one, two = (binomtest(k, n).proportion_ci(confidence, "wilson") for k, n in ((k1, n1), (k0, n0)))
    p1, p0 = k1 / n1, k0 / n0
    low = p1 - p0 - math.hypot(p1 - one.low, two.high - p0)
    high = p1 - p0 + math.hypot(one.high - p1, p0 - two.low)
    return max(low, -1.0), min(high, 1.0)


def miettinen_nurminen(k1: int, n1: int, k0: int, n0: int, confidence: float) -> tuple[float, float]:
    """Limits of k1 / n1 - k0 / n0 at which the score test just rejects."""
    from scipy.optimize import brentq

    reach, found = z_quantile(confidence), k1 / n1 - k0 / n0

    def limit(end: float, z: float) -> float:
        def excess(difference: float) -> float:
            return score(k1, n1, k0, n0, difference) - z

        if excess(end) * excess(found) >= 0:
            return end
        return float(brentq(excess, min(end, found), max(end, found), xtol=1e-12))

    return limit(-1.0, reach), limit(1.0, -reach)


def score(k1: int, n1: int, k0: int, n0: int, difference: float) -> float:
    """Miettinen and Nurminen's z of the observed against `difference`; variance from the rates fitted under it."""
    total = n1 + n0
    distance = k1 / n1 - k0 / n0 - difference
    p0 = _fitted_reference_rate(k1, n1, k0, n0, difference)
    p1 = p0 + difference
    variance = (p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0) * total / max(total - 1, 1)
    if variance <= 1e-15:
        return 0.0 if abs(distance) < 1e-12 else math.copysign(CERTAIN, distance)
    return distance / math.sqrt(variance)


def _fitted_reference_rate(k1: int, n1: int, k0: int, n0: int, difference: float) -> float:
    """Maximum-likelihood rate of the reference when the rates differ by `difference`: the root of the score equation,
    which falls from end to end of the rates that are possible.
    """
    from scipy.optimize import brentq

    if difference == 0.0:
        return (k1 + k0) / (n1 + n0)
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)

    def slope(rate: float) -> float:
        return _slope(k1, n1, rate + difference) + _slope(k0, n0, rate)

    inside = 1e-12 * max(high - low, 0.0)
    if high - low < 1e-9 or slope(low + inside) <= 0:
        return low
    if slope(high - inside) >= 0:
        return high
    return float(brentq(slope, low + inside, high - inside, xtol=1e-14))


def _slope(k: int, n: int, rate: float) -> float:
    """Derivative of the binomial log-likelihood."""
    gain = k / rate if k else 0.0
    loss = (n - k) / (1.0 - rate) if n - k else 0.0
    return gain - loss
