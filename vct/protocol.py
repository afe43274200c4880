"""`Protocol`: a whole trial on one page of fields; `load` reads it from YAML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, model_validator

from vct.acquisition import Acquisition
from vct.cohort import AnyRandomisation, Arm, Conduct, Eligibility, PlannedVisit, Population, enrol, resolve
from vct.course import AnyCourse
from vct.endpoint import AnyEndpoint
from vct.errors import InputError, Problem, SpecError, nearest
from vct.part import Part, references
from vct.plausibility import Plausibility
from vct.readout import AnyReadout, Panel
from vct.records import Enrolment
from vct.segmenter import AnySegmenter, EngineLabels
from vct.shipped import shipped, shipped_names
from vct.stats import AnyAnalysis
from vct.stats.design.group_sequential import GroupSequential
from vct.stats.design.monitoring import Monitoring
from vct.stats.multiplicity import AnyMultiplicity
from vct.yamlfile import Loc, check, read

Broken = tuple[Loc, str, str, str | None]


class Protocol(Part):
    """What a trial does, from its cohort to its analyses. The engine is named when it is run, not here."""

    title: str = Field(min_length=1, max_length=200)
    description: str = ""
    source: str | tuple[str, ...] = Field(default="", description="where the numbers come from")
    seed: int = Field(default=0, ge=0, lt=2**63)
    cohort: Population = Field(description="a shipped name, a file beside this one, or a mapping with `from:`")
    sample_size: int = Field(ge=1, le=1_000_000, description="patients to enrol, all arms together")
    arms: tuple[Arm, ...] = Field(min_length=1, max_length=8, description="the first is the reference")
    eligibility: Eligibility = Eligibility()
    randomisation: AnyRandomisation
    visits: tuple[PlannedVisit, ...] = Field(min_length=1, max_length=50)
    course: AnyCourse
    acquisition: Acquisition
    segmenter: AnySegmenter = Field(
        default=EngineLabels(), description="what tells readers and readouts where organs are"
    )
    plausibility: Plausibility = Field(default=Plausibility(), description="bodies that cannot be")
    reading: Panel = Field(default=Panel(), description="who reads the scans, and which reading counts")
    readouts: tuple[AnyReadout, ...] = Field(min_length=1, max_length=100)
    endpoints: tuple[AnyEndpoint, ...] = Field(default=(), max_length=50)
    analyses: tuple[AnyAnalysis, ...] = Field(default=(), max_length=100)
    conduct: Conduct = Conduct()
    design: Monitoring | None = Field(default=None, description="interim looks, stopping and re-estimation")
    multiplicity: AnyMultiplicity | None = Field(
        default=None, description="adjusts the p-values of the first test of each endpoint that it takes in"
    )

    @model_validator(mode="after")
    def _links_hold(self, info: ValidationInfo) -> Protocol:
        """Check names that refer to other names; `load` does it itself, to give each one its place in the file."""
        broken = [] if info.context else list(broken_links(self))
        if broken:
            raise ValueError(
                "; ".join(f"{'.'.join(map(str, loc))}: {rule} (got {got!r})" for loc, rule, got, _ in broken)
            )
        return self

    def names(self) -> dict[str, tuple[str, ...]]:
        """What the parts of this protocol are called, by family."""
        return {
            "arms": tuple(arm.name for arm in self.arms),
            "visits": tuple(visit.name for visit in self.visits),
            "readouts": tuple(readout.label for readout in self.readouts),
            "endpoints": tuple(endpoint.name for endpoint in self.endpoints),
            "sites": tuple(site.name for site in self.conduct.sites),
            "variables": self.cohort.variables,
        }

    @property
    def planned_days(self) -> dict[str, float]:
        """The planned day of each visit."""
        return {visit.name: visit.day for visit in self.visits}

    @property
    def most_patients(self) -> int:
        """The sample size, or what a re-estimation may make of it."""
        if self.design is None or self.design.reestimation is None:
            return self.sample_size
        return max(self.sample_size, 2 * self.design.reestimation.maximum_per_arm)

    def sized(self, patients: int) -> Protocol:
        """The same trial with so many patients; planned values and events grow with them.

        Raises InputError when its design is impossible then.
        """
        design = self.design
        if design is not None:
            scale = patients / self.sample_size
            grown = {
                name: max(1, round(scale * number))
                for name in ("values", "events")
                if (number := getattr(design, name)) is not None
            }
            design = design.model_copy(update=grown)
            ratios = [arm.ratio for arm in self.arms]
            for loc, rule, got, _ in design.problems(self.analyses, patients, ratios):
                raise InputError(f"{patients} patients: {'.'.join(map(str, loc))}: {rule} (got {got})")
        return self.model_copy(update={"sample_size": patients, "design": design})

    def enrol(self, seed: int, sample_size: int | None = None) -> Enrolment:
        """Who enters the trial, on which arm, and which visits they attend; as many as a re-estimation may ask for."""
        return enrol(
            population=self.cohort,
            eligibility=self.eligibility,
            randomisation=self.randomisation,
            conduct=self.conduct,
            arms=self.arms,
            visits=self.visits,
            sample_size=sample_size or self.most_patients,
            seed=seed,
        )

    def resolved(self) -> dict[str, Any]:
        """The protocol as plain data, the cohort and every default written out; it loads to an equal protocol."""
        return self.model_dump(mode="json", serialize_as_any=True)


def load(source: str | Path) -> Protocol:
    """Read a protocol: a path to a YAML file, or the name of a shipped protocol.

    Raises SpecError with every broken rule, each with file, line and column.
    """
    path = find(source)
    tree = read(path)
    if isinstance(tree.data, dict) and "cohort" in tree.data:
        resolve(tree, ("cohort",), path.parent)
    protocol = check(Protocol, tree, path.parent)
    problems = [tree.problem(loc, rule, got, near) for loc, rule, got, near in broken_links(protocol)]
    if problems:
        raise SpecError(problems)
    return protocol


def find(source: str | Path) -> Path:
    """The file that `source` names: a path, or a shipped protocol's name."""
    path = Path(source)
    if path.is_file():
        return path
    known = shipped_names("protocols")
    if str(source) in known:
        return shipped("protocols") / f"{source}.yaml"
    rule = f"is neither a file nor a shipped protocol ({', '.join(known)})"
    raise SpecError([Problem(file=str(source), rule=rule, nearest=nearest(source, known))])


def broken_links(protocol: Protocol) -> Iterator[Broken]:
    """Every name that is used twice or refers to nothing, and visits out of order: (place, rule, value, nearest)."""
    names = protocol.names()
    yield from _repeated(names)
    days = [visit.day for visit in protocol.visits]
    for index in range(1, len(days)):
        if days[index] <= days[index - 1]:
            yield ("visits", index, "day"), "visits must come in the order of their days", str(days[index]), None
    unknown = [item for item in references(protocol) if item[2] not in names[item[1]]]
    for loc, family, name in unknown:
        yield loc, _unknown(family, names[family]), name, nearest(name, names[family])
    if protocol.design is not None and not unknown:
        ratios = [arm.ratio for arm in protocol.arms]
        yield from protocol.design.problems(protocol.analyses, protocol.sample_size, ratios)
        yield from _of_the_primary(protocol, protocol.design)


def _of_the_primary(protocol: Protocol, design: Monitoring) -> Iterator[Broken]:
    """A primary endpoint that the design cannot watch, and adjusted p-values that would not know of its looks."""
    endpoint = next(item for item in protocol.endpoints if item.name == design.primary)
    visits = getattr(endpoint, "visits", ())
    if design.visit is not None and endpoint.gives != "times" and design.visit not in visits:
        rule = f"is no visit of {design.primary!r} ({', '.join(visits)})"
        yield ("design", "visit"), rule, design.visit, nearest(design.visit, visits)
    if design.by_arm and endpoint.gives in ("numbers", "times"):
        yield ("design", "primary"), "counts responders, and this endpoint has none", design.primary, None
    looks = isinstance(design.rule, GroupSequential)
    if design.events is not None and endpoint.gives in ("numbers", "verdicts"):
        rule = f"{design.primary!r} gives {endpoint.gives}: plan 'values', not 'events'"
        yield ("design", "events"), rule, str(design.events), "values"
    if design.events is None and endpoint.gives == "times" and looks:
        yield ("design", "events"), f"looks at {design.primary!r} come by its events: plan them", "None", None
    if design.reestimation is not None and endpoint.gives in ("verdicts", "times"):
        rule = f"re-estimates from the variance of numbers; {design.primary!r} gives {endpoint.gives}"
        yield ("design", "reestimation"), rule, design.reestimation.kind, None
    if protocol.multiplicity is not None and looks:
        rule = "adjusted p-values know nothing of interim looks: leave 'multiplicity' or the looks out"
        yield ("multiplicity",), rule, str(getattr(protocol.multiplicity, "kind", "")), None


def _repeated(names: dict[str, tuple[str, ...]]) -> Iterator[Broken]:
    for family, given in names.items():
        for name, count in Counter(given).items():
            if count > 1:
                second = [index for index, other in enumerate(given) if other == name][1]
                yield (family, second), "this name stands twice; give each its own 'name'", name, None


def _unknown(family: str, known: Sequence[str]) -> str:
    return f"is none of this protocol's {family} ({', '.join(known) or 'it has none'})"
