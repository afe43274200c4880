"""Group sequential designs: what they promise holds, and what cannot be is refused."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vct import yamlfile
from vct.errors import InputError, SpecError
from vct.part import Part
from vct.stats.design import DESIGNS, AnyDesign, Fixed, GroupSequential
from vct.stats.design.boundaries import NEVER, crossing

OF = {"kind": "lan_demets_obrien_fleming"}
POCOCK = {"kind": "lan_demets_pocock"}


class Holder(Part):
    design: AnyDesign


def design(**changed):
    return GroupSequential.model_validate(
        {"information": (0.4, 0.7, 1.0), "efficacy": OF} | changed,
    )


def load(tmp_path: Path, text: str):
    file = tmp_path / "trial.yaml"
    file.write_text(text)
    return yamlfile.check(Holder, yamlfile.read(file), tmp_path).design


efficacies = st.sampled_from(
    [
        OF,
        POCOCK,
        {"kind": "hwang_shih_decani", "gamma": -2},
        {"kind": "kim_demets", "rho": 1.5},
        {"kind": "obrien_fleming"},
        {"kind": "pocock"},
        {"kind": "wang_tsiatis", "delta": 0.7},
    ]
)
futilities = st.one_of(
    st.none(),
    st.builds(lambda rule, binding: {"rule": rule, "binding": binding}, efficacies, st.booleans()),
)
fractions = st.lists(st.floats(0.1, 1.0), min_size=2, max_size=4).map(
    lambda gaps: (*(np.cumsum(gaps)[:-1] / sum(gaps)).tolist(), 1.0)
)


@settings(deadline=None, max_examples=60)
@given(fractions, efficacies, futilities, st.sampled_from([1, 2]), st.floats(0.001, 0.3), st.floats(0.02, 0.98))
def test_errors_are_as_asked_or_the_design_is_refused(t, efficacy, futility, sides, alpha, power):
    try:
        found = GroupSequential.model_validate(
            {
                "information": t,
                "efficacy": efficacy,
                "futility": futility,
                "sides": sides,
                "alpha": alpha,
                "power": power,
            }
        )
        bounds = found.bounds()
    except (ValidationError, InputError):
        return
    null, planned = found.operating(0.0), found.operating(1.0)
    assert planned.power == pytest.approx(power, abs=1e-7)
    assert sum(planned.efficacy) + sum(planned.futility) + sum(planned.reverse) == pytest.approx(1.0, abs=1e-9)
    if futility is None or futility["binding"]:
        assert null.rejected == pytest.approx(alpha, abs=1e-7)
    else:
        assert null.rejected <= alpha + 1e-9
        lower = bounds.lower if sides == 2 else [-NEVER] * len(t)
        ignored = crossing(lower, bounds.upper, t, 0.0)
        assert ignored.total * sides == pytest.approx(alpha, abs=1e-7)
    assert found.looks()[-1].alpha_spent == pytest.approx(alpha, abs=1e-7)
    assert found.inflation() >= 1.0 - 1e-6
    assert 0 < planned.expected <= 1


def test_golden_published_default_of_gsdesign():
    """gsDesign() and rpact 3.3.4: HSD -4 and -2, non-binding, three looks."""
    found = design(
        information=(1 / 3, 2 / 3, 1.0),
        efficacy={"kind": "hwang_shih_decani", "gamma": -4},
        futility={"rule": {"kind": "hwang_shih_decani", "gamma": -2}},
    )
    looks = found.looks()
    assert [look.efficacy for look in looks] == pytest.approx([3.010739, 2.546531, 1.999226], abs=1e-6)
    assert [look.futility for look in looks[:2]] == pytest.approx([-0.238724, 0.941067], abs=1e-6)
    assert looks[2].futility == looks[2].efficacy


def test_verdicts():
    found = design(futility={"rule": {"kind": "z_values", "z": [0.0, 0.5]}})
    assert found.verdict(1, 5.0) == "efficacy"
    assert found.verdict(1, -0.1) == "futility"
    assert found.verdict(1, 1.0) == "continue"
    assert found.verdict(3, 1.0) == "futility"
    assert design(sides=2, alpha=0.05).verdict(2, -4.0) == "efficacy"


def test_golden_events_at_each_look():
    """SAS/STAT, SEQDESIGN example 14: 22.27, 44.54, 66.81, 89.08 events where a fixed design needs 87.4793."""
    found = design(information=(0.25, 0.5, 0.75, 1.0))
    assert found.patients(87.4793) == (23, 45, 67, 90)
    assert Fixed().patients(87.4793) == (88,)


def test_a_look_with_nothing_to_spend_has_no_boundary():
    first = design(information=(0.02, 0.5, 1.0)).looks()[0]
    assert first.efficacy is None
    assert design(information=(0.02, 0.5, 1.0)).verdict(1, 19.0) == "continue"


def test_observed_information_as_planned_gives_the_planned_boundary():
    found = design()
    assert found.at((0.4, 0.7, 1.0), final=True) == pytest.approx(found.bounds().upper, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.1, 0.6), st.floats(0.65, 0.95), st.floats(0.97, 1.4), st.sampled_from([1, 2]))
def test_alpha_holds_whatever_information_comes(first, second, last, sides):
    observed = (first, second, last)
    upper = design(sides=sides, alpha=0.025 * sides).at(observed, final=True)
    lower = [-z for z in upper] if sides == 2 else [-NEVER] * 3
    assert crossing(lower, upper, observed, 0.0).total == pytest.approx(0.025, abs=1e-9)


def test_underrunning_spends_what_is_left():
    short = design().at((0.4, 0.8), final=True)
    assert crossing([-NEVER] * 2, short, (0.4, 0.8), 0.0).total == pytest.approx(0.025, abs=1e-9)
    assert design().at((0.4, 0.8), final=False)[1] > short[1]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"information": (0.5, 0.4, 1.0)}, "information must grow"),
        ({"information": (0.5, 0.5, 1.0)}, "information must grow"),
        ({"information": (0.5, 0.502, 1.0)}, "apart"),
        ({"information": (0.0, 0.5, 1.0)}, "first information fraction"),
        ({"information": (-0.5, 0.5, 1.0)}, "between 0 and 10"),
        ({"information": (0.5, 0.9)}, "must be 1"),
        ({"power": 0.02}, "must be above alpha"),
        ({"alpha": 1e-300}, "greater than or equal"),
        ({"power": 1.0}, "less than or equal"),
        ({"sides": 2, "futility": {"rule": {"kind": "z_values", "z": (-0.1, 0.5)}}}, "must not be negative"),
        ({"futility": {"rule": {"kind": "z_values", "z": (0.0,)}}}, "2 z values"),
        ({"efficacy": {"kind": "pocock"}, "futility": {"rule": POCOCK, "binding": True}}, "binding futility"),
        ({"efficacy": {"kind": "wang_tsiatis", "delta": 3.0}}, "less than or equal"),
    ],
)
def test_impossible_designs_are_refused_with_the_reason(changed, reason):
    with pytest.raises(ValidationError, match=reason):
        design(**changed)


@pytest.mark.parametrize(
    ("futility", "reason"),
    [
        ({"rule": {"kind": "z_values", "z": (0.0, 4.0)}}, "meets efficacy"),
        ({"rule": {"kind": "z_values", "z": (3.0, 3.1)}, "binding": True}, "meets efficacy|too few trials"),
    ],
)
def test_boundaries_that_cannot_be_are_refused(futility, reason):
    with pytest.raises(InputError, match=reason):
        design(futility=futility).bounds()


def test_observed_information_backwards_is_refused():
    with pytest.raises(InputError, match="information must grow"):
        design().at((0.5, 0.4), final=False)
    for nonsense in ((), (0.4, 30.0), (float("nan"), 1.0), (-0.2, 1.0)):
        with pytest.raises(InputError, match="between 0 and 10"):
            design().at(nonsense, final=True)
    with pytest.raises(InputError, match="planned looks"):
        design(efficacy={"kind": "pocock"}).at((0.5, 1.0), final=True)


def test_yaml_and_back(tmp_path):
    text = """
design:
  kind: group_sequential
  information: [0.5, 0.75, 1]
  efficacy: {kind: lan_demets_obrien_fleming}
  futility: {rule: {kind: hwang_shih_decani, gamma: -2}, binding: false}
"""
    found = load(tmp_path, text)
    again = load(tmp_path, yaml.safe_dump({"design": found.model_dump(mode="json")}))
    assert found == again
    assert found.inflation() == again.inflation()


def test_yaml_errors_name_the_place_and_the_reason(tmp_path):
    with pytest.raises(SpecError, match=r"trial.yaml:1.*information must grow from look to look: 0.3 comes after 0.5"):
        load(tmp_path, "design: {kind: group_sequential, information: [0.5, 0.3, 1], efficacy: {kind: pocock}}\n")
    with pytest.raises(SpecError, match="did you mean 'pocock'"):
        load(tmp_path, "design: {kind: group_sequential, information: [0.5, 1], efficacy: {kind: pocok}}\n")
    with pytest.raises(SpecError, match=r"power 0\.01 must be above alpha 0\.025"):
        load(tmp_path, "design: {kind: fixed, power: 0.01}\n")


def test_every_design_has_a_kind_of_its_own():
    kinds = [kind.model_fields["kind"].default for kind in DESIGNS]
    assert len(set(kinds)) == len(kinds)


@pytest.mark.parametrize("sides", [1, 2])
def test_fixed_design(sides):
    fixed = Fixed(alpha=0.025 * sides, power=0.9, sides=sides)
    assert fixed.operating(1.0).power == pytest.approx(0.9, abs=1e-12)
    assert fixed.operating(0.0).rejected == pytest.approx(0.025 * sides)
    assert fixed.looks()[0].efficacy == pytest.approx(1.959964, abs=1e-6)
    assert fixed.verdict(1, -3.0) == ("efficacy" if sides == 2 else "futility")


def test_two_sided_futility_stops_on_small_z_either_way():
    found = design(sides=2, alpha=0.05, futility={"rule": POCOCK, "binding": True})
    inner = found.looks()[1].futility
    assert found.verdict(2, -inner + 0.01) == "futility"
    assert found.verdict(2, -inner - 0.01) == "continue"
    assert found.verdict(2, -9.0) == "efficacy"
    assert found.looks()[2].beta_spent == pytest.approx(0.1, abs=1e-6)


def test_early_looks_may_have_no_inner_boundary():
    looks = design(sides=2, alpha=0.05, information=(0.2, 0.7, 1.0), futility={"rule": OF}).looks()
    assert looks[0].futility is None
    assert looks[1].futility > 0


@pytest.mark.slow
@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("effect", [0.0, 1.0])
def test_second_implementation_simulated_operating_characteristics(effect, sides):
    found = design(sides=sides, futility={"rule": POCOCK, "binding": True})
    t = np.array(found.information)
    gaps = np.diff(t, prepend=0.0)
    rng = np.random.default_rng(8)
    drift = effect * found.drift()
    z = np.cumsum(rng.normal(drift * gaps, np.sqrt(gaps), (1_000_000, 3)), axis=1) / np.sqrt(t)
    going, said = np.ones(len(z), bool), found.operating(effect)
    for k, look in enumerate(found.looks()):
        rejects, reverses = z[:, k] >= look.efficacy, (z[:, k] <= -look.efficacy) & (sides == 2)
        futile = ((np.abs(z[:, k]) if sides == 2 else z[:, k]) <= look.futility) & ~rejects & ~reverses
        for p, stop in ((said.efficacy[k], rejects), (said.reverse[k], reverses), (said.futility[k], futile)):
            assert abs((going & stop).mean() - p) <= 4 * np.sqrt(p * (1 - p) / len(z))
        going &= ~(rejects | reverses | futile)
