import math

import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.grid import shape_at  # noqa: E402
from vct.engine.cascade.spline import field, lattice_shape, warped  # noqa: E402
from vct.engine.cascade.volumes import organ_log_ml, settling_step  # noqa: E402
from vct.structures import STRUCTURES  # noqa: E402

SPANS = (16, 16, 28)
MM = 4.0
ORGANS = ("liver", "kidneys", "lungs")


def torso():
    """Balls of 60, 40, 40 and 50 mm radius: liver, two kidneys and a lung."""
    lines = [(torch.arange(n) + 0.5) * MM for n in shape_at(MM)]
    x, y, z = torch.meshgrid(*lines, indexing="ij")
    labels = torch.zeros(shape_at(MM), dtype=torch.uint8)
    balls = {
        "liver": (291, 225, 383, 60),
        "kidney_right": (301.3, 223, 241, 40),
        "kidney_left": (149, 226.7, 237, 40),
        "lung_upper_lobe_left": (150, 224, 560, 50),
    }
    for name, (a, b, c, radius) in balls.items():
        labels[(x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 < radius**2] = STRUCTURES[name]
    return labels


def test_volumes_are_those_of_the_balls():
    liver, kidneys, lungs = organ_log_ml(torso(), ORGANS, MM).exp().tolist()
    assert liver == pytest.approx(4 / 3 * math.pi * 6.0**3, rel=0.03)
    assert kidneys == pytest.approx(8 / 3 * math.pi * 4.0**3, rel=0.03)
    assert lungs == pytest.approx(4 / 3 * math.pi * 5.0**3, rel=0.03)
    assert organ_log_ml(torso(), ("spleen",), MM).exp().item() == pytest.approx((MM / 10) ** 3)


def test_steps_lead_to_the_volumes_asked_for_and_leave_the_others_alone():
    canonical = torso()[None, None].float()
    wanted = organ_log_ml(torso(), ORGANS, MM) + torch.tensor([0.35, -0.3, 0.0])
    coefficients = torch.zeros(3, *lattice_shape(SPANS))
    for _ in range(6):
        shown = warped(canonical, field(coefficients[None], shape_at(MM)), mode="nearest")[0, 0].to(torch.uint8)
        miss = wanted - organ_log_ml(shown, ORGANS, MM)
        coefficients = coefficients + settling_step(shown, ORGANS, miss, SPANS)
    assert miss.abs().max() < 0.05
    right, left = organ_log_ml(shown, ("kidney_right", "kidney_left"), MM).tolist()
    assert right == pytest.approx(left, abs=0.1)


def test_the_chambers_of_a_heart_grow_as_one():
    labels = torso()
    ball, upper = labels == STRUCTURES["liver"], torch.arange(labels.shape[2]) > 383 / MM
    labels[ball] = STRUCTURES["heart_ventricle_left"]
    labels[ball & upper] = STRUCTURES["heart_ventricle_right"]
    step = settling_step(labels, ("heart",), torch.full((1,), 0.15), SPANS)
    shown = warped(labels[None, None].float(), field(step[None], shape_at(MM)), mode="nearest")[0, 0].to(torch.uint8)
    grown = organ_log_ml(shown, ("heart",), MM) - organ_log_ml(labels, ("heart",), MM)
    assert grown.item() == pytest.approx(0.15, abs=0.04)


def test_nothing_short_moves_nothing_and_a_lost_organ_is_passed_over():
    assert not settling_step(torso(), ORGANS, torch.zeros(3), SPANS).any()
    assert not settling_step(torso(), ("spleen",), torch.ones(1), SPANS).any()
