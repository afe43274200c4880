"""What holds for every analysis: order, swapped arms, tiny groups; and for every test: uniform p under the null."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vct.records import Comparison
from vct.stats.agreement import Repeatability
from vct.stats.base import Analysis
from vct.stats.binary import RiskDifference
from vct.stats.mixed import MixedModel
from vct.stats.paired import PairedT
from vct.stats.regression import Ancova
from vct.stats.summary import OneSample, Summary
from vct.stats.survival import Cox, KaplanMeier, LogRank
from vct.stats.tables import Cmh, FisherExact
from vct.stats.two_sample import MannWhitney, WelchT

Make = Callable[..., Any]

NUMBERS: list[Analysis] = [
    Summary(endpoint="e"),
    OneSample(endpoint="e", null_mean=0.0),
    WelchT(endpoint="e"),
    MannWhitney(endpoint="e"),
    Ancova(endpoint="e", covariates=("baseline", "sex", "site")),
    PairedT(endpoint="e"),
]
VERDICTS: list[Analysis] = [
    Summary(endpoint="e"),
    OneSample(endpoint="e", null_rate=0.4),
    RiskDifference(endpoint="e"),
    RiskDifference(endpoint="e", interval="miettinen_nurminen"),
    FisherExact(endpoint="e"),
    Cmh(endpoint="e", by="sex"),
]
TIMES: list[Analysis] = [
    KaplanMeier(endpoint="e"),
    LogRank(endpoint="e", stratify_by="sex"),
    Cox(endpoint="e", covariates=("age",), stratify_by="sex"),
]
VISITS: list[Analysis] = [
    MixedModel(endpoint="e", covariates=()),
    MixedModel(endpoint="e", covariates=(), covariance="compound_symmetry"),
    PairedT(endpoint="e", reference_visit="w1"),
    Repeatability(endpoint="e"),
    Repeatability(endpoint="e", scale="absolute"),
]


def named(value: Any) -> str:
    """The id of a test case: an analysis by its kind and what it was given."""
    if not isinstance(value, Analysis):
        return str(value)
    given = [f"{key}={getattr(value, key)}" for key in value.model_fields_set - {"endpoint"}]
    return "-".join([value.model_dump()["kind"], *given])


number = st.one_of(st.none(), st.floats(-50, 50), st.sampled_from([0.0, 1.0, 0.1 + 0.2, 0.3]))
verdict = st.sampled_from([None, 0, 1])
time = st.one_of(st.none(), st.tuples(st.sampled_from([0.0, 7.0, 14.0, 28.5]), st.booleans()))
KINDS = {
    "numbers": (number, NUMBERS),
    "verdicts": (verdict, VERDICTS),
    "times": (time, TIMES),
    "visits": (st.tuples(number, number), VISITS),
}


def sane(row: Comparison) -> None:
    """Whatever the data, a row holds finite numbers in order, or says why it does not."""
    for value in (row.estimate, row.ci_low, row.ci_high, row.statistic, row.p_value):
        assert value is None or math.isfinite(value), row
    assert row.estimate is not None or row.note, row
    assert row.p_value is None or 0.0 <= row.p_value <= 1.0, row
    if row.ci_low is not None and row.ci_high is not None:
        assert row.ci_low <= row.ci_high, row
        if row.estimate is not None:
            slack = 1e-9 * max(1.0, abs(row.estimate))
            assert row.ci_low - slack <= row.estimate <= row.ci_high + slack, row
    assert row.n >= 0
    assert row.n_missing >= 0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_data_however_odd_raise_or_warn(kind: str, data: st.DataObject, trial: Make) -> None:
    value, analyses = KINDS[kind]
    groups = {arm: data.draw(st.lists(value, max_size=7)) for arm in ("a", "b", "c")}
    baselines = {
        arm: [data.draw(st.sampled_from([None, 1.0, 2.5, 4.0])) for _ in values] for arm, values in groups.items()
    }
    visits = ("w1", "w2") if kind == "visits" else ("w1",)
    made = trial(groups, "numbers" if kind == "visits" else kind, baselines=baselines, visits=visits, twins=True)
    every = NUMBERS + VERDICTS + TIMES + VISITS
    for analysis in [*analyses, data.draw(st.sampled_from(every))]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for row in made.rows(analysis):
                sane(row)


def example(kind: str, seed: int, n: int = 14) -> tuple[dict[str, list[Any]], dict[str, list[float]]]:
    rng = np.random.default_rng(seed)
    groups: dict[str, list[Any]] = {}
    for arm, shift in (("a", 0.0), ("b", 0.5)):
        if kind == "numbers":
            groups[arm] = [float(v) for v in rng.normal(shift, 1.0, n)]
        elif kind == "verdicts":
            groups[arm] = [int(v) for v in rng.uniform(size=n) < 0.4 + shift / 3]
        elif kind == "times":
            groups[arm] = [(float(t), bool(t < 20)) for t in rng.exponential(10 / (1 + shift), n)]
        else:
            groups[arm] = [
                tuple(map(float, v)) for v in 5 + rng.normal(shift, 0.5, (n, 1)) + rng.normal(0, 0.5, (n, 2))
            ]
    return groups, {arm: [float(v) for v in rng.normal(size=n)] for arm in groups}


def made_from(kind: str, seed: int, trial: Make, **options: Any) -> Any:
    groups, baselines = example(kind, seed)
    visits = ("w1", "w2") if kind == "visits" else ("w1",)
    shape = "numbers" if kind == "visits" else kind
    return trial(groups, shape, baselines=baselines, visits=visits, twins=True, **options)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_patients_does_not_matter(kind: str, seed: int, trial: Make) -> None:
    made = made_from(kind, seed, trial)
    order = np.random.default_rng(seed).permutation(len(made.patients))
    keys = [(made.patients[i].id, made.patients[i].arm) for i in order]
    shuffled = type(made)(
        tuple(item for key in keys for item in made.outcomes if (item.patient, item.arm) == key),
        tuple(made.patients[i] for i in order),
        made.arms,
    )
    for analysis in KINDS[kind][1]:
        assert shuffled.rows(analysis) == made.rows(analysis)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_swapping_the_arms_flips_the_sign(kind: str, seed: int, trial: Make) -> None:
    made = made_from(kind, seed, trial)
    for analysis in KINDS[kind][1]:
        for one, two in zip(made.rows(analysis), made.swapped().rows(analysis), strict=True):
            if not one.reference:
                continue
            assert (one.arm, one.n) == (two.reference, two.n_reference)
            ratio = "ratio" in one.quantity
            for mine, theirs in ((one.estimate, two.estimate), (one.ci_low, two.ci_high), (one.ci_high, two.ci_low)):
                if mine is not None and theirs is not None:
                    assert mine == pytest.approx(1 / theirs if ratio else -theirs, rel=1e-5, abs=1e-9), one
            if one.p_value is not None:
                assert one.p_value == pytest.approx(two.p_value, rel=1e-6), one


WRONG = [(kind, analysis) for kind in KINDS for other in KINDS for analysis in KINDS[other][1] if kind != other]


@pytest.mark.parametrize("kind", ["numbers", "verdicts", "times"])
def test_the_wrong_kind_of_endpoint_is_named(kind: str, trial: Make) -> None:
    made = made_from(kind, 1, trial)
    words = {
        "numbers": "needs a",
        "verdicts": "needs a time",
        "times": "a time to an event needs|needs an endpoint with",
    }
    refused = {
        "numbers": [*VERDICTS[1:], *TIMES],
        "verdicts": TIMES,
        "times": [*NUMBERS, *VERDICTS[1:], MixedModel(endpoint="e")],
    }[kind]
    for analysis in refused:
        for row in made.rows(analysis):
            assert row.estimate is None
            assert any(word in row.note for word in words[kind].split("|")), (analysis, row.note)


def p_values(analysis: Analysis, kind: str, seeds: int, trial: Make, n: int = 24) -> list[float]:
    """p of `analysis` on null data with ties broken, strata, covariates, censoring and correlated visits."""
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([seed, 77])
        groups: dict[str, list[Any]] = {}
        baselines = {arm: [float(v) for v in rng.normal(size=n)] for arm in "ab"}
        for arm in "ab":
            base = np.array(baselines[arm])
            if kind == "numbers":
                groups[arm] = [float(v) for v in base + rng.normal(size=n)]
            elif kind == "verdicts":
                groups[arm] = [int(v) for v in rng.uniform(size=n) < 0.4 + 0.3 * (np.arange(n) % 2)]
            elif kind == "times":
                event, censor = rng.exponential(np.exp(-0.5 * base)), rng.uniform(0.2, 3.0, n)
                groups[arm] = [(float(min(e, c)), bool(e <= c)) for e, c in zip(event, censor, strict=True)]
            else:
                values = base[:, None] + rng.normal(size=(n, 1)) + rng.normal(size=(n, 2))
                keep = rng.uniform(size=n) < 0.85
                groups[arm] = [(float(x), float(y) if k else None) for (x, y), k in zip(values, keep, strict=True)]
        visits = ("w1", "w2") if kind == "visits" else ("w1",)
        made = trial(groups, "numbers" if kind == "visits" else kind, baselines=baselines, visits=visits, twins=True)
        row = next(row for row in made.rows(analysis) if row.p_value is not None)
        found.append(row.p_value)
    return found


CONTINUOUS: list[tuple[str, Analysis, int]] = [
    ("numbers", WelchT(endpoint="e"), 1000),
    ("numbers", MannWhitney(endpoint="e"), 500),
    ("numbers", Ancova(endpoint="e"), 500),
    ("numbers", PairedT(endpoint="e"), 500),
    ("numbers", OneSample(endpoint="e", null_mean=0.0), 500),
    ("times", LogRank(endpoint="e"), 300),
    ("times", Cox(endpoint="e", covariates=("baseline",)), 80),
    ("visits", MixedModel(endpoint="e"), 100),
    ("visits", MixedModel(endpoint="e", covariance="compound_symmetry"), 80),
    ("visits", PairedT(endpoint="e", reference_visit="w1"), 400),
]
DISCRETE: list[tuple[Analysis, float]] = [
    (OneSample(endpoint="e", null_rate=0.55), 0.0),
    (FisherExact(endpoint="e"), 0.0),
    (RiskDifference(endpoint="e"), 0.02),
    (Cmh(endpoint="e", by="sex"), 0.02),
]
"""Tests on counts cannot be uniform; exact ones must never reject too often, the others by no more than this."""


@pytest.mark.parametrize(("kind", "analysis", "seeds"), CONTINUOUS, ids=named)
def test_null_data_give_uniform_p(kind: str, analysis: Analysis, seeds: int, trial: Make) -> None:
    assert stats.kstest(p_values(analysis, kind, seeds, trial), "uniform").pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "analysis", "seeds"), CONTINUOUS, ids=named)
def test_null_data_give_uniform_p_over_many_seeds(kind: str, analysis: Analysis, seeds: int, trial: Make) -> None:
    found = np.array(p_values(analysis, kind, 10 * seeds, trial, n=40))
    assert stats.kstest(found, "uniform").pvalue > 0.001
    assert (found < 0.05).mean() == pytest.approx(0.05, abs=4 * math.sqrt(0.0475 / len(found)))


@pytest.mark.parametrize(("analysis", "excess"), DISCRETE, ids=named)
def test_null_counts_are_not_rejected_too_often(analysis: Analysis, excess: float, trial: Make) -> None:
    found = np.array(p_values(analysis, "verdicts", 150, trial))
    for level in (0.05, 0.2, 0.5):
        noise = 3 * math.sqrt(level * (1 - level) / len(found))
        assert (found <= level).mean() <= level + excess + noise
    assert (found <= 0.5).mean() >= 0.2, "a test that never rejects is no test"
