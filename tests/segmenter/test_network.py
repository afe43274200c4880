"""The network: its two paths agree, it learns, and bad weights are named."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from vct import checkpoint  # noqa: E402
from vct.checkpoint import Checkpoint  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.segmenter import shipped  # noqa: E402
from vct.segmenter.network import SegmenterConfig, SegmenterNet  # noqa: E402
from vct.volume import Grid, Volume  # noqa: E402

SMALL = SegmenterConfig(names=("liver", "spleen", "aorta"), spacing_mm=8.0, width=8, features=8, hidden=16)
GRID = Grid(shape=(30, 40, 50), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(0.0, 0.0, 0.0))
PET_GRID = Grid(shape=(15, 20, 10), spacing_mm=(8.0, 8.0, 8.0), origin_mm=(2.0, 2.0, 50.0))
"""Covers a part of the CT only."""


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = SegmenterNet(SMALL).eval()
    made.prior.copy_(torch.tensor([2.0, 0.5, 0.0, 0.0]))
    return made


def save(model, folder, **config) -> None:
    plain = {"model": model.config.model_dump(mode="json") | config}
    checkpoint.save(Checkpoint(kind="segmenter", config=plain, training_data="", tensors=model.state_dict()), folder)


def test_chosen_voxels_are_named_as_in_the_whole(model, monkeypatch) -> None:
    hu = torch.randn(32, 48, 16) * 300.0
    suv = torch.rand(32, 48, 16) * 8.0
    whole = model(hu[None], suv[None])[0].flatten()
    chosen = torch.arange(hu.numel())
    seen = []
    monkeypatch.setattr(
        "vct.segmenter.network.functional.cross_entropy",
        lambda logits, classes: seen.append(logits) or torch.zeros(()),
    )
    model.loss(hu, suv, chosen, torch.zeros(len(chosen), dtype=torch.long), torch.ones(len(chosen)))
    assert ((seen[0] + model.prior[1]).argmax(dim=1) == whole).float().mean() > 0.999


def test_a_missing_pet_is_told_from_any_uptake(model) -> None:
    hu, voxel = torch.zeros(16, 16, 16), torch.tensor([2000])
    without = model.logits(hu, None, voxel)
    for suv in (0.0, 1.5, 3.0, 7.5, 40.0):
        assert not torch.allclose(model.logits(hu, torch.full_like(hu, suv), voxel), without, atol=1e-3), suv


def test_a_body_is_named_on_its_own_grid_and_air_is_refused(model) -> None:
    rng = np.random.default_rng(0)
    data = np.full(GRID.shape, -1000.0, np.float32)
    data[8:20, 10:30, 12:40] = rng.normal(50.0, 80.0, (12, 20, 28))
    found = shipped.run(model, Volume(data=data, grid=GRID, unit="HU"))
    assert found.grid == GRID
    assert found.data.dtype == np.uint8
    assert not found.data[:2].any()
    pet = Volume(data=np.ones((15, 20, 10), np.float32), grid=PET_GRID, unit="SUVbw")
    assert shipped.run(model, Volume(data=data, grid=GRID, unit="HU"), pet).grid == GRID
    with pytest.raises(InputError, match="nothing but air"):
        shipped.run(model, Volume(data=np.full_like(data, -1000.0), grid=GRID, unit="HU"))


def test_weights_come_back_and_bad_ones_are_named(model, tmp_path) -> None:
    save(model, tmp_path)
    shipped.load.cache_clear()
    back = shipped.load(tmp_path)
    hu = torch.randn(1, 16, 16, 16) * 200.0
    assert torch.equal(back(hu), model(hu))
    for bad, told in (
        ({"names": ["liver", "spleen", "soul"]}, "names 'soul'"),
        ({"names": ["liver"]}, "no segmenter can be built"),
        ({"width": -1}, "no segmenter can be built"),
    ):
        save(model, tmp_path, **bad)
        shipped.load.cache_clear()
        with pytest.raises(InputError, match=told):
            shipped.load(tmp_path)
    shipped.load.cache_clear()
