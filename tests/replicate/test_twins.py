"""What runs on arrays does what the patient-by-patient code does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from vct.course.many import lesions_on, origins, responses
from vct.course.metastatic import Metastatic
from vct.course.treatment import Treatment
from vct.endpoint.categorical import Percist, Response
from vct.endpoint.change import AbsoluteChange, LogRatio, PercentChange, Value
from vct.endpoint.estimand import Estimand, judged
from vct.endpoint.survival import ProgressionTime
from vct.protocol import load
from vct.records import Patient, Visit
from vct.replicate import survival  # noqa: F401
from vct.replicate.analyses import Sheet, compare
from vct.replicate.crowd import Crowd
from vct.replicate.outcomes import Book, Table, derive, judge, readings_of
from vct.rng import stream
from vct.stats.base import Analysis
from vct.stats.binary import RiskDifference
from vct.stats.mixed import MixedModel
from vct.stats.regression import Ancova
from vct.stats.summary import OneSample
from vct.stats.survival import Cox, LogRank
from vct.stats.tables import FisherExact
from vct.stats.two_sample import MannWhitney, WelchT

N, R = 24, 3
VISITS = ("base", "early", "late")
NAMES = ("peak", "liver", "liver_sd", "blood", "blood_sd", "tlg", "new")
PERCIST: dict[str, Any] = {
    "sul_peak": "peak",
    "liver_mean": "liver",
    "liver_sd": "liver_sd",
    "blood_pool_mean": "blood",
    "blood_pool_sd": "blood_sd",
    "tlg": "tlg",
    "new_lesions": "new",
}
LATER: dict[str, Any] = {"name": "x", "baseline": "base", "visits": ("early", "late")}


def book() -> Book:
    rng = np.random.default_rng(3)
    shape = (len(VISITS), N, R)
    scale = {
        "peak": (4.0, 0.5),
        "liver": (1.6, 0.2),
        "liver_sd": (0.1, 0.2),
        "blood": (1.3, 0.2),
        "blood_sd": (0.1, 0.2),
    }
    readings = {name: median * np.exp(spread * rng.standard_normal(shape)) for name, (median, spread) in scale.items()}
    readings["tlg"] = np.exp(3.0 + rng.standard_normal(shape))
    readings["new"] = rng.poisson(0.1, shape).astype(float)
    seen = rng.random(shape) > 0.1
    blind = rng.random(shape) < 0.05
    return Book(
        visits=VISITS,
        readings={name: np.where(seen & ~blind, values, np.nan) for name, values in readings.items()},
        day=np.array([0.0, 20.0, 60.0])[:, None, None] + rng.random(shape),
        seen=seen,
        events={
            name: np.where(rng.random((N, R)) < 0.3, 100.0 * rng.random((N, R)), np.inf)
            for name in ("dropout", "new_therapy", "death")
        },
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        AbsoluteChange(readout="peak", **LATER),
        PercentChange(readout="peak", **LATER),
        LogRatio(readout="peak", **LATER),
        Value(name="x", readout="peak", baseline="base", visits=("early",)),
        Response(readout="peak", fall_absolute=0.8, **LATER),
        Percist(**PERCIST, **LATER),
        Percist(**PERCIST, **LATER, stable_background=True),
        ProgressionTime(readout="peak", new_lesions="new", **LATER),
        ProgressionTime(readout="peak", death_counts=True, **LATER),
    ],
    ids=lambda part: part.kind,
)
def test_an_endpoint_on_arrays_is_the_endpoint(endpoint: Any) -> None:
    one, other = derive(endpoint, book()), derive.dispatch(object)(endpoint, book())
    assert one.visits == other.visits
    assert one.verdict == other.verdict
    np.testing.assert_allclose(one.value, other.value)
    np.testing.assert_allclose(one.baseline, other.baseline)
    if other.event is not None and one.event is not None:
        np.testing.assert_array_equal(one.event, other.event)


@pytest.mark.parametrize("strategy", ["hypothetical", "composite", "while_on_treatment"])
@pytest.mark.parametrize(
    "endpoint",
    [PercentChange(readout="peak", **LATER), Percist(**PERCIST, **LATER), ProgressionTime(readout="peak", **LATER)],
    ids=lambda part: part.kind,
)
def test_an_estimand_on_arrays_is_the_estimand(endpoint: Any, strategy: str) -> None:
    estimand = Estimand(new_therapy=strategy, dropout="composite", failure_value=100.0)  # type: ignore[arg-type]
    endpoint, planned, book_ = (
        endpoint.model_copy(update={"estimand": estimand}),
        dict(zip(VISITS, (0.0, 20.0, 60.0), strict=True)),
        book(),
    )
    table = judge(endpoint, book_, planned)
    for index in np.ndindex(N, R):
        days = {f"{name}_day": float(when[index]) for name, when in book_.events.items() if np.isfinite(when[index])}
        patient = Patient(id="P", sex="F", age_years=60, height_cm=165, weight_kg=70, **days)
        outcomes = judged(endpoint, patient, readings_of(book_, index), planned)
        for item in outcomes:
            got = table.value[(table.visits.index(item.visit), *index)]
            assert got == pytest.approx(np.nan if item.value is None else item.value, nan_ok=True)
            if item.event is not None and table.event is not None:
                assert bool(table.event[index]) == item.event


def sheet(kind: str) -> Sheet:
    rng = np.random.default_rng(5)
    shape = (60, 4)
    arm = rng.integers(0, 2, shape)
    baseline = rng.standard_normal(shape)
    value = rng.standard_normal((2, *shape)) + baseline + 0.5 * arm
    if kind == "verdicts":
        value = (value > 0).astype(float)
    if kind == "times":
        value = np.ceil(np.abs(value[:1]) * 10.0)
    value = np.where(rng.random(value.shape) < 0.1, np.nan, value)
    everybody = np.ones(shape)
    none = np.full(shape, np.inf)
    crowd = Crowd(
        female=rng.random(shape) < 0.5,
        age_years=60.0 + rng.standard_normal(shape),
        height_cm=170.0 * everybody,
        weight_kg=70.0 * everybody,
        enrolled=np.cumsum(everybody, axis=0),
        site=rng.integers(0, 3, shape),
        arm=arm,
        stratum=np.zeros(shape, dtype=int),
        dropout=none,
        new_therapy=none,
        death=none,
        day=np.zeros((1, *shape)),
        done=np.ones((1, *shape), dtype=bool),
    )
    table = Table(
        visits=("",) if kind == "times" else ("early", "late"),
        value=value,
        baseline=baseline,
        unchanged=0.0 * baseline,
        event=rng.random(shape) < 0.7 if kind == "times" else None,
        verdict=kind == "verdicts",
    )
    return Sheet(table=table, crowd=crowd, member=rng.random(shape) < 0.9, arms=("a", "b"))


@pytest.mark.parametrize(
    ("analysis", "kind"),
    [
        (WelchT(endpoint="x"), "numbers"),
        (WelchT(endpoint="x", missing="last_observation"), "numbers"),
        (WelchT(endpoint="x", missing="baseline_observation", visit="early"), "numbers"),
        (Ancova(endpoint="x", covariates=("baseline", "age", "sex", "site")), "numbers"),
        (MannWhitney(endpoint="x"), "numbers"),
        (OneSample(endpoint="x", null_mean=0.1), "numbers"),
        (OneSample(endpoint="x", null_mean=0.1, alternative="greater"), "numbers"),
        (RiskDifference(endpoint="x", missing="non_responder"), "verdicts"),
        (RiskDifference(endpoint="x", interval="miettinen_nurminen"), "verdicts"),
        (FisherExact(endpoint="x"), "verdicts"),
        (LogRank(endpoint="x"), "times"),
        (Cox(endpoint="x"), "times"),
    ],
    ids=lambda item: getattr(item, "kind", item),
)
def test_an_analysis_on_arrays_is_the_analysis(analysis: Analysis, kind: str) -> None:
    assert compare.dispatch(type(analysis)) is not compare.dispatch(Analysis)
    one, other = compare(analysis, sheet(kind)), compare.dispatch(Analysis)(analysis, sheet(kind))
    assert [(item.quantity, item.arm) for item in one] == [(item.quantity, item.arm) for item in other]
    for mine, theirs in zip(one, other, strict=True):
        for name in ("estimate", "low", "high", "p", "n"):
            np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=2e-5, atol=1e-9, err_msg=name)


def test_any_other_analysis_is_asked_trial_by_trial() -> None:
    (row,) = compare(MixedModel(endpoint="x"), sheet("numbers"))[:1]
    assert np.isfinite(row.estimate).all()


def test_the_course_on_arrays_has_the_distribution_of_the_course() -> None:
    course = load("nsclc_metabolic_response").course
    assert isinstance(course, Metastatic)
    n, day = 500, 23.0
    names = ("erlotinib", "PCB")
    patients = [
        Patient(id=f"P{i}", sex="F", age_years=60, height_cm=165, weight_kg=70, arm=names[i % 2]) for i in range(n)
    ]
    one = [course.at(item, Visit(name="w3", day=day), 11).lesions for item in patients]
    rng = {name: stream(5, name) for name in ("u", "luck", "common", "own")}
    born = origins(course, n, day, lambda name: stream(5, name))
    arm = np.arange(n) % 2
    treatments = [course.treatments.get(name, Treatment()) for name in names]
    response = responses(treatments, arm, rng["u"].random(n), rng["luck"].standard_normal(n))
    own = rng["own"].standard_normal(born.owner.size)
    two = lesions_on(course, born, response, np.full(n, day), rng["common"].standard_normal(n), own)
    hottest = np.full(n, 0.0)
    np.maximum.at(hottest, two.owner, two.suv)
    volume = np.bincount(two.owner, weights=two.diameter_mm**3, minlength=n)
    counts = np.bincount(two.owner, minlength=n)
    new = np.bincount(two.owner[two.is_new], minlength=n)
    assert abs(new.mean() - np.mean([sum(x.is_new for x in lesions) for lesions in one])) < 4 * np.sqrt(0.2 / n)
    for k in (0, 1):
        mine = arm == k
        theirs = [lesions for lesions, which in zip(one, arm, strict=True) if which == k]
        for array, numbers in (
            (hottest, [max((x.suv for x in item), default=0.0) for item in theirs]),
            (volume, [sum(x.diameter_mm**3 for x in item) for item in theirs]),
            (counts, [len(item) for item in theirs]),
        ):
            assert stats.ks_2samp(array[mine], numbers).pvalue > 0.001
