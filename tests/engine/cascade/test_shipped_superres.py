"""The shipped stage 2 on what it never saw: a hot ball in fat, known at 2 mm, given at 4 mm."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from vct.engine.cascade.blueprints import load_superres  # noqa: E402
from vct.engine.cascade.conditioning import demographics  # noqa: E402
from vct.engine.cascade.door import SHIPPED  # noqa: E402
from vct.engine.cascade.intensity import decode  # noqa: E402
from vct.engine.cascade.sampler import DEFAULT  # noqa: E402
from vct.engine.cascade.superres import guide_of  # noqa: E402
from vct.records import Patient  # noqa: E402


@torch.no_grad()
def test_edges_come_back_and_block_means_stay():
    axis = torch.arange(48) - 23.5
    away = (axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2).sqrt()
    ct = torch.where(away < 14.0, 60.0, -90.0)
    pet = 0.4 + 4.6 * torch.sigmoid((14.0 - away) / 1.0)
    coarse = [functional.avg_pool3d(image[None, None], 2)[0, 0] for image in (ct, pet)]
    second = load_superres(SHIPPED)
    assert second is not None
    patient = Patient(id="P1", sex="F", age_years=60.0, height_cm=165.0, weight_kg=70.0)
    condition = demographics([patient])[0]
    fine = second.model.eval().refine(*coarse, condition, 2.0, DEFAULT, 1, "P1")
    inner = (slice(8, 40),) * 3
    for true, low, made, guide in zip((ct, pet), coarse, fine, decode(guide_of(*coarse)), strict=True):
        off = [(image[inner] - true[inner]).square().mean().sqrt() for image in (made, guide)]
        assert off[0] < off[1]
        assert functional.avg_pool3d(made[None, None], 2)[0, 0] == pytest.approx(low, abs=0.5)
