"""What a method computes, and how it becomes a row of the comparison table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vct.records import Comparison
from vct.stats.base import Analysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a method computed. `estimate` is None when the data do not allow it, and `note` then says why.

    `unit` None means the outcome's own unit.
    """

    quantity: str
    unit: str | None = None
    estimate: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    note: str = ""


def row(
    analysis: Analysis,
    result: Result,
    *,
    unit: str,
    visit: str,
    arm: str,
    n: int,
    n_missing: int,
    reference: str = "",
    n_reference: int = 0,
) -> Comparison:
    """`result` as a row; what is infinite is left empty and named in the note."""
    values = {"estimate": result.estimate, "lower limit": result.ci_low, "upper limit": result.ci_high}
    endless = [name for name, value in values.items() if value is not None and math.isinf(value)]
    estimate, low, high = (None if name in endless else value for name, value in values.items())
    return Comparison(
        endpoint=analysis.endpoint,
        method=getattr(analysis, "kind", type(analysis).__name__),
        quantity=result.quantity,
        estimate=estimate,
        unit=unit if result.unit is None else result.unit,
        ci_low=low,
        ci_high=high,
        confidence=analysis.confidence,
        statistic=result.statistic,
        p_value=result.p_value,
        n=n,
        n_missing=n_missing,
        arm=arm,
        reference=reference,
        n_reference=n_reference,
        visit=visit,
        note=joined(result.note, *(f"{name} infinite" for name in endless)),
        checked=analysis.checked,
    )


def joined(*notes: str) -> str:
    """One note out of several, some of which may be empty."""
    return "; ".join(note for note in notes if note)
