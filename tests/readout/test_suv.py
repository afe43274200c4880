from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vct.readout.suv import (
    PEAK_RADIUS_MM,
    lean_mass_kg,
    peak_sphere,
    sphere_means,
    sphere_peak,
    sul_per_suv,
)
from vct.records import Patient
from vct.rng import stream

# The IBSI digital phantom (arXiv 1612.07003): 5 x 4 x 4 voxels of 2 mm, slices z of rows y of columns x.
IBSI = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [1, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 1, 1, 1], [1, 1, 9, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=np.float64,
).transpose(2, 1, 0)
OUTSIDE = [(1, 2, 0), (2, 0, 3), (2, 0, 4), (2, 2, 2), (3, 0, 3), (3, 0, 4)]
SPACING = (2.0, 2.0, 2.0)


def ibsi_mask() -> np.ndarray:
    mask = np.ones(IBSI.shape, dtype=bool)
    for z, y, x in OUTSIDE:
        mask[x, y, z] = False
    return mask


def test_golden_ibsi_mean_and_variance() -> None:
    values = IBSI[ibsi_mask()]
    assert round(values.mean(), 2) == 2.15
    assert round(values.var(), 2) == 3.05


def test_golden_ibsi_local_intensity_peak() -> None:
    assert round(sphere_peak(IBSI, ibsi_mask(), SPACING, at_max=True), 2) == 2.60


def test_golden_ibsi_global_intensity_peak() -> None:
    assert round(sphere_peak(IBSI, ibsi_mask(), SPACING), 2) == 3.10


def test_the_sphere_holds_one_millilitre() -> None:
    assert pytest.approx(6.2035, abs=1e-4) == PEAK_RADIUS_MM
    assert peak_sphere((0.5, 0.5, 0.5)).sum() * 0.125 == pytest.approx(1000.0, rel=0.01)
    assert peak_sphere(SPACING).sum() == 123
    assert peak_sphere((3.0, 1.0, 2.0)).shape == (5, 13, 7)


def test_second_implementation_of_sphere_means() -> None:
    image = stream(1, "image").random((9, 8, 7))
    spacing = (2.0, 2.5, 3.0)
    found = sphere_means(image, spacing)
    places = np.stack(np.meshgrid(*(np.arange(n) for n in image.shape), indexing="ij"), -1) * spacing
    for index in np.ndindex(image.shape):
        near = ((places - places[index]) ** 2).sum(-1) <= PEAK_RADIUS_MM**2
        assert found[index] == pytest.approx(image[near].mean())


@given(st.floats(0.1, 50.0), st.floats(1.0, 4.0))
def test_a_uniform_image_has_its_value_as_peak(suv: float, spacing: float) -> None:
    image = np.full((7, 6, 5), suv)
    assert sphere_means(image, (spacing,) * 3) == pytest.approx(suv)


def test_peak_lies_between_mean_and_max() -> None:
    image = stream(1, "image").random((20, 20, 20))
    everywhere = np.ones(image.shape, dtype=bool)
    local, best = sphere_peak(image, everywhere, SPACING, at_max=True), sphere_peak(image, everywhere, SPACING)
    assert local <= best
    assert image.mean() < best < image.max()


def test_of_tied_maxima_the_better_surrounded_one_counts() -> None:
    image = np.ones((30, 9, 9))
    image[5, 4, 4] = image[20, 4, 4] = 9.0
    image[21, 4, 4] = 8.0
    assert sphere_peak(image, image > 0, SPACING, at_max=True) == pytest.approx(1.0 + (8.0 + 7.0) / 123.0)


def test_golden_lean_mass() -> None:
    """Worked by hand; in a woman of 70 kg and 165 cm the formulas lie 12 % apart."""
    assert lean_mass_kg("james", "M", 80.0, 180.0) == pytest.approx(1.10 * 80 - 128 * (80 / 180) ** 2)
    assert lean_mass_kg("james", "F", 70.0, 165.0) == pytest.approx(48.263, abs=1e-3)
    assert lean_mass_kg("janmahasatian", "F", 70.0, 165.0) == pytest.approx(43.106, abs=1e-3)
    assert lean_mass_kg("janmahasatian", "M", 80.0, 180.0) == pytest.approx(61.731, abs=1e-3)
    ratio = lean_mass_kg("james", "F", 70.0, 165.0) / lean_mass_kg("janmahasatian", "F", 70.0, 165.0)
    assert ratio == pytest.approx(1.12, abs=0.005)


@given(st.sampled_from(["F", "M"]), st.floats(17.0, 60.0), st.floats(150.0, 200.0))
def test_lean_mass_is_a_part_of_the_weight(sex: str, bmi: float, height: float) -> None:
    weight = bmi * (height / 100.0) ** 2
    lean = lean_mass_kg("janmahasatian", sex, weight, height)  # type: ignore[arg-type]
    assert 0.2 * weight < lean < weight


def test_james_fails_loudly_where_it_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no lean mass for 200 kg at 160 cm; use janmahasatian"):
        lean_mass_kg("james", "F", 200.0, 160.0)


def test_sul_is_suv_by_lean_mass() -> None:
    patient = Patient(id="P1", sex="M", age_years=50, height_cm=180, weight_kg=80)
    assert sul_per_suv(None, patient) == 1.0
    assert sul_per_suv("janmahasatian", patient) == pytest.approx(61.731 / 80, rel=1e-4)


def test_no_lean_mass_gives_no_factor() -> None:
    heavy = Patient(id="P", sex="F", age_years=50, height_cm=160, weight_kg=200)
    assert sul_per_suv("james", heavy) is None
