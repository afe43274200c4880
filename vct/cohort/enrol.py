"""Enrolment: candidates are screened one after the other until the trial is full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vct.cohort.allocation import Randomisation
from vct.cohort.conduct import Conduct
from vct.cohort.criteria import Eligibility
from vct.cohort.plan import Arm, PlannedVisit
from vct.cohort.population import Population
from vct.errors import InputError
from vct.records import Attendance, Enrolment, Patient, Sex

MAX_SCREENED_PER_ENROLLED = 1000
GRACE = 20
SMALLEST_BLOCK, LARGEST_BLOCK = 32, 4096

Person = tuple[Sex, float, float, float]


def enrol(
    *,
    population: Population,
    eligibility: Eligibility,
    randomisation: Randomisation,
    conduct: Conduct,
    arms: Sequence[Arm],
    visits: Sequence[PlannedVisit],
    sample_size: int,
    seed: int,
) -> Enrolment:
    """Screen candidates until `sample_size` are in; give them sites, arms and the fate of every visit.

    Patients are called P0001, P0002, ... in order of enrolment. A larger `sample_size` under the same seed leaves the
    first patients as they are. Counterfactual twins count once in `sample_size`. Raises InputError when the criteria
    turn nearly everybody away.
    """
    people, n_screened, excluded = _screen(population, eligibility, sample_size, seed)
    enrolled = [
        Patient(
            id=f"P{number:04d}", sex=sex, age_years=age, height_cm=height, weight_kg=weight, site=site, enrolled_day=day
        )
        for number, ((sex, age, height, weight), (day, site)) in enumerate(
            zip(people, conduct.arrivals(sample_size, seed), strict=True), start=1
        )
    ]
    patients: list[Patient] = []
    attendance: list[Attendance] = []
    for patient in randomisation.assign(enrolled, arms, seed):
        followed, fates = conduct.follow(patient, visits, seed)
        patients.append(followed)
        attendance.extend(fates)
    return Enrolment(patients=tuple(patients), attendance=tuple(attendance), n_screened=n_screened, excluded=excluded)


def _screen(
    population: Population, eligibility: Eligibility, sample_size: int, seed: int
) -> tuple[list[Person], int, dict[str, int]]:
    """The first `sample_size` eligible candidates, how many were screened for them, and the excluded by reason."""
    people: list[Person] = []
    n_screened = 0
    excluded = dict.fromkeys(eligibility.reasons, 0)
    while (missing := sample_size - len(people)) > 0:
        block = min(max(missing, SMALLEST_BLOCK), LARGEST_BLOCK)
        candidates = population.candidates(n_screened + 1, block, seed)
        failed = eligibility.first_failure(candidates)
        passed = np.flatnonzero(failed < 0)[:missing]
        screened = int(passed[-1]) + 1 if passed.size == missing else block
        n_screened += screened
        for reason, count in zip(
            excluded, np.bincount(failed[:screened] + 1, minlength=len(excluded) + 1)[1:], strict=True
        ):
            excluded[reason] += int(count)
        age, height, weight = (candidates.columns[name] for name in ("age_years", "height_cm", "weight_kg"))
        for index in passed:
            sex: Sex = "F" if candidates.female[index] else "M"
            people.append((sex, float(age[index]), float(height[index]), float(weight[index])))
        if n_screened > MAX_SCREENED_PER_ENROLLED * (len(people) + GRACE):
            raise InputError(_hopeless(n_screened, len(people), excluded))
    return people, n_screened, excluded


def _hopeless(n_screened: int, n_eligible: int, excluded: Mapping[str, int]) -> str:
    turned_away = sorted(((count, reason) for reason, count in excluded.items() if count), reverse=True)
    listed = ", ".join(f"{reason} ({count})" for count, reason in turned_away)
    return (
        f"eligibility: of {n_screened} candidates screened only {n_eligible} may enter; turned away for {listed}. "
        "Relax the criteria, or draw from a cohort that fits them (`restrict`)"
    )
