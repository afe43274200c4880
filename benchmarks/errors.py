"""Type I error of every analysis and design by simulation, and power beside its closed form where there is one.

python benchmarks/errors.py [REPLICATES]
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from normal_trial import REACHED, SD, drift, normal_trial
from scipy import stats

from vct import load
from vct.replicate.analyses import Sheet, compare
from vct.replicate.crowd import Crowd
from vct.replicate.outcomes import Table
from vct.replicate.power import characteristics, share_error
from vct.replicate.simulate import Job
from vct.rng import stream
from vct.stats import power
from vct.stats.base import Analysis
from vct.stats.binary import RiskDifference
from vct.stats.design import GroupSequential
from vct.stats.mixed import MixedModel
from vct.stats.multiplicity import Bonferroni, CoPrimary, FixedSequence, Graphical, Hochberg, Holm, Multiplicity
from vct.stats.paired import PairedT
from vct.stats.regression import Ancova
from vct.stats.summary import OneSample
from vct.stats.survival import Cox, LogRank
from vct.stats.tables import Cmh, FisherExact
from vct.stats.two_sample import MannWhitney, WelchT

ARM = 40
"""Patients of each arm in the trials of the analyses."""
SIZE = 200
"""Patients of both arms in the trials of the designs."""
RATE = 0.4
LIMIT = 4.0
"""Monte Carlo standard errors that a row may be off by: 1 in 16,000 by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A share found in simulation beside what it should be; `at_most`: the expected value is a bound."""

    what: str
    quantity: str
    expected: float
    found: float
    replicates: int
    slack: float = 0.0
    at_most: bool = False

    @property
    def error(self) -> float:
        """Monte Carlo standard error of what was found."""
        return share_error(round(self.found * self.replicates), self.replicates)

    @property
    def ok(self) -> bool:
        """Whether it lies within Monte Carlo limits."""
        reach = LIMIT * self.error + self.slack
        away = self.found - self.expected
        return away <= reach and (self.at_most or away >= -reach)


def sheet(kind: str, effect: float, replicates: int, seed: int) -> Sheet:
    """Two arms of ARM patients: numbers with a baseline, verdicts, times, or two visits; `effect` moves the second."""
    rng = stream(seed, "errors", kind)
    n, shape = 2 * ARM, (2 * ARM, replicates)
    arm = np.repeat([0, 1], ARM)[:, None] * np.ones(shape, dtype=np.intp)
    baseline = rng.standard_normal(shape)
    value = 0.5 * baseline + math.sqrt(0.75) * rng.standard_normal((2, *shape)) + effect * arm
    event = None
    if kind == "verdicts":
        value = (rng.random((1, *shape)) < RATE + effect * arm).astype(float)
    if kind == "times":
        death, censored = rng.exponential(np.exp(-effect * arm)), rng.uniform(0.5, 3.0, shape)
        value, event = np.minimum(death, censored)[None], death <= censored
    everybody, never = np.ones(shape), np.full(shape, np.inf)
    crowd = Crowd(
        female=(np.arange(n)[:, None] % 2 == 0) & (everybody > 0),
        age_years=60.0 + rng.standard_normal(shape),
        height_cm=170.0 * everybody,
        weight_kg=70.0 * everybody,
        enrolled=np.cumsum(everybody, axis=0),
        site=np.arange(n)[:, None] % 3 * np.ones(shape, dtype=np.intp),
        arm=arm,
        stratum=np.arange(n)[:, None] % 2 * np.ones(shape, dtype=np.intp),
        dropout=never,
        new_therapy=never,
        death=never,
        day=np.zeros((1, *shape)),
        done=np.ones((1, *shape), dtype=bool),
    )
    visits = ("early", "late")[: len(value)] if event is None else ("",)
    table = Table(
        visits=visits,
        value=value,
        baseline=baseline,
        unchanged=np.zeros(shape),
        event=event,
        verdict=kind == "verdicts",
    )
    return Sheet(table=table, crowd=crowd, member=everybody > 0, arms=("a", "b"))


def exact_size(analysis: Analysis, rate: float) -> float:
    """Probability that a test of the count at this rate, or of it against a count at RATE, rejects: by enumeration."""
    x = np.arange(ARM + 1)
    reference, treated = stats.binom.pmf(x, ARM, RATE), stats.binom.pmf(x, ARM, rate)
    if isinstance(analysis, OneSample):
        return float(treated @ np.array([stats.binomtest(int(k), ARM, RATE).pvalue <= 0.05 for k in x]))
    if isinstance(analysis, FisherExact):
        p = [[stats.fisher_exact([[a, ARM - a], [b, ARM - b]]).pvalue for b in x] for a in x]
        return float(reference @ (np.array(p) <= 0.05) @ treated)
    pooled = (x[:, None] + x) / (2 * ARM)
    spread = np.sqrt(pooled * (1 - pooled) * (2 / ARM) * 2 * ARM / (2 * ARM - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num((x - x[:, None]) / ARM / spread)
    return float(reference @ (np.abs(z) >= stats.norm.isf(0.025)) @ treated)


SCHOENFELD = 0.04
"""What Schoenfeld's approximation may be off by at a hazard ratio of 0.55 and 60 events (assumed)."""
CASES: tuple[tuple[Analysis, str, float, Callable[[float], float] | None, float], ...] = (
    (WelchT(endpoint="x"), "numbers", 0.7, lambda d: power.two_means_power(d, 1.0, ARM, ARM), 0.0),
    (MannWhitney(endpoint="x"), "numbers", 0.7, None, 0.0),
    (
        Ancova(endpoint="x"),
        "numbers",
        0.6,
        lambda d: power.two_means_power(d, math.sqrt(0.75), ARM, ARM, covariates=1),
        0.01,
    ),
    (MixedModel(endpoint="x"), "numbers", 0.6, None, 0.0),
    (OneSample(endpoint="x", null_mean=0.0), "numbers", 0.5, None, 0.0),
    (PairedT(endpoint="x", reference_visit="early"), "numbers", 0.0, None, 0.0),
    (OneSample(endpoint="x", null_rate=RATE), "verdicts", 0.3, None, 0.0),
    (RiskDifference(endpoint="x"), "verdicts", 0.3, None, 0.0),
    (FisherExact(endpoint="x"), "verdicts", 0.3, None, 0.0),
    (Cmh(endpoint="x", by="sex"), "verdicts", 0.3, None, 0.0),
    (LogRank(endpoint="x"), "times", -0.6, lambda d: _logrank_power(math.exp(d)), SCHOENFELD),
    (Cox(endpoint="x"), "times", -0.6, lambda d: _logrank_power(math.exp(d)), SCHOENFELD),
)
"""Analysis, its data, an effect, the closed form of its power there, and what that approximation may be off by."""
CMH = 0.01
"""What the chi-squared approximation of Cochran-Mantel-Haenszel may be off by at 80 patients (assumed)."""
SLOW_KINDS = ("mixed_model", "cmh", "paired_t")
"""Analyses that are asked trial by trial: a tenth of the replicates."""


def _logrank_power(ratio: float) -> float:
    """Schoenfeld's, with the events expected when censoring is uniform on 0.5 to 3."""
    rates = np.array([1.0, ratio])
    shares = 1.0 - (np.exp(-0.5 * rates) - np.exp(-3.0 * rates)) / (2.5 * rates)
    events = ARM * float(shares.sum())
    return float(stats.norm.cdf(abs(math.log(ratio)) * math.sqrt(events) / 2.0 - stats.norm.isf(0.025)))


def analyses(replicates: int, seed: int = 1) -> Iterator[Row]:
    """Type I error of every analysis that tests, and power of those with a closed form or a full enumeration."""
    for analysis, kind, effect, closed, slack in CASES:
        name = analysis.model_dump()["kind"]
        asked = name in SLOW_KINDS or (name == "one_sample" and kind == "verdicts")
        count = max(replicates // 10, 2) if asked else replicates
        counted = kind == "verdicts" and not isinstance(analysis, Cmh)
        null = exact_size(analysis, RATE) if counted else 0.05
        found = _rejected(analysis, kind, 0.0, count, seed)
        title = f"{name}, {kind}"
        about = {"what": title, "replicates": count}
        yield Row(
            quantity="type I error",
            expected=null,
            found=found,
            slack=CMH if isinstance(analysis, Cmh) else 0.0,
            **about,
        )
        if counted or closed:
            expected = exact_size(analysis, RATE + effect) if counted else closed(effect)
            found = _rejected(analysis, kind, effect, count, seed)
            yield Row(quantity="power", expected=expected, found=found, slack=slack, **about)


def _rejected(analysis: Analysis, kind: str, effect: float, replicates: int, seed: int) -> float:
    hits = []
    for block, start in enumerate(range(0, replicates, 500)):
        found = compare(analysis, sheet(kind, effect, min(500, replicates - start), seed + 1000 * block))
        hits.append(found[-1].p <= 0.05)
    return float(np.concatenate(hits).mean())


SUCCESSIVE = {
    "hypotheses": [
        {"endpoint": "a", "weight": 0.5, "passes": [{"to": "c", "share": 1}]},
        {"endpoint": "b", "weight": 0.5, "passes": [{"to": "d", "share": 1}]},
        {"endpoint": "c", "weight": 0, "passes": [{"to": "b", "share": 1}]},
        {"endpoint": "d", "weight": 0, "passes": [{"to": "a", "share": 1}]},
    ]
}
PROCEDURES: tuple[Multiplicity, ...] = (
    Bonferroni(),
    Holm(),
    Hochberg(),
    FixedSequence(order=("a", "b", "c", "d")),
    CoPrimary(),
    Graphical.model_validate(SUCCESSIVE),
)


def multiplicities(replicates: int, seed: int = 2) -> Iterator[Row]:
    """Family-wise error of every procedure over four endpoints of correlation 0.5, all of them or two without effect.

    For co-primary endpoints the error is that of claiming all.
    """
    rng = stream(seed, "errors", "multiplicity")
    z = math.sqrt(0.5) * (rng.standard_normal((replicates, 1)) + rng.standard_normal((replicates, 4)))
    for label, gain in (("no effect", (0, 0, 0, 0)), ("effect on a and b", (3, 3, 0, 0))):
        p = 2.0 * stats.norm.sf(np.abs(z + np.array(gain)))
        null = {name for name, one in zip("abcd", gain, strict=True) if one == 0}
        for procedure in PROCEDURES:
            wrong = sum(bool(null & set(procedure.rejected(dict(zip("abcd", row, strict=True))))) for row in p.tolist())
            kind = procedure.model_dump()["kind"]
            yield Row(
                what=f"{kind}, {label}",
                quantity="family-wise error",
                expected=procedure.alpha,
                found=wrong / replicates,
                replicates=replicates,
                at_most=True,
            )


LOOKS: dict[str, Any] = {"kind": "group_sequential", "information": [0.3, 0.7, 1.0], "power": 0.8}
HSD4 = {"kind": "hwang_shih_decani", "gamma": -4}
OBF_LIKE = {"kind": "lan_demets_obrien_fleming"}
RULES: dict[str, dict[str, Any]] = {
    "fixed, one-sided": {"kind": "fixed"},
    "fixed, two-sided": {"kind": "fixed", "sides": 2, "alpha": 0.05},
    "Lan-DeMets O'Brien-Fleming": LOOKS | {"efficacy": OBF_LIKE},
    "Lan-DeMets O'Brien-Fleming, two-sided": LOOKS | {"efficacy": OBF_LIKE, "sides": 2, "alpha": 0.05},
    "Lan-DeMets Pocock": LOOKS | {"efficacy": {"kind": "lan_demets_pocock"}},
    "Hwang-Shih-DeCani -4": LOOKS | {"efficacy": HSD4},
    "Kim-DeMets 3": LOOKS | {"efficacy": {"kind": "kim_demets", "rho": 3}},
    "O'Brien-Fleming": LOOKS | {"efficacy": {"kind": "obrien_fleming"}},
    "Pocock": LOOKS | {"efficacy": {"kind": "pocock"}},
    "Wang-Tsiatis 0.25": LOOKS | {"efficacy": {"kind": "wang_tsiatis", "delta": 0.25}},
    "O'Brien-Fleming type, non-binding futility obeyed": LOOKS
    | {"efficacy": OBF_LIKE, "futility": {"rule": {"kind": "z_values", "z": [0.0, 0.5]}}},
    "O'Brien-Fleming type, binding beta spending": LOOKS
    | {"efficacy": OBF_LIKE, "futility": {"rule": HSD4, "binding": True}},
}
EFFECT = 0.65
"""Multiple of the planned effect in the trials of the designs: a drift of about 2.8."""
T_FOR_Z = 0.006
"""What a t test of 200 patients may fall short of the normal power that designs reckon with (at 60, the first look)."""


def designs(replicates: int, workers: int, rules: dict[str, dict[str, Any]] | None = None) -> Iterator[Row]:
    """Rejections of every design through accrual, visits and looks, beside its own integration."""
    for name, rule in (RULES if rules is None else rules).items():
        protocol = normal_trial({"rule": rule, "primary": "log change", "benefit": "lower"}, SIZE)
        design: Any = protocol.design.rule
        job = Job(protocol=protocol, model=None, seed=5, sizes=(SIZE,), effects=(0.0, EFFECT))
        for item in characteristics(job, replicates, workers=workers):
            if item.endpoint or item.quantity not in ("power", "type_i_error"):
                continue
            expected = design.operating(item.effect * drift(SIZE) / design.drift()).rejected
            quantity = "power" if item.effect else "type I error"
            slack = T_FOR_Z if item.effect else 0.0
            yield Row(
                what=name,
                quantity=quantity,
                expected=expected,
                found=item.value,
                replicates=replicates,
                slack=slack,
                at_most=not item.effect and isinstance(design, GroupSequential) and design.futility is not None,
            )


def reestimated(replicates: int, workers: int) -> Iterator[Row]:
    """Type I error of the fixed design with a size from the blinded variance, planned too small by half."""
    rule = {
        "kind": "blinded_variance",
        "difference": -0.2,
        "planned_per_arm": 20,
        "maximum_per_arm": 80,
        "power": 0.9,
    }
    design = {
        "rule": {"kind": "fixed"},
        "primary": "log change",
        "benefit": "lower",
        "reestimation": rule,
        "reestimate_at": 20,
    }
    job = Job(protocol=normal_trial(design, 40), model=None, seed=6, sizes=(40,), effects=(0.0,))
    for item in characteristics(job, replicates, workers=workers):
        if item.quantity == "type_i_error" and not item.endpoint:
            yield Row(
                what="blinded re-estimation",
                quantity="type I error",
                expected=0.025,
                found=item.value,
                replicates=replicates,
            )


SINGLE_ARM: dict[str, dict[str, Any]] = {
    "Simon, optimal": {"kind": "simon_two_stage", "p0": 0.2, "p1": 0.4, "alpha": 0.05, "power": 0.8},
    "Simon, minimax": {
        "kind": "simon_two_stage", "p0": 0.2, "p1": 0.4, "alpha": 0.05, "power": 0.8, "criterion": "minimax"
    },
    "exact single stage": {"kind": "exact_single_stage", "p0": 0.2, "p1": 0.4, "alpha": 0.05, "power": 0.8},
}  # fmt: skip


def single_arms(replicates: int, workers: int) -> Iterator[Row]:
    """Promising results of the designs that count responders, at p0 and p1, beside the exact binomial."""
    for name, rule in SINGLE_ARM.items():
        for quantity, rate in (("type I error", rule["p0"]), ("power", rule["p1"])):
            change = math.expm1((math.log(0.7) - SD * float(stats.norm.ppf(rate))) / REACHED)
            protocol = normal_trial({"rule": rule, "primary": "log change"}, 60, (change,), "response")
            design: Any = protocol.design.rule
            job = Job(protocol=protocol, model=None, seed=7, sizes=(60,), effects=(1.0,))
            (found,) = [
                item.value for item in characteristics(job, replicates, workers=workers) if item.quantity == "power"
            ]
            expected = design.operating(rate).power
            yield Row(what=name, quantity=quantity, expected=expected, found=found, replicates=replicates)


def by_events(replicates: int, workers: int) -> Iterator[Row]:
    """Type I error of the shipped phase III trial of times to an event, read perfectly; its futility is obeyed."""
    protocol = load("nsclc_group_sequential_pfs")
    job = Job(protocol=protocol, model=None, seed=8, sizes=(protocol.sample_size,), effects=(0.0,))
    for item in characteristics(job, replicates, workers=workers):
        if item.quantity == "type_i_error" and not item.endpoint:
            yield Row(
                what="nsclc_group_sequential_pfs, log-rank by events",
                quantity="type I error",
                expected=protocol.design.rule.alpha,
                found=item.value,
                replicates=replicates,
                at_most=True,
            )


def main() -> None:
    """Print a table of every row."""
    from hardware import hardware

    replicates = int((*sys.argv[1:], "10000")[0])
    workers = len(os.sched_getaffinity(0))
    warnings.simplefilter("ignore", RuntimeWarning)
    rows = chain(
        analyses(replicates),
        multiplicities(replicates),
        single_arms(replicates, workers),
        reestimated(replicates, workers),
        designs(replicates, workers),
        by_events(max(replicates // 5, 2), workers),
    )
    print(f"{hardware()}; limits: {LIMIT:g} Monte Carlo standard errors")
    print("| what | quantity | replicates | expected | found | MC SE | within |\n|---|---|---|---|---|---|---|")
    for row in rows:
        expected = f"{'at most ' if row.at_most else ''}{row.expected:.4f}"
        shown = f"{row.replicates:,} | {expected} | {row.found:.4f} | {row.error:.4f} | {'yes' if row.ok else 'NO'}"
        print(f"| {row.what} | {row.quantity} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
