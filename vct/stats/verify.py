"""`vct verify`: every number that published tables and other software give for designs like ours, recomputed.

The anchors are data: `anchors/published.yaml` (tables and documentation, each with its source) and `anchors/rpact.yaml`
(written by `scripts/rpact_anchors.R`). A design anchor holds a design as a protocol would.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from vct import yamlfile
from vct.errors import InputError
from vct.part import Part, one_of
from vct.stats import power
from vct.stats.design import AnyDesign, ExactSingleStage, GroupSequential, SimonTwoStage
from vct.stats.design.boundaries import NEVER, crossing
from vct.stats.design.inference import conditional_power, p_value, stopped
from vct.stats.multiplicity import AnyMultiplicity

FOLDER = Path(__file__).parent / "anchors"
ROUNDING = 1e-9

Numbers = tuple[float, ...]
Pair = tuple[str, Sequence[float], Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One anchored number: what was expected, what came out, who says so and how that was checked."""

    design: str
    quantity: str
    expected: float
    actual: float
    tolerance: float
    source: str
    checked: str

    @property
    def deviation(self) -> float:
        """Actual minus expected."""
        return self.actual - self.expected

    @property
    def ok(self) -> bool:
        """Whether the deviation is within the tolerance."""
        return bool(abs(self.deviation) <= self.tolerance + ROUNDING * max(1.0, abs(self.expected)))


class Anchor(Part):
    """Expected numbers with their source; `checked` says how we know them, `tolerance` how far ours may be off."""

    tolerance: float = Field(ge=0.0, le=0.5)
    source: str = Field(min_length=3)
    checked: str = Field(min_length=3)

    @abstractmethod
    def pairs(self) -> Iterator[Pair]:
        """(quantity, expected numbers, actual numbers) for everything that is anchored."""

    @abstractmethod
    def title(self) -> str:
        """What is anchored, in a few words."""

    def checks(self) -> Iterator[Check]:
        """One check a number."""
        for quantity, expected, actual in self.pairs():
            if len(expected) != len(actual):
                raise InputError(f"{self.title()}: {quantity} has {len(actual)} numbers, {len(expected)} are anchored")
            for k, (wanted, found) in enumerate(zip(expected, actual, strict=True), start=1):
                yield Check(
                    design=self.title(),
                    quantity=f"{quantity} {k}" if len(expected) > 1 else quantity,
                    expected=float(wanted),
                    actual=float(found),
                    tolerance=self.tolerance,
                    source=self.source,
                    checked=self.checked,
                )


class DesignAnchor(Anchor):
    """Boundaries, errors and operating characteristics of a design; whatever is left out is not anchored."""

    kind: Literal["design"] = "design"
    design: AnyDesign
    efficacy: Numbers | None = None
    last_efficacy: Numbers | None = None
    futility: Numbers | None = Field(default=None, description="at the interim looks")
    nominal_p: Numbers | None = None
    two_sided_p: Numbers | None = None
    alpha_spent: Numbers | None = None
    inflation: Numbers | None = None
    rejections: Numbers | None = Field(default=None, description="by look, under the planned effect")
    rejections_null: Numbers | None = None
    futility_stops: Numbers | None = Field(default=None, description="by interim look, under the planned effect")
    expected_over_fixed: Numbers | None = Field(default=None, description="expected sample size, planned effect")
    expected_over_fixed_null: Numbers | None = None
    stages: Numbers | None = Field(default=None, description="r1, n1, r, n of a two-stage, or r, n of a single stage")
    attained: Numbers | None = Field(default=None, description="alpha, power, probability of early stopping at p0")
    expected_patients: Numbers | None = Field(default=None, description="at p0")

    def title(self) -> str:
        """Kind, boundary rule and looks."""
        return _title(self.design)

    def pairs(self) -> Iterator[Pair]:
        """Whatever is anchored, recomputed."""
        for name in type(self).model_fields:
            expected = getattr(self, name)
            if name in DESIGN_QUANTITIES and expected is not None:
                yield name, expected, DESIGN_QUANTITIES[name](self.design)


class StoppedAnchor(Anchor):
    """Inference after stopping at `look` with `z`, or conditional power there under `drift`."""

    kind: Literal["stopped"] = "stopped"
    design: AnyDesign
    look: int = Field(ge=1, le=20)
    z: float
    maximum: float | None = Field(default=None, gt=0.0)
    drift: float | None = None
    p_value: float | None = None
    estimate: float | None = None
    interval: tuple[float, float] | None = None
    conditional_power: float | None = None

    def title(self) -> str:
        """The design, the look and z."""
        return f"{_title(self.design)}, look {self.look}, z {self.z:.4g}"

    def pairs(self) -> Iterator[Pair]:
        """Whatever is anchored, recomputed."""
        design = _sequential(self.design)
        if self.p_value is not None:
            yield "p_value", [self.p_value], [p_value(design, self.look, self.z)]
        if self.conditional_power is not None and self.drift is not None:
            found = conditional_power(design, self.look, self.z, self.drift)
            yield "conditional_power", [self.conditional_power], [found]
        if self.maximum is not None:
            said = stopped(design, self.look, self.z, maximum=self.maximum)
            if self.estimate is not None:
                yield "estimate", [self.estimate], [said.estimate]
            if self.interval is not None:
                yield "interval", self.interval, [said.ci_low, said.ci_high]


class CrossingAnchor(Anchor):
    """Probability of first crossing given boundaries at each look."""

    kind: Literal["crossing"] = "crossing"
    information: Numbers
    upper: Numbers
    lower: Numbers | None = None
    drift: float = 0.0
    above: Numbers
    below: Numbers | None = None

    def title(self) -> str:
        """The looks."""
        return f"boundaries at {len(self.information)} looks, drift {self.drift:g}"

    def pairs(self) -> Iterator[Pair]:
        """The crossing probabilities, recomputed."""
        lower = (-NEVER,) * len(self.upper) if self.lower is None else self.lower
        found = crossing(lower, self.upper, self.information, self.drift)
        yield "above", self.above, found.upper.tolist()
        if self.below is not None:
            yield "below", self.below, found.lower.tolist()


class SizeAnchor(Anchor):
    """A sample size, a number of events or a power."""

    kind: Literal["sample_size"] = "sample_size"
    function: str
    given: dict[str, float | int | str | Numbers]
    expect: float

    def title(self) -> str:
        """The function and what it was given."""
        return f"{self.function}({', '.join(f'{key}={value}' for key, value in self.given.items())})"

    def pairs(self) -> Iterator[Pair]:
        """The number, recomputed."""
        yield "value", [self.expect], [SIZES[self.function](**self.given)]


class MultiplicityAnchor(Anchor):
    """Adjusted p-values in the order of the raw ones."""

    kind: Literal["multiplicity"] = "multiplicity"
    procedure: AnyMultiplicity
    p: dict[str, float]
    adjusted: Numbers

    def title(self) -> str:
        """The procedure."""
        return str(self.procedure.kind)  # type: ignore[attr-defined]

    def pairs(self) -> Iterator[Pair]:
        """The adjusted p-values, recomputed."""
        found = self.procedure.adjust(self.p)
        yield "adjusted p", self.adjusted, [found[name] for name in self.p]


ANCHORS = (DesignAnchor, StoppedAnchor, CrossingAnchor, SizeAnchor, MultiplicityAnchor)

if TYPE_CHECKING:
    AnyAnchor = Anchor
else:
    AnyAnchor = one_of(ANCHORS)


class AnchorFile(Part):
    """A file of anchors."""

    anchors: tuple[AnyAnchor, ...] = Field(min_length=1)


def anchors() -> tuple[Anchor, ...]:
    """Every shipped anchor, files in name order. Raises SpecError when a file is broken."""
    files = sorted(FOLDER.glob("*.yaml"))
    return tuple(anchor for file in files for anchor in yamlfile.check(AnchorFile, yamlfile.read(file), FOLDER).anchors)


def verify(chosen: Sequence[Anchor] | None = None) -> tuple[Check, ...]:
    """Recompute every anchored number."""
    return tuple(check for anchor in (anchors() if chosen is None else chosen) for check in anchor.checks())


def passed(checks: Sequence[Check]) -> bool:
    """Whether there are checks and all of them hold."""
    return bool(checks) and all(check.ok for check in checks)


def _title(design: Any) -> str:
    if isinstance(design, GroupSequential):
        futility = ""
        if design.futility is not None:
            binding = "binding" if design.futility.binding else "non-binding"
            futility = f", {binding} {design.futility.rule.kind}"  # type: ignore[union-attr]
        looks = "/".join(f"{t:.3g}" for t in design.information)
        sides = "two-sided" if design.sides == 2 else "one-sided"
        return f"{design.efficacy.kind}{futility}, {sides} {design.alpha:g}, power {design.power:g}, looks {looks}"  # type: ignore[union-attr]
    return " ".join(f"{key} {value}" if key != "kind" else str(value) for key, value in design.model_dump().items())


def _sequential(design: Any) -> GroupSequential:
    if not isinstance(design, GroupSequential):
        raise InputError(f"{design.kind} is no group sequential design")
    return design


def _stages(design: Any) -> list[float]:
    if isinstance(design, ExactSingleStage):
        return [float(x) for x in design.size()]
    found = _two_stage(design).stages()
    return [found.r1, found.n1, found.r, found.n]


def _attained(design: Any) -> list[float]:
    found = _two_stage(design).stages()
    return [found.alpha, found.power, found.early_stop]


def _two_stage(design: Any) -> SimonTwoStage:
    if not isinstance(design, SimonTwoStage):
        raise InputError(f"{design.kind} has no two stages")
    return design


DESIGN_QUANTITIES: dict[str, Callable[[Any], Sequence[float]]] = {
    "efficacy": lambda d: [look.efficacy for look in d.looks()],
    "last_efficacy": lambda d: [d.looks()[-1].efficacy],
    "futility": lambda d: [look.futility for look in d.looks()[:-1]],
    "nominal_p": lambda d: [look.nominal_p for look in d.looks()],
    "two_sided_p": lambda d: [2.0 * look.nominal_p for look in d.looks()],
    "alpha_spent": lambda d: [look.alpha_spent for look in d.looks()],
    "inflation": lambda d: [d.inflation()],
    "rejections": lambda d: d.operating(1.0).efficacy,
    "rejections_null": lambda d: d.operating(0.0).efficacy,
    "futility_stops": lambda d: d.operating(1.0).futility[:-1],
    "expected_over_fixed": lambda d: [d.operating(1.0).expected * d.inflation()],
    "expected_over_fixed_null": lambda d: [d.operating(0.0).expected * d.inflation()],
    "stages": _stages,
    "attained": _attained,
    "expected_patients": lambda d: [_two_stage(d).stages().expected_n],
}


def _trial(rates: Numbers, breaks: Numbers, hazard_ratio: float, **conduct: float) -> tuple[Any, Any, Any]:
    control = power.Hazard(tuple(rates), tuple(breaks))
    return control, control.times(hazard_ratio), power.Conduct(**conduct)


def _share(rates: Numbers, hazard_ratio: float, at: float | None = None, breaks: Numbers = (), **rest: float) -> float:
    return power.event_share(*_trial(rates, breaks, hazard_ratio, **rest), at)


def _events(hazard_ratio: float, ratio: float = 1.0, **given: Any) -> float:
    rest = {key: given[key] for key in ("alpha", "power", "sides", "method") if key in given}
    return power.logrank_events(hazard_ratio, ratio=ratio, **rest)


def _patients(hazard_ratio: float, **given: Any) -> float:
    conduct = {key: value for key, value in given.items() if key not in ("alpha", "power", "sides", "method")}
    return _events(hazard_ratio, **given) / _share(hazard_ratio=hazard_ratio, **conduct)


def _survival_power(patients: int, alpha: float, sides: int, **given: Any) -> float:
    return power.survival_power(*_trial(**given), patients, alpha=alpha, sides=sides)


SIZES: dict[str, Callable[..., float]] = {
    "two_means_power": power.two_means_power,
    "two_means_control": lambda **given: power.two_means(**given).control,
    "paired_power": power.paired_power,
    "paired_means_control": lambda **given: power.paired_means(**given).control,
    "two_proportions_control": lambda **given: power.two_proportions(**given).control,
    "fisher_power": power.fisher_power,
    "logrank_events": power.logrank_events,
    "trial_of_survival_events": _events,
    "trial_of_survival_patients": _patients,
    "survival_power": _survival_power,
    "share_with_event": _share,
    "percent_change_patients": lambda **given: power.percent_change_arms(**given).total,
}
