import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.network import LOWRES, SUPERRES, UNet, UNetConfig, depth_to_space, space_to_depth  # noqa: E402


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_depth_to_space_undoes_space_to_depth(factor):
    x = torch.arange(2 * 3 * 8 * 4 * 12, dtype=torch.float32).reshape(2, 3, 8, 4, 12)
    deep = space_to_depth(x, factor)
    assert deep.shape == (2, 3 * factor**3, 8 // factor, 4 // factor, 12 // factor)
    assert torch.equal(depth_to_space(deep, factor), x)


def small(**changes):
    torch.manual_seed(0)
    net = UNet(
        UNetConfig(**{"channels": 2, "extra": 1, "condition": 3, "stem": 2, "widths": (8, 16), "head": 4} | changes)
    )
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net.eval()


def inputs(batch=2, side=8):
    generator = torch.Generator().manual_seed(1)
    shapes = [(batch, 2, side, side, side), (batch,), (batch, 3), (batch, 1, side, side, side)]
    return [torch.randn(*shape, generator=generator) for shape in shapes]


def test_an_untrained_network_is_silent():
    net = UNet(LOWRES)
    assert (
        net(torch.randn(1, 2, 16, 16, 16), torch.zeros(1), torch.zeros(1, 4), torch.zeros(1, 3, 16, 16, 16)).abs().max()
        == 0
    )


def test_every_input_matters():
    net, given = small(), inputs()
    base = net(*given)
    for index in range(4):
        changed = list(given)
        changed[index] = changed[index] + 0.5
        assert (net(*changed) - base).abs().max() > 1e-5, index


def test_a_sample_does_not_depend_on_the_batch():
    net, given = small(), inputs()
    assert torch.allclose(net(*given)[:1], net(*[item[:1] for item in given]), atol=1e-6)


def test_group_norm_sees_the_whole_and_voxel_norm_does_not():
    """A far voxel changes the output through group statistics only."""
    for norm, changes in (("group", True), ("rms", False)):
        net = small(norm=norm, widths=(8,), blocks=1)
        x, code, condition, extra = inputs(1, 32)
        base = net(x, code, condition, extra)[..., 0, 0, 0]
        x[..., -2:, -2:, -2:] += 40.0
        assert ((net(x, code, condition, extra)[..., 0, 0, 0] - base).abs().max().item() > 1e-6) is changes, norm


def test_a_missing_condition_is_an_error():
    with pytest.raises(ValueError, match="needs a condition"):
        small()(inputs()[0], inputs()[1], None, inputs()[3])


def test_presets_are_small():
    sizes = [sum(p.numel() for p in UNet(config).parameters()) / 1e6 for config in (LOWRES, SUPERRES)]
    assert sizes[0] < 14
    assert sizes[1] < 7
    assert (LOWRES.multiple, SUPERRES.multiple) == (8, 8)
