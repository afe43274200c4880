"""The patients of many trials at once: who comes in when and where, on which arm, and which visits they attend.

The same rules as `vct.cohort`, on arrays. Patient-major: (n, replicates), row i the i-th patient to be enrolled of
every replicate. Every draw is made row by row, so that a larger trial begins with the patients of a smaller one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vct.cohort import Conduct, Eligibility, PlannedVisit, Population
from vct.cohort.allocation import Counterfactual, PermutedBlocks, Simple, StratifiedBlocks, ratios
from vct.cohort.candidates import DEMOGRAPHICS, Candidates
from vct.cohort.conduct import DAYS_PER_MONTH, Dropout, Site, actual_day, windows
from vct.cohort.criteria import Prevalence
from vct.cohort.minimisation import Minimisation
from vct.cohort.strata import NAMED, Factor
from vct.errors import InputError
from vct.protocol import Protocol

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Streams = Callable[[str], np.random.Generator]

ROUNDS = 2000
"""Times that a patient is drawn again until eligibility and the cohort's limits allow the draw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Patients (n, replicates). Days count from the trial's start (`enrolled`) or from randomisation (all others).

    `female`, `age_years`, `height_cm`, `weight_kg`; `site`, `arm`, `stratum` as indices; `dropout`, `new_therapy` and
    `death` days, infinite for never; `day` and `done` (visits, n, replicates): the actual day, and whether it gave a
    scan.
    """

    female: NDArray[np.bool_]
    age_years: Array
    height_cm: Array
    weight_kg: Array
    enrolled: Array
    site: Indices
    arm: Indices
    stratum: Indices
    dropout: Array
    new_therapy: Array
    death: Array
    day: Array
    done: NDArray[np.bool_]

    def first(self, n: int) -> Crowd:
        """The first `n` patients of every trial."""
        cut = {name: getattr(self, name)[:n] for name in self.__slots__ if name not in ("day", "done")}
        return Crowd(day=self.day[:, :n], done=self.done[:, :n], **cut)


def crowd(protocol: Protocol, n: int, replicates: int, streams: Streams) -> Crowd:
    """Draw `replicates` trials of `n` patients. Raises InputError when eligibility turns nearly everybody away."""
    shape = (n, replicates)
    female, age, height, weight = _people(protocol.cohort, protocol.eligibility, shape, streams)
    enrolled, site = _arrivals(protocol.conduct.sites, shape, streams)
    features = {"female": female, "age_years": age, "height_cm": height, "weight_kg": weight, "site": site}
    arm, stratum = _allocated(protocol, features, shape, streams)
    conduct, names = protocol.conduct, [item.name for item in protocol.arms]
    leaving = {
        name: _event_day(getattr(conduct, name), arm, names, streams(name).standard_exponential(shape))
        for name in ("dropout", "new_therapy", "death")
    }
    day, done = _attended(conduct, protocol.visits, np.minimum(leaving["dropout"], leaving["death"]), streams)
    return Crowd(
        female=female,
        age_years=age,
        height_cm=height,
        weight_kg=weight,
        enrolled=enrolled,
        site=site,
        arm=arm,
        stratum=stratum,
        day=day,
        done=done,
        **leaving,
    )


def _people(
    population: Population, eligibility: Eligibility, shape: tuple[int, int], streams: Streams
) -> tuple[NDArray[np.bool_], Array, Array, Array]:
    """Sex, age, height and weight. Criteria of pure chance (`prevalence`) turn away anybody alike: they are skipped."""
    asked = Eligibility(
        inclusion=tuple(item for item in eligibility.inclusion if not isinstance(item, Prevalence)),
        exclusion=tuple(item for item in eligibility.exclusion if not isinstance(item, Prevalence)),
    )
    size = shape[0] * shape[1]
    female = np.zeros(size, dtype=bool)
    found = np.empty((3, size))
    todo = np.arange(size)
    biomarkers = tuple(population.biomarkers)
    for attempt in range(ROUNDS):
        u = np.maximum(streams(f"people {attempt}").random((size, 4 + len(biomarkers)))[todo], 2.0**-54)
        sex = u[:, 0] <= population.female_fraction
        age = np.where(sex, population.age_of("F").ppf(u[:, 1]), population.age_of("M").ppf(u[:, 1]))
        height, weight = population.body_size.draw(sex, age, u[:, 2:4])
        columns = dict(zip(DEMOGRAPHICS, (age, height, weight, weight / (height / 100.0) ** 2), strict=True))
        columns |= {name: population.biomarkers[name].ppf(u[:, 4 + k]) for k, name in enumerate(biomarkers)}
        fits = population.restrict.allows(height, weight)
        fits &= asked.first_failure(Candidates(0, ("",) * todo.size, sex, columns)) < 0
        took = todo[fits]
        female[took], found[:, took] = sex[fits], (age[fits], height[fits], weight[fits])
        todo = todo[~fits]
        if not todo.size:
            age, height, weight = (row.reshape(shape) for row in found)
            return female.reshape(shape), age, height, weight
    raise InputError(f"eligibility: {todo.size} of {size} patients could not be drawn; relax the criteria")


def _arrivals(sites: Sequence[Site], shape: tuple[int, int], streams: Streams) -> tuple[Array, Indices]:
    """Trial day of enrolment and site: the first arrivals of all sites together."""
    days = np.concatenate([_of_site(site, streams(f"site {site.name}").standard_exponential(shape)) for site in sites])
    order = np.argsort(days, axis=0, kind="stable")[: shape[0]]
    return np.take_along_axis(days, order, axis=0), order // shape[0]


def _of_site(site: Site, waits: Array) -> Array:
    """Arrivals at one site, from unit waiting times, carried through the inverse of the cumulative rate."""
    times = np.cumsum(waits, axis=0)
    start = np.array([rate.from_day for rate in site.accrual])
    daily = np.array([rate.patients_per_month for rate in site.accrual]) / DAYS_PER_MONTH
    expected = np.concatenate(([0.0], np.cumsum(daily[:-1] * np.diff(start))))
    step = np.searchsorted(expected, times, side="right") - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        found = start[step] + (times - expected[step]) / daily[step]
    return np.where(daily[step] > 0, found, np.inf)


def _allocated(
    protocol: Protocol, features: dict[str, NDArray[np.generic]], shape: tuple[int, int], streams: Streams
) -> tuple[Indices, Indices]:
    """Arm and stratum of each patient."""
    scheme, shares = protocol.randomisation, ratios(protocol.arms)
    nobody = np.zeros(shape, dtype=np.intp)
    if isinstance(scheme, Simple):
        upto = np.cumsum(shares) / shares.sum()
        return np.searchsorted(upto, streams("allocation").random(shape), side="right"), nobody
    if isinstance(scheme, PermutedBlocks):
        return _blocks(shares, scheme.block_multiples, nobody, streams), nobody
    if isinstance(scheme, StratifiedBlocks):
        strata = _strata(scheme.factors, features, shape)
        return _blocks(shares, scheme.block_multiples, strata, streams), strata
    if isinstance(scheme, Minimisation):
        levels = [_level(factor, features) for factor in scheme.factors]
        return _minimised(scheme, shares, levels, shape, streams), _strata(scheme.factors, features, shape)
    if isinstance(scheme, Counterfactual):
        raise InputError("replicates need randomised arms: counterfactual twins are two trials in one")
    raise InputError(f"replicates know no randomisation {type(scheme).__name__!r}")


def _level(factor: Factor, features: dict[str, NDArray[np.generic]]) -> Indices:
    if factor.by == "bmi_kg_m2":
        value = features["weight_kg"] / (features["height_cm"] / 100.0) ** 2  # type: ignore[operator]
    else:
        value = features["female" if factor.by == "sex" else factor.by]
    if factor.by in NAMED:
        return np.asarray(value, dtype=np.intp)
    return np.asarray(np.searchsorted(factor.cuts, value, side="right"))


def _strata(factors: Sequence[Factor], features: dict[str, NDArray[np.generic]], shape: tuple[int, int]) -> Indices:
    """One index for each combination of levels."""
    code = np.zeros(shape, dtype=np.intp)
    for factor in factors:
        levels = 256 if factor.by in NAMED else len(factor.cuts) + 1
        code = code * levels + _level(factor, features)
    return np.unique(code, return_inverse=True)[1].reshape(shape) if factors else code


def _blocks(shares: NDArray[np.int64], multiples: Sequence[int], strata: Indices, streams: Streams) -> Indices:
    """Arms by permuted blocks, a sequence for every stratum and replicate."""
    arm = np.zeros(strata.shape, dtype=np.intp)
    for level in range(int(strata.max()) + 1):
        here = strata == level
        rank = np.cumsum(here, axis=0) - 1
        sequence = _sequence(shares, multiples, strata.shape, streams, level)
        arm[here] = np.take_along_axis(sequence, np.maximum(rank, 0), axis=0)[here]
    return arm


def _sequence(
    shares: NDArray[np.int64], multiples: Sequence[int], shape: tuple[int, int], streams: Streams, level: int
) -> Indices:
    """Arm numbers (n, replicates), block after block."""
    unit = int(shares.sum())
    rows = shape[0] + unit * max(multiples)
    sizes = np.asarray(multiples)[streams(f"block sizes {level}").integers(len(multiples), size=(rows, shape[1]))]
    ends = np.cumsum(sizes * unit, axis=0)
    position = np.arange(rows)[:, None]
    block = np.stack([np.searchsorted(end, position[:, 0], side="right") for end in ends.T], axis=1)
    multiple = np.take_along_axis(sizes, block, axis=0)
    within = position - (np.take_along_axis(ends, block, axis=0) - multiple * unit)
    pattern = np.searchsorted(np.cumsum(shares), within // multiple, side="right")
    key = block + streams(f"blocks {level}").random((rows, shape[1]))
    order = np.argsort(key, axis=0)
    arm = np.empty((rows, shape[1]), dtype=np.intp)
    np.put_along_axis(arm, order, pattern, axis=0)
    return arm[: shape[0]]


def _minimised(
    scheme: Minimisation, shares: NDArray[np.int64], levels: list[Indices], shape: tuple[int, int], streams: Streams
) -> Indices:
    """Pocock and Simon's minimisation, patient after patient, all replicates side by side."""
    arm_of = np.repeat(np.arange(shares.size), shares)
    n = arm_of.size
    luck = streams("allocation").random((*shape, 2))
    column = np.arange(shape[1])
    counts = [np.zeros((int(level.max()) + 1, shape[1], n)) for level in levels]
    weights = [factor.weight for factor in scheme.factors]
    arm = np.empty(shape, dtype=np.intp)
    for row in range(shape[0]):
        total = np.zeros((shape[1], n))
        for weight, count, level in zip(weights, counts, levels, strict=True):
            after = count[level[row], column][:, None, :] + np.eye(n)
            total += weight * (np.ptp(after, axis=2) if scheme.imbalance == "range" else after.var(axis=2))
        best = np.isclose(total, total.min(axis=1, keepdims=True))
        pick = (luck[row, :, 0] * best.sum(axis=1)).astype(np.intp)
        preferred = np.argmax(np.cumsum(best, axis=1) > pick[:, None], axis=1)
        coin = luck[row, :, 1]
        other = ((coin - scheme.probability) / max(1.0 - scheme.probability, 1e-12) * (n - 1)).astype(np.intp)
        other = np.where(other >= preferred, other + 1, other)
        picked = np.where((coin < scheme.probability) | (n == 1), preferred, np.minimum(other, n - 1))
        for count, level in zip(counts, levels, strict=True):
            count[level[row], column, picked] += 1.0
        arm[row] = arm_of[picked]
    return arm


def _event_day(event: Dropout | None, arm: Indices, names: Sequence[str], waited: Array) -> Array:
    """Day of an event with a constant hazard by arm; infinite for never."""
    if event is None:
        return np.full(arm.shape, np.inf)
    hazard = event.daily_hazard * np.array([event.hazard_ratio.get(name, 1.0) for name in names])[arm]
    with np.errstate(divide="ignore"):
        return np.asarray(waited / hazard)


def _attended(
    conduct: Conduct, visits: Sequence[PlannedVisit], left: Array, streams: Streams
) -> tuple[Array, NDArray[np.bool_]]:
    """Actual day of every visit, and whether it gave a scan: (visits, n, replicates)."""
    days, done = [], []
    for planned, (low, high) in zip(visits, windows(visits), strict=True):
        when, missed, failed = np.moveaxis(streams(f"attendance {planned.name}").random((*left.shape, 3)), -1, 0)
        day = np.broadcast_to(actual_day(planned, low, high, when), left.shape)
        there = (day < left) & (failed >= conduct.failed_scan_probability)
        if planned.day > 0:
            there &= missed >= conduct.missed_visit_probability
        days.append(day)
        done.append(there)
    return np.array(days), np.array(done)
