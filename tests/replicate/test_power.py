"""Replicates: type I error, power against closed form, looks as planned, the same table whatever the workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from vct.errors import InputError
from vct.protocol import Protocol, load
from vct.replicate.power import Figure, characteristics
from vct.replicate.search import search
from vct.replicate.simulate import Job
from vct.stats.design import GroupSequential

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from normal_trial import DIFFERENCE, SD, drift, normal_trial

RULE = {
    "kind": "group_sequential",
    "information": [0.5, 1.0],
    "efficacy": {"kind": "lan_demets_obrien_fleming"},
    "futility": {"rule": {"kind": "z_values", "z": [0.0]}},
    "power": 0.8,
}
DESIGN = {"rule": RULE, "primary": "log change", "benefit": "lower"}


def job(protocol: Protocol, **changes: Any) -> Job:
    keys = {"protocol": protocol, "model": None, "seed": 4, "sizes": (60,), "effects": (0.0, 1.0)}
    return Job(**(keys | changes))


def value(found: tuple[Figure, ...], quantity: str, effect: float, endpoint: str = "log change") -> Figure:
    (one,) = [item for item in found if (item.quantity, item.effect, item.endpoint) == (quantity, effect, endpoint)]
    return one


def test_power_and_bias_agree_with_the_closed_form() -> None:
    from vct.stats.power import two_means_power

    found = characteristics(job(normal_trial()), 3000)
    power = value(found, "power", 1.0)
    expected = two_means_power(DIFFERENCE, SD, 30, 30)
    assert abs(power.value - expected) < 4 * power.mc_se + 0.005  # arms of chance size
    alpha = value(found, "type_i_error", 0.0)
    assert abs(alpha.value - 0.05) < 4 * alpha.mc_se
    assert value(found, "true_value", 1.0).value == pytest.approx(DIFFERENCE, abs=0.01)
    assert abs(value(found, "bias", 1.0).value) < 1e-9
    coverage = value(found, "coverage", 1.0)
    assert abs(coverage.value - 0.95) < 4 * coverage.mc_se


def test_looks_stop_as_often_as_the_design_says() -> None:
    found = characteristics(job(normal_trial(DESIGN), sizes=(200,), effects=(0.0, 0.55)), 3000)
    design = GroupSequential(**{key: item for key, item in RULE.items() if key != "kind"})
    for effect in (0.0, 0.55):
        expected = design.operating(effect * drift(200) / design.drift())
        for name, wanted in (
            ("efficacy_look_1", expected.efficacy[0]),
            ("futility_look_1", expected.futility[0]),
            ("power" if effect else "type_i_error", expected.power),
        ):
            got = value(found, name, effect, "")
            assert abs(got.value - wanted) < 4 * got.mc_se + 0.005, name
    whole = characteristics(job(normal_trial(), sizes=(200,), effects=(0.55,)), 100)
    assert value(whole, "expected_n", 0.55, "").value == 200
    for quantity in ("expected_n", "duration_days"):
        assert value(found, quantity, 0.55, "").value < 0.98 * value(whole, quantity, 0.55, "").value


def test_the_table_is_the_same_for_one_worker_and_two() -> None:
    one = characteristics(job(normal_trial(DESIGN)), 250, workers=1)
    assert characteristics(job(normal_trial(DESIGN)), 250, workers=2) == one
    more = characteristics(job(normal_trial(DESIGN), sizes=(60, 80), effects=(0.0, 1.0)), 250)
    assert tuple(item for item in more if item.n == 60) == one


def test_the_smallest_n_is_that_of_the_closed_form() -> None:
    from vct.stats.power import two_means

    wanted = two_means(DIFFERENCE, SD, power=0.8).total
    answer = search(
        job(normal_trial(), effects=(1.0,)),
        lambda item: item.quantity == "power" and item.endpoint == "log change",
        0.8,
        low=20,
        high=400,
        step=10,
        replicates=2000,
    )
    assert abs(answer.n - wanted) <= 20
    assert answer.surely_below <= answer.n
    assert answer.surely_enough is None or answer.surely_enough >= answer.n
    with pytest.raises(InputError, match="is not reached"):
        search(
            job(normal_trial(), effects=(0.0,)), lambda item: item.quantity == "type_i_error", 0.8,
            low=20, high=40, step=10, replicates=200,
        )  # fmt: skip


def test_effects_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="--effect 9"):
        characteristics(job(load("nsclc_metabolic_response"), effects=(9.0,), sizes=(10,)), 2)
    with pytest.raises(InputError, match="more events than"):
        normal_trial(DESIGN | {"events": 60}).sized(60).model_copy(update={"sample_size": 40}).sized(40)
