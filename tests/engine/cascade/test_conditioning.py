import math

import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade import conditioning  # noqa: E402
from vct.records import Patient  # noqa: E402


def person(**changes):
    return Patient(**{"id": "P", "sex": "M", "age_years": 55.0, "height_cm": 170.0, "weight_kg": 75.0} | changes)


def test_the_middle_of_the_scale_is_zero_but_for_the_sex():
    assert conditioning.demographics([person()]).tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_a_patient_does_not_depend_on_the_batch():
    others = [person(sex="F", age_years=30.0), person(height_cm=190.0, weight_kg=120.0)]
    assert torch.equal(conditioning.demographics(others)[1:], conditioning.demographics(others[1:]))


def test_weight_counts_by_its_ratio():
    light, heavy = conditioning.demographics([person(weight_kg=75.0 / 2), person(weight_kg=150.0)])[:, 3].tolist()
    assert light == pytest.approx(-heavy)
    assert heavy == pytest.approx(math.log(2.0) / 0.25)


def test_positions_of_a_box_are_those_of_the_whole():
    whole = conditioning.positions((8, 6, 10))
    box = conditioning.positions((8, 6, 10), (2, 1, 4), (3, 4, 5))
    assert torch.equal(box, whole[:, 2:5, 1:5, 4:9])
    assert whole.amin() > -1.0
    assert whole[2, 0, 0].sum().abs() < 1e-6
