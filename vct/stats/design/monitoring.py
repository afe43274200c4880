"""The protocol's `design:` key: which result may end the trial, when it is looked at, and what a look decides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from vct.errors import InputError
from vct.part import EndpointName, Part, VisitName
from vct.records import Comparison, Decision
from vct.stats.base import Analysis
from vct.stats.design.fixed import Fixed
from vct.stats.design.group_sequential import MIN_GAP, GroupSequential
from vct.stats.design.inference import conditional_power, predictive_power, stopped
from vct.stats.design.reestimation import BlindedReestimation
from vct.stats.design.rules import AnyDesign
from vct.stats.design.simon import SimonTwoStage
from vct.stats.design.spending import Shape
from vct.stats.student import z_quantile
from vct.stats.summary import OneSample

Broken = tuple[tuple[str | int, ...], str, str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """What stops the trial at one look: efficacy at or above `upper` or at or below `reverse`, futility at `lower`."""

    upper: float | None
    lower: float | None = None
    reverse: float | None = None

    def decide(self, statistic: float | None, final: bool) -> Decision:
        """What a statistic leads to; none is known when the data did not allow one."""
        if statistic is not None:
            if self.upper is not None and statistic >= self.upper:
                return "efficacy"
            if self.reverse is not None and statistic <= self.reverse:
                return "efficacy"
            if not final and self.lower is not None and statistic <= self.lower:
                return "futility"
        return "not significant" if final else "continue"


class Monitoring(Part):
    """How the trial is sized and watched.

    Looks happen when the planned share of values (or events) is there, or on given trial days; accrual and visits
    decide what information that is. Rules that spend their error use the information that was really observed. The
    test statistic is z = Phi^-1(1 - p / 2) with the sign of benefit, whatever the analysis (the significance level
    approach, Jennison and Turnbull, Group Sequential Methods, section 3.3). Simon's rules count responders, in each arm
    on its own; a patient without a verdict counts as no responder.
    """

    rule: AnyDesign
    primary: EndpointName = Field(description="the endpoint that decides")
    visit: VisitName | None = Field(default=None, description="the visit that decides; the endpoint's last by default")
    analysis: str | None = Field(default=None, description="kind of the deciding analysis, where there are several")
    benefit: Literal["lower", "higher"] = Field(
        default="higher", description="which estimate favours the later arm: lower for a hazard ratio or a fall of SUV"
    )
    values: int | None = Field(default=None, ge=2, description="values planned at the end; the sample size by default")
    events: int | None = Field(default=None, ge=1, description="events planned at the end, for times to an event")
    days: tuple[float, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=19,
        description="trial days of the interim looks, in place of information",
    )
    reading_days: float = Field(default=0.0, ge=0, le=3650, description="from a scan to its reading in the database")
    decision_days: float = Field(default=0.0, ge=0, le=3650, description="from a data cut to the end of accrual")
    overrunning: Literal["include", "discard"] = Field(
        default="include", description="after a stop: patients under way finish their visits and count, or not"
    )
    reestimation: BlindedReestimation | None = Field(
        default=None, description="a new sample size from the blinded variance, for fixed designs of means"
    )
    reestimate_at: int | None = Field(default=None, ge=4, description="values of both arms that it is done at")

    @model_validator(mode="after")
    def _fits(self) -> Monitoring:
        rule = self.rule
        if self.values is not None and self.events is not None:
            raise ValueError("give 'values' or 'events', not both")
        if self.days is not None:
            if not isinstance(rule, GroupSequential):
                raise ValueError("'days' are for group sequential designs")
            if isinstance(rule.efficacy, Shape):
                raise ValueError(
                    "looks on given days need an efficacy rule that spends alpha, for instance "
                    "lan_demets_obrien_fleming"
                )
            if len(self.days) != len(rule.information) - 1:
                raise ValueError(f"'days' needs {len(rule.information) - 1} interim looks (got {len(self.days)})")
            if any(later <= earlier for earlier, later in pairwise((0.0, *self.days))):
                raise ValueError("'days' must be above 0 and rise")
        if (self.reestimation is None) != (self.reestimate_at is None):
            raise ValueError("'reestimation' and 'reestimate_at' go together")
        if self.reestimation is not None and not isinstance(rule, Fixed):
            raise ValueError("re-estimation goes with the fixed design")
        return self

    @property
    def by_arm(self) -> bool:
        """Whether each arm is watched on its own, by its responders."""
        return self.rule.statistic == "responders"

    def maximum(self, sample_size: int) -> int:
        """Values or events planned at the end."""
        return self.events or self.values or sample_size

    def problems(self, analyses: Sequence[Analysis], sample_size: int, ratios: Sequence[int]) -> Iterator[Broken]:
        """What cannot be with these analyses, this size and arms of these ratios: (place, rule, value, nearest)."""
        try:
            looks = self.rule.looks()
        except InputError as error:
            yield ("design", "rule"), str(error), _kind(self.rule), None
            return
        if self.by_arm:
            n = self.arm_size()
            need = max(math.ceil(n * sum(ratios) / ratio) for ratio in ratios)
            if need > sample_size:
                rule = f"each arm needs {n} patients: {need} in all, more than sample_size"
                yield ("sample_size",), rule, str(sample_size), None
            return
        for name, number in (("events", self.events), ("values", self.values), ("reestimate_at", self.reestimate_at)):
            if number is not None and number > sample_size:
                what = "events" if name == "events" else "values"
                yield ("design", name), f"more {what} than the {sample_size} patients", str(number), None
        if len(ratios) > 2:
            yield ("design", "rule", "kind"), "needs one arm or two", str(len(ratios)), None
        fitting = self._fitting(analyses)
        if len(fitting) != 1:
            found = ", ".join(_kind(item) for item in analyses if item.endpoint == self.primary) or "none"
            which = "names none of" if not fitting else "must name one of"
            rule = f"{which} the analyses of {self.primary!r} ({found})"
            yield ("design", "analysis"), rule, str(self.analysis), None
            return
        first = math.ceil(looks[0].fraction * self.maximum(sample_size) - 1e-9)
        if len(looks) > 1 and first < 2 * len(ratios):
            rule = f"the first look would have {first} of {self.maximum(sample_size)}: too few for any test"
            yield ("design", "rule", "information"), rule, f"{looks[0].fraction:g}", None
        yield from self._of_the_test(fitting[0])
        yield from self._of_reestimation(ratios)

    def _of_the_test(self, analysis: Analysis) -> Iterator[Broken]:
        """What the deciding analysis cannot do."""
        side = getattr(analysis, "alternative", "two_sided")
        if side == "two_sided":
            return
        if getattr(self.rule, "sides", 1) == 2:
            yield ("design", "rule", "sides"), f"two-sided, but the deciding test asks for {side!r} only", "2", None
        wanted = "higher" if side == "greater" else "lower"
        if self.benefit != wanted:
            rule = f"the deciding test asks for {side!r}, so benefit is {wanted!r}"
            yield ("design", "benefit"), rule, self.benefit, wanted

    def _of_reestimation(self, ratios: Sequence[int]) -> Iterator[Broken]:
        """What does not fit the rule of re-estimation, which sizes two equal arms at the design's own error."""
        plan, rule = self.reestimation, self.rule
        if plan is None or not isinstance(rule, Fixed):
            return
        if len(set(ratios)) != 1 or len(ratios) != 2:
            shares = ":".join(map(str, ratios))
            yield ("design", "reestimation"), "sizes two arms of equal ratio", shares, None
        if abs(plan.alpha / plan.sides - rule.alpha / rule.sides) > 1e-9:
            error = f"its error in one direction differs from the design's {rule.alpha / rule.sides:g}"
            yield ("design", "reestimation", "alpha"), error, f"{plan.alpha / plan.sides:g}", None

    def deciding(self, analyses: Sequence[Analysis]) -> Analysis:
        """The analysis that decides, on its ITT set and without subgroups."""
        chosen = self._fitting(analyses)[0]
        return chosen.model_copy(
            update={"subgroups": (), "analysis_sets": ("ITT",), "visit": self.visit or chosen.visit}
        )

    def _fitting(self, analyses: Sequence[Analysis]) -> list[Analysis]:
        own = [item for item in analyses if item.endpoint == self.primary and item.tests]
        return [item for item in own if self.analysis in (None, _kind(item))]

    def arm_size(self) -> int:
        """Patients of one arm at the end, of a design that counts responders."""
        rule = self.rule
        return rule.stages().n if isinstance(rule, SimonTwoStage) else rule.size()[1]  # type: ignore[attr-defined]

    def interim_counts(self, most: int) -> tuple[int, ...]:
        """Values or events (or patients of an arm) at which each interim look happens."""
        looks = self.rule.looks()[:-1]
        return tuple(math.ceil(look.fraction * most - 1e-9 * most) for look in looks)

    def stops(self, observed: Sequence[float], *, final: bool) -> Stops:
        """The rule at the last of the looks that happened, whose information fractions are `observed`."""
        rule, looks = self.rule, self.rule.looks()
        plan = looks[-1] if final else looks[len(observed) - 1]
        if self.by_arm:
            return Stops(upper=plan.efficacy, lower=plan.futility)
        upper = plan.efficacy
        if isinstance(rule, GroupSequential) and rule.adapts:
            upper = rule.at(apart(observed), final)[-1]
        two_sided = getattr(rule, "sides", 1) == 2
        lower = None if final else plan.futility
        return Stops(upper=upper, lower=lower, reverse=-upper if two_sided and upper is not None else None)

    def z(self, comparison: Comparison, analysis: Analysis) -> float | None:
        """The deciding statistic, positive in the direction of benefit; None when there is no p-value."""
        from scipy.special import ndtri

        p, estimate = comparison.p_value, comparison.estimate
        if p is None or estimate is None:
            return None
        sign = 1.0 if self.benefit == "higher" else -1.0
        if isinstance(analysis, OneSample) and analysis.alternative != "two_sided":
            towards = sign if analysis.alternative == "greater" else -sign
            return towards * float(-ndtri(max(p, 1e-300)))
        away = estimate - null_of(comparison, analysis)
        return sign * math.copysign(float(-ndtri(max(p, 1e-300) / 2.0)), away)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospects:
    """Conditional power under the planned effect and under the trend so far, and predictive power (flat prior)."""

    conditional_power: float
    conditional_power_trend: float
    predictive_power: float


def prospects(rule: GroupSequential, z: float, observed: Sequence[float]) -> Prospects | None:
    """What the looks to come promise after `z` at the last of the looks `observed`; None when none is to come."""
    path = apart(observed)
    if len(path) >= len(rule.information) or path[-1] > 1.0 - MIN_GAP:
        return None
    look, trend = len(path), z / math.sqrt(path[-1])
    return Prospects(
        conditional_power=conditional_power(rule, look, z, rule.drift(), observed=path),
        conditional_power_trend=conditional_power(rule, look, z, trend, observed=path),
        predictive_power=predictive_power(rule, look, z, observed=path),
    )


def apart(observed: Sequence[float]) -> tuple[float, ...]:
    """The looks' information without those that another follows too closely to be told apart."""
    kept = [now for now, later in pairwise(observed) if later - now >= MIN_GAP]
    return (*kept, max(observed[-1], MIN_GAP))


def is_ratio(quantity: str) -> bool:
    """Whether an estimate is a ratio, whose null value is 1 and whose errors are symmetric in its logarithm."""
    return "ratio" in quantity


def null_of(comparison: Comparison, analysis: Analysis) -> float:
    """The estimate that would mean no effect."""
    return 1.0 if is_ratio(comparison.quantity) else analysis.null


def final_statement(
    plan: Monitoring, comparison: Comparison, analysis: Analysis, observed: Sequence[float], z: float
) -> Comparison | None:
    """The deciding comparison with p, median-unbiased estimate and interval by stage-wise ordering.

    `observed` is the information of the looks up to the end; after a stop its last entry takes in what was under way
    (overrunning by deletion, Whitehead, doi:10.1016/0197-2456(92)90007-I: the look that stopped is replaced).
    None for designs of one look.
    """
    from dataclasses import replace

    rule = plan.rule
    if not isinstance(rule, GroupSequential) or comparison.ci_low is None or comparison.ci_high is None:
        return None
    log = is_ratio(comparison.quantity)
    low, high = (math.log(x) if log else x for x in (comparison.ci_low, comparison.ci_high))
    error = (high - low) / (2.0 * z_quantile(comparison.confidence))
    if not error > 0:
        return None
    path = apart(observed)
    found = stopped(rule, len(path), z, maximum=error**-2 / path[-1], confidence=comparison.confidence, observed=path)
    sign = 1.0 if plan.benefit == "higher" else -1.0
    shift = 0.0 if log else null_of(comparison, analysis)
    numbers = [shift + sign * number for number in (found.ci_low, found.estimate, found.ci_high)]
    low, estimate, high = sorted(math.exp(number) if log else number for number in numbers)
    return replace(
        comparison,
        method="stagewise_ordering",
        estimate=estimate,
        ci_low=low,
        ci_high=high,
        statistic=z,
        p_value=found.p_value,
        note=f"{len(path)} looks; p is {'one' if rule.sides == 1 else 'two'}-sided; estimate median-unbiased",
        checked="second implementation",
    )


def _kind(part: Part) -> str:
    return str(getattr(part, "kind", type(part).__name__))
