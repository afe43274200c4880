import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from vct.engine.cascade.intensity import HU_RANGE, SUV_MAX, decode, encode  # noqa: E402


@given(st.floats(*HU_RANGE), st.floats(0.0, SUV_MAX))
def test_decode_undoes_encode(hu, suv):
    ct, pet = decode(encode(*(torch.full((1, 1, 1), value, dtype=torch.float64) for value in (hu, suv))))
    assert ct.item() == pytest.approx(hu, abs=1e-9)
    assert pet.item() == pytest.approx(suv, abs=1e-9)


def test_the_ranges_fill_minus_one_to_one_and_more_is_clipped():
    ct = torch.tensor([-3000.0, *HU_RANGE, 3000.0]).reshape(4, 1, 1)
    pet = torch.tensor([-1.0, 0.0, SUV_MAX, 90.0]).reshape(4, 1, 1)
    assert encode(ct, pet).reshape(2, 4).tolist() == [[-1.0, -1.0, 1.0, 1.0]] * 2


def test_a_batch_keeps_its_axes():
    assert encode(torch.zeros(5, 2, 3, 4), torch.ones(5, 2, 3, 4)).shape == (5, 2, 2, 3, 4)
