"""Every statement that a protocol asks for: each analysis on its sets, for measurement and truth, and by subgroup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vct.records import Comparison, Enrolment, Outcome, Patient, Source
from vct.stats.base import Analysis, AnalysisSet
from vct.stats.imputation import imputed
from vct.stats.missing import fill_missing
from vct.stats.multiplicity import Multiplicity, interaction
from vct.stats.result import joined
from vct.stats.student import z_quantile

SOURCES: tuple[Source, ...] = ("measured", "truth")


@dataclass(frozen=True, slots=True)
class Slice:
    """The patients and the source of one run of an analysis, and how its rows are labelled."""

    source: Source
    analysis_set: AnalysisSet
    subgroup: str
    patients: tuple[Patient, ...]


def compare_all(
    analyses: Sequence[Analysis],
    outcomes: Sequence[Outcome],
    enrolment: Enrolment,
    arms: Sequence[str],
    by_reader: Sequence[Outcome] = (),
) -> tuple[Comparison, ...]:
    """Run every analysis.

    Each runs on its analysis sets (ITT: all enrolled; PP: `Enrolment.per_protocol`), on what was measured and, where an
    outcome of the planted truth exists, on that; and by subgroup on what was measured in the ITT set. Missing values
    are filled by the analysis' own rule, before subgroups are formed. Analyses of readers take the outcomes
    `by_reader` in place of those of record.
    """
    found: list[Comparison] = []
    for analysis in analyses:
        given = by_reader if analysis.of_readers else outcomes
        by_source = {source: _own(analysis, given, source) for source in SOURCES}
        filled = {source: fill_missing(own, analysis.missing) for source, own in by_source.items()}
        known = {source for source, own in by_source.items() if any(item.value is not None for item in own)}
        for part in _slices(analysis, enrolment):
            if part.source in known or part.source == "measured":
                found += _compared(analysis, by_source[part.source], filled[part.source], part, arms)
        found += _interactions(analysis, found)
    return tuple(found)


def _interactions(analysis: Analysis, found: Sequence[Comparison]) -> Iterator[Comparison]:
    """A test that an effect is the same in every level of a subgroup, for each contrast of the analysis.

    The levels' standard errors are those of their intervals; ratios are compared by their logarithm.
    """
    method = getattr(analysis, "kind", type(analysis).__name__)
    for name in analysis.subgroups:
        levels: dict[tuple[str, str, str], list[Comparison]] = {}
        for row in found:
            mine = (row.endpoint, row.method) == (analysis.endpoint, method) and row.reference
            if mine and row.subgroup.startswith(f"{name}=") and None not in (row.estimate, row.ci_low, row.ci_high):
                levels.setdefault((row.quantity, row.arm, row.visit), []).append(row)
        for rows in levels.values():
            effects = np.array([(row.ci_low, row.estimate, row.ci_high) for row in rows], dtype=float)
            effects = np.log(effects) if "ratio" in rows[0].quantity else effects
            errors = (effects[:, 2] - effects[:, 0]) / (2.0 * z_quantile(analysis.confidence))
            if len(rows) < 2 or not (np.isfinite(errors) & (errors > 0)).all():
                continue
            test = interaction(effects[:, 1].tolist(), errors.tolist())
            yield replace(
                rows[0],
                quantity=f"interaction, {rows[0].quantity}",
                estimate=None,
                ci_low=None,
                ci_high=None,
                statistic=test.statistic,
                p_value=test.p_value,
                n=sum(row.n for row in rows),
                n_reference=sum(row.n_reference for row in rows),
                n_missing=sum(row.n_missing for row in rows),
                subgroup=name,
                note=f"chi-squared on {test.df} degrees of freedom, {len(rows)} levels",
            )


def adjusted(procedure: Multiplicity, comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The comparisons with `p_adjusted` filled in, of each source on its own.

    A hypothesis is an endpoint and a later arm; its p-value is that of the first test of it, in the ITT set, of
    everybody. Procedures that name their endpoints take in these, the others all. Where one has no p-value it counts
    as 1.
    """
    found = list(comparisons)
    for source in SOURCES:
        first: dict[tuple[str, str], int] = {}
        for index, item in enumerate(comparisons):
            if item.source == source and item.subgroup == "all" and item.analysis_set == "ITT" and _tests(item):
                first.setdefault((item.endpoint, item.arm), index)
        for family in _families(procedure, first):
            p = {name: comparisons[index].p_value for name, index in family.items()}
            known = {name: 1.0 if value is None else value for name, value in p.items()}
            for name, value in procedure.adjust(known).items():
                found[family[name]] = replace(found[family[name]], p_adjusted=value)
    return tuple(found)


def _tests(item: Comparison) -> bool:
    return item.p_value is not None or bool(item.reference)


def _families(procedure: Multiplicity, first: dict[tuple[str, str], int]) -> Iterator[dict[str, int]]:
    """Hypotheses that are adjusted together, by name, with the place of their comparison."""
    named = procedure.endpoints
    if not named:
        if first:
            yield {f"{endpoint} of {arm}": index for (endpoint, arm), index in first.items()}
        return
    for arm in dict.fromkeys(arm for _, arm in first):
        own = {endpoint: first[endpoint, arm] for endpoint in named if (endpoint, arm) in first}
        if len(own) == len(named):
            yield own


def _own(analysis: Analysis, outcomes: Sequence[Outcome], source: Source) -> list[Outcome]:
    return [item for item in outcomes if item.endpoint == analysis.endpoint and item.source == source]


def _slices(analysis: Analysis, enrolment: Enrolment) -> Iterator[Slice]:
    kept = enrolment.per_protocol
    for name in analysis.analysis_sets:
        patients = tuple(item for item in enrolment.patients if name == "ITT" or (item.id, item.arm) in kept)
        yield from (Slice(source, name, "all", patients) for source in SOURCES)
    for subgroup in analysis.subgroups:
        levels = sorted({str(getattr(patient, subgroup)) for patient in enrolment.patients})
        for level in levels:
            members = tuple(patient for patient in enrolment.patients if getattr(patient, subgroup) == level)
            yield Slice("measured", "ITT", f"{subgroup}={level}", members)


def _compared(
    analysis: Analysis, before: Sequence[Outcome], filled: Sequence[Outcome], part: Slice, arms: Sequence[str]
) -> Iterator[Comparison]:
    members = {(patient.id, patient.arm) for patient in part.patients}
    own = [item for item in filled if (item.patient, item.arm) in members]
    ask = partial(imputed, analysis) if analysis.missing == "multiple_imputation" else analysis.compare
    for item in ask(own, part.patients, arms):
        count = sum(
            old.value is None
            and new.value is not None
            and new.visit == item.visit
            and new.arm in (item.arm, item.reference)
            for old, new in zip(before, filled, strict=True)
            if (new.patient, new.arm) in members
        )
        note = f"{count} missing filled in by {analysis.missing}" if count else ""
        yield replace(
            item,
            source=part.source,
            analysis_set=part.analysis_set,
            subgroup=part.subgroup,
            note=joined(item.note, note),
        )
