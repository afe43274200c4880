import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.spline import field, warped  # noqa: E402
from vct.engine.cascade.tissues import STRUCTURE_NAMES  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402
from vct.training.register import Level, distance_maps, register  # noqa: E402

LEVELS = (
    Level(spans=(4, 4, 7), steps=30, step_mm=4.0, stiffness=2e-5),
    Level(spans=(8, 8, 14), steps=20, step_mm=2.0, stiffness=2e-5),
)


def body(shift=(0, 0, 0), grow=1.0):
    """An oval torso with a liver, on 32 mm voxels halved to 16 mm."""
    x, y, z = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (28, 28, 48)), indexing="ij")
    labels = np.where((x / 11 / grow) ** 2 + (y / 8 / grow) ** 2 < 1.0, STRUCTURES["skeletal_muscle"], 0)
    liver = ((x - 4 - shift[0]) / 4) ** 2 + ((y - shift[1]) / 4) ** 2 + ((z - 5 - shift[2]) / 5) ** 2 < 1.0
    return np.where(liver, STRUCTURES["liver"], labels).astype(np.uint8)


def test_distances_are_signed_and_absent_structures_unknown():
    maps = dict(zip(STRUCTURE_NAMES, distance_maps(body(), (16.0, 16.0, 16.0)), strict=True))
    assert maps["liver"].shape == (14, 14, 24)
    assert maps["liver"][9, 7, 14] < 0 < maps["liver"][0, 0, 0]
    assert torch.isnan(maps["spleen"]).all()
    assert maps["lean"][7, 7, 12] < maps["lean"][1, 7, 12]


def test_a_moved_organ_in_a_larger_body_is_found():
    canonical = distance_maps(body(), (16.0, 16.0, 16.0))
    target_labels = body(shift=(-1, 1, 2), grow=1.15)
    target = distance_maps(target_labels, (16.0, 16.0, 16.0))
    found = register(canonical, target[None], LEVELS)
    shift = field(found, (28, 28, 48))
    seen = warped(torch.from_numpy(body())[None, None].float(), shift, mode="nearest")[0, 0].numpy()
    assert overlap(seen, target_labels, "liver") > 0.78
    assert overlap(body(), target_labels, "liver") < 0.65
    assert overlap(seen, target_labels, "skeletal_muscle") > 0.93


def overlap(first, second, structure):
    """Dice's coefficient."""
    a, b = (labels == STRUCTURES[structure] for labels in (first, second))
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_a_body_on_itself_stays():
    maps = distance_maps(body(), (16.0, 16.0, 16.0))
    assert field(register(maps, maps[None], LEVELS[:1]), (14, 14, 24)).abs().max() < 1.0
