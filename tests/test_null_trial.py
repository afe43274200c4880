"""A trial without an effect: p-values are uniform over many seeds.

Here from enrolment to comparison, by a reader who sees the truth; `benchmarks/null_trial.py` goes through scans too.
"""

from __future__ import annotations

from collections import defaultdict

import pytest
from scipy import stats

from vct.conclude import conclude
from vct.protocol import load
from vct.records import Reading

SEEDS, MANY_SEEDS = 45, 300
PATIENTS = 24


def p_values(seed: int) -> dict[str, float]:
    protocol = load("null_trial").model_copy(update={"sample_size": PATIENTS})
    enrolment = protocol.enrol(seed)
    attended = {(item.patient, item.arm, item.visit) for item in enrolment.attendance if item.status == "done"}
    readings = [
        Reading(
            patient=patient.id,
            arm=patient.arm,
            visit=visit.name,
            day=visit.day,
            readout=readout.label,
            value=max(lesion.suv for lesion in protocol.course.at(patient, visit, seed).lesions),
            unit="g/ml",
        )
        for patient in enrolment.patients
        for one, arm, visit in sorted(attended, key=lambda item: item[2].day)
        if (one, arm) == (patient.id, patient.arm)
        for readout in protocol.readouts
    ]
    return {
        f"{item.endpoint} {item.method}": item.p_value
        for item in conclude(protocol, enrolment, readings, {}).comparisons
        if item.reference and item.p_value is not None and item.subgroup == "all" and item.analysis_set == "ITT"
    }


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(MANY_SEEDS, marks=pytest.mark.slow)])
def test_p_values_of_a_null_trial_are_uniform(seeds: int) -> None:
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(seeds):
        for name, value in p_values(seed).items():
            found[name].append(value)
    continuous = {name: values for name, values in found.items() if "risk_difference" not in name}
    assert len(continuous) >= 3
    for name, values in continuous.items():
        assert len(values) == seeds
        assert stats.kstest(values, "uniform").pvalue > 0.001, name
    for name, values in found.items():
        assert sum(value < 0.05 for value in values) <= stats.binom.ppf(0.999, len(values), 0.06), name
