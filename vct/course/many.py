"""The metastatic course of many patients at once: the formulas of `metastatic`, `history` and `treatment` on arrays.

Patients are (P,), lesions (L,) with the patient that owns each. Random numbers come from generators that the caller
names; the distribution of what comes out is that of `Metastatic.at`, lesion by lesion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vct.course.disease import normal_correlation
from vct.course.history import DAYS_PER_YEAR
from vct.course.limits import COUNT, DIAMETER_MM, DOUBLING_TIME_DAYS, SUV
from vct.course.metastatic import Metastatic
from vct.course.treatment import BACKGROUND_SUV, Effect, Treatment
from vct.distributions import Distribution
from vct.structures import LESION_SITES

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Streams = Callable[[str], np.random.Generator]

BACKGROUND = np.array([BACKGROUND_SUV[site] for site in LESION_SITES])
EFFECT_FIELDS = tuple(Effect.model_fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Every lesion that these patients have or may get: draws that no treatment changes.

    `number` counts a patient's lesions of day 0 from 1, and is 0 for new ones; `thinning` (0 to 1) says down to which
    rate of new lesions this one still appears.
    """

    owner: Indices
    number: Indices
    organ: Indices
    diameter_mm: Array
    suv: Array
    doublings_per_day: Array
    luck: Array
    core_share: Array
    onset_day: Array
    thinning: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesions:
    """The lesions of one visit, present ones only."""

    owner: Indices
    number: Indices
    organ: Indices
    diameter_mm: Array
    suv: Array
    core_share: Array
    core_uptake: Array
    is_new: NDArray[np.bool_]


def origins(course: Metastatic, patients: int, horizon_day: float, streams: Streams) -> Origins:
    """Draw the lesions of `patients`, new ones up to `horizon_day`.

    Draws come patient by patient, so that a longer list of patients begins with the same ones.
    """
    disease, history = course.disease, course.history
    counts = np.rint(_quantile(disease.count, _inside(streams("count").random(patients)), COUNT)).astype(np.intp)
    shared = streams("disease").standard_normal((patients, 3))
    old = np.repeat(np.arange(patients), counts)
    number = np.arange(old.size) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    rate = history.new_lesions_per_year * max(horizon_day, 0.0) / DAYS_PER_YEAR
    arrivals = streams("onsets").poisson(rate, patients) if rate > 0 else np.zeros(patients, dtype=np.intp)
    new = np.repeat(np.arange(patients), arrivals)
    rng = streams("onset days")
    onset, thinning = (np.zeros(old.size), np.zeros(old.size)) if not new.size else rng.random((new.size, 2)).T
    first = _drawn(course, old, number, shared, disease.diameter_mm, streams, "lesion")
    if not new.size:
        return Origins(onset_day=onset, thinning=thinning, **first)
    late = _drawn(course, new, np.zeros(new.size, dtype=np.intp), shared, history.new_diameter_mm, streams, "new")
    joined = {key: np.concatenate([first[key], late[key]]) for key in first}
    return Origins(
        onset_day=np.concatenate([np.zeros(old.size), onset * horizon_day]),
        thinning=np.concatenate([np.zeros(old.size), thinning]),
        **joined,
    )


def _drawn(
    course: Metastatic,
    owner: Indices,
    number: Indices,
    shared: Array,
    diameter_mm: Distribution,
    streams: Streams,
    name: str,
) -> dict[str, Any]:
    from scipy.special import ndtr

    disease = course.disease
    sites = list(disease.sites)
    place = streams(f"{name} site").random(owner.size)
    own = streams(name).standard_normal((owner.size, 4))
    within = normal_correlation(disease.between_lesion_correlation)
    scores = math.sqrt(within) * shared[owner] + math.sqrt(1.0 - within) * own[:, :3]
    r = normal_correlation(disease.size_uptake_correlation)
    size, growth = scores[:, 0], scores[:, 2]
    uptake = r * size + math.sqrt(1.0 - r * r) * scores[:, 1]
    upto = np.cumsum(list(disease.sites.values()))
    codes = np.array([LESION_SITES.index(site) for site in sites])
    organ = codes[np.searchsorted(upto / upto[-1], place, side="right")]
    if disease.primary_site is not None:
        organ = np.where(number == 1, LESION_SITES.index(disease.primary_site), organ)
    doubling = course.history.doubling_time_days
    speed = np.zeros(owner.size)
    if doubling is not None:
        speed = 1.0 / (3.0 * _quantile(doubling, _inside(ndtr(growth)), DOUBLING_TIME_DAYS))
    diameter = _quantile(diameter_mm, _inside(ndtr(size)), DIAMETER_MM)
    core = disease.necrosis
    cores = streams(f"{name} form").standard_normal((owner.size, 2)).T
    return {
        "owner": owner,
        "number": number,
        "organ": organ,
        "diameter_mm": diameter,
        "suv": _quantile(disease.suv, _inside(ndtr(uptake)), SUV),
        "doublings_per_day": speed,
        "luck": own[:, 3],
        "core_share": np.zeros(owner.size) if core is None else core.share(organ, diameter, cores),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Responses:
    """How each of these patients responds: fields of `Effect` (P,) and what the treatment says beside them."""

    effect: dict[str, Array]
    complete: NDArray[np.bool_]
    luck: Array
    uptake_half_time_days: Array
    size_half_time_days: Array


def responses(treatments: Sequence[Treatment], arm: Indices, u: Array, luck: Array) -> Responses:
    """The responses of patients (P,) on arms, which number `treatments`, from a uniform and a normal draw each."""
    fraction = np.array([item.responder_fraction for item in treatments])[arm]
    complete = fraction * np.array([item.complete_fraction for item in treatments])[arm]
    row = 2 * arm + (u < fraction)
    effects = [effect for item in treatments for effect in (item.non_responders, item.responders)]
    return Responses(
        effect={name: np.array([getattr(effect, name) for effect in effects])[row] for name in EFFECT_FIELDS},
        complete=u < complete,
        luck=luck,
        uptake_half_time_days=np.array([item.uptake_half_time_days for item in treatments])[arm],
        size_half_time_days=np.array([item.size_half_time_days for item in treatments])[arm],
    )


def lesions_on(
    course: Metastatic,
    born: Origins,
    response: Responses,
    day: Array,
    common: Array,
    own: Array,
    second: tuple[Responses, Array] | None = None,
) -> Lesions:
    """The lesions of patients (P,) on their `day` (P,); `common` (P,) and `own` (L,) are normal draws of that day.

    `second` holds the responses to a new therapy and the days since it began, 0 or less before.
    """
    history, effect = course.history, response.effect
    held = np.where(day <= 0.0, day, day * effect["growth_ratio"])
    is_new = born.number == 0
    days = held[born.owner]
    days[is_new] = day[born.owner[is_new]] - born.onset_day[is_new]
    growth = np.exp2(days * born.doublings_per_day)
    suv = born.suv * (1.0 + history.uptake_change_per_day) ** days if history.uptake_change_per_day else born.suv.copy()
    _treat(born, ~is_new, growth, suv, response, day)
    if second is not None:
        _treat(born, ~is_new, growth, suv, *second)
    suv = np.clip(suv, *SUV)
    if history.day_to_day_cv > 0:
        sigma, shared = math.sqrt(math.log1p(history.day_to_day_cv**2)), history.day_to_day_shared
        suv *= np.exp(sigma * (math.sqrt(shared) * common[born.owner] + math.sqrt(1.0 - shared) * own))
    appeared = (born.onset_day <= day[born.owner]) & (born.thinning < effect["new_lesion_ratio"][born.owner])
    diameter = np.clip(born.diameter_mm * growth, *DIAMETER_MM)
    there: Any = slice(None) if not is_new.any() else ~is_new | appeared
    necrosis = course.disease.necrosis
    uptake = np.full(suv.size, 1.0 if necrosis is None else necrosis.uptake)
    return Lesions(
        owner=born.owner[there],
        number=born.number[there],
        organ=born.organ[there],
        diameter_mm=diameter[there],
        suv=suv[there],
        core_share=born.core_share[there],
        core_uptake=uptake[there],
        is_new=is_new[there],
    )


def _treat(born: Origins, old: NDArray[np.bool_], growth: Array, suv: Array, response: Responses, day: Array) -> None:
    """Apply a treatment's effect of `day` (P,) to the `growth` factors and uptakes (L,) of day-0 lesions, in place."""
    effect = response.effect
    owner, luck = born.owner[old], born.luck[old]
    shrink = np.log1p(effect["size_change"]) + effect["size_sd_between_patients"] * response.luck
    sized = shrink[owner] + effect["size_sd_between_lesions"][owner] * luck
    growth[old] *= np.exp(sized * _progress(day, response.size_half_time_days)[owner])
    fall = np.log1p(effect["uptake_change"]) + effect["uptake_sd_between_patients"] * response.luck
    change = fall[owner] + effect["uptake_sd_between_lesions"][owner] * luck
    if response.complete.any():
        gone = response.complete[owner]
        change[gone] = np.minimum(change[gone], np.log(BACKGROUND[born.organ[old][gone]] / suv[old][gone]))
    suv[old] *= np.exp(change * _progress(day, response.uptake_half_time_days)[owner])


def _progress(day: Array, half_time_days: Array) -> Array:
    return 1.0 - np.exp2(-np.maximum(day, 0.0) / half_time_days)


def _quantile(distribution: Distribution, u: Array, limits: tuple[float, float]) -> Array:
    return np.clip(distribution.ppf(u), *limits)


def _inside(u: Array) -> Array:
    return np.clip(u, 2.0**-54, 1.0 - 2.0**-53)
