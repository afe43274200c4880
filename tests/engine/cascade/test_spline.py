import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.spline import basis, bending, field, fitted, lattice_shape, warped  # noqa: E402

SHAPE = (28, 28, 48)


def random_field(spans, seed=0):
    return torch.randn(2, 3, *lattice_shape(spans), generator=torch.Generator().manual_seed(seed))


def test_the_basis_is_a_partition_of_unity():
    assert torch.allclose(basis(7, 48).sum(dim=1), torch.ones(48), atol=1e-6)


def test_equal_coefficients_move_everything_alike():
    assert torch.allclose(field(torch.full((1, 3, 7, 7, 10), 2.5), SHAPE), torch.full((1, 3, *SHAPE), 2.5), atol=1e-5)


def test_lattices_nest_when_spans_double():
    coarse = random_field((4, 4, 7))
    dense = field(coarse, SHAPE)
    assert torch.allclose(field(fitted(dense, (8, 8, 14)), SHAPE), dense, atol=1e-3)


def test_a_field_is_the_same_at_any_resolution():
    coefficients = random_field((4, 4, 7))
    fine, coarse = field(coefficients, (56, 56, 96)), field(coefficients, SHAPE)
    averaged = torch.nn.functional.avg_pool3d(fine, 2)
    assert (averaged - coarse).abs().max() < 0.02 * coarse.abs().max()


def test_a_straight_field_does_not_bend():
    ramp = torch.arange(7.0)[None, None, :, None, None].expand(1, 3, 7, 7, 10)
    assert bending(ramp).max() < 1e-10
    assert bending(random_field((4, 4, 7))).min() > 0.1


def test_warping_moves_by_millimetres():
    """A displacement of one voxel along x reads the next voxel."""
    volume = torch.rand(1, 1, *SHAPE, generator=torch.Generator().manual_seed(1))
    shift = torch.zeros(1, 3, *SHAPE)
    shift[:, 0] = 448.0 / 28
    moved = warped(volume, shift)
    assert torch.allclose(moved[:, :, :-1], volume[:, :, 1:], atol=1e-5)
    assert torch.allclose(moved[:, :, -1], volume[:, :, -1], atol=1e-5)
    assert torch.allclose(warped(volume, torch.zeros(1, 3, *SHAPE)), volume, atol=1e-5)


def test_warping_reads_a_coarse_volume_at_fine_places():
    ramp = torch.arange(28.0)[None, None, :, None, None].expand(1, 1, *SHAPE)
    fine = warped(ramp, torch.zeros(1, 3, 56, 56, 96))
    assert fine[0, 0, 20, 5, 5] == pytest.approx(9.75)
