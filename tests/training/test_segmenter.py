"""The segmenter's training: it learns, and goes on where it stopped."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from vct import checkpoint  # noqa: E402
from vct.formats.nifti import read  # noqa: E402
from vct.segmenter import shipped  # noqa: E402
from vct.segmenter.network import SegmenterConfig  # noqa: E402
from vct.structures import labels_of  # noqa: E402
from vct.training.data import prepare  # noqa: E402
from vct.training.folder import read_volume  # noqa: E402
from vct.training.loop import Draw, Settings  # noqa: E402
from vct.training.segmenter import SegmenterTask  # noqa: E402
from vct.training.verbs import train_segmenter  # noqa: E402


def test_it_learns_from_a_folder_of_bodies(bodies_folder, tmp_path) -> None:
    settings = Settings(steps=100, batch=1, learning_rate=1e-2, warmup_steps=5, seed=3)
    assert train_segmenter([bodies_folder], tmp_path, settings, spacing_mm=16.0) == 100
    shipped.load.cache_clear()
    model = shipped.load(tmp_path)
    losses = np.loadtxt(tmp_path / "log.csv", delimiter=",", skiprows=1)[:, 2]
    assert losses[-20:].mean() < 0.6 * losses[:5].mean()
    ct, pet, known = (read_volume(bodies_folder, "B5", name) for name in ("ct", "pet", "labels"))
    for images in ((ct,), (ct, pet)):
        found = shipped.run(model, *images)
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
    """In the mean over bodies: a prior that favours the liver a hundredfold is put right."""
    torch.manual_seed(0)
    config = SegmenterConfig(names=("liver", "skeletal_muscle", "subcutaneous_fat"), spacing_mm=16.0, width=8)
    task = SegmenterTask([prepare(bodies_folder, tmp_path, 16.0)], config)
    optimiser = torch.optim.Adam(task.model.parameters(), lr=1e-2)
    for step in range(40):
        optimiser.zero_grad()
        task.loss(task.model, Draw(1, step), 1).backward()
        optimiser.step()
    task.model.prior[:, 1] += np.log(100.0)

    def named(with_pet: bool) -> float:
        bodies = [task.as_it_is(row) for row in range(16)]
        with torch.inference_mode():
            found = [int((_named(task.model, body, with_pet) == 1).sum()) for body in bodies]
        there = [int((body.classes == 1).sum()) for body in bodies]
        return float(np.mean([a / b for a, b in zip(found, there, strict=True)]))

    assert min(named(False), named(True)) > 1.3
    task.calibrate(3)
    assert named(True) == pytest.approx(1.0, abs=0.1)
    assert named(False) == pytest.approx(1.0, abs=0.1)


def test_what_only_uptake_tells_is_learned_from_the_pet(bodies_folder, tmp_path) -> None:
    """The liver has muscle's HU here."""
    folder = tmp_path / "bodies"
    shutil.copytree(bodies_folder, folder)
    for path in folder.glob("*/ct.nii.gz"):
        ct = read(path, "HU")
        ct.data[ct.data == 60.0] = 50.0
        ct.save(path)
    settings = Settings(steps=150, batch=1, learning_rate=1e-2, warmup_steps=5, seed=3)
    train_segmenter([folder], tmp_path / "out", settings, spacing_mm=16.0)
    shipped.load.cache_clear()
    model = shipped.load(tmp_path / "out")
    dice = {True: [], False: []}
    for number in range(8):
        ct, pet, known = (read_volume(folder, f"B{number}", name) for name in ("ct", "pet", "labels"))
        two = np.isin(known.data, labels_of("liver"))
        for with_pet, scores in dice.items():
            one = np.isin(shipped.run(model, ct, pet if with_pet else None).data, labels_of("liver"))
            scores.append(2.0 * (one & two).sum() / (one.sum() + two.sum()))
    assert np.mean(dice[True]) > np.mean(dice[False]) + 0.05
    shipped.load.cache_clear()


def test_examples_come_with_and_without_a_pet_and_with_lesions_on_it(bodies_folder, tmp_path) -> None:
    task = SegmenterTask([prepare(bodies_folder, tmp_path, 16.0)])
    examples = [task.example(Draw(1, step)) for step in range(60)]
    pets = [example.suv for example in examples if example.suv is not None]
    assert 30 < len(pets) < 58
    assert all(pet.shape == example.hu.shape for example in examples if (pet := example.suv) is not None)
    assert all(float(pet.min()) >= 0.0 for pet in pets)
    hot = [float(pet.max()) for pet in pets]
    assert sum(peak > 5.0 for peak in hot) > 10
    assert sum(peak < 5.0 for peak in hot) > 10


def _named(model, example, with_pet):
    return model(example.hu[None], example.suv[None] if with_pet else None)
