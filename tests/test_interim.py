"""Looks at a trial under way, by a reader who sees the truth: when they happen, what they decide, what is left then."""

from __future__ import annotations

from typing import Any

import pytest

from vct.conclude import conclude
from vct.errors import SpecError
from vct.protocol import Protocol, broken_links, load
from vct.records import Reading, TrialResult
from vct.stats.design import GroupSequential
from vct.stats.design.inference import conditional_power, predictive_power
from vct.yamlfile import Tree, check

OBF = {"kind": "lan_demets_obrien_fleming"}
RULE = {"kind": "group_sequential", "information": [0.5, 1.0], "efficacy": OBF, "power": 0.8}
CHANGE = {"primary": "SUVpeak change", "analysis": "welch_t", "benefit": "lower"}


RESIZED = {
    "reestimation": {"kind": "blinded_variance", "difference": -10, "planned_per_arm": 30, "maximum_per_arm": 60},
    "reestimate_at": 20,
}


def protocol_with(design: dict[str, Any] | None, **changes: Any) -> Protocol:
    """The null trial with a design, checked as a file would be."""
    data = load("null_trial").resolved() | {"design": design} | changes
    return check(Protocol, Tree(data, "x.yaml"), None)  # type: ignore[arg-type]


def read_truly(protocol: Protocol, seed: int = 1) -> TrialResult:
    enrolment = protocol.enrol(seed)
    patients = {(item.id, item.arm): item for item in enrolment.patients}
    readings = [
        Reading(
            patient=item.patient,
            arm=item.arm,
            visit=item.visit.name,
            day=item.visit.day,
            readout=readout.label,
            value=max(
                lesion.suv for lesion in protocol.course.at(patients[item.patient, item.arm], item.visit, seed).lesions
            ),
            unit="g/ml",
        )
        for item in enrolment.attendance
        if item.status == "done"
        for readout in protocol.readouts
    ]
    return conclude(protocol, enrolment, readings, {"seed": seed})


def refused(protocol: Protocol) -> None:
    """What `load` does with a file's links."""
    file = Tree({}, "x.yaml")
    raise SpecError([file.problem(loc, rule, got, near) for loc, rule, got, near in broken_links(protocol)])


def known(value: float | None) -> float:
    assert value is not None
    return value


def strong() -> dict[str, Any]:
    """A course in which the second arm works and the first does nothing."""
    course = load("null_trial").resolved()["course"]
    course["treatments"] = {"PCB+NTG": course["treatments"]["PCB+NTG"]}
    return course


def test_looks_happen_when_their_share_of_the_values_is_there() -> None:
    result = read_truly(protocol_with(CHANGE | {"rule": RULE, "reading_days": 7}))
    first, last = result.looks
    assert (first.n, first.information) == (30, 0.5)
    assert last.information == 1.0
    done = sorted(
        patient.enrolled_day + item.visit.day + 7
        for item in result.enrolment.attendance
        for patient in result.enrolment.patients
        if (item.patient, item.visit.name) == (patient.id, "week3")
    )
    assert first.day == pytest.approx(done[29])
    assert first.decision == "continue"
    assert first.upper == pytest.approx(2.9626, abs=5e-4)
    assert last.upper == pytest.approx(1.9686, abs=5e-4)


@pytest.mark.parametrize(("overrunning", "decision_days"), [("discard", 0), ("include", 0), ("include", 60)])
def test_a_trial_that_works_stops_and_keeps_only_who_had_come_in(overrunning: str, decision_days: float) -> None:
    design = CHANGE | {"rule": RULE, "overrunning": overrunning, "decision_days": decision_days}
    result = read_truly(protocol_with(design, course=strong()))
    (look,) = result.looks
    assert look.decision == "efficacy"
    assert known(look.statistic) >= known(look.upper)
    shut = look.day + decision_days
    assert all(patient.enrolled_day <= shut for patient in result.enrolment.patients)
    assert len(result.enrolment.patients) < 60
    n_read = len({item.patient for item in result.readings if item.visit == "week3"})
    if overrunning == "discard":
        assert n_read == 30
    else:
        assert n_read == len(result.enrolment.patients) > 30
    screened = result.enrolment.n_screened - sum(result.enrolment.excluded.values())
    assert screened == len(result.enrolment.patients)
    final = result.comparisons[0]
    assert final.method == "stagewise_ordering"
    assert known(final.p_value) < 0.025
    assert known(final.ci_low) < known(final.estimate) < known(final.ci_high) < 0


def test_looks_on_days_use_the_information_that_is_there() -> None:
    result = read_truly(protocol_with(CHANGE | {"rule": RULE, "days": [100]}))
    first = result.looks[0]
    there = sum(
        patient.enrolled_day + item.visit.day <= 100
        for item in result.enrolment.attendance
        for patient in result.enrolment.patients
        if (item.patient, item.visit.name) == (patient.id, "week3")
    )
    assert first.day == 100
    assert first.information == pytest.approx(there / 60)
    assert first.n == there


def test_simons_rules_close_an_arm_and_leave_the_other_open() -> None:
    rule = {"kind": "simon_two_stage", "p0": 0.2, "p1": 0.5, "alpha": 0.1, "power": 0.9}
    design = {"primary": "SUVpeak response", "rule": rule}
    protocol = protocol_with(design, course=strong(), sample_size=80)
    result = read_truly(protocol)
    assert protocol.design is not None
    n = protocol.design.arm_size()
    untreated = [look for look in result.looks if look.arm == "PCB"]
    treated = [look for look in result.looks if look.arm == "PCB+NTG"]
    assert [look.decision for look in untreated] == ["futility"]
    assert [look.decision for look in treated] == ["continue", "efficacy"]
    size = {arm: sum(patient.arm == arm for patient in result.enrolment.patients) for arm in ("PCB", "PCB+NTG")}
    assert size["PCB+NTG"] == n
    assert untreated[0].n <= size["PCB"] < n
    assert result.enrolment.n_screened - sum(result.enrolment.excluded.values()) == sum(size.values())


def test_blinded_reestimation_enlarges_the_trial() -> None:
    wider = {"kind": "blinded_variance", "difference": -10, "planned_per_arm": 30, "maximum_per_arm": 60, "power": 0.8}
    design = CHANGE | {"rule": {"kind": "fixed"}, "reestimation": wider, "reestimate_at": 20}
    result = read_truly(protocol_with(design))
    size = result.comparisons[0]
    assert size.quantity == "patients after re-estimation"
    assert size.n == 20
    assert 60 < len(result.enrolment.patients) == size.estimate <= 120


def test_adjusted_p_values_reach_the_comparisons() -> None:
    graph = {
        "kind": "graphical",
        "hypotheses": [
            {"endpoint": "SUVpeak change", "weight": 1, "passes": [{"to": "SUVmax change", "share": 1}]},
            {"endpoint": "SUVmax change", "weight": 0},
        ],
    }
    result = read_truly(protocol_with(None, multiplicity=graph, course=strong()))
    adjusted = {item.endpoint: item for item in result.comparisons if item.p_adjusted is not None}
    assert set(adjusted) == {"SUVpeak change", "SUVmax change"}
    one, two = adjusted["SUVpeak change"], adjusted["SUVmax change"]
    assert one.p_adjusted == one.p_value
    assert two.p_adjusted == pytest.approx(max(known(one.p_value), known(two.p_value)))


@pytest.mark.parametrize(
    ("design", "rule"),
    [
        (CHANGE | {"rule": RULE, "events": 61}, "more events than the 60 patients"),
        (CHANGE | {"rule": RULE | {"information": [0.6, 0.5, 1]}}, "information must grow"),
        (CHANGE | {"rule": RULE | {"power": 0.02}}, "must be above alpha"),
        (CHANGE | {"rule": RULE, "analysis": None}, "must name one of"),
        (CHANGE | {"rule": RULE, "analysis": "cox"}, "names none of"),
        (CHANGE | {"rule": RULE, "primary": "OS"}, "is none of this protocol's endpoints"),
        (CHANGE | {"rule": RULE, "days": [100, 200]}, "needs 1 interim looks"),
        (CHANGE | {"rule": RULE | {"efficacy": {"kind": "pocock"}}, "days": [100]}, "spends alpha"),
        (
            {"primary": "SUVpeak response", "rule": {"kind": "simon_two_stage", "p0": 0.1, "p1": 0.2}},
            "more than sample_size",
        ),
        ({"primary": "SUVpeak response", "rule": {"kind": "simon_two_stage", "p0": 0.2, "p1": 0.21}}, "no two-stage"),
        ({"primary": "SUVpeak change", "rule": {"kind": "exact_single_stage", "p0": 0.2, "p1": 0.5}}, "has none"),
        (CHANGE | {"rule": RULE, "events": 40}, "gives numbers: plan 'values'"),
        (CHANGE | {"rule": RULE, "visit": "baseline"}, "is no visit of"),
        (CHANGE | {"rule": RULE | {"futility": {"rule": {"kind": "z_values", "z": [3.5]}}}}, "meets efficacy"),
        (CHANGE | {"rule": RULE | {"information": [0.02, 1]}}, "too few for any test"),
        (CHANGE | {"rule": RULE | {"information": [0.5, 0.9]}}, "last information fraction must be 1"),
        (CHANGE | {"rule": {"kind": "fixed", "alpha": 0.01}} | RESIZED, "differs from the design's 0.01"),
        (CHANGE | {"rule": RULE} | RESIZED, "goes with the fixed design"),
        ({"primary": "SUVpeak response", "rule": {"kind": "fixed"}} | RESIZED, "from the variance of numbers"),
    ],
)
def test_impossible_designs_are_refused_with_the_reason(design: dict[str, Any], rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        refused(protocol_with(design))


def test_a_one_sided_test_decides_in_its_own_direction_only() -> None:
    course = {key: item for key, item in load("null_trial").resolved()["course"].items() if key != "treatments"}
    one = {"kind": "one_sample", "endpoint": "SUVpeak change", "null_mean": 0, "alternative": "less"}
    alone = {"course": course, "arms": [{"name": "PCB"}], "analyses": [one]}
    design = {"primary": "SUVpeak change", "rule": RULE, "benefit": "lower"}
    assert protocol_with(design, **alone).design is not None
    with pytest.raises(SpecError, match="so benefit is 'lower'"):
        refused(protocol_with(design | {"benefit": "higher"}, **alone))
    with pytest.raises(SpecError, match="two-sided, but the deciding test asks for 'less' only"):
        refused(protocol_with(design | {"rule": RULE | {"sides": 2}}, **alone))


def test_adjusted_p_values_do_not_go_with_looks() -> None:
    holm = {"kind": "holm"}
    with pytest.raises(SpecError, match="know nothing of interim looks"):
        refused(protocol_with(CHANGE | {"rule": RULE}, multiplicity=holm))
    refused_not = list(broken_links(protocol_with(CHANGE | {"rule": {"kind": "fixed"}}, multiplicity=holm)))
    assert refused_not == []


def test_an_interim_look_says_what_is_still_to_be_hoped_for() -> None:
    first, last = read_truly(protocol_with(CHANGE | {"rule": RULE})).looks
    rule = GroupSequential(**{key: item for key, item in RULE.items() if key != "kind"})
    z = known(first.statistic)
    assert first.conditional_power == pytest.approx(conditional_power(rule, 1, z, rule.drift()))
    assert first.conditional_power_trend == pytest.approx(conditional_power(rule, 1, z, z / 0.5**0.5))
    assert first.predictive_power == pytest.approx(predictive_power(rule, 1, z))
    assert last.conditional_power is None


def test_subgroups_come_with_a_test_of_interaction() -> None:
    analyses = [{"kind": "welch_t", "endpoint": "SUVpeak change", "subgroups": ["sex"]}]
    result = read_truly(protocol_with(None, analyses=analyses, course=strong()))
    levels = [item for item in result.comparisons if item.subgroup in ("sex=F", "sex=M")]
    (test,) = [item for item in result.comparisons if item.subgroup == "sex"]
    assert test.quantity == "interaction, mean difference"
    one, two = levels
    reach = 2 * 1.959964
    errors = [(known(item.ci_high) - known(item.ci_low)) / reach for item in levels]
    z = (known(one.estimate) - known(two.estimate)) / (errors[0] ** 2 + errors[1] ** 2) ** 0.5
    assert test.statistic == pytest.approx(z**2, rel=1e-5)
    assert 0.0 < known(test.p_value) <= 1.0
