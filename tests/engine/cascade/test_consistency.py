import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.consistency import block_mean, consistent_hu, consistent_suv, upsampled  # noqa: E402


def fields(seed=0):
    generator = torch.Generator().manual_seed(seed)
    fine = torch.rand(1, 1, 16, 8, 12, generator=generator) * 4.0
    return fine, block_mean(fine, 4) * (0.5 + torch.rand(1, 1, 4, 2, 3, generator=generator))


def test_hu_averages_to_the_coarse_volume():
    fine, coarse = fields()
    assert torch.allclose(block_mean(consistent_hu(1000.0 * fine, 1000.0 * coarse, 4), 4), 1000.0 * coarse, atol=0.01)


def test_suv_averages_to_the_coarse_volume_and_stays_positive():
    fine, coarse = fields(1)
    made = consistent_suv(fine, coarse, 4)
    assert torch.allclose(block_mean(made, 4), coarse, rtol=1e-3, atol=1e-3)
    assert made.min() >= 0.0


def test_what_is_consistent_already_stays():
    fine, _ = fields(2)
    assert torch.allclose(consistent_hu(fine, block_mean(fine, 4), 4), fine, atol=1e-5)
    assert torch.allclose(consistent_suv(fine, block_mean(fine, 4), 4), fine, atol=1e-4)


@pytest.mark.parametrize("factor", [2, 4])
def test_a_linear_ramp_survives_upsampling_inside(factor):
    ramp = torch.arange(6.0).reshape(1, 1, 6, 1, 1).expand(1, 1, 6, 2, 2)
    fine = upsampled(ramp, factor)[0, 0, :, 0, 0]
    inner = fine[factor // 2 : -factor // 2].diff()
    assert torch.allclose(inner, torch.full_like(inner, 1.0 / factor), atol=1e-6)
