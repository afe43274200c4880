"""Organ volumes from a table: regression, spread and skew of thousands, on an anatomy of a few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vct.engine.cascade.anatomy import FATS, Anatomy, AnatomyConfig  # noqa: E402
from vct.engine.cascade.codes import CodeConfig  # noqa: E402
from vct.engine.cascade.conditioning import demographics  # noqa: E402
from vct.engine.cascade.grid import NOMINAL_Z_MM, Length  # noqa: E402
from vct.engine.cascade.sampler import THOROUGH, code_noise  # noqa: E402
from vct.errors import InputError  # noqa: E402
from vct.records import Patient  # noqa: E402
from vct.training.organs import OrganNumber  # noqa: E402
from vct.training.volumes import retold  # noqa: E402

LENGTH = Length(3.0, 200.0)
TISSUES = ("fat", "liver")


@pytest.fixture
def anatomy():
    """Volumes of liver and spleen, each with a mode of its own."""
    parts = AnatomyConfig(
        spans=(4, 4, 7), tissues=TISSUES, volumes=("liver", "spleen"), code=CodeConfig(raw=1, modes=1)
    )
    raw, shaped = sum(parts.parts), 2 + len(FATS) + 2 * len(TISSUES)
    made = Anatomy(parts.model_copy(update={"code": CodeConfig(raw=raw, shaped=shaped, modes=2, width=16, blocks=1)}))
    made.code.modes[0, raw - shaped], made.code.modes[1, raw - shaped + 1] = 1.0, 1.0
    return made.eval()


def people(count, organ="liver"):
    """Volumes that grow with height, fall with age, and are skew."""
    rng = np.random.default_rng(0)
    for number in range(count):
        height, age, weight = rng.normal(165.0, 8.0), rng.uniform(30.0, 80.0), rng.normal(70.0, 12.0)
        ml = 1500.0 * (height / 165.0) ** 2 * np.exp(-0.004 * (age - 55.0)) * (0.7 + 0.3 * rng.exponential())
        yield OrganNumber(
            scan=f"T{number}", sex="F", age_years=age, height_cm=height, weight_kg=weight, organ=organ,
            quantity="volume_ml", value=ml,
        )  # fmt: skip


@torch.no_grad()
def test_drawn_volumes_follow_the_table(anatomy) -> None:
    table = list(people(4000))
    spleen = anatomy.config.parts[0] + anatomy.config.parts[1] + 1
    before = anatomy.code.mean[:, spleen].clone()
    assert retold(anatomy, LENGTH, table, "F") == ("liver",)
    assert torch.equal(anatomy.code.mean[:, spleen], before)
    for height, age in ((155.0, 40.0), (175.0, 70.0)):
        patient = Patient(id="P", sex="F", age_years=age, height_cm=height, weight_kg=70.0)
        noise = torch.stack([code_noise(2, 1, f"P{number}") for number in range(4000)])
        raw = anatomy.code.draw(demographics([patient]).expand(4000, -1), noise, THOROUGH)
        drawn = torch.stack([anatomy.split(vector).log_ml[0] for vector in raw]).exp().numpy()
        drawn *= LENGTH.of(height) / NOMINAL_Z_MM
        typical = 1500.0 * (height / 165.0) ** 2 * np.exp(-0.004 * (age - 55.0))
        assert drawn.mean() == pytest.approx(typical, rel=0.03)
        assert np.percentile(drawn, 5) == pytest.approx(0.715 * typical, rel=0.04)
        assert np.percentile(drawn, 95) == pytest.approx((0.7 + 0.9 * np.log(20.0) / 3.0) * typical, rel=0.06)


def test_a_table_that_cannot_tell_is_refused(anatomy) -> None:
    with pytest.raises(InputError, match="the liver of 99 people of sex F; 100 are needed"):
        retold(anatomy, LENGTH, list(people(99)), "F")
    with pytest.raises(InputError, match="no volume_ml of sex M for any of liver, spleen"):
        retold(anatomy, LENGTH, list(people(200)), "M")
    uptake = [replace(item, quantity="suv_mean") for item in people(200)]
    with pytest.raises(InputError, match="no volume_ml of sex F"):
        retold(anatomy, LENGTH, uptake, "F")
