"""The segmenter's training: it learns, and goes on where it stopped."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from vct import checkpoint  # noqa: E402
from vct.segmenter import shipped  # noqa: E402
from vct.segmenter.network import SegmenterConfig  # noqa: E402
from vct.structures import labels_of  # noqa: E402
from vct.training.data import prepare  # noqa: E402
from vct.training.folder import read_volume  # noqa: E402
from vct.training.loop import Draw, Settings  # noqa: E402
from vct.training.segmenter import CALIBRATED_ON, SegmenterTask  # noqa: E402
from vct.training.verbs import train_segmenter  # noqa: E402


def test_it_learns_from_a_folder_of_bodies(bodies_folder, tmp_path) -> None:
    settings = Settings(steps=100, batch=1, learning_rate=1e-2, warmup_steps=5, seed=3)
    assert train_segmenter([bodies_folder], tmp_path, settings, spacing_mm=16.0) == 100
    shipped.load.cache_clear()
    model = shipped.load(tmp_path)
    losses = np.loadtxt(tmp_path / "log.csv", delimiter=",", skiprows=1)[:, 2]
    assert losses[-20:].mean() < 0.6 * losses[:5].mean()
    found = shipped.run(model, read_volume(bodies_folder, "B5", "ct"))
    known = read_volume(bodies_folder, "B5", "labels")
    one, two = (np.isin(item.data, labels_of("skeletal_muscle")) for item in (found, known))
    assert 2.0 * (one & two).sum() / (one.sum() + two.sum()) > 0.7
    shipped.load.cache_clear()


def test_a_new_training_may_start_from_weights(bodies_folder, tmp_path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train_segmenter([bodies_folder], first, Settings(steps=2, batch=1, seed=3), spacing_mm=16.0)
    still = Settings(steps=1, batch=1, seed=4, learning_rate=1e-7)
    train_segmenter([bodies_folder], second, still, start=first)
    before, after = (checkpoint.load(folder, "segmenter") for folder in (first, second))
    assert after.config == before.config
    for name, tensor in before.tensors.items():
        if name != "prior":  # calibrated anew
            assert torch.allclose(tensor.float(), after.tensors[name].float(), atol=2e-3), name


def test_a_training_goes_on_to_the_same_weights(bodies_folder, tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train_segmenter([bodies_folder], whole, Settings(steps=4, batch=1, seed=3), spacing_mm=16.0)
    for steps in (2, 4, 4):
        train_segmenter([bodies_folder], parts, Settings(steps=steps, batch=1, seed=3), spacing_mm=16.0)
    assert checkpoint.load(whole, "segmenter").hash == checkpoint.load(parts, "segmenter").hash


def test_weights_name_as_much_of_a_structure_as_there_is(bodies_folder, tmp_path) -> None:
    """A prior that favours the liver a hundredfold is put right, on all voxels of what a choice of voxels was seen."""
    torch.manual_seed(0)
    config = SegmenterConfig(names=("liver", "skeletal_muscle", "subcutaneous_fat"), spacing_mm=16.0, width=8)
    task = SegmenterTask([prepare(bodies_folder, tmp_path, 16.0)], config)
    optimiser = torch.optim.Adam(task.model.parameters(), lr=1e-2)
    for step in range(40):
        optimiser.zero_grad()
        task.loss(task.model, Draw(1, step), 1).backward()
        optimiser.step()
    task.model.prior[1] += np.log(100.0)

    def named() -> float:
        examples = [task.example(Draw(3, -1 - number)) for number in range(CALIBRATED_ON)]
        with torch.inference_mode():
            found = sum(int((task.model(example.hu[None]) == 1).sum()) for example in examples)
        return found / sum(int((example.classes == 1).sum()) for example in examples)

    assert named() > 1.3
    task.calibrate(3)
    assert named() == pytest.approx(1.0, abs=0.1)
