import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from vct.engine.cascade.network import UNet, UNetConfig  # noqa: E402
from vct.engine.cascade.patches import Tiles, tiled  # noqa: E402
from vct.engine.cascade.sampler import Schedule, volume_noise  # noqa: E402

SHAPE = (24, 16, 40)


@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(3, 6)] * 3), st.integers(0, 4), st.integers(0, 2))
def test_weights_cover_every_voxel(shape, size, overlap, margin):
    tiles = Tiles(
        shape=tuple(4 * n for n in shape), size=tuple(4 * n for n in size), overlap=overlap, margin=margin, multiple=4
    )
    total = torch.zeros(tiles.shape)
    for box in tiles.boxes():
        assert all(piece.start % 4 == 0 and (piece.stop - piece.start) % 4 == 0 for piece in box)
        total[box] += tiles.weight(box)
    assert total.min() > 0.0


def test_blending_gives_back_what_each_tile_says():
    tiles = Tiles(shape=SHAPE, size=(16, 16, 16), overlap=4, margin=2, multiple=4)
    x = torch.randn(2, 2, *SHAPE, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(tiled(lambda part, sigma, box: part, tiles)(x, torch.ones(2)), x, atol=1e-6)


def test_tiles_equal_the_whole_where_the_margin_covers_what_the_network_sees():
    """A sampled volume, not one evaluation: noise by place, and tiles that agree at every level."""
    torch.manual_seed(0)
    net = UNet(UNetConfig(channels=1, stem=2, widths=(8,), head=4, norm="rms")).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    sees = 2 * 6 + 2 + 2  # six convolutions on blocks of two voxels, two on voxels, and the block that a voxel lies in
    tiles = Tiles(shape=(56, 8, 80), size=(48, 8, 48), overlap=4, margin=sees, multiple=4)
    noise = volume_noise((1, 56, 8, 80), (0, 0, 0), (56, 8, 80), 3, "P")[None]

    def denoise(x, sigma, box=None):
        with torch.no_grad():
            return net(x / (1.0 + sigma[0]), sigma.log() / 4.0)

    schedule = Schedule(steps=3, sigma_max=5.0)
    whole = schedule.sample(denoise, noise)
    assert len(list(tiles.boxes())) > 2
    difference = schedule.sample(tiled(denoise, tiles), noise) - whole
    assert difference.abs().max() < 1e-5 * whole.std()


def test_air_is_not_computed():
    tiles = Tiles(shape=(16, 8, 8), size=(8, 8, 8), overlap=0, margin=0, multiple=8)
    seen = []

    def denoise(x, sigma, box):
        seen.append(box[0].start)
        return x

    clean = tiled(denoise, tiles, keep=lambda box: box[0].start == 8)(torch.ones(1, 1, 16, 8, 8), torch.ones(1))
    assert seen == [8]
    assert clean[:, :, :8].abs().max() == 0.0
    assert clean[:, :, 8:].min() == 1.0


def test_tiles_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="multiples of 8"):
        Tiles(shape=(20, 16, 16), size=(16, 16, 16))
    with pytest.raises(ValueError, match="leave nothing"):
        Tiles(shape=(64, 64, 64), size=(24, 24, 24), overlap=8, margin=8)
