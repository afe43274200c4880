"""Texture is told from bodies, and from what painted bodies already vary by."""

import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.texture import SCALES_MM, fields  # noqa: E402
from vct.training.grain import Seen, _shown, grain_of  # noqa: E402

TISSUES = ("liver", "lungs")


@pytest.fixture(scope="module")
def drawn():
    return fields(4.0, 1, "P", "texture")[..., :64, :64, :96]


@pytest.fixture
def place(drawn):
    """The liver is left of the lungs."""
    halves = torch.zeros(drawn.shape[2:], dtype=torch.int64)
    halves[32:] = 1
    return halves


def painted(place, hu=None, log_suv=None):
    """Both tissues at SUV 2 and 50 HU, with deviations."""
    nothing = torch.zeros(place.shape)
    return Seen(
        ct=50.0 + (nothing if hu is None else hu),
        pet=2.0 * (nothing if log_suv is None else log_suv).exp(),
        place=place,
    )


def test_amplitudes_that_made_a_texture_are_found_again(drawn, place) -> None:
    true = torch.zeros(len(SCALES_MM), 2, 3)
    true[2, 0, 0], true[1, 0, 1] = 0.1, 0.2
    true[0, 1, 0], true[2, 1, 1] = 12.0, 20.0
    log_suv, hu = (drawn * true[:, :, place]).sum(dim=0)
    found = grain_of([painted(place, hu, log_suv)], [painted(place)], TISSUES, 4.0)
    assert found[:, 0] == pytest.approx(true[:, 0], abs=0.035)
    assert found[:, 1] == pytest.approx(true[:, 1], abs=4.0)


def test_what_a_painted_body_varies_by_is_not_added_again(drawn, place) -> None:
    log_suv = 0.2 * drawn[2, 0]
    bodies = [painted(place, log_suv=log_suv)]
    assert grain_of(bodies, [painted(place)], TISSUES, 4.0)[:, 0, :2].square().sum(dim=0).sqrt().min() > 0.15
    assert float(grain_of(bodies, bodies, TISSUES, 4.0).max()) == 0.0
    half = grain_of(bodies, [painted(place, log_suv=log_suv / 2.0**0.5)], TISSUES, 4.0)
    assert half[:, 0, 0].square().sum().sqrt() == pytest.approx(0.2 / 2.0**0.5, abs=0.03)


def test_the_median_body_tells_and_gas_does_not(drawn, place) -> None:
    quiet = painted(place, hu=10.0 * drawn[0, 1])
    gas = torch.where(drawn[2, 1] > 1.5, -1000.0, 0.0)
    loud = painted(place, hu=gas)
    found = grain_of([quiet, quiet, loud], [painted(place)], TISSUES, 4.0)
    assert found[:, 1, 0].square().sum().sqrt() == pytest.approx(10.0, abs=1.0)
    alone = grain_of([loud], [painted(place)], TISSUES, 4.0)[:, 1].square().sum(dim=0).sqrt()
    assert float(alone[0]) < 60.0
    assert float(alone[1]) > 60.0  # in the lungs vessels count as texture


def test_a_tissue_too_thin_to_be_looked_into_stays_smooth() -> None:
    place = torch.full((20, 20, 20), 1)
    place[10:14] = 0
    body = Seen(ct=torch.randn(20, 20, 20), pet=torch.rand(20, 20, 20), place=place)
    found = grain_of([body], [Seen(ct=body.ct * 0.0, pet=body.pet * 0.0 + 1.0, place=place)], ("liver",), 4.0)
    assert (found == 0.0).all()


def test_a_fine_texture_gets_no_part_of_a_longer_scale(drawn, place) -> None:
    log_suv = 0.1 * drawn[3, 0]
    found = grain_of([painted(place, log_suv=log_suv)], [painted(place)], TISSUES, 4.0)[:, 0, :2]
    assert found.square().sum(dim=0).sqrt() == pytest.approx(torch.full((2,), 0.1), abs=0.015)
    assert float(found[4].max()) < 0.03


def test_a_small_organ_shows_less_of_a_long_scale_than_was_drawn(drawn) -> None:
    place = torch.full(drawn.shape[2:], 2)
    place[10:20, 10:20, 10:20] = 0
    place[30:60, 10:50, 10:80] = 1
    shown = _shown([painted(place)], TISSUES, 4.0)
    assert shown[0, 4] < 0.3 < 0.8 < shown[1, 4]
    assert shown[:, 0] == pytest.approx(1.0, abs=0.02)


def test_walls_and_contents_of_the_stomach_are_no_texture(drawn, place) -> None:
    body = painted(place, hu=10.0 * drawn[1, 1], log_suv=0.2 * drawn[2, 0])
    found = grain_of([body], [painted(place)], ("stomach", "lungs"), 4.0)
    assert not found[:, 0, 0].any()
    assert found[:, 0, 1].any()
    assert found[:, 1, 0].any()
